"""Whether recomputed structures and their labels agree with recorded ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase import Atoms
from ase.geometry import find_mic

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.levels import trained_at
from aiida_nanoclusters.science.recognition.symmetry import Operation, superpositions
from aiida_nanoclusters.science.reproduction.tolerances import (
    AGREES,
    DIFFERS,
    NOT_COMPARED,
    Finding,
    Floats,
    Tolerances,
    compare_lowest,
    compare_numbers,
)

#: Trajectories have no tolerance: rounding errors grow exponentially along them.
CHAOTIC = "dynamics: rounding errors grow until trajectories on other hardware diverge"


def match(one: Atoms, other: Atoms, tolerance: float) -> Operation | None:
    """Return the operation that superimposes one structure on another, None if they differ.

    Clusters may differ by a translation, rotation, reflection and a permutation of atoms of the
    same element; periodic structures by a translation only, with the same order of atoms.

    Parameters
    ----------
    one, other
        Of any number of atoms.
    tolerance
        Largest distance between corresponding atoms, and between the ends of cell vectors (Å).
    """
    if sorted(one.numbers) != sorted(other.numbers) or (one.pbc != other.pbc).any():
        return None
    straight = _in_order(one, other)
    if straight is not None and straight.misfit <= tolerance:
        return straight
    if one.pbc.any():
        return None
    a, b = one.get_positions(), other.get_positions()
    if _is_line(a, tolerance) or _is_line(b, tolerance):
        return _match_lines(one, other, tolerance)
    if not _same_distances(a, b, tolerance):
        return None
    # The best operation: nearly symmetric clusters fit in several ways, their forces in one.
    found = superpositions(a, one.numbers, b, other.numbers, tolerance)
    return min(found, key=lambda o: o.misfit, default=None)


def _in_order(one: Atoms, other: Atoms) -> Operation | None:
    """Return the translation that superimposes atoms of the same index."""
    if (one.numbers != other.numbers).any():
        return None
    shift = other.get_positions() - one.get_positions()
    misfit = 0.0
    if one.pbc.any():
        shift = find_mic(shift - shift[0], other.cell, other.pbc)[0]
        ends = (other.cell.array - one.cell.array)[one.pbc]
        misfit = float(np.linalg.norm(ends, axis=1).max())
    shift = shift - shift.mean(axis=0)
    misfit = max(misfit, float(np.linalg.norm(shift, axis=1).max()))
    return Operation(np.eye(3), tuple(range(len(one))), misfit)


def _same_distances(a: Floats, b: Floats, tolerance: float) -> bool:
    """Whether the sorted distances from the centroids agree, as those of equal clusters must."""
    radii = [np.sort(np.linalg.norm(p - p.mean(axis=0), axis=1)) for p in (a, b)]
    return bool(np.abs(radii[0] - radii[1]).max() <= 2 * tolerance)


def _is_line(positions: Floats, tolerance: float) -> bool:
    if len(positions) < 3:
        return True
    values = np.linalg.svd(positions - positions.mean(axis=0), compute_uv=False)
    return bool(values[1] <= tolerance)


def _match_lines(one: Atoms, other: Atoms, tolerance: float) -> Operation | None:
    """Match atoms on a line, which may be reversed."""
    axes, places = [], []
    for atoms in (one, other):
        centred = atoms.get_positions() - atoms.get_positions().mean(axis=0)
        axis = np.linalg.svd(centred)[2][0]
        if np.linalg.norm(centred - np.outer(centred @ axis, axis), axis=1).max() > tolerance:
            return None
        axes.append(axis)
        places.append(centred @ axis)
    for sign in (1.0, -1.0):
        first, second = np.argsort(places[0]), np.argsort(sign * places[1])
        misfit = float(np.abs(places[0][first] - sign * places[1][second]).max())
        if misfit <= tolerance and (one.numbers[first] == other.numbers[second]).all():
            permutation = np.empty(len(one), int)
            permutation[first] = second
            turn = _rotation(axes[0], sign * axes[1])
            return Operation(turn, tuple(int(i) for i in permutation), misfit)
    return None


def _rotation(one: Floats, other: Floats) -> Floats:
    """Return an orthogonal matrix that maps a unit vector onto another."""
    middle = other - one
    if np.linalg.norm(middle) < 1e-12:
        return np.eye(3)
    normal = middle / np.linalg.norm(middle)
    return np.asarray(np.eye(3) - 2 * np.outer(normal, normal))


def compare_frames(
    recorded: Frames, new: Frames, tolerances: Tolerances, *, judge: str = ""
) -> list[Finding]:
    """Compare sets of frames in order: structures, energies, forces, stresses.

    Parameters
    ----------
    recorded, new
        With or without labels.
    judge
        ``lowest``: the lowest structure of each size; one lower than recorded is not a difference.
        ``sampled``: from dynamics; only numbers of frames and atoms are compared.
    """
    if judge == "lowest":
        return _compare_lowest_frames(recorded, new, tolerances)
    if len(recorded) != len(new):
        note = f"{len(recorded)} frames recorded, {len(new)} now"
        return [Finding(DIFFERS, "frames", note=note)]
    if (recorded.sizes != new.sizes).any():
        index = int(np.argmax(recorded.sizes != new.sizes))
        note = f"frame {index}: {recorded.sizes[index]} atoms recorded, {new.sizes[index]} now"
        return [Finding(DIFFERS, "frames", note=note)]
    if judge == "sampled":
        return [Finding(NOT_COMPARED, "frames", note=CHAOTIC)]
    findings = [_compare_energies(recorded, new, tolerances)]
    # A model that is trained again has another name; earlier versions did not name it.
    if trained_at(recorded.level_of_theory) != trained_at(new.level_of_theory):
        note = f"level {recorded.level_of_theory!r} recorded, {new.level_of_theory!r} now"
        findings.append(Finding(DIFFERS, "level of theory", note=note))
    findings += _compare_structures(recorded, new, tolerances)
    return findings


def _compare_energies(recorded: Frames, new: Frames, tolerances: Tolerances) -> Finding:
    finding = compare_numbers(
        recorded.energies, new.energies, "energy_total", tolerances, sizes=recorded.sizes
    )
    return finding if finding.verdict == AGREES else _located(finding, recorded, new)


def _located(finding: Finding, recorded: Frames, new: Frames) -> Finding:
    """Add to a finding which frame differs most."""
    unlike = np.nan_to_num(np.abs(recorded.energies - new.energies) / recorded.sizes, nan=np.inf)
    both = np.isnan(recorded.energies) & np.isnan(new.energies)
    index = int(np.argmax(np.where(both, 0.0, unlike)))
    note = f"frame {index} (N = {recorded.sizes[index]})"
    return Finding(
        finding.verdict,
        finding.quantity,
        finding.difference,
        finding.tolerance,
        finding.unit,
        f"{note}: {finding.note}" if finding.note else note,
    )


def _compare_structures(recorded: Frames, new: Frames, tolerances: Tolerances) -> Iterator[Finding]:
    allowed = float(tolerances["position"]["value"])
    largest, forces, stresses = 0.0, [], []
    for index in range(len(recorded)):
        own = recorded.atoms_of(index)
        found = match(_bare(recorded, index), _bare(new, index), allowed)
        if found is None:
            note = f"frame {index} (N = {recorded.sizes[index]}) is another structure"
            yield Finding(DIFFERS, "structure", None, allowed, "Å", note)
            return
        largest = max(largest, found.misfit)
        turned = recorded.forces[own] @ found.matrix.T
        forces.append((turned, new.forces[own][list(found.permutation)]))
        stresses.append((_turned_stress(recorded.stresses[index], found), new.stresses[index]))
    yield Finding(AGREES, "structure", largest, allowed, "Å")
    for quantity, pairs in (("force", forces), ("stress", stresses)):
        one, other = (np.concatenate([np.atleast_2d(p[k]) for p in pairs]) for k in (0, 1))
        if np.isfinite(one).any() or np.isfinite(other).any():
            yield compare_numbers(one, other, quantity, tolerances, name=quantity)


def _bare(frames: Frames, index: int) -> Atoms:
    own = frames.atoms_of(index)
    return Atoms(
        numbers=frames.numbers[own],
        positions=frames.positions[own],
        cell=frames.cells[index],
        pbc=frames.pbc[index],
    )


def _turned_stress(stress: Floats, found: Operation) -> Floats:
    """Turn a stress in Voigt order (xx, yy, zz, yz, xz, xy), as ASE has it."""
    xx, yy, zz, yz, xz, xy = stress
    full = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    turned = found.matrix @ full @ found.matrix.T
    return turned[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


def _compare_lowest_frames(recorded: Frames, new: Frames, tolerances: Tolerances) -> list[Finding]:
    before, now = lowest_of_sizes(recorded), lowest_of_sizes(new)
    energies = [
        {n: float(frames.energies[i]) for n, i in found.items()}
        for frames, found in ((recorded, before), (new, now))
    ]
    findings = compare_lowest(energies[0], energies[1], tolerances)
    allowed = float(tolerances["position"]["value"])
    equal = float(tolerances["energy"]["value"])
    largest = 0.0
    for size in sorted({*before} & {*now}):
        if abs(energies[0][size] - energies[1][size]) / size > equal:
            continue  # another energy: the finding of the energy reports it
        found = match(_bare(recorded, before[size]), _bare(new, now[size]), allowed)
        if found is None:
            note = f"N = {size}: equal energy, another structure"
            findings.append(Finding(DIFFERS, "structure", None, allowed, "Å", note))
        else:
            largest = max(largest, found.misfit)
    findings.append(Finding(AGREES, "structure", largest, allowed, "Å"))
    return findings


def lowest_of_sizes(frames: Frames) -> dict[int, int]:
    """Return by number of atoms the index of the lowest frame; without energies, of the first."""
    lowest: dict[int, int] = {}
    for index in np.argsort(frames.energies, kind="stable"):
        lowest.setdefault(int(frames.sizes[index]), int(index))
    return lowest

"""Conspicuous labels of other sources, to be examined before use; none is removed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import theilslopes

from aiida_nanoclusters.science.ase_labels import SAME_ATOM
from aiida_nanoclusters.science.frames import Frames

Floats = NDArray[np.float64]

#: Absolute robust z-score above which a value is an outlier.
THRESHOLD = 6.0
#: Smallest number of frames of one kind for which outliers are sought.
FEWEST = 8
#: Frames of which the dependence of the energy on the size is determined.
_MOST_SLOPES = 2000
#: Lower bounds of the standard deviation: energies in eV/atom, logarithms of the largest force.
_NARROWEST = {"energy": 0.01, "force": 0.2}
#: eV/atom; upper bound of the binding energy of solids (tungsten: 8.9).
_STRONGEST = 12.0
#: eV/atom; energies that differ by more do not have the same zero.
_OTHER_ZERO = 20.0


@dataclass(frozen=True)
class Finding:
    """One conspicuous property of a set of labels.

    Attributes
    ----------
    kind
        ``duplicate``, ``energy``, ``force``, ``work``, ``reference`` or ``level``.
    frames
        Indices of the frames concerned; empty where it concerns the whole set.
    text
        Description in physical terms.
    """

    kind: str
    frames: tuple[int, ...]
    text: str


def robust_z(values: ArrayLike, narrowest: float = 0.0) -> Floats:
    """Return (x - median) / sigma, sigma = 1.4826 times the median absolute deviation.

    Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993). Unlike mean and standard
    deviation, neither depends on how far the outliers lie away.
    """
    array = np.asarray(values, dtype=np.float64)
    away = array - np.median(array)
    sigma = max(1.4826 * float(np.median(np.abs(away))), narrowest)
    return away / sigma if sigma > 0 else np.zeros_like(away)


def find_duplicates(frames: Frames) -> list[Finding]:
    """Find frames of equal geometry and compare their energies."""
    groups = defaultdict(list)
    for i, digest in enumerate(frames.content_hashes()):
        groups[digest].append(i)
    findings = []
    for indices in groups.values():
        if len(indices) < 2:
            continue
        spread = float(np.ptp(frames.energies[indices]))
        agree = "with equal energies"
        forces = np.array([frames.forces[frames.atoms_of(i)] for i in indices])
        apart = float(np.ptp(forces, axis=0).max())
        if apart > 1e-3:
            agree = f"with forces that differ by {apart:.4f} eV/Å: at most one is correct"
        if spread > 1e-4:
            agree = f"with energies that differ by {spread:.4f} eV: at most one is correct"
        findings.append(Finding("duplicate", tuple(indices), f"the same geometry, {agree}"))
    return findings


def find_outliers(frames: Frames, threshold: float = THRESHOLD) -> list[Finding]:
    """Find frames whose energy or largest force is unusual among those of their kind.

    A kind is a set of elements in one periodicity (cluster, chain, slab, crystal) and charge. The
    energy per atom of clusters is compared with a line in N^(-1/3), the share of atoms at the
    surface; the line (Theil and Sen) is robust against outliers, too. Kinds of fewer than 8 frames
    are skipped.
    """
    findings: list[Finding] = []
    for indices in _kinds(frames).values():
        if len(indices) >= FEWEST:
            findings += _energy_outliers(frames, indices, threshold)
            findings += _force_outliers(frames, indices, threshold)
    return sorted(findings, key=lambda found: found.frames)


def find_mixed_references(frames: Frames) -> list[Finding]:
    """Find signs of energies with different zeros, or with an unknown zero."""
    findings = []
    atoms = defaultdict(list)
    for i in np.flatnonzero(frames.isolated & np.isfinite(frames.energies)):
        atoms[str(frames[int(i)].symbols)].append(int(i))
    missing = [e for e in frames.elements if e not in frames.atom_energies]
    absent = [symbol for symbol in missing if symbol not in atoms]
    if absent:
        findings.append(
            Finding(
                "reference",
                (),
                f"the energy of an isolated atom of {', '.join(absent)} is not known: give it, or "
                "add a frame of the isolated atom, calculated with the same settings",
            )
        )
    for symbol, indices in atoms.items():
        low, high = frames.energies[indices].min(), frames.energies[indices].max()
        if high - low > SAME_ATOM:
            text = (
                f"energies of isolated {symbol} atoms range from {low:.4f} to {high:.4f} eV: "
                "different energy zeros"
            )
            if symbol in missing:
                text += "; none of them was taken, give it"
            findings.append(Finding("reference", tuple(indices), text))
    per_atom = frames.energies / frames.sizes
    for (elements, *_), indices in _kinds(frames).items():
        order = sorted(indices, key=lambda i: per_atom[i])
        jumps = np.diff(per_atom[order])
        if len(jumps) and jumps.max() > _OTHER_ZERO:
            cut = int(np.argmax(jumps))
            text = (
                f"energies of {elements} frames fall in two groups {jumps[cut]:.0f} eV/atom apart: "
                "calculated with different pseudopotentials or programs"
            )
            findings.append(Finding("reference", tuple(order[: cut + 1]), text))
    return findings if missing else findings + _unlikely_binding(frames)


def _unlikely_binding(frames: Frames) -> list[Finding]:
    """Find frames with a larger binding energy than any solid, a sign of a wrong energy zero."""
    binding = (frames.reference_energies - frames.energies) / frames.sizes
    deep = np.flatnonzero(binding > _STRONGEST)
    if not len(deep):
        return []
    text = (
        f"binding energies up to {binding[deep].max():.1f} eV/atom, larger than that of any solid: "
        "the energies of the isolated atoms are of another program or other pseudopotentials"
    )
    return [Finding("reference", tuple(int(i) for i in deep), text)]


def _kinds(frames: Frames) -> dict[tuple[str, int, float], list[int]]:
    kinds = defaultdict(list)
    for i in np.flatnonzero(frames.labelled):
        atoms = frames[int(i)]
        elements = "-".join(sorted(set(atoms.symbols)))
        kinds[elements, int(atoms.pbc.sum()), float(frames.charges[i])].append(int(i))
    return dict(kinds)


def _composition(frames: Frames, indices: list[int]) -> Floats:
    """Return the share of each element but one, (F, E - 1)."""
    elements = sorted({z for i in indices for z in frames.numbers[frames.atoms_of(i)]})
    rows = [[np.mean(frames.numbers[frames.atoms_of(i)] == z) for z in elements] for i in indices]
    return np.asarray(rows, dtype=np.float64)[:, 1:]


def _energy_outliers(frames: Frames, indices: list[int], threshold: float) -> list[Finding]:
    energies = frames.energies[indices] / frames.sizes[indices]
    shares = _composition(frames, indices)
    if shares.shape[1]:  # an alloy: remove the dependence on the composition
        design = np.column_stack([np.ones(len(indices)), shares])
        energies = energies - design @ np.linalg.lstsq(design, energies, rcond=None)[0]
    surface = frames.sizes[indices] ** (-1 / 3.0)
    if np.ptp(surface) > 0 and not frames.pbc[indices[0]].all():
        # Of all pairs of frames: a sample of them, evenly over the set, needs no more memory.
        some = np.unique(np.linspace(0, len(indices) - 1, _MOST_SLOPES).astype(int))
        if np.ptp(surface[some]) > 0:
            slope = float(theilslopes(energies[some], surface[some]).slope)
            energies = energies - slope * surface
    away = energies - np.median(energies)
    return [
        Finding(
            "energy",
            (i,),
            f"{abs(far):.3f} eV/atom {'above' if far > 0 else 'below'} the usual energy of "
            f"{len(frames[i])} atoms of its kind (z = {z:+.1f}): "
            + ("strained or fragmented?" if far > 0 else "the energy of another frame?"),
        )
        for i, far, z in zip(indices, away, robust_z(energies, _NARROWEST["energy"]), strict=True)
        if abs(z) > threshold
    ]


def _force_outliers(frames: Frames, indices: list[int], threshold: float) -> list[Finding]:
    largest, where = [], []
    for i in indices:
        sizes = np.linalg.norm(frames.forces[frames.atoms_of(i)], axis=1)
        largest.append(float(sizes.max()))
        where.append(int(sizes.argmax()))
    scores = robust_z(np.log(np.maximum(largest, 1e-3)), _NARROWEST["force"])
    return [
        Finding(
            "force",
            (i,),
            f"a force of {force:.1f} eV/Å on atom {atom} ({frames[i].symbols[atom]}), "
            f"z = {z:+.1f}: atoms too close to each other, or a wrong label",
        )
        for i, force, atom, z in zip(indices, largest, where, scores, strict=True)
        if z > threshold
    ]

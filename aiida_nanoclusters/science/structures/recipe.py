"""Which configurations a training set is made of, from a recipe.

A recipe is a list of entries. Each names what is built (``kind`` and its arguments) and how it
is then varied, in this order: relaxed or not (``relax: true``), strained and rattled (``distort``),
or sampled by molecular dynamics at several temperatures in K and, where the cell may change,
pressures in GPa (``sample: {temperatures: [300, 600], pressures: [0, 5]}``), or by metadynamics
along variables (``metadynamics: {temperature: 300, ...}``). The lengths of dimers
are multiples of the nearest-neighbour distance of the crystal and strains are fractions, so that
one recipe serves every metal; rattles and vacuum are in Å. In active learning,
``convergence_test: true`` marks structures that are sampled and evaluated, but never labelled.

For several elements each structure is built of each of them alone and of ``mixtures`` drawn
compositions, see :mod:`~aiida_nanoclusters.science.structures.alloys`.

All settings of an entry are in :mod:`~aiida_nanoclusters.science.structures.settings`.

Entries
-------
``{kind: atom}``
    The isolated atom, the energy reference.
``{kind: dimer, nearest: 0.7, farthest: 2.2, count: 30}``
    A curve of distances.
``{kind: cluster, sizes: [12, 13], structures: 10}``
    Compact structures of each size: icosahedral, cut from the crystal, packed at random.
``{kind: motif, motif: icosahedron, sizes: [55, 147]}``
    Closed shells of a motif; see :func:`~.motifs.motif_family`.
``{kind: defective, defects: [one twin plane, hcp island], sizes: [147], structures: 4}``
    Clusters with defects; see :data:`~.defects.DEFECTIVE`.
``{kind: bulk, lattices: [fcc, hcp, bcc], repeat: 2}``
    Crystals in their cubic (hcp, dhcp: primitive) cells, repeated.
``{kind: slab, facets: [111, 100, 110], layers: 6, repeat: 2, vacuum: 12.0}``
    Surfaces; vacuum in Å.
``{kind: stacking, sequences: [AB, ABCABCBACB], repeat: 1, vacuum: 0}``
    Close-packed layers in any order: hcp, twins, stacking faults; slabs with vacuum.
``{kind: minima, sizes: [10, 13], structures: 4}``
    The lowest distinct minima of each size that a basin hopping finds with the potential or engine
    that samples; the frames of its relaxations are taken too where its `relax_stages` have
    `sample_steps`.
``{kind: given, frames: [0, 1], whole: true}``
    Structures that are handed in beside the recipe, such as solutions; without ``frames`` all of
    them. Their trajectories end where a molecule comes apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms

from aiida_nanoclusters.science.compositions import composition_of
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.structures.crystals import (
    bulk_cell,
    close_packed_cell,
    dimer,
    surface_slab,
)
from aiida_nanoclusters.science.structures.defects import defective_cluster
from aiida_nanoclusters.science.structures.motifs import motif_family
from aiida_nanoclusters.science.structures.settings import (
    MINIMA,
    Distortion,
    entry_model,
    is_convergence_test,
)
from aiida_nanoclusters.science.structures.starts import starting_clusters

Entry = Mapping[str, Any]

#: Pressures are distinguished to 1 kPa.
_KPA_IN_GPA = 1e6


def _atom(symbol: str, distance: float, seed: int) -> list[Atoms]:
    return [Atoms(symbol)]


def _dimer(
    symbol: str, distance: float, seed: int, *, nearest: float, farthest: float, count: int
) -> list[Atoms]:
    return [dimer(symbol, distance * x) for x in np.linspace(nearest, farthest, count)]


def _cluster(
    symbol: str, distance: float, seed: int, *, sizes: Sequence[int], structures: int
) -> list[Atoms]:
    return [a for n in sizes for a in starting_clusters(symbol, n, distance, seed, structures)]


def _motif(
    symbol: str, distance: float, seed: int, *, motif: str, sizes: Sequence[int]
) -> list[Atoms]:
    family = {m.size: m for m in motif_family(motif, min(sizes), max(sizes))}
    missing = [n for n in sizes if n not in family]
    if missing:
        known = [m.size for m in motif_family(motif, 1, 2 * max(sizes) + 100)]
        near = sorted(sorted(known, key=lambda n: abs(n - missing[0]))[:6])
        raise ValueError(
            f"no {motif} of {', '.join(map(str, missing))} atoms: give sizes of its closed shells, "
            f"the nearest are {', '.join(map(str, near))}"
        )
    return [family[n].build(symbol, distance) for n in sizes]


def _defective(
    symbol: str,
    distance: float,
    seed: int,
    *,
    defects: Sequence[str],
    sizes: Sequence[int],
    structures: int = 1,
) -> list[Atoms]:
    seeds = np.random.SeedSequence(seed).generate_state(structures)
    return [
        defective_cluster(symbol, kind, size, int(own), distance)
        for kind in defects
        for size in sizes
        for own in seeds
    ]


def _bulk(
    symbol: str, distance: float, seed: int, *, lattices: Sequence[str], repeat: int
) -> list[Atoms]:
    unknown = [lattice for lattice in lattices if lattice not in _LATTICES]
    if unknown:
        raise ValueError(f"unknown lattice {unknown[0]!r}: use {', '.join(_LATTICES)}")
    return [_LATTICES[lattice](symbol, distance).repeat(repeat) for lattice in lattices]


def _slab(
    symbol: str,
    distance: float,
    seed: int,
    *,
    facets: Sequence[int | str],
    layers: int,
    repeat: int,
    vacuum: float,
) -> list[Atoms]:
    return [
        surface_slab(
            symbol,
            str(facet),
            layers,
            vacuum,
            lattice_constant=distance * np.sqrt(2),
            structure="fcc",
            repeat=(repeat, repeat),
        )
        for facet in facets
    ]


def _stacking(
    symbol: str,
    distance: float,
    seed: int,
    *,
    sequences: Sequence[str],
    repeat: int,
    vacuum: float,
) -> list[Atoms]:
    cells = [close_packed_cell(symbol, s, distance, repeat=(repeat, repeat)) for s in sequences]
    for cell in cells if vacuum else []:
        # The gap replaces one layer spacing, which lies above the last layer.
        spacing = distance * np.sqrt(2 / 3)
        cell.set_cell(cell.cell.array + np.diag([0.0, 0.0, vacuum - spacing]))
        cell.positions[:, 2] += vacuum / 2
    return cells


#: Crystals of a given bond length.
_LATTICES: dict[str, Callable[[str, float], Atoms]] = {
    "fcc": lambda symbol, d: bulk_cell(symbol, d * np.sqrt(2), structure="fcc"),
    "bcc": lambda symbol, d: bulk_cell(symbol, d * 2 / np.sqrt(3), structure="bcc"),
    "hcp": lambda symbol, d: close_packed_cell(symbol, "AB", d),
    "dhcp": lambda symbol, d: close_packed_cell(symbol, "ABCB", d),
}

_BUILDERS: dict[str, Callable[..., list[Atoms]]] = {
    "atom": _atom,
    "dimer": _dimer,
    "cluster": _cluster,
    "motif": _motif,
    "defective": _defective,
    "bulk": _bulk,
    "slab": _slab,
    "stacking": _stacking,
}


def convergence_test_entries(recipe: Sequence[Entry]) -> list[int]:
    """Return the indices of entries whose frames only test convergence and are never labelled."""
    return [k for k, entry in enumerate(recipe) if is_convergence_test(entry)]


def largest_convergence_test(recipe: Sequence[Entry]) -> int | None:
    """Return the number of atoms of the largest convergence-test structure, or None."""
    own = [recipe[k] for k in convergence_test_entries(recipe)]
    return max((n for entry in own for n in entry.get("sizes", [])), default=None)


def minima_sizes(recipe: Sequence[Entry]) -> list[int]:
    """Return the sizes (atoms) of the entries of kind ``minima``, ascending."""
    return sorted({int(n) for e in recipe if e["kind"] == MINIMA for n in e["sizes"]})


def lowest_minima(entry: Entry, index: int, minima: Frames) -> Frames | None:
    """Return the minima that an entry of kind ``minima`` takes, with its origin; None if none.

    Parameters
    ----------
    entry, index
        The entry and its place in the recipe.
    minima
        Distinct minima, energies ascending within each composition.
    """
    chosen: list[Atoms] = []
    wanted = entry.get("structures", 1)
    for size in entry["sizes"]:
        taken: Counter[str] = Counter()  # energies of different compositions do not compare
        for k in np.flatnonzero(minima.sizes == size):
            atoms = minima[int(k)]
            taken[composition_of(atoms)] += 1
            if taken[composition_of(atoms)] > wanted:
                continue
            atoms.calc = None
            atoms.info = {
                "config_type": "cluster",
                "parent": f"{index:02d}-minimum-{size}-{atoms.info.get('parent', '')}",
                "entry": index,
            }
            chosen.append(atoms)
    return Frames.from_atoms(chosen) if chosen else None


def biased_key(index: int, number: int) -> str:
    """Return the name of the metadynamics of a structure of an entry."""
    return f"biased_{index:02d}_{number:03d}"


def biased_entry(key: str) -> int | None:
    """Return the index of the entry whose metadynamics has this name; None for other names."""
    match = re.fullmatch(r"biased_(\d+)_\d+", key)
    return None if match is None else int(match[1])


def sample_key(temperature: float, pressure: float | None = None) -> str:
    """Return the name of a condition of sampling: in K and, where the cell may change, GPa."""
    key = f"sample_{round(temperature):05d}"
    return key if pressure is None else f"{key}_{round(pressure * _KPA_IN_GPA):08d}"


def conditions_of(key: str) -> dict[str, float]:
    """Return ``temperature`` (K) and, where there is one, ``pressure`` (GPa) of a name."""
    _, temperature, *pressure = key.split("_")
    found: dict[str, float] = {"temperature": int(temperature)}
    return found | ({"pressure": int(pressure[0]) / _KPA_IN_GPA} if pressure else {})


def conditions_text(key: str) -> str:
    """Return a condition as text, such as ``300 K 5 GPa``."""
    found = conditions_of(key)
    pressure = f" {found['pressure']:g} GPa" if "pressure" in found else ""
    return f"{found['temperature']} K{pressure}"


def build_entry(entry: Entry, index: int, symbol: str, distance: float, seed: int) -> Frames:
    """Build the starting structures of one entry.

    Parameters
    ----------
    entry
        As described in the module's docstring.
    index
        Place of the entry in the recipe; kept in `info` and in `parent` of each frame.
    symbol
        Chemical symbol.
    distance
        Nearest-neighbour distance in Å.
    seed
        Random seed of the whole recipe.

    Raises
    ------
    ValueError
        If an argument of the entry is unknown, missing or out of its limits, or a motif has no
        closed shell of a size.
    """
    kind = entry["kind"]
    try:
        images = structures_of(entry, symbol, distance, seed + index)
    except ValueError as error:
        raise ValueError(f"entry {index} ({kind}) of the recipe: {error}") from error
    for k, atoms in enumerate(images):
        atoms.info.update(
            config_type=entry.get("motif", kind),
            parent=f"{index:02d}-{entry.get('motif', kind)}-{len(atoms)}-{k:03d}",
            entry=index,
        )
    return Frames.from_atoms(images)


def structures_of(entry: Entry, symbol: str, distance: float, seed: int) -> list[Atoms]:
    """Build the structures of one entry, as :func:`build_entry` does, without their names.

    Raises
    ------
    ValueError
        As for :func:`build_entry`.
    """
    known = entry_model(entry).from_values(**entry)
    images: list[Atoms] = _BUILDERS[known.kind](symbol, distance, seed, **known.arguments)
    return images


def distort(frames: Frames, how: Mapping[str, Any], seed: int) -> Frames:
    """Return every frame unchanged, and every combination of a strain with a rattle.

    Parameters
    ----------
    frames
        Structures to vary; not changed.
    how
        As :class:`~aiida_nanoclusters.science.structures.settings.Distortion` has it.
    seed
        Random seed of strains and displacements.
    """
    rng = np.random.default_rng(seed)
    known = Distortion.from_values(**how)
    varied: list[Atoms] = []
    for atoms in frames.without_labels():
        tensors = [(1.0 + e) * np.eye(3) for e in (0.0, *known.strains)]
        for elongation in known.uniaxial:
            for axis in (np.ones(3) / np.sqrt(3), np.array([0.0, 0.0, 1.0])):
                along = np.outer(axis, axis)
                tensors.append(np.eye(3) + elongation * (1.5 * along - 0.5 * np.eye(3)))
        for amplitude in known.random_strains:
            for _ in range(known.copies):
                strain = rng.normal(scale=amplitude, size=(3, 3))
                tensors.append(np.eye(3) + 0.5 * (strain + strain.T))
        for tensor in tensors:
            strained = _deformed(atoms, tensor)
            varied.append(strained)
            for amplitude in known.rattles:
                for _ in range(known.copies):
                    moved = strained.copy()
                    moved.positions += rng.normal(scale=amplitude, size=(len(atoms), 3))
                    varied.append(moved)
    return Frames.from_atoms(varied)


def entry_of(frames: Frames) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the index of the recipe's entry of each frame, shape (F,); -1 where it is unknown.

    It is read from the name of the parent, which the frames of a trajectory keep.
    """
    names = [re.match(r"(\d+)-", str(parent)) for parent in frames.parents]
    return np.array([-1 if name is None else int(name[1]) for name in names], dtype=np.int64)


def thin(frames: Frames, total: int | None, seed: int) -> Frames:
    """Return at most `total` frames, drawn evenly from the classes of equal kind and size.

    Small classes are kept complete: the few frames of a dimer curve are not lost among thousands
    of molecular dynamics.
    """
    if total is None or len(frames) <= total:
        return frames
    rng = np.random.default_rng(seed)
    classes: dict[tuple[str, int], list[int]] = {}
    for i in range(len(frames)):
        classes.setdefault((str(frames.config_types[i]), int(frames.sizes[i])), []).append(i)
    queues = [rng.permutation(members).tolist() for _, members in sorted(classes.items())]
    chosen: list[int] = []
    while len(chosen) < total:
        for queue in queues:
            if queue and len(chosen) < total:
                chosen.append(queue.pop())
    return frames.select(sorted(chosen))


def _deformed(atoms: Atoms, tensor: np.ndarray[Any, np.dtype[np.float64]]) -> Atoms:
    moved = atoms.copy()
    if moved.pbc.any():
        moved.set_cell(moved.cell.array @ tensor, scale_atoms=True)
    else:
        moved.positions = moved.positions @ tensor
    return moved

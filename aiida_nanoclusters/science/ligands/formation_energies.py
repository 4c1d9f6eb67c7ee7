"""Formation energies of clusters for the pretraining: references, held-out groups, errors.

The formation energy per atom is E/N minus the mean of the references of the elements, weighted by
the composition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.ligands.core_arrays import core_arrays, open_core
from aiida_nanoclusters.science.ligands.encoder_settings import (
    TEST,
    TRAINING,
    VALIDATION,
    PretrainingSettings,
    PretrainingTraining,
)

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

#: Structures that a pretraining needs at least.
FEWEST = 20
#: Largest sizes (atoms) of the groups by which errors are told.
_SIZES = (9, 19, 39, 79, 159)
#: Strengths of the penalty among which the ridge regression chooses.
_PENALTIES = tuple(float(x) for x in np.logspace(-6, 2, 9))


@dataclass(frozen=True, eq=False)
class EnergySet:
    """Structures of a pretraining.

    Attributes
    ----------
    rows
        Frame of each structure, shape (S,).
    numbers, positions, offsets
        Atoms of all structures, out of their boxes, as in Frames.
    targets
        Formation energies, eV/atom, shape (S,).
    subset
        0 training, 1 validation, 2 test, shape (S,), int8.
    groups
        What is held out together, shape (S,).
    references
        eV/atom by element.
    composition
        Volume and surface term of each element, eV/atom, shape (119, 2), of
        :func:`composition_terms`.
    composition_energies
        What they give for each structure, eV/atom, shape (S,).
    references_from
        ``given``, ``isolated_atoms`` or ``lowest``.
    level_of_theory
        Of the energies.
    left_out
        Frames that are not used: ``frame`` and ``reason``.
    """

    rows: Whole
    numbers: Whole
    positions: Floats
    offsets: Whole
    targets: Floats
    subset: NDArray[np.int8]
    groups: Whole
    references: Mapping[str, float]
    composition: Floats
    composition_energies: Floats
    references_from: str
    level_of_theory: str
    left_out: Sequence[Mapping[str, Any]]

    def about(self) -> dict[str, Any]:
        """Return what the head of the encoder says of its energies."""
        return {
            "elements": sorted(self.references),
            "references": dict(sorted(self.references.items())),
            "references_from": self.references_from,
            "composition": {
                e: self.composition[chemical_symbols.index(e)].tolist()
                for e in sorted(self.references)
            },
            "level_of_theory": self.level_of_theory,
        }

    def notes(self) -> dict[str, Any]:
        """Return what the report says of the structures."""
        return {
            "n_structures": len(self.rows),
            "n_groups": len(np.unique(self.groups)),
            "n_test": int((self.subset == TEST).sum()),
            "references": dict(sorted(self.references.items())),
            "references_from": self.references_from,
            "left_out": [dict(row) for row in self.left_out],
        }

    def core_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the atoms by name, for an npz file."""
        return {name: getattr(self, name) for name in ("numbers", "positions", "offsets")}

    def energy_arrays(self) -> dict[str, NDArray[Any]]:
        """Return energies, subset and frame of each structure by name, for an npz file."""
        return {
            "target": self.targets,
            "composition": self.composition_energies,
            "subset": self.subset,
            "frame": self.rows,
        }


def prepare_energies(
    frames: Frames, settings: PretrainingSettings, references: Mapping[str, float] | None = None
) -> EnergySet:
    """Return the structures of a pretraining and their formation energies.

    Parameters
    ----------
    frames
        Clusters with energies; those without one, single atoms, periodic frames and frames of an
        element without a reference are left out.
    settings
        Cutoff of the graphs, which is also the vacuum by which a box is known, and the split.
    references
        eV/atom by element. Default: the isolated atoms of the level of theory where all are known;
        else the lowest energy per atom of each element among the structures that are trained on.

    Raises
    ------
    ValueError
        If there are too few structures, or `references` lacks one of their elements.
    """
    usable, left_out = _usable(frames, settings.core.cutoff)
    rows = _enough(usable, left_out)
    images = [usable[int(row)] for row in rows]
    groups = group_structures(images, frames.parents[rows], settings.training)
    subset = split_groups(groups, settings.training)
    fractions = compositions(images)
    per_atom = frames.energies[rows] / frames.sizes[rows]
    table, source = _references(frames, fractions, per_atom, subset, references)
    known = ~(fractions[:, np.isnan(table)] > 0).any(axis=1)
    for row in rows[~known]:
        del usable[int(row)]
        left_out.append({"frame": int(row), "reason": "no reference energy of an element"})
    _enough(usable, left_out)
    numbers, positions, offsets = core_arrays(list(usable.values()), settings.core.cutoff)
    fractions = fractions[known]
    elements = np.flatnonzero(fractions.any(axis=0))
    targets = per_atom[known] - fractions @ np.nan_to_num(table)
    sizes = np.diff(offsets)
    composition = composition_terms(fractions, sizes, targets, subset[known])
    return EnergySet(
        rows=rows[known],
        numbers=numbers,
        positions=positions,
        offsets=offsets,
        targets=targets,
        subset=subset[known],
        groups=groups[known],
        references={chemical_symbols[z]: float(table[z]) for z in elements},
        composition=composition,
        composition_energies=composition_energies(composition, fractions, sizes),
        references_from=source,
        level_of_theory=frames.level_of_theory,
        left_out=sorted(left_out, key=lambda row: row["frame"]),
    )


def _enough(usable: Mapping[int, Atoms], left_out: Sequence[Mapping[str, Any]]) -> Whole:
    """Return the frames that are used, ascending; refuse too few."""
    if len(usable) < FEWEST:
        reasons = sorted({row["reason"] for row in left_out})
        raise ValueError(
            f"{len(usable)} structures are too few for a pretraining"
            + (f" (left out: {', '.join(reasons)})" if reasons else "")
            + f": give {FEWEST} clusters or more with energies, in boxes with vacuum or without one"
        )
    return np.array(sorted(usable), dtype=np.int64)


def _usable(frames: Frames, gap: float) -> tuple[dict[int, Atoms], list[dict[str, Any]]]:
    """Return the clusters with energies, out of their boxes, and what is left out and why."""
    usable: dict[int, Atoms] = {}
    left_out = []
    for place, (energy, size) in enumerate(zip(frames.energies, frames.sizes, strict=True)):
        reason = "no energy" if not np.isfinite(energy) else "single atom" if size < 2 else ""
        if not reason:
            own = frames.atoms_of(place)
            atoms = Atoms(
                numbers=frames.numbers[own],
                positions=frames.positions[own],
                cell=frames.cells[place],
                pbc=frames.pbc[place],
            )
            usable[place] = open_core(atoms, gap)
            reason = "periodic" if usable[place].pbc.any() else ""
        if reason:
            usable.pop(place, None)
            left_out.append({"frame": place, "reason": reason})
    return usable, left_out


def compositions(images: Sequence[Atoms]) -> Floats:
    """Return the share of each element in some structures by its atomic number, shape (S, 119)."""
    return np.array([np.bincount(a.numbers, minlength=119) / len(a) for a in images])


def frame_compositions(frames: Frames, rows: Whole) -> Floats:
    """Return the share of each element in some frames by its atomic number, shape (S, 119)."""
    own = [frames.numbers[frames.atoms_of(int(row))] for row in rows]
    return np.array([np.bincount(numbers, minlength=119) / len(numbers) for numbers in own])


def _references(
    frames: Frames,
    fractions: Floats,
    per_atom: Floats,
    subset: NDArray[np.int8],
    given: Mapping[str, float] | None,
) -> tuple[Floats, str]:
    """Return the reference of each element by its atomic number, eV/atom, and its source.

    NaN where there is none.
    """
    present = [chemical_symbols[z] for z in np.flatnonzero(fractions.any(axis=0))]
    known, source = dict(given or {}), "given"
    if known and (missing := [e for e in present if e not in known]):
        raise ValueError(
            f"`references` has no {', '.join(missing)}: give the energy per atom of each element "
            "(eV/atom), or no references"
        )
    if not known:
        known, source = dict(frames.atom_energies), "isolated_atoms"
    if any(e not in known for e in present):
        known, source = {}, "lowest"
        for z in np.flatnonzero(fractions.any(axis=0)):
            pure = per_atom[(fractions[:, z] == 1) & (subset == TRAINING)]
            if len(pure):
                known[chemical_symbols[z]] = float(pure.min())
    table = np.full(fractions.shape[1], np.nan)
    for symbol, energy in known.items():
        table[chemical_symbols.index(symbol)] = energy
    return table, source


# -- groups ------------------------------------------------------------------------------------


def group_structures(
    images: Sequence[Atoms], parents: NDArray[np.str_], settings: PretrainingTraining
) -> Whole:
    """Return the group of each structure: those of one group are held out together; shape (S,).

    Structures of one parent are one group. So are near duplicates, or all of one composition.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    links: list[tuple[int, int]] = []
    alike: dict[tuple[str, Any], list[int]] = {}
    for place, atoms in enumerate(images):
        alike.setdefault(("composition", atoms.get_chemical_formula()), []).append(place)
        if str(parents[place]):
            alike.setdefault(("parent", str(parents[place])), []).append(place)
    for (kind, _), members in alike.items():
        if kind == "parent" or settings.grouping == "composition":
            links += [(members[0], other) for other in members[1:]]
        else:
            found = _near_duplicates([images[k] for k in members], settings.duplicate_tolerance)
            links += [(members[i], members[j]) for i, j in found]
    first, second = np.array(links, dtype=np.int64).reshape(-1, 2).T
    shape = (len(images), len(images))
    graph = coo_matrix((np.ones(len(first)), (first, second)), shape=shape)
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _near_duplicates(images: Sequence[Atoms], tolerance: float) -> list[tuple[int, int]]:
    """Return pairs of structures of one composition with nearly the same pair distances."""
    from scipy.spatial import KDTree
    from scipy.spatial.distance import pdist

    if len(images) < 2:
        return []
    rows = []
    for atoms in images:
        i, j = np.triu_indices(len(atoms), 1)
        kinds = np.sort([atoms.numbers[i], atoms.numbers[j]], axis=0)
        distances = pdist(atoms.positions)
        rows.append(distances[np.lexsort((distances, kinds[1], kinds[0]))])
    scaled = np.array(rows) / np.sqrt(len(rows[0]))
    pairs = KDTree(scaled).query_pairs(tolerance)
    return sorted((int(i), int(j)) for i, j in pairs)


def split_groups(groups: Whole, settings: PretrainingTraining) -> NDArray[np.int8]:
    """Return the subset of each structure, whole groups at a time: 0, 1 or 2; shape (S,), int8.

    Raises
    ------
    ValueError
        If there are too few groups.
    """
    random = np.random.default_rng(settings.split_seed)
    order, counts = random.permutation(np.unique(groups)), np.bincount(groups)
    subset = np.full(len(groups), TRAINING, dtype=np.int8)
    place = 0
    for number, share in ((TEST, settings.test_share), (VALIDATION, settings.validation_share)):
        wanted, taken = max(1, round(share * len(groups))), 0
        while taken < wanted and place < len(order):
            subset[groups == order[place]] = number
            taken += int(counts[order[place]])
            place += 1
    if place > len(order) - 2:
        raise ValueError(
            f"{len(order)} groups of unlike structures are too few to hold some out: give more "
            "structures, or lower `validation_share` and `test_share`"
        )
    return subset


# -- errors ------------------------------------------------------------------------------------


def energy_errors(
    fractions: Floats, sizes: Whole, predicted: Floats, targets: Floats, subset: NDArray[np.int8]
) -> dict[str, Any]:
    """Return the errors on the test subset beside those of the composition alone.

    Parameters
    ----------
    fractions
        Share of each element, shape (S, 119).
    sizes
        Numbers of atoms, shape (S,).
    predicted, targets
        Formation energies, eV/atom, shape (S,).
    subset
        0 training, 1 validation, 2 test, shape (S,).

    Returns
    -------
    dict
        ``mae``, ``rmse`` and those of two baselines that see no positions, eV/atom, all fitted on
        the training subset: ``element_mae``, the mean of each element; ``composition_mae``, a ridge
        regression on the composition and its product with N^(-1/3). Then the same of each element
        (``elements``) and size (``sizes``) with their number ``n`` of structures.
    """
    simple, ridge = composition_baselines(fractions, sizes, targets, subset)
    test = subset == TEST
    errors = {"mae": predicted, "element_mae": simple, "composition_mae": ridge}
    gaps = {name: np.abs(values - targets) for name, values in errors.items()}

    def row(mask: NDArray[np.bool_]) -> dict[str, Any]:
        return {"n": int(mask.sum()), **{k: float(v[mask].mean()) for k, v in gaps.items()}}

    present = np.flatnonzero(fractions[test].any(axis=0))
    bounds = np.array([0, *_SIZES, 10**9])
    by_size = []
    for low, high in pairwise(bounds):
        own = test & (sizes > low) & (sizes <= high)
        if own.any():
            span = f"{low + 1}-{high}" if high < 10**9 else f"{low + 1}-"
            by_size.append({"sizes": span, **row(own)})
    return {
        **row(test),
        "rmse": float(np.sqrt(np.mean(gaps["mae"][test] ** 2))),
        "training_mae": float(gaps["mae"][subset == TRAINING].mean()),
        "elements": [
            {"element": chemical_symbols[z], **row(test & (fractions[:, z] > 0))} for z in present
        ],
        "sizes": by_size,
    }


def composition_baselines(
    fractions: Floats, sizes: Whole, targets: Floats, subset: NDArray[np.int8]
) -> tuple[Floats, Floats]:
    """Return the energies by the mean of each element and by :func:`composition_terms`, (S,)."""
    training = subset == TRAINING
    used = fractions[:, fractions.any(axis=0)]
    means = np.linalg.lstsq(used[training], targets[training], rcond=None)[0]
    terms = composition_terms(fractions, sizes, targets, subset)
    return used @ means, composition_energies(terms, fractions, sizes)


def composition_terms(
    fractions: Floats, sizes: Whole, targets: Floats, subset: NDArray[np.int8]
) -> Floats:
    """Return the volume and the surface term of each element, eV/atom, shape (119, 2).

    By ridge regression of the training subset on the composition and on its product with N^(-1/3),
    the share of the surface; 0 for elements that are not there.
    """
    from sklearn.linear_model import RidgeCV

    training, present = subset == TRAINING, fractions.any(axis=0)
    used = fractions[:, present]
    surface = np.hstack([used, used * (sizes[:, None] ** (-1.0 / 3.0))])
    ridge = RidgeCV(alphas=_PENALTIES, fit_intercept=False)
    ridge.fit(surface[training], targets[training])
    terms = np.zeros((fractions.shape[1], 2))
    terms[present] = ridge.coef_.reshape(2, -1).T
    return terms


def composition_energies(terms: Floats, fractions: Floats, sizes: Whole) -> Floats:
    """Return the energies by :func:`composition_terms`, eV/atom, shape (S,)."""
    volume, surface = (fractions @ terms).T
    return np.asarray(volume + surface * sizes ** (-1.0 / 3.0))

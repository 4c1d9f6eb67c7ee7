"""Names of families of a chart, by the common neighbours of their frames."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from aiida_nanoclusters.science.charts.families import Families
from aiida_nanoclusters.science.charts.settings import FamilySettings
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recognition.packing_family import FAMILIES, name_family

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Frames that were not named.
NOT_NAMED = -1


@dataclass(frozen=True)
class Name:
    """Name of one frame.

    Attributes
    ----------
    family, subfamily
        As of :func:`.name_family`: ``icosahedral`` and ``central vacancy``.
    shares
        Share of the atoms in each class of common neighbours.
    """

    family: str
    subfamily: str
    shares: dict[str, float]


def name_frame(atoms: Atoms) -> Name:
    """Name one relaxed cluster."""
    found = name_family(atoms)
    shares = {name: count / len(atoms) for name, count in found.counts.items()}
    return Name(found.name, found.subfamily, shares)


@dataclass(frozen=True, eq=False)
class NamedFamilies:
    """What the families of a chart are.

    Attributes
    ----------
    rows
        For each family: `count`, `centre`, `name` (the most frequent among the frames nearest to
        the centre), `name_share` (how frequent), `names` (all, with their shares), `shares` (mean
        share of atoms in each class of common neighbours), `representative` (index of the frame
        nearest to the centre that has the name).
    packing_families
        Index into :data:`.FAMILIES` of each frame that was named, :data:`NOT_NAMED` for the others;
        shape (F,).
    """

    rows: list[dict[str, Any]]
    packing_families: Ints


def name_families(
    frames: Frames, coordinates: Floats, families: Families, settings: FamilySettings
) -> NamedFamilies:
    """Name families by the frames nearest to their centres, and choose a representative of each.

    Parameters
    ----------
    frames
        Relaxed clusters, those of the chart.
    coordinates
        Of these in the chart, shape (F, dimensions).
    families
        Of these frames.
    settings
        How many frames are named.
    """
    known: dict[int, Name] = {}

    def named(index: int) -> Name:
        if index not in known:
            known[index] = name_frame(frames[index])
        return known[index]

    rows = []
    for k, centre in enumerate(families.centres):
        own = np.flatnonzero(families.labels == k)
        distances = np.linalg.norm(coordinates[own] - centre, axis=1)
        near = own[np.argsort(distances, kind="stable")[: settings.nearest]]
        rows.append(_row(near, [named(int(i)) for i in near], len(own), centre))
    chosen = np.arange(len(frames))
    if len(frames) > settings.named:
        random = np.random.default_rng(settings.seed)
        chosen = random.choice(len(frames), settings.named, replace=False)
    for index in chosen:
        named(int(index))
    packing = np.full(len(frames), NOT_NAMED, dtype=np.int64)
    for place, name in known.items():
        packing[place] = FAMILIES.index(name.family)
    return NamedFamilies(rows, packing)


def _row(near: Ints, names: list[Name], count: int, centre: Floats) -> dict[str, Any]:
    """Describe one family; `near` are indices of frames, nearest to the centre first."""
    full = Counter((name.family, name.subfamily) for name in names)
    family = Counter(name.family for name in names).most_common(1)[0][0]
    subfamily = next(sub for (own, sub), _ in full.most_common() if own == family)
    wanted = (family, subfamily)
    matching = [n.family == wanted[0] and n.subfamily == wanted[1] for n in names]
    classes = names[0].shares
    return {
        "count": count,
        "centre": [float(x) for x in centre],
        "name": family,
        "subfamily": subfamily,
        "name_share": sum(name.family == family for name in names) / len(names),
        "names": {
            ", ".join(part for part in both if part): number / len(names)
            for both, number in full.most_common(10)
        },
        "shares": {c: float(np.mean([name.shares[c] for name in names])) for c in classes},
        "representative": int(near[matching.index(True)]),
    }

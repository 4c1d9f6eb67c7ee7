"""Structures of a result as extended XYZ, with rank, point group, motif and hits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from aiida_nanoclusters.science.keys import with_present_keys
from aiida_nanoclusters.science.sampling.ranking import describe
from aiida_nanoclusters.science.structures.molecules import METALS

if TYPE_CHECKING:
    from aiida_nanoclusters.cli.export.results import Result
    from aiida_nanoclusters.data.frames import FramesData
    from aiida_nanoclusters.science.frames import Frames

#: What outputs are called that are the answer of a process. Where it has such ones, its other
#: frames (data sets, trajectories) are left out.
_ANSWERS = ("structures", "minima", "lowest", "edits", "cores")
#: Columns of a table of structures that a frame is given.
COLUMNS = (
    *("rank", "relative_energy", "point_group", "motif", "n_12_coordinated"),
    *("hits", "runs", "origin"),
)
#: Sets with more frames are not looked at one by one: what their node says of them is written.
MOST_DESCRIBED = 500


def structures_of(result: Result) -> dict[str, FramesData]:
    """Return the sets of frames that are exported, by name: the answers, or else all."""
    from aiida_nanoclusters.data.frames import FramesData

    found = result.of_type(FramesData)
    return {name: node for name, node in found.items() if is_answer(name)} or found


def is_answer(name: str) -> bool:
    """Whether an output of this name holds relaxed structures, which have a rank."""
    return name.rpartition(".")[2] in _ANSWERS


def images_of(result: Result) -> Iterator[Atoms]:
    """Yield every structure of a result.

    ``info`` has the set (``result``), its UUID, the ``frame`` in it, the level of theory, and of
    answers what is known of :data:`COLUMNS`.
    """
    for name, node in structures_of(result).items():
        frames = node.frames
        known = _rows(result, name, frames)
        for index, atoms in enumerate(frames):
            own = {"result": name, "uuid": node.uuid, "frame": index, **known[index]}
            if frames.level_of_theory:
                own["level_of_theory"] = frames.level_of_theory
            atoms.info = {**atoms.info, **own}
            yield atoms


def _rows(result: Result, name: str, frames: Frames) -> list[dict[str, Any]]:
    """Return what is known of each frame: from the table beside it, or as it is recognised."""
    if not is_answer(name):
        return [{} for _ in range(len(frames))]
    prefix = name.rpartition(".")[0]
    table = result.nodes.get(f"{prefix}.table" if prefix else "table")
    rows = [] if table is None else with_present_keys(_content(table).get("rows", []))
    if not _fit(rows, frames):
        few = len(frames) <= MOST_DESCRIBED
        rows = [_recognised(frames, k) if few else {} for k in range(len(frames))]
    ranks, above = ranks_of(frames)
    ranked = [{"rank": r, "relative_energy": e} for r, e in zip(ranks, above, strict=True)]
    told = [{**own, **row} for own, row in zip(ranked, rows, strict=True)]
    return [{key: row[key] for key in COLUMNS if row.get(key) is not None} for row in told]


def _content(table: Any) -> Mapping[str, Any]:
    return table.get_dict() if hasattr(table, "get_dict") else {}


def _fit(rows: Sequence[Mapping[str, Any]], frames: Frames) -> bool:
    """Whether rows are those of the frames, one for each."""
    sizes = [row.get("size") for row in rows]
    return bool(rows) and sizes == frames.sizes.tolist()


def _recognised(frames: Frames, index: int) -> dict[str, Any]:
    atoms = frames[index]
    if atoms.pbc.any() or len(atoms) < 3 or not set(atoms.get_chemical_symbols()) <= set(METALS):
        return {}
    found = describe(atoms)
    if kind := str(frames.config_types[index]):
        built = {"icosahedron", "decahedron", "octahedron"} & set(kind.split())
        found |= {"motif": kind} if built else {}
    return found


def ranks_of(frames: Frames) -> tuple[list[int | None], list[float | None]]:
    """Return rank and energy (eV) above the lowest frame of the same composition.

    Frames in a cell, and those without an energy, have none.
    """
    groups: dict[str, list[int]] = {}
    for index in np.flatnonzero(np.isfinite(frames.energies) & ~frames.pbc.any(axis=1)):
        groups.setdefault(frames.formula_of(int(index)), []).append(int(index))
    ranks: list[int | None] = [None] * len(frames)
    above: list[float | None] = [None] * len(frames)
    for members in groups.values():
        energies = frames.energies[members]
        for rank, place in enumerate(np.argsort(energies, kind="stable").tolist()):
            ranks[members[place]] = rank
            above[members[place]] = float(energies[place] - energies.min())
    return ranks, above

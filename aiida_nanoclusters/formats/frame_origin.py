"""Where a labelled frame is from: file, step, kind, and the trajectory it is part of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ase import Atoms

from aiida_nanoclusters.formats.labelled_run import LabelledStep
from aiida_nanoclusters.science.labels.trajectories import find_trajectories
from aiida_nanoclusters.science.structures.isolation import out_of_box
from aiida_nanoclusters.science.texts import text_of

_KINDS_BY_DIMENSION = {0: "cluster", 1: "chain", 2: "slab", 3: "bulk"}


def config_type(atoms: Atoms) -> str:
    """Return what a frame is by its size and its periodic directions."""
    kind = _KINDS_BY_DIMENSION[int(atoms.pbc.sum())]
    return "atom" if kind == "cluster" and len(atoms) == 1 else kind


def labelled_frame(step: LabelledStep, path: Path, gap: float) -> Atoms:
    """Return the frame of a step with its origin; directions with vacuum become non-periodic."""
    free = out_of_box(step.atoms, gap)
    if free.calc is not None and not free.pbc.any():
        free.calc.results.pop("stress", None)
    if step.charge:
        free.info["charge"] = step.charge
    if step.multiplicity is not None:
        free.info["multiplicity"] = step.multiplicity
    _set_origin(free, step, path)
    if not text_of(free.info.get("config_type")):
        free.info["config_type"] = config_type(free)
    return free


def _set_origin(atoms: Atoms, step: LabelledStep, path: Path) -> None:
    """Set `source`, `step` and `line`, unless an earlier import has set both of the first.

    What others call so is kept as `given_source` and `given_step`.
    """
    info = atoms.info
    if not {"source", "step"} <= set(info):
        for key, value in (("source", path.as_posix()), ("step", step.index)):
            if key in info:
                info[f"given_{key}"] = info[key]
            info[key] = value
        if step.line is not None:
            info["line"] = step.line
    kind = next((key for key in info if str(key).lower() == "config_type"), None)
    if kind not in (None, "config_type"):
        info["config_type"] = info.pop(kind)


def set_parents(frames: Sequence[Atoms], path: Path) -> list[str]:
    """Give frames without a parent one, if they are steps of a trajectory: the file and its number.

    The only trajectory of a file has the file as its parent. A frame alone has none: any part of a
    data set may have it.

    Returns
    -------
    list of str
        How many trajectories there are, where there is one.
    """
    orphans = [atoms for atoms in frames if not text_of(atoms.info.get("parent"))]
    numbers = find_trajectories(orphans)
    counts = Counter(numbers)
    only = len(counts) == 1 and len(orphans) == len(frames)
    for atoms, number in zip(orphans, numbers, strict=True):
        if counts[number] > 1:
            atoms.info["parent"] = path.as_posix() if only else f"{path.as_posix()}#{number}"
    alone = sum(count == 1 for count in counts.values())
    if len(counts) == alone:
        return []
    return [f"trajectories: {len(counts) - alone}, frames alone: {alone}"]

"""The assembly of a trajectory as plain data: clusters, events, coordination, nuclei."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.nucleation.assembly import moments
from aiida_nanoclusters.science.nucleation.assembly_settings import AssemblySettings
from aiida_nanoclusters.science.nucleation.nuclei import Nuclei, Nucleus
from aiida_nanoclusters.science.nucleation.octahedra import CORNERS
from aiida_nanoclusters.science.nucleation.steps import find_steps

#: Plateaus of the coordination take this part of the trajectory at least, and so many times the
#: frames for which a link must last.
_SHORTEST_PLATEAU, _LASTINGS = 0.025, 3


@dataclass(frozen=True, eq=False)
class AssemblyReport:
    """What became of the clusters of a trajectory.

    Attributes
    ----------
    report
        Clusters, events, steps of the coordination and nuclei, as JSON holds them; frames are
        counted from 0, times are in ps, or None where they are not known.
    series
        Arrays against time, as named in :mod:`aiida_nanoclusters.science.keys`.
    nuclei
        Snapshots of the nuclei, in the order of the report.
    """

    report: dict[str, Any]
    series: dict[str, NDArray[Any]]
    nuclei: tuple[Atoms, ...]


def report_assembly(
    frames: Iterable[Atoms],
    settings: AssemblySettings | None = None,
    *,
    interval: float | None = None,
    structure: int | None = None,
) -> AssemblyReport:
    """Follow the clusters of a trajectory, and tell what became of them.

    Parameters
    ----------
    frames
        The same atoms in the same order, in the order of time; read once, one after the other.
    settings
        Default: silver with sulphur and nitrogen.
    interval
        Time between two frames, ps. Default: the ``time`` (ps) of the frames themselves.
    structure
        Of frames of several trajectories, which ``structure`` in `info` tells apart: its number.

    Raises
    ------
    ValueError
        As :func:`.assembly.moments`, and if the frames are those of several trajectories.
    """
    own = settings or AssemblySettings()
    nuclei, times, sizes, coordination = Nuclei(own), _Times(interval), _Sizes(), []
    events: list[dict[str, Any]] = []
    n_atoms = 0
    for moment in moments(one_trajectory(frames, structure), own):
        times.see(moment.atoms)
        named = nuclei.see(moment)
        sizes.see([len(cluster) for cluster in moment.clusters])
        coordination.append(moment.coordination)
        for event, (before, after) in zip(moment.events, named, strict=True):
            row = {"frame": moment.frame, "kind": event.kind, "before": before, "after": after}
            events.append(row)
        n_atoms = len(moment.atoms)
    found, clock = nuclei.close(), times.array()
    values = np.array(coordination)
    shortest = max(_LASTINGS * own.lasting, round(_SHORTEST_PLATEAU * len(values)))
    return AssemblyReport(
        report={
            "frames": len(values),
            "atoms": n_atoms,
            "metal": own.metal,
            "metal_atoms": int(sum(sizes.latest)),
            "settings": own.model_dump(),
            "time": None if clock is None else [float(clock[0]), float(clock[-1])],
            "clusters": [
                {**asdict(life), "atoms": sorted(life.atoms), "size": len(life.atoms)}
                for life in nuclei.lives
            ],
            "sizes": [_timed(row, clock) for row in sizes.changes],
            "events": [_timed(row, clock) for row in events],
            "coordination": [float(values[0]), float(values[-1])],
            "steps": [
                _timed(asdict(step), clock) for step in find_steps(values, own.step, shortest)
            ],
            "nuclei": [_nucleus(nucleus, clock) for nucleus in found],
            "nuclei_left_out": sum(len(life.atoms) >= CORNERS for life in nuclei.lives)
            - len(found),
        },
        series=_series(clock, values, sizes, found),
        nuclei=tuple(_shown(nucleus) for nucleus in found),
    )


def one_trajectory(frames: Iterable[Atoms], structure: int | None) -> Iterator[Atoms]:
    """Yield the frames of one structure; of several, if none is asked for, an error is raised."""
    seen: Any = None
    for number, atoms in enumerate(frames):
        own = atoms.info.get("structure")
        if structure is not None and own != structure:
            continue
        if seen is not None and own != seen[0]:
            raise ValueError(
                f"frame {number} is of structure {own}, those before are of {seen[0]}: give the "
                "number of one `structure`"
            )
        seen = (own,)
        yield atoms
    if structure is not None and seen is None:
        raise ValueError(
            f"no frame is of structure {structure}: their `info` tells which there are"
        )


class _Times:
    """Times of frames, where all tell them."""

    def __init__(self, interval: float | None) -> None:
        self._interval = interval
        self._times: list[float] = []
        self._count, self._known = 0, True

    def see(self, atoms: Atoms) -> None:
        value: Any = atoms.info.get("time")
        if self._interval is not None:
            value = self._count * self._interval
        self._count += 1
        self._known &= isinstance(value, int | float | np.number) and bool(np.isfinite(value))
        if not self._known:
            return
        if self._times and value <= self._times[-1]:
            raise ValueError(
                f"frame {self._count - 1} is at {value:g} ps, the one before at "
                f"{self._times[-1]:g} ps: give the frames of one trajectory in their order, or the "
                "time between two of them"
            )
        self._times.append(float(value))

    def array(self) -> NDArray[np.float64] | None:
        """Times in ps, (F,); None where a frame does not tell it."""
        return np.array(self._times) if self._known else None


class _Sizes:
    """Number of clusters of each size, kept where it changes."""

    def __init__(self) -> None:
        self.latest: list[int] = []
        self.changes: list[dict[str, Any]] = []
        self.count = 0

    def see(self, sizes: list[int]) -> None:
        if sizes != self.latest:
            counts = sorted(Counter(sizes).items(), reverse=True)
            self.changes.append({"frame": self.count, "sizes": [list(row) for row in counts]})
        self.latest = sizes
        self.count += 1

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sizes that occur, ascending, (S,), and clusters of each size, (F, S)."""
        sizes = sorted({size for row in self.changes for size, _ in row["sizes"]})
        counts = np.zeros((self.count, len(sizes)), np.int64)
        for row in self.changes:
            counts[row["frame"] :] = 0
            for size, number in row["sizes"]:
                counts[row["frame"] :, sizes.index(size)] = number
        return np.array(sizes), counts


def _series(
    clock: NDArray[np.float64] | None, values: Any, sizes: _Sizes, nuclei: list[Nucleus]
) -> dict[str, NDArray[Any]]:
    different, counts = sizes.arrays()
    sixes = [nucleus for nucleus in nuclei if len(nucleus.rmsd)]
    rmsd = np.full((len(values), len(sixes)), np.nan)
    for column, nucleus in enumerate(sixes):
        begin = nucleus.life.first
        rmsd[begin : begin + len(nucleus.rmsd), column] = nucleus.rmsd
    return {
        keys.TIMES: np.full(len(values), np.nan) if clock is None else clock,
        keys.METAL_COORDINATION: values,
        keys.CLUSTER_SIZES: different,
        keys.CLUSTER_COUNTS: counts,
        keys.NUCLEUS_NUMBERS: np.array([nucleus.life.number for nucleus in sixes], np.int64),
        keys.NUCLEUS_RMSD: rmsd,
    }


def _nucleus(nucleus: Nucleus, clock: NDArray[np.float64] | None) -> dict[str, Any]:
    life = nucleus.life
    return {
        "cluster": life.number,
        "size": len(life.atoms),
        "first": _timed({"frame": life.first}, clock),
        "last": None if life.last is None else _timed({"frame": life.last}, clock),
        "ordered": None if nucleus.ordered is None else _timed({"frame": nucleus.ordered}, clock),
        "corners": list(nucleus.corners),
        **asdict(nucleus.match),
    }


def _shown(nucleus: Nucleus) -> Atoms:
    atoms = nucleus.snapshot.copy()
    atoms.info = {"config_type": "nucleus", "cluster": nucleus.life.number}
    return atoms


def _timed(row: Mapping[str, Any], clock: NDArray[np.float64] | None) -> dict[str, Any]:
    """Return a row with the time of its frame, None where it is not known."""
    return {**row, "time": None if clock is None else float(clock[row["frame"]])}

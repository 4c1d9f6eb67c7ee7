"""What is done to a structure, stage by stage: heat, hold, anneal, quench, relax."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

#: Stages of molecular dynamics, and stages of minimisation.
DYNAMIC = ("heat", "hold", "anneal")
MINIMISING = ("quench", "relax")
THERMOSTATS = ("langevin", "nose-hoover")
ALGORITHMS = ("fire", "cg")
CELLS = ("fixed", "iso", "aniso", "tri")

#: Highest temperature of a stage (K): no cluster is left below it.
HOTTEST = 1e5
#: A single-precision model's forces are noise below this, eV/Å.
FLOAT32_FORCE_TOLERANCE = 1e-3
#: A line search may stop at the rounding limit: accepted within this factor of the tolerance.
STALL_FACTOR = 5.0
#: Force evaluations of a minimisation, where its cost must be estimated beforehand.
TYPICAL_EVALUATIONS = 200

_DYNAMIC_KEYS = (
    "temperature",
    "duration",
    "timestep",
    "thermostat",
    "damping",
    "sample_every",
    "pressure",
    "pressure_damping",
)
_MINIMISING_KEYS = (
    "algorithm",
    "force_tolerance",
    "max_steps",
    "sample_steps",
    "cell",
    "pressure",
    "timestep",
)


@dataclass(frozen=True)
class Stage:
    """One stage; which attributes count depends on `kind`.

    Attributes
    ----------
    kind
        `heat`, `anneal`: canonical dynamics with a linear temperature ramp. `hold`: the same at
        one temperature. `quench`: fast minimisation. `relax`: tight minimisation.
    temperature
        At start and end, K.
    duration, timestep
        ps. A minimisation by `fire` uses the time step too.
    thermostat, damping
        One of :data:`THERMOSTATS` and its time constant in ps.
    sample_every
        Keep a frame every so many ps; 0 keeps none.
    pressure
        GPa; None keeps the cell. Structures without full periodicity keep theirs anyway.
    pressure_damping
        Time constant of the barostat, ps.
    algorithm, force_tolerance, max_steps
        Of a minimisation; the tolerance is on the largest norm of a force, eV/Å.
    sample_steps
        Keep a frame every so many steps of a minimisation; 0 keeps none.
    cell
        What `relax` may change of a fully periodic structure's cell: one of :data:`CELLS`.
    """

    kind: str
    temperature: tuple[float, float] = (300.0, 300.0)
    duration: float = 1.0
    timestep: float = 0.001
    thermostat: str = "langevin"
    damping: float = 0.1
    sample_every: float = 0.0
    pressure: float | None = None
    pressure_damping: float = 1.0
    algorithm: str = "cg"
    force_tolerance: float = 1e-3
    max_steps: int = 10000
    sample_steps: int = 0
    cell: str = "fixed"

    @property
    def is_dynamic(self) -> bool:
        """True for molecular dynamics, False for a minimisation."""
        return self.kind in DYNAMIC

    def as_dict(self) -> dict[str, Any]:
        """Return the stage as JSON, with every default spelt out."""
        keys = _DYNAMIC_KEYS if self.is_dynamic else _MINIMISING_KEYS
        plain = {"kind": self.kind, **{k: v for k, v in asdict(self).items() if k in keys}}
        if self.is_dynamic:
            start, end = self.temperature
            plain["temperature"] = start if self.kind == "hold" else [start, end]
        return plain


def parse_stage(definition: Mapping[str, Any]) -> Stage:
    """Make a stage from plain data, as a YAML protocol gives it.

    Raises
    ------
    ValueError
        If the kind or a key is unknown, or a number makes no sense; the message names the fix.
    """
    given = dict(definition)
    kind = given.pop("kind", None)
    if kind not in DYNAMIC + MINIMISING:
        raise ValueError(
            f"stage of unknown kind {kind!r}: choose one of {', '.join(DYNAMIC + MINIMISING)}"
        )
    known = _DYNAMIC_KEYS if kind in DYNAMIC else _MINIMISING_KEYS
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(
            f"stage `{kind}` does not know {', '.join(unknown)}: it takes {', '.join(known)}"
        )
    defaults = {"algorithm": "fire", "force_tolerance": 0.05} if kind == "quench" else {}
    values = {**defaults, **given}
    if kind in DYNAMIC:
        missing = [k for k in ("temperature", "duration") if k not in values]
        if missing:
            raise ValueError(f"stage `{kind}` needs {' and '.join(missing)}")
        values["temperature"] = _ramp(kind, values["temperature"])
    types = {f.name: f.type for f in fields(Stage)}
    for key, value in values.items():
        if types[key] in ("float", "float | None") and not (key == "pressure" and value is None):
            values[key] = _number(kind, key, value)
    stage = Stage(kind=kind, **values)
    _check(stage)
    return stage


def parse_stages(definitions: Sequence[Mapping[str, Any]]) -> list[Stage]:
    """Make all stages of a run; see :func:`parse_stage`.

    Raises
    ------
    ValueError
        If there are none, or one of them is wrong.
    """
    if not definitions:
        raise ValueError("no stages: give at least one, for example `{kind: relax}`")
    stages = []
    for index, definition in enumerate(definitions):
        if not isinstance(definition, Mapping):
            raise ValueError(f"stage {index} is {definition!r}: write it as a mapping with `kind`")
        try:
            stages.append(parse_stage(definition))
        except ValueError as error:
            raise ValueError(f"stage {index}: {error}") from error
    return stages


@dataclass(frozen=True)
class Steps:
    """A dynamic stage in time steps: how many, and how often frames and thermo are written."""

    timestep: float
    total: int
    sample: int
    thermo: int
    restart: int


def count_steps(stage: Stage, factor: float = 1.0) -> Steps:
    """Translate ps into steps of ``factor * stage.timestep``.

    Thermo rows are written wherever frames are, and restart files at a multiple of that: the
    rows then show which restart file is complete.
    """
    timestep = stage.timestep * factor
    total = max(1, round(stage.duration / timestep))
    sample = max(1, round(stage.sample_every / timestep)) if stage.sample_every else 0
    thermo = sample or max(1, total // 100)
    return Steps(timestep, total, sample, thermo, thermo * max(1, math.ceil(5000 / thermo)))


def sample_interval(stage: Stage, factor: float = 1.0) -> int:
    """Return the steps from one frame that is kept to the next; 0 where none are.

    Frames are those of whole multiples, counted from the stage's beginning, which is none of them:
    it is the end of the stage before. The end is one where it is such a multiple.
    """
    return count_steps(stage, factor).sample if stage.is_dynamic else stage.sample_steps


def time_of(stages: Sequence[Stage], stage: int, step: int, factor: float = 1.0) -> float:
    """Return ps since the first stage began; minimisations take none.

    Parameters
    ----------
    stages, stage, step
        All stages, and a step of one of them.
    factor
        By which time steps are multiplied.
    """
    before = sum(s.duration for s in stages[:stage] if s.is_dynamic)
    own = step * stages[stage].timestep * factor if stages[stage].is_dynamic else 0.0
    return round(before + own, 9)


def sample_info(
    stages: Sequence[Stage],
    structure: int,
    stage: int,
    step: int,
    temperature: float | None,
    factor: float = 1.0,
) -> dict[str, Any]:
    """Return the origin of a sampled frame, the same for all programs.

    ``structure``, ``stage``, ``temperature`` (K) and ``time`` (ps); frames of a minimisation, which
    has neither motion nor time, have a ``step`` instead of a temperature.
    """
    origin = {"structure": structure, "stage": stage, "time": time_of(stages, stage, step, factor)}
    if not stages[stage].is_dynamic:
        return {**origin, "temperature": None, "step": step}
    return {**origin, "temperature": None if temperature is None else round(float(temperature), 3)}


def count_evaluations(stages: Sequence[Stage]) -> int:
    """Return the force evaluations that stages take: time steps, and a guess at minimisations."""
    return sum(count_steps(s).total if s.is_dynamic else TYPICAL_EVALUATIONS for s in stages)


def count_fragments(positions: NDArray[np.float64], distance: float) -> int:
    """Return the number of pieces of a cluster, (N, 3) in Å, further apart than `distance`."""
    tree = cKDTree(positions)
    pairs = tree.query_pairs(distance, output_type="ndarray")
    n = len(positions)
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return int(connected_components(graph, directed=False, return_labels=False))


def _ramp(kind: str, value: Any) -> tuple[float, float]:
    pair = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if kind == "hold":
        if len(pair) != 1:
            raise ValueError("stage `hold` takes one `temperature` in K; use `heat` for a ramp")
        pair = pair * 2
    if len(pair) != 2:
        raise ValueError(f"stage `{kind}` takes `temperature: [from, to]` in K")
    start, end = (_number(kind, "temperature", t) for t in pair)
    if min(start, end) <= 0:
        raise ValueError(f"stage `{kind}`: temperatures must be above 0 K")
    if max(start, end) > HOTTEST:
        raise ValueError(f"stage `{kind}`: temperatures must be at most {HOTTEST:g} K")
    if (kind == "heat" and end < start) or (kind == "anneal" and end > start):
        other = "anneal" if kind == "heat" else "heat"
        raise ValueError(
            f"stage `{kind}` goes from {start} to {end} K: swap them, or use `{other}`"
        )
    return start, end


def _number(kind: str, key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        # YAML 1.1 reads 1e-3 (no dot) as text.
        try:
            value = float(value)
        except (TypeError, ValueError):
            raise ValueError(f"stage `{kind}`: `{key}` must be a number, not {value!r}") from None
    if not math.isfinite(value):
        raise ValueError(f"stage `{kind}`: `{key}` must be finite")
    return float(value)


def _check(stage: Stage) -> None:
    kind = stage.kind
    for key in ("duration", "timestep", "damping", "pressure_damping", "force_tolerance"):
        if getattr(stage, key) <= 0:
            raise ValueError(f"stage `{kind}`: `{key}` must be above 0")
    for key, choices in (
        ("thermostat", THERMOSTATS),
        ("algorithm", ALGORITHMS),
        ("cell", CELLS),
    ):
        if getattr(stage, key) not in choices:
            raise ValueError(
                f"stage `{kind}`: unknown {key} {getattr(stage, key)!r}: "
                f"choose one of {', '.join(choices)}"
            )
    for key, least in (("max_steps", 1), ("sample_steps", 0)):
        value = getattr(stage, key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"stage `{kind}`: `{key}` must be a whole number")
        if value < least:
            raise ValueError(f"stage `{kind}`: `{key}` must be at least {least}")
    if stage.timestep > 0.02:
        raise ValueError(
            f"stage `{kind}`: a time step of {stage.timestep} ps is too long: times are in ps, "
            "write 0.001 for 1 fs"
        )
    if stage.is_dynamic:
        if stage.duration < stage.timestep:
            raise ValueError(f"stage `{kind}`: `duration` is shorter than one `timestep`")
        if stage.sample_every < 0 or 0 < stage.sample_every < stage.timestep:
            raise ValueError(
                f"stage `{kind}`: `sample_every` must be 0 (keep none) or at least one `timestep`"
            )
        if stage.damping < 2 * stage.timestep:
            raise ValueError(f"stage `{kind}`: `damping` must be several time steps, such as 0.1")
    elif stage.kind == "quench" and stage.cell != "fixed":
        raise ValueError("stage `quench` keeps the cell: use `relax` to change it")
    elif stage.cell != "fixed" and stage.algorithm != "cg":
        raise ValueError("stage `relax` changes the cell with `algorithm: cg` only")

"""A job of LAMMPS that runs stages on structures, and the numbering of its steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiida_nanoclusters.formats.lammps.dump import Box
from aiida_nanoclusters.formats.lammps.potential_lines import Interaction
from aiida_nanoclusters.science.sampling.stages import FLOAT32_FORCE_TOLERANCE, Stage, count_steps

#: Kinds of potential whose forces have the noise of single precision, as a rule.
FLOAT32_KINDS = ("allegro-compiled", "calculator")
#: Steps of conjugate gradients that may go before FIRE.
STEEP_STEPS = 200


@dataclass(frozen=True)
class Resume:
    """Point from which the first structure of a job continues: `step` of `stage`.

    `timestep` is the number of that step in LAMMPS. The restart file must be of that step: a LAMMPS
    that outlived its job may have overwritten it with a later one.
    """

    stage: int
    step: int
    timestep: int

    @classmethod
    def of(cls, point: Mapping[str, Any]) -> Resume:
        """Make one of `resume` in a report.

        Raises
        ------
        ValueError
            If something is missing.
        """
        try:
            return cls(*(int(point[key]) for key in ("stage", "step", "timestep")))
        except KeyError as error:
            raise ValueError(f"`resume` has no {error}: give that of a report unchanged") from error


def has_gone_on(point: Mapping[str, Any] | None, begun: Resume | None) -> bool:
    """Return whether a job that was stopped at a point went beyond where it had begun.

    Parameters
    ----------
    point
        ``resume`` of its report: ``structure``, ``stage``, ``step``; None if there is none.
    begun
        Where its first structure continued; None at the start.
    """
    if point is None:
        return False
    first = (0, 0) if begun is None or point["structure"] else (begun.stage, begun.step)
    return (point["stage"], point["step"]) > first


@dataclass(frozen=True)
class Job:
    """A batch of structures and what is done to each of them.

    Attributes
    ----------
    stages
        The same for all structures.
    boxes, sizes
        Of each structure.
    seeds
        Of velocities and random forces, one per structure.
    factors
        By which each structure's time step is multiplied.
    interaction
        The potential.
    symbols
        Elements in the order of the atom types.
    resume
        Point from which the first structure continues, None for its start.
    timeout
        Time (s) after which LAMMPS ends the run, None for no limit.
    bias
        Commands that define the fix ``bias``, which acts in the last stage; empty for none.
    """

    stages: Sequence[Stage]
    boxes: Sequence[Box]
    sizes: Sequence[int]
    seeds: Sequence[int]
    factors: Sequence[float]
    interaction: Interaction
    symbols: Sequence[str]
    resume: Resume | None = None
    timeout: int | None = None
    bias: Sequence[str] = ()

    @property
    def plan(self) -> Plan:
        """How this job numbers its steps."""
        return Plan.of(self.stages, self.factors)

    def tolerance(self, stage: Stage) -> float:
        """Force tolerance of a minimisation in eV/Å, as tight as the potential's precision allows.

        Compiled Allegro models and most calculators compute in single precision.
        """
        floor = FLOAT32_FORCE_TOLERANCE if self.interaction.kind in FLOAT32_KINDS else 0.0
        return max(stage.force_tolerance, floor)


@dataclass(frozen=True)
class Plan:
    """Numbering: step ``n`` of stage ``s`` of structure ``k`` is ``(k * stages + s) * block + n``.

    `block` is a multiple of every output interval, so that output falls on multiples counted
    from the start of each stage.
    """

    n_stages: int
    block: int

    @classmethod
    def of(cls, stages: Sequence[Stage], factors: Sequence[float]) -> Plan:
        """Make the numbering for `stages` run on one structure per factor.

        Raises
        ------
        ValueError
            If the numbers would become too large to be exact.
        """
        steps = [count_steps(s, f) for s in stages if s.is_dynamic for f in set(factors)]
        still = [s for s in stages if not s.is_dynamic]
        intervals = {s.thermo for s in steps} | {s.restart for s in steps}
        intervals |= {s.sample_steps for s in still if s.sample_steps}
        # A minimisation has up to four runs, and may be resumed in the last.
        runs = [8 * s.max_steps + 10 * STEEP_STEPS for s in still]
        longest = max([s.total for s in steps] + runs)
        common = math.lcm(*intervals) if intervals else 1
        block = common * (longest // common + 1)
        if block * len(stages) * (len(factors) + 1) > 2**53:
            raise ValueError(
                "the output intervals of the stages have no small common multiple: use round "
                "values of `sample_every`, `sample_steps` and `duration`, or fewer structures in "
                "one job"
            )
        return cls(len(stages), block)

    def start(self, structure: int, stage: int) -> int:
        """Return the step number at which a stage of a structure begins."""
        return (structure * self.n_stages + stage) * self.block

    def locate(self, step: int) -> tuple[int, int, int]:
        """Return structure, stage and step within the stage."""
        place, local = divmod(step, self.block)
        structure, stage = divmod(place, self.n_stages)
        return structure, stage, local

"""The contracts of reference engines: what they take and give, for labels and for stages."""

from __future__ import annotations

from typing import Any, ClassVar

from aiida.engine import ProcessSpec, WorkChain

from aiida_nanoclusters.calculations.job_options import set_report
from aiida_nanoclusters.calculations.sampling.ports import set_stage_results, set_stages
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.labels.retries import FallbackSequence
from aiida_nanoclusters.workflows.parts import common_ports


class Engine(WorkChain):
    """Base of all engines; each computes one batch of frames or structures.

    Attributes
    ----------
    needs_isolated_atoms
        Whether isolated atoms must be labelled, too, as the reference of energies.
    cost_exponent
        Exponent of the number of atoms with which the cost of a frame grows.
    least_batches
        Smallest number of batches, in units of `max_concurrent`, into which frames are divided.
    """

    needs_isolated_atoms: ClassVar[bool] = False
    cost_exponent: ClassVar[float] = 1.0
    least_batches: ClassVar[int] = 0

    @staticmethod
    def method(inputs) -> str:
        """Return a key of everything on which a label depends besides its frame."""
        raise NotImplementedError

    @staticmethod
    def level_of_theory(inputs) -> str:
        """Return the level of theory of the labels."""
        raise NotImplementedError


class LabelEngine(Engine):
    """Base of engines that label frames.

    `frames` are returned labelled, in input order, without those that failed; `report` has the
    state of every frame and the reason of a failure. No frame is dropped silently.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare the ports of the contract."""
        super().define(spec)
        spec.input("frames", valid_type=FramesData, help="Frames to label.")
        common_ports.frames_output(
            spec,
            "frames",
            "Labelled frames in input order; failed ones are left out.",
            required=False,
        )
        set_report(spec, "frames")
        spec.exit_code(400, "ERROR_NOTHING_LABELLED", message="No frame could be labelled.")


class StagesEngine(Engine):
    """Base of engines that run structures through stages of relaxation and molecular dynamics.

    `structures` holds the labelled last frame of each structure that finished its stages,
    `trajectory` the labelled frames sampled before, both in input order; `report` has the state of
    every structure and the reason of a failure.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare the ports of the contract."""
        super().define(spec)
        set_stages(spec)
        set_stage_results(spec)
        set_report(spec, "structures")
        spec.exit_code(400, "ERROR_NOTHING_FINISHED", message="No structure finished its stages.")


class FallbackEngine(Engine):
    """Base of engines of first principles, whose frames escalate through settings levels.

    ``ctx.progress`` is the state of the :class:`.FallbackSequence` of all frames.
    """

    needs_isolated_atoms, cost_exponent = True, 2.0

    @property
    def sequence(self) -> FallbackSequence:
        """State of every frame; changes are kept by assigning its state to ``ctx.progress``."""
        return FallbackSequence.from_state(self.ctx.progress)

    def begin(self, levels: int, **limits: Any) -> None:
        """Put all frames at the first of so many settings levels."""
        self.ctx.progress = FallbackSequence(len(self.inputs.frames), levels, **limits).state

    def has_frames(self) -> bool:
        """Whether frames wait for a job."""
        return not self.sequence.is_finished

"""EngineBatchesWorkChain: batches of frames, computed by one of several engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from aiida.engine import ExitCode, ProcessSpec
from aiida.orm import Int, Str

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.sanity import check_frames
from aiida_nanoclusters.workflows.parts.batches import BatchedWorkChain
from aiida_nanoclusters.workflows.parts.job_packing import split_by_cost

#: Packages of engines that come with an extra of this package.
EXTRAS = {"cp2k": "aiida_cp2k", "vasp": "aiida_vasp"}


def engine_problem(name: str, engines: Mapping[str, Any]) -> str | None:
    """Return why there is no engine of this name, and the fix, or None."""
    if name in engines:
        return None
    if name in EXTRAS:
        return f"engine `{name}` is not installed: pip install aiida-nanoclusters[{name}]"
    return f"unknown engine `{name}`: choose one of {', '.join(engines)}"


def missing_inputs(inputs: Mapping[str, Any], engines: Mapping[str, Any]) -> str | None:
    """Return which namespace of inputs is missing, or None."""
    name = engine_of(inputs)
    if name in engines and name not in inputs:
        return f"engine `{name}` needs its inputs in the namespace `{name}`"
    return None


def engine_of(inputs: Mapping[str, Any]) -> str:
    """Return the name of the engine among inputs."""
    return str(inputs["engine"].value) if "engine" in inputs else "potential"


def validate_batch_size(value: Int | None, _) -> str | None:
    """Refuse empty jobs."""
    if value is not None and value.value < 1:
        return f"batch_size is {value.value}: give 1 or more frames per job"
    return None


def validate_frames(value: FramesData, _) -> str | None:
    """Refuse broken structures before anything is submitted."""
    try:
        check_frames(value.frames)
    except ValueError as error:
        return str(error)
    return None


class EngineBatchesWorkChain(BatchedWorkChain):
    """Base of work chains that divide frames into batches for an engine.

    Attributes
    ----------
    engines
        Work chain of each engine by name; its inputs are exposed in a namespace of that name.
    """

    engines: ClassVar[dict[str, Any]] = {}

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare the inputs of all engines and the choice of one."""
        super().define(spec)
        spec.input(
            "frames",
            valid_type=FramesData,
            validator=validate_frames,
            help="Frames of any sizes, elements and periodicity.",
        )
        spec.input(
            "engine",
            valid_type=Str,
            default=lambda: Str("potential"),
            validator=cls.validate_engine,
            help=f"Reference engine: {', '.join(cls.engines)}. Default: potential.",
        )
        spec.input(
            "batch_size",
            valid_type=Int,
            default=lambda: Int(500),
            validator=validate_batch_size,
            help="Largest number of frames of one job. Default: 500.",
        )
        for name, engine in cls.engines.items():
            spec.expose_inputs(
                engine,
                namespace=name,
                exclude=cls.filled_ports(name),
                namespace_options={"required": False, "populate_defaults": False},
            )
        spec.exit_code(
            210,
            "ERROR_ENGINE_MISSING",
            message="In the daemon's environment, {problem}; then `verdi daemon restart`.",
        )

    @classmethod
    def filled_ports(cls, name: str) -> Sequence[str]:
        """Return the ports of an engine that this work chain fills itself."""
        raise NotImplementedError

    @classmethod
    def validate_engine(cls, value: Str, _) -> str | None:
        """Refuse engines that are unknown or not installed."""
        return engine_problem(value.value, cls.engines)

    @classmethod
    def with_engine(cls, frames, inputs):
        """Return a builder with frames, and inputs as of :meth:`.LabelWorkChain.engine_inputs`."""
        builder = cls.get_builder()
        builder.frames = frames
        for name, value in inputs.items():
            setattr(builder, name, value)
        return builder

    @property
    def _name(self) -> str:
        return str(self.inputs.engine.value)

    @property
    def _engine(self):
        return self.engines[self._name]

    @property
    def _engine_inputs(self):
        return self.exposed_inputs(self._engine, namespace=self._name)

    def find_engine(self) -> ExitCode | None:
        """Abort where this daemon worker does not have the engine.

        The inputs were validated where they were submitted: a worker that was started before the
        package of the engine was installed, or from another environment, does not have the engine.
        """
        problem = self.validate_engine(self.inputs.engine, None)
        return self.exit_codes.ERROR_ENGINE_MISSING.format(problem=problem) if problem else None

    def needs_isolated_atoms(self) -> bool:
        """Whether the energies of isolated atoms are to be computed."""
        return getattr(self._engine, "needs_isolated_atoms", False)

    def batches_of(self, frames: Frames, indices: Sequence[int]) -> list[list[int]]:
        """Return these frames in batches of similar cost, each in ascending order."""
        exponent = getattr(self._engine, "cost_exponent", 1.0)
        batches = split_by_cost(
            [float(frames.sizes[i]) ** exponent for i in indices],
            [frames.numbers[frames.atoms_of(i)].tobytes() for i in indices],
            self.inputs.batch_size.value,
            getattr(self._engine, "least_batches", 1) * self.inputs.max_concurrent.value,
        )
        return [[indices[k] for k in sorted(batch)] for batch in batches]

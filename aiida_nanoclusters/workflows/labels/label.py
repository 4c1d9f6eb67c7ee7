"""LabelWorkChain: energies and forces for any mix of frames, by a reference engine."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from importlib.util import find_spec
from typing import Any

from aiida.engine import ExitCode, ProcessSpec, if_, while_
from aiida.orm import Bool, Dict, Int, List, ProcessNode, Str

from aiida_nanoclusters.calculations.label import merge_labels, take_known, with_lone_atoms
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.checks import check_frames
from aiida_nanoclusters.science.labelling import LABELLED
from aiida_nanoclusters.science.packing import split_by_cost
from aiida_nanoclusters.workflows.batches import BatchedWorkChain, take
from aiida_nanoclusters.workflows.engines.potential import PotentialEngineWorkChain
from aiida_nanoclusters.workflows.jobs import job
from aiida_nanoclusters.workflows.label_store import find_labels, remember
from aiida_nanoclusters.workflows.resources import options_at

#: Reference engines by name; all keep the contract told in `engines/potential.py`.
ENGINES: dict[str, Any] = {"potential": PotentialEngineWorkChain}
#: Engines that stand on a package of their own, an extra of this one.
EXTRAS = {"cp2k": "aiida_cp2k", "vasp": "aiida_vasp"}

if find_spec(EXTRAS["cp2k"]):
    from aiida_nanoclusters.workflows.engines.cp2k import Cp2kEngineWorkChain

    ENGINES["cp2k"] = Cp2kEngineWorkChain
if find_spec(EXTRAS["vasp"]):
    from aiida_nanoclusters.workflows.engines.vasp import VaspEngineWorkChain

    ENGINES["vasp"] = VaspEngineWorkChain


def validate_engine(value: Str, _) -> str | None:
    """Only engines that exist can be asked for."""
    name = value.value
    if name in EXTRAS and name not in ENGINES:
        return f"engine `{name}` is not installed: pip install aiida-nanoclusters[{name}]"
    if name not in ENGINES:
        return f"unknown engine `{name}`: choose one of {', '.join(ENGINES)}"
    return None


def limit_jobs(inputs: MutableMapping[str, Any], jobs: int) -> None:
    """Let at most so many jobs run at once of a work chain that deals batches out to an engine."""
    if inputs.get("engine") == Str("vasp"):  # of a batch each frame, or stage, is a job of its own
        inputs["max_concurrent"], inputs["vasp"]["max_concurrent"] = Int(1), Int(jobs)
    else:
        inputs["max_concurrent"] = Int(jobs)


def level_of_labels(inputs: Mapping[str, Any]) -> str | None:
    """Return the level of theory at which a LabelWorkChain with these inputs labels, if told."""
    name = inputs["engine"].value if "engine" in inputs else "potential"
    return ENGINES[name].level_of_theory(inputs[name]) if name in inputs else None


def validate_batch_size(value: Int | None, _) -> str | None:
    """A job must carry something."""
    if value is not None and value.value < 1:
        return f"batch_size is {value.value}: give 1 or more frames a job"
    return None


def validate_frames(value: FramesData, _) -> str | None:
    """Refuse broken structures before anything is submitted."""
    try:
        check_frames(value.frames)
    except ValueError as error:
        return str(error)
    return None


class LabelWorkChain(BatchedWorkChain):
    """Label frames in bounded batches; a failed frame or batch costs only itself.

    Frames that this profile has labelled before by the same method take no job. The isolated atom
    of each element is labelled with them, where the engine does not know its energy beforehand.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input("frames", valid_type=FramesData, validator=validate_frames)
        spec.input(
            "engine", valid_type=Str, default=lambda: Str("potential"), validator=validate_engine
        )
        spec.input(
            "batch_size",
            valid_type=Int,
            default=lambda: Int(500),
            validator=validate_batch_size,
            help="Most frames a job may carry.",
        )
        spec.input(
            "reuse",
            valid_type=Bool,
            default=lambda: Bool(True),
            help="Whether to take labels that this profile has already.",
        )
        for name, engine in ENGINES.items():
            spec.expose_inputs(
                engine,
                namespace=name,
                exclude=("frames",),
                namespace_options={"required": False, "populate_defaults": False},
            )
        spec.inputs.validator = validate_inputs
        spec.output(
            "frames",
            valid_type=FramesData,
            required=False,
            help="The labelled frames, in input order.",
        )
        spec.output(
            "report", valid_type=Dict, help="For every frame whether it was labelled, and why not."
        )
        spec.outline(
            cls.setup,
            if_(cls.needs_lone_atoms)(cls.add_lone_atoms),
            if_(cls.may_reuse)(cls.look_up),
            cls.split,
            while_(cls.has_batches)(cls.submit_batches),
            cls.gather,
        )
        spec.exit_code(400, "ERROR_NOTHING_LABELLED", message="No frame could be labelled.")
        spec.exit_code(
            401,
            "ERROR_SOME_FRAMES_FAILED",
            message="{n_failed} frames could not be labelled; `report` says why.",
        )

    @classmethod
    def get_builder_for_potential(cls, code, frames, potential, options=None):
        """Return a builder which labels `frames` by `potential` with a LAMMPS `code`."""
        builder = cls.get_builder()
        builder.frames = frames
        evaluate = job(code, options, "label", max(frames.sizes))
        builder.potential = {"potential": potential, "evaluate": evaluate}
        return builder

    @classmethod
    def get_builder_for_engine(cls, frames, inputs):
        """Return a builder which labels `frames` with the `inputs` of :meth:`engine_inputs`."""
        builder = cls.get_builder()
        builder.frames = frames
        for name, value in inputs.items():
            setattr(builder, name, value)
        return builder

    @staticmethod
    def engine_inputs(
        engine, code, protocol=None, overrides=None, options=None, n_atoms=None
    ) -> dict[str, Any]:
        """Return the inputs that make a program of first principles the reference.

        Parameters
        ----------
        engine
            ``cp2k`` or ``vasp``.
        code
            The program.
        protocol, overrides
            Name of a protocol of `protocols/<engine>.yaml`, and what to change in it.
        options
            `metadata.options` of the jobs.
        n_atoms
            Atoms of the largest frame, where options depend on it.

        Raises
        ------
        ValueError
            If there is no such engine, protocol or setting.
        """
        problem = validate_engine(Str(engine), None)
        if problem:
            raise ValueError(problem)
        chosen = options_at(options, "label", n_atoms)
        inputs = ENGINES[engine].builder_inputs(code, protocol, overrides, chosen)
        return {"engine": Str(engine), engine: inputs}

    @property
    def _engine(self):
        return ENGINES[self.inputs.engine.value]

    @property
    def _engine_inputs(self):
        return self.exposed_inputs(self._engine, namespace=self.inputs.engine.value)

    def setup(self) -> None:
        """Begin with the frames asked for, none of which is known."""
        self.ctx.frames, self.ctx.known = self.inputs.frames, {}
        self.ctx.method = self._engine.method(self._engine_inputs)

    def needs_lone_atoms(self) -> bool:
        """Whether the energies of isolated atoms are to be computed."""
        return self._engine.needs_lone_atoms

    def add_lone_atoms(self) -> None:
        """Let the isolated atom of each element be labelled with the frames."""
        self.ctx.frames = with_lone_atoms(self.inputs.frames)

    def may_reuse(self) -> bool:
        """Whether labels of earlier work may be taken."""
        return self.inputs.reuse.value

    def look_up(self) -> None:
        """Take the labels that this profile has already."""
        hashes = self.ctx.frames.frames.content_hashes()
        found = find_labels(self.ctx.method, hashes)
        if found:
            self.ctx.known = take_known(self.ctx.frames, **found)

    def split(self) -> None:
        """Divide the frames without a label into batches of similar cost."""
        frames = self.ctx.frames.frames
        rows = self.ctx.known["report"]["frames"] if self.ctx.known else []
        taken = [row["index"] for row in rows if row["state"] == LABELLED]
        left = sorted(set(range(len(frames))) - set(taken))
        batches = split_by_cost(
            [float(frames.sizes[i]) ** self._engine.cost_exponent for i in left],
            [frames.numbers[frames.atoms_of(i)].tobytes() for i in left],
            self.inputs.batch_size.value,
            self._engine.least_batches * self.inputs.max_concurrent.value,
        )
        self.ctx.batches = List([[left[k] for k in sorted(batch)] for batch in batches])
        if taken:
            self.report(f"{len(taken)} of {len(frames)} frames are labelled already")

    def submit_batch(self, batch: list[int]) -> ProcessNode:
        """Submit the engine for the frames of these indices."""
        frames = take(self.ctx.frames, batch)
        process = self.submit(self._engine, frames=frames, **self._engine_inputs)
        remember(process, self.ctx.method)
        return process

    def gather(self) -> ExitCode | None:
        """Join labels and reports."""
        parts, batches = {}, self.ctx.batches
        for k, child in enumerate(self.finished_batches()):
            for name in ("frames", "report"):
                if name in child.outputs:
                    parts[f"{name}_{k:05d}"] = child.outputs[name]
        if self.ctx.known:
            parts[f"frames_{len(batches):05d}"] = self.ctx.known["frames"]
            parts[f"report_{len(batches):05d}"] = self.ctx.known["report"]
            batches = List([*batches.get_list(), list(range(len(self.ctx.frames)))])
        count = Int(len(self.inputs.frames))
        merged = merge_labels(self.ctx.frames, count, batches, **parts)
        self.out_many(merged)
        n_failed = merged["report"]["n_failed"]
        if "frames" not in merged:
            return self.exit_codes.ERROR_NOTHING_LABELLED
        if n_failed:
            return self.exit_codes.ERROR_SOME_FRAMES_FAILED.format(n_failed=n_failed)
        return None


def validate_inputs(inputs, _) -> str | None:
    """The engine asked for must have its inputs, and be able to do the frames."""
    engine = inputs["engine"].value if "engine" in inputs else "potential"
    if engine in ENGINES and engine not in inputs:
        return f"engine `{engine}` needs its inputs in the namespace `{engine}`"
    if engine not in ENGINES or "frames" not in inputs:
        return None  # the ports say so themselves
    validator = ENGINES[engine].spec().inputs.validator
    return validator({**inputs[engine], "frames": inputs["frames"]}, None)

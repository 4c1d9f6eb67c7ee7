"""LabelWorkChain: energies and forces for any mix of frames, by a reference engine."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec, while_
from aiida.orm import Dict, Int, List, ProcessNode, Str

from aiida_nanoclusters.calculations.frames import select_frames
from aiida_nanoclusters.calculations.label import merge_labels
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.checks import check_frames
from aiida_nanoclusters.workflows.batches import BatchedWorkChain
from aiida_nanoclusters.workflows.engines.potential import PotentialEngineWorkChain
from aiida_nanoclusters.workflows.jobs import job

#: Reference engines by name; all keep the contract told in `engines/potential.py`.
ENGINES = {"potential": PotentialEngineWorkChain}


def validate_engine(value: Str, _) -> str | None:
    """Only engines that exist can be asked for."""
    if value.value not in ENGINES:
        return f"unknown engine `{value.value}`: choose one of {', '.join(ENGINES)}"
    return None


def validate_frames(value: FramesData, _) -> str | None:
    """Refuse broken structures before anything is submitted."""
    try:
        check_frames(value.frames)
    except ValueError as error:
        return str(error)
    return None


class LabelWorkChain(BatchedWorkChain):
    """Label frames in bounded batches; a failed frame or batch costs only itself."""

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
            help="Most frames a job may carry.",
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
        builder.potential = {"potential": potential, "evaluate": job(code, options)}
        return builder

    def split(self) -> None:
        """Divide the frames into batches of similar cost."""
        size = self.inputs.batch_size.value
        order = list(range(len(self.inputs.frames)))
        self.ctx.batches = [order[i : i + size] for i in range(0, len(order), size)]

    def submit_batch(self, batch: list[int]) -> ProcessNode:
        """Submit the engine for the frames of these indices."""
        engine = self.inputs.engine.value
        inputs = self.exposed_inputs(ENGINES[engine], namespace=engine)
        frames = self.inputs.frames
        if len(self.ctx.batches) > 1:
            frames = select_frames(frames, List(batch))
        return self.submit(ENGINES[engine], frames=frames, **inputs)

    def gather(self) -> ExitCode | None:
        """Join labels and reports."""
        parts = {}
        for k, child in enumerate(self.finished_batches()):
            for name in ("frames", "report"):
                if name in child.outputs:
                    parts[f"{name}_{k:05d}"] = child.outputs[name]
        merged = merge_labels(List(self.ctx.batches), **parts)
        self.out_many(merged)
        n_failed = merged["report"]["n_failed"]
        if "frames" not in merged:
            return self.exit_codes.ERROR_NOTHING_LABELLED
        if n_failed:
            return self.exit_codes.ERROR_SOME_FRAMES_FAILED.format(n_failed=n_failed)
        return None


def validate_inputs(inputs, _) -> str | None:
    """The engine asked for must have been given its inputs."""
    engine = inputs["engine"].value if "engine" in inputs else "potential"
    if engine in ENGINES and engine not in inputs:
        return f"engine `{engine}` needs its inputs in the namespace `{engine}`"
    return None

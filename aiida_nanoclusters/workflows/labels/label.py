"""LabelWorkChain: energies and forces for any mix of frames, by a reference engine."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from importlib.util import find_spec
from typing import Any

from aiida.engine import ExitCode, ProcessSpec, if_, while_
from aiida.orm import Bool, Int, List, ProcessNode, Str

from aiida_nanoclusters.calculations.job_options import set_report
from aiida_nanoclusters.calculations.labels.label import (
    merge_labels,
    take_known,
    with_isolated_atoms,
)
from aiida_nanoclusters.science.labels.ledger import BatchLedger
from aiida_nanoclusters.science.labels.retries import LABELLED
from aiida_nanoclusters.workflows.engines.potential import PotentialEngineWorkChain
from aiida_nanoclusters.workflows.labels.engine_batches import (
    EXTRAS,
    EngineBatchesWorkChain,
    engine_of,
    engine_problem,
    missing_inputs,
)
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.batches import take
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.label_store import find_labels, remember
from aiida_nanoclusters.workflows.parts.resources import options_at

#: Reference engines by name; their contract is `LabelEngine` in `engines/contract.py`.
ENGINES: dict[str, Any] = {"potential": PotentialEngineWorkChain}

if find_spec(EXTRAS["cp2k"]):
    from aiida_nanoclusters.workflows.engines.cp2k import Cp2kEngineWorkChain

    ENGINES["cp2k"] = Cp2kEngineWorkChain
if find_spec(EXTRAS["vasp"]):
    from aiida_nanoclusters.workflows.engines.vasp import VaspEngineWorkChain

    ENGINES["vasp"] = VaspEngineWorkChain


def limit_jobs(inputs: MutableMapping[str, Any], jobs: int) -> None:
    """Limit the number of jobs at once of a work chain that submits batches to an engine."""
    if inputs.get("engine") == Str("vasp"):  # in which each frame or stage is a job of its own
        inputs["max_concurrent"], inputs["vasp"]["max_concurrent"] = Int(1), Int(jobs)
    else:
        inputs["max_concurrent"] = Int(jobs)


def level_of_labels(inputs: Mapping[str, Any]) -> str | None:
    """Return the level of theory of the labels of a LabelWorkChain with these inputs.

    None where the inputs of its engine are missing, or the engine is not installed.
    """
    name = engine_of(inputs)
    if name not in inputs or name not in ENGINES:
        return None
    return ENGINES[name].level_of_theory(inputs[name])


class LabelWorkChain(EngineBatchesWorkChain):
    """Label frames in batches; the failure of a frame or a batch does not affect the others.

    Labels that this profile already has, computed by the same method, are reused. The isolated atom
    of each element is labelled as well, where the engine does not know its energy beforehand.
    """

    engines = ENGINES

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input(
            "reuse",
            valid_type=Bool,
            default=lambda: Bool(True),
            help="Whether labels that this profile already has are reused. Default: true.",
        )
        spec.inputs.validator = validate_inputs
        common_ports.frames_output(
            spec,
            "frames",
            "Labelled frames in input order; failed ones are left out.",
            required=False,
        )
        set_report(spec, "frames")
        spec.outline(
            cls.setup,
            if_(cls.needs_isolated_atoms)(cls.add_isolated_atoms),
            if_(cls.may_reuse)(cls.look_up),
            cls.split,
            while_(cls.has_batches)(cls.submit_batches),
            cls.gather,
        )
        spec.exit_code(400, "ERROR_NOTHING_LABELLED", message="No frame could be labelled.")
        spec.exit_code(
            401,
            "ERROR_SOME_FRAMES_FAILED",
            message="{n_failed} frames could not be labelled: see `report`.",
        )

    @classmethod
    def filled_ports(cls, name: str) -> tuple[str, ...]:
        """Return the ports of an engine that this work chain fills itself."""
        return ("frames",)

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
        return cls.with_engine(frames, inputs)

    @staticmethod
    def engine_inputs(
        engine, code, protocol=None, overrides=None, options=None, n_atoms=None
    ) -> dict[str, Any]:
        """Return the inputs of LabelWorkChain for a program of first principles.

        Parameters
        ----------
        engine
            ``cp2k`` or ``vasp``.
        code
            The program.
        protocol, overrides
            Name of a protocol of `protocols/<engine>.yaml`, and the settings to change in it.
        options
            `metadata.options` of the jobs.
        n_atoms
            Number of atoms of the largest frame, on which the options may depend.

        Raises
        ------
        ValueError
            If there is no such engine, protocol or setting.
        """
        problem = engine_problem(engine, ENGINES)
        if problem:
            raise ValueError(problem)
        chosen = options_at(options, "label", n_atoms)
        inputs = ENGINES[engine].builder_inputs(code, protocol, overrides, chosen)
        return {"engine": Str(engine), engine: inputs}

    def setup(self) -> ExitCode | None:
        """Begin with the requested frames."""
        problem = self.find_engine()
        if problem is not None:
            return problem
        self.ctx.frames, self.ctx.known = self.inputs.frames, {}
        self.ctx.method = self._engine.method(self._engine_inputs)
        return None

    def add_isolated_atoms(self) -> None:
        """Add the isolated atom of each element to the frames."""
        self.ctx.frames = with_isolated_atoms(self.inputs.frames)

    def may_reuse(self) -> bool:
        """Whether labels that this profile already has are reused."""
        return self.inputs.reuse.value

    def look_up(self) -> None:
        """Find the labels that this profile already has."""
        hashes = self.ctx.frames.frames.content_hashes()
        found = find_labels(self.ctx.method, hashes)
        if found:
            self.ctx.known = take_known(self.ctx.frames, **found)

    def split(self) -> None:
        """Divide the frames without a label into batches of similar cost."""
        frames = self.ctx.frames.frames
        ledger = BatchLedger(range(len(frames)))
        if self.ctx.known:
            ledger.record(self.ctx.known["report"]["frames"])
        left = ledger.pending(LABELLED)
        self.ctx.batches = List(self.batches_of(frames, left))
        if len(left) < len(frames):
            self.report(f"{len(frames) - len(left)} of {len(frames)} frames are labelled already")

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
    """The engine must have its inputs, and must be able to compute the frames."""
    problem = missing_inputs(inputs, ENGINES)
    engine = engine_of(inputs)
    if problem or engine not in ENGINES or "frames" not in inputs:
        return problem  # the ports report missing frames and unknown engines
    validator = ENGINES[engine].spec().inputs.validator
    return validator({**inputs[engine], "frames": inputs["frames"]}, None)

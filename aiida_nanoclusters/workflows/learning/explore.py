"""ExploreWorkChain: frames sampled by one member of a committee and evaluated by all of them."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec
from aiida.orm import Dict, Int, List, ProcessNode

from aiida_nanoclusters.calculations.learning.active_learning import split_convergence_test
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.workflows.base.evaluate import EvaluateBaseWorkChain
from aiida_nanoclusters.workflows.learning.recipe import (
    SamplingWorkChain,
    following_problem,
    hopping_settings,
)
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.mappings import committee_of
from aiida_nanoclusters.workflows.parts.protocol import load_protocol

#: Frames that may be labelled, and those that are only evaluated: output of their predictions.
PARTS = {"candidates": "predicted", "convergence_test": "convergence_test_predicted"}


class ExploreWorkChain(SamplingWorkChain):
    """Follow a recipe with one member of a committee; evaluate every frame with all members.

    Runs of a poorly trained member soon become unstable: their frames up to there are kept, for
    they are what it has to learn.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.expose_inputs(EvaluateBaseWorkChain, exclude=("evaluate.frames",))
        spec.inputs.validator = validate_inputs
        common_ports.frames_output(
            spec, "candidates", "Candidate frames, unlabelled.", required=False
        )
        common_ports.frames_output(
            spec,
            "convergence_test",
            "Frames of the convergence-test structures, which are never labelled.",
            required=False,
        )
        for part, port in PARTS.items():
            spec.output_namespace(
                port,
                valid_type=FramesData,
                dynamic=True,
                required=False,
                help=f"The frames of `{part}` with the labels of each member.",
            )
        spec.outline(*cls.sampling(), cls.evaluate, cls.results)
        spec.exit_code(402, "ERROR_NOT_EVALUATED", message="No frame was evaluated: {reason}")

    @classmethod
    def get_builder_from_protocol(
        cls, code, element, committee, protocol=None, overrides=None, options=None, driver=None
    ):
        """Return a builder; numbers from `explore` in `protocols/active_learning.yaml`.

        Parameters
        ----------
        code, element
            LAMMPS, and a chemical symbol, or a list of those of an alloy.
        committee
            PotentialData by key; two or more that LAMMPS can run. May be empty, where a parent
            fills them in.
        protocol, overrides
            Name of a protocol, and changes to its part `explore`.
        options
            `metadata.options` of the jobs.
        driver
            Key of the member that samples; the first where not given.
        """
        changes = {"explore": overrides or {}}
        values = load_protocol("active_learning", protocol, changes, element=element)["explore"]
        builder = cls.get_builder()
        common_ports.set_elements(builder, element)
        builder.recipe = List(values["recipe"])
        builder.settings = Dict(hopping_settings(values, element))
        # Unstable runs are kept: their frames show what is to be learnt.
        builder.sampler.max_halvings = Int(0)
        sampler = {**job(code, options, "anneal"), "settings": Dict({"keep_failed": True})}
        for port, value in sampler.items():
            builder.sampler.lammps[port] = value
        for port, value in job(code, options, "evaluate").items():
            builder.evaluate[port] = value
        if committee := committee_of(committee, "committee"):
            builder.sampler.lammps.potential = committee[driver or min(committee)]
            builder.evaluate.potentials = committee
        return builder

    def evaluate(self) -> None:
        """Evaluate all frames with all members."""
        parts = split_convergence_test(self.inputs.recipe, self.ctx.gathered)
        for part in sorted(parts):
            self.out(part, parts[part])
            inputs = self.exposed_inputs(EvaluateBaseWorkChain)
            inputs["evaluate"]["frames"] = parts[part]
            self.to_context(**{part: self.submit(EvaluateBaseWorkChain, **inputs)})

    def results(self) -> ExitCode | None:
        """Output the predictions of the members."""
        reasons = []
        for part, port in PARTS.items():
            child = self.ctx.get(part)
            if child is None:
                continue
            if not child.is_finished_ok:  # frames that a member cannot evaluate are failed
                reasons.append(_failure(part, child))
                self.report(reasons[-1])
            if "labelled" in child.outputs:
                for key, frames in sorted(dict(child.outputs.labelled).items()):
                    self.out(f"{port}.{key}", frames)
        if "predicted" not in self.outputs:
            reason = (
                "; ".join(reasons)
                or "there are only convergence-test frames, which are never labelled"
            )
            return self.exit_codes.ERROR_NOT_EVALUATED.format(reason=reason)
        return None


def _failure(part: str, child: ProcessNode) -> str:
    return f"{part}: {child.process_label}<{child.pk}>: {child.exit_message}"


def validate_inputs(inputs, ports) -> str | None:
    """There must be a recipe, and an engine that samples."""
    missing = [name for name in ("recipe", "sampler") if name not in inputs]
    if missing:
        return f"nothing can be explored without `{missing[0]}`"
    return following_problem(inputs, ports)

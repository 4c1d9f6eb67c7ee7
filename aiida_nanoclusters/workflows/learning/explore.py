"""ExploreWorkChain: frames sampled by one member of a committee and evaluated by all of them."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode, ProcessSpec
from aiida.orm import Dict, Int, List, ProcessNode, Str

from aiida_nanoclusters.calculations.active_learning import split_probes
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.workflows.evaluate import EvaluateBaseWorkChain
from aiida_nanoclusters.workflows.jobs import job
from aiida_nanoclusters.workflows.protocol import load_protocol
from aiida_nanoclusters.workflows.sampling import (
    SETTINGS,
    SamplingWorkChain,
    following_problem,
    hopping_settings,
    settings_problem,
)

#: What is evaluated apart: what may be labelled, and what is only judged.
PARTS = {"candidates": "predicted", "probes": "probed"}


class ExploreWorkChain(SamplingWorkChain):
    """Follow a recipe with one member of a committee; ask every member about every frame.

    A member that knows little soon loses its atoms: frames up to there are kept, for they are what
    it has to learn.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input(
            "settings",
            valid_type=Dict,
            validator=validate_settings,
            help="`relax_stages`, `sample_stages`, `total`, `basin_hopping`.",
        )
        spec.expose_inputs(EvaluateBaseWorkChain, exclude=("evaluate.frames",))
        spec.inputs.validator = validate_inputs
        spec.output(
            "candidates", valid_type=FramesData, required=False, help="Frames worth a thought."
        )
        spec.output(
            "probes", valid_type=FramesData, required=False, help="Frames never to be labelled."
        )
        for part, port in PARTS.items():
            spec.output_namespace(
                port,
                valid_type=FramesData,
                dynamic=True,
                required=False,
                help=f"The {part} as each member labels them.",
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
            LAMMPS, and a chemical symbol.
        committee
            PotentialData by key; two or more that LAMMPS can run. May be empty, where a parent
            fills them in.
        protocol, overrides
            Name of a protocol, and what to change in its part `explore`.
        options
            `metadata.options` of the jobs.
        driver
            Key of the member that samples; the first where not given.
        """
        changes = {"explore": overrides or {}}
        values = load_protocol("active_learning", protocol, changes, element=element)["explore"]
        builder = cls.get_builder()
        builder.element, builder.recipe = Str(element), List(values["recipe"])
        builder.settings = Dict(hopping_settings(values, element))
        # What blows up shows what is to be learnt.
        builder.sampler.max_halvings = Int(0)
        sampler = {**job(code, options, "anneal"), "settings": Dict({"keep_failed": True})}
        for port, value in sampler.items():
            builder.sampler.lammps[port] = value
        for port, value in job(code, options, "evaluate").items():
            builder.evaluate[port] = value
        if committee:
            builder.sampler.lammps.potential = committee[driver or min(committee)]
            builder.evaluate.potentials = dict(committee)
        return builder

    def evaluate(self) -> None:
        """Ask all members about all frames."""
        parts = split_probes(self.inputs.recipe, self.ctx.gathered)
        for part in sorted(parts):
            self.out(part, parts[part])
            inputs = self.exposed_inputs(EvaluateBaseWorkChain)
            inputs["evaluate"]["frames"] = parts[part]
            self.to_context(**{part: self.submit(EvaluateBaseWorkChain, **inputs)})

    def results(self) -> ExitCode | None:
        """Hand on what the members say."""
        reasons = []
        for part, port in PARTS.items():
            child = self.ctx.get(part)
            if child is None:
                continue
            if not child.is_finished_ok:  # frames that a member cannot evaluate are poor
                reasons.append(_failure(part, child))
                self.report(reasons[-1])
            if "labelled" in child.outputs:
                for key, frames in sorted(dict(child.outputs.labelled).items()):
                    self.out(f"{port}.{key}", frames)
        if "predicted" not in self.outputs:
            reason = "; ".join(reasons) or "there are probes only, which are never labelled"
            return self.exit_codes.ERROR_NOT_EVALUATED.format(reason=reason)
        return None


def _failure(part: str, child: ProcessNode) -> str:
    return f"{part}: {child.process_label}<{child.pk}>: {child.exit_message}"


def validate_settings(value: Dict, _: Any) -> str | None:
    """All settings must be there, and no others."""
    return settings_problem(value.get_dict(), SETTINGS)


def validate_inputs(inputs, _) -> str | None:
    """There must be a recipe, and what samples."""
    missing = [name for name in ("recipe", "sampler") if name not in inputs]
    if missing:
        return f"nothing can be explored without `{missing[0]}`"
    return following_problem(inputs)

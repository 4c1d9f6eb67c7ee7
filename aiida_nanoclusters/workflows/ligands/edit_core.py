"""EditCoreWorkChain: all single-atom edits of a core, each with its most probable ligands."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec, WorkChain
from aiida.orm import Dict

from aiida_nanoclusters.calculations.ligands.edits import (
    compare_edits,
    editing_problem,
    enumerate_core_edits,
)
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.ligands.design_settings import EditSettings
from aiida_nanoclusters.workflows.ligands.match_ligands import MatchLigandsWorkChain
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.batches import describe_child
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.parts.validators import settings_validator

#: Namespace of the ranking.
MATCH = "match"


def validate_inputs(value, _) -> str | None:
    """Refuse a core that has no edits."""
    if not {"core", "edit_settings"} <= set(value):
        return None  # the ports report it
    return editing_problem(value["core"], value["edit_settings"])


class EditCoreWorkChain(WorkChain):
    """Remove, add and replace single atoms of a core, and rank ligands for each result.

    Edits that the symmetry of the core makes equal are made once.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input("core", valid_type=FramesData, help="One core without ligands.")
        file = "science/ligands/design_settings.py"
        spec.input(
            "edit_settings",
            valid_type=Dict,
            validator=settings_validator(EditSettings),
            help=f"Kinds of edits, elements and sites: the fields of `EditSettings` in `{file}`.",
        )
        spec.expose_inputs(MatchLigandsWorkChain, namespace=MATCH, exclude=("cores",))
        spec.inputs.validator = validate_inputs
        common_ports.frames_output(spec, "edits", "The core, then its edits.", required=False)
        for name, what in (
            ("edit_table", "Of the core and each edit kind, description, multiplicity, site (Å)."),
            ("comparison", "Of each its most probable set, and the change against the core."),
        ):
            spec.output(name, valid_type=Dict, required=False, help=what)
        spec.expose_outputs(MatchLigandsWorkChain, namespace_options={"required": False})
        for port in ("table", "probabilities"):
            spec.outputs[port].required = False  # of a ranking that failed
        spec.outline(cls.edit, cls.match, cls.compare)
        spec.exit_code(400, "ERROR_NO_RANKING", message="The edits could not be ranked: {message}")
        spec.exit_code(
            401, "ERROR_NOTHING_RELAXED", message="The edits were ranked, none was relaxed."
        )

    @classmethod
    def get_builder_from_protocol(
        cls, core, candidates, models, protocol=None, overrides=None, **relaxation
    ):
        """Return a builder; numbers from `protocols/match_ligands.yaml`.

        Parameters
        ----------
        core
            FramesData of one core.
        candidates, models, protocol, overrides
            As of :meth:`.MatchLigandsWorkChain.get_builder_from_protocol`.
        relaxation
            `code`, `potential` and `options` of the same.
        """
        values = load_protocol("match_ligands", protocol, overrides)
        builder = cls.get_builder()
        builder.core, builder.edit_settings = core, Dict(values["edits"])
        match = MatchLigandsWorkChain.get_builder_from_protocol(
            None, candidates, models, protocol, overrides, **relaxation
        )
        builder[MATCH] = match._inputs(prune=True)
        return builder

    def edit(self) -> None:
        """Enumerate the distinct edits."""
        made = enumerate_core_edits(self.inputs.core, self.inputs.edit_settings)
        self.report(made["table"]["sentence"])
        self.out("edits", made["edits"])
        self.out("edit_table", made["table"])

    def match(self) -> None:
        """Rank the sets of ligands for the core and each edit."""
        inputs = self.exposed_inputs(MatchLigandsWorkChain, namespace=MATCH)
        inputs["cores"] = self.outputs["edits"]
        self.to_context(ranking=self.submit(MatchLigandsWorkChain, **inputs))

    def compare(self) -> ExitCode | None:
        """Set the edits beside the core."""
        child = self.ctx.ranking
        if "table" not in child.outputs:
            said = describe_child(child)
            return self.exit_codes.ERROR_NO_RANKING.format(message=said)
        self.out_many(self.exposed_outputs(child, MatchLigandsWorkChain))
        ranked = child.outputs.table, child.outputs.probabilities
        self.out("comparison", compare_edits(self.outputs["edit_table"], *ranked))
        if not child.is_finished_ok:
            self.report(describe_child(child))
            return self.exit_codes.ERROR_NOTHING_RELAXED
        return None

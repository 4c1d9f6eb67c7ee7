"""Reference engine `potential`: labels from any potential that LAMMPS can evaluate."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec

from aiida_nanoclusters.calculations.labels.evaluate import settings_of
from aiida_nanoclusters.calculations.lammps_job import validate_potential
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.labels.sanity import check_frames
from aiida_nanoclusters.workflows.base.evaluate import EvaluateBaseWorkChain
from aiida_nanoclusters.workflows.engines.contract import LabelEngine


class PotentialEngineWorkChain(LabelEngine):
    """Label one batch of frames by a potential."""

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input(
            "potential",
            valid_type=PotentialData,
            validator=validate_potential,
            help="Potential whose energies and forces are the labels.",
        )
        spec.expose_inputs(
            EvaluateBaseWorkChain, exclude=("evaluate.frames", "evaluate.potentials")
        )
        spec.inputs.validator = validate_inputs
        spec.outline(cls.evaluate, cls.results)

    @staticmethod
    def method(inputs) -> str:
        """Return a key of everything on which a label depends besides its frame."""
        charges = settings_of(inputs.get("evaluate", {})).partial_charges
        potential = inputs["potential"]
        # Labels name the model that made them: those of an equal one are of another level.
        model = [potential.computed_level.split(" (")[0]] if potential.architecture else []
        return "-".join(["potential", potential.base.caching.compute_hash(), *model, *charges])

    @staticmethod
    def level_of_theory(inputs) -> str:
        """Return the level of theory of the labels."""
        return inputs["potential"].computed_level

    def evaluate(self) -> None:
        """Evaluate all frames in one job."""
        inputs = self.exposed_inputs(EvaluateBaseWorkChain)
        inputs["evaluate"]["frames"] = self.inputs.frames
        inputs["evaluate"]["potentials"] = {"reference": self.inputs.potential}
        self.to_context(evaluation=self.submit(EvaluateBaseWorkChain, **inputs))

    def results(self) -> ExitCode | None:
        """Attach labels and report."""
        evaluation = self.ctx.evaluation
        if "report" not in evaluation.outputs or "labelled" not in evaluation.outputs:
            self.report(f"EvaluateBaseWorkChain<{evaluation.pk}> gave no labels")
            return self.exit_codes.ERROR_NOTHING_LABELLED
        self.out("report", evaluation.outputs.report)
        self.out("frames", evaluation.outputs.labelled["reference"])
        return None


def validate_inputs(inputs, _) -> str | None:
    """Refuse frames that LAMMPS cannot compute, and elements the potential does not cover."""
    if "potential" not in inputs or "frames" not in inputs:
        return None
    try:
        check_frames(inputs["frames"].frames, elements=inputs["potential"].elements)
    except ValueError as error:
        return str(error)
    return None

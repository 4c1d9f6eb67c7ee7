"""Reference engine `potential`: labels from any potential that LAMMPS can evaluate."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec, WorkChain
from aiida.orm import Dict

from aiida_nanoclusters.calculations.lammps import validate_potential
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.checks import check_frames
from aiida_nanoclusters.workflows.evaluate import EvaluateBaseWorkChain


class PotentialEngineWorkChain(WorkChain):
    """Label one batch of frames by a potential; the contract all engines keep.

    In: `frames`, and what the engine itself needs. Out: `frames`, labelled, in input order,
    without those that failed; and `report`, which says of every frame whether it was labelled
    and why not. Nothing is dropped silently.
    """

    #: Whether isolated atoms must be labelled too, for the energy reference.
    needs_lone_atoms = False
    #: The cost of a frame grows as the number of atoms to this power.
    cost_exponent = 1.0
    #: Batches, in units of `max_concurrent`, that are worth a job each.
    least_batches = 0

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input("frames", valid_type=FramesData, help="What to label.")
        spec.input(
            "potential",
            valid_type=PotentialData,
            validator=validate_potential,
            help="The reference.",
        )
        spec.expose_inputs(
            EvaluateBaseWorkChain, exclude=("evaluate.frames", "evaluate.potentials")
        )
        spec.inputs.validator = validate_inputs
        spec.output("frames", valid_type=FramesData, required=False)
        spec.output("report", valid_type=Dict)
        spec.outline(cls.evaluate, cls.results)
        spec.exit_code(400, "ERROR_NOTHING_LABELLED", message="No frame could be labelled.")

    @staticmethod
    def method(inputs) -> str:
        """Return a key of everything a label depends on besides its frame."""
        return f"potential-{inputs['potential'].base.caching.compute_hash()}"

    @staticmethod
    def level_of_theory(inputs) -> str:
        """Return the level of the labels."""
        return inputs["potential"].level_of_theory

    def evaluate(self) -> None:
        """Evaluate all frames in one job."""
        inputs = self.exposed_inputs(EvaluateBaseWorkChain)
        inputs["evaluate"]["frames"] = self.inputs.frames
        inputs["evaluate"]["potentials"] = {"reference": self.inputs.potential}
        self.to_context(evaluation=self.submit(EvaluateBaseWorkChain, **inputs))

    def results(self) -> ExitCode | None:
        """Hand on labels and report."""
        evaluation = self.ctx.evaluation
        if "report" not in evaluation.outputs or "labelled" not in evaluation.outputs:
            self.report(f"EvaluateBaseWorkChain<{evaluation.pk}> gave no labels")
            return self.exit_codes.ERROR_NOTHING_LABELLED
        self.out("report", evaluation.outputs.report)
        self.out("frames", evaluation.outputs.labelled["reference"])
        return None


def validate_inputs(inputs, _) -> str | None:
    """Refuse frames that LAMMPS would choke on."""
    if "potential" not in inputs or "frames" not in inputs:
        return None
    try:
        check_frames(inputs["frames"].frames, elements=inputs["potential"].elements)
    except ValueError as error:
        return str(error)
    return None

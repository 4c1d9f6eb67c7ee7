"""LammpsBaseWorkChain: stages on many structures, seen through walltime and other faults."""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessHandlerReport, ProcessSpec, process_handler
from aiida.orm import CalcJobNode, Int

from aiida_nanoclusters.calculations.faults import MORE_MEMORY, OUT_OF_MEMORY, OUT_OF_WALLTIME
from aiida_nanoclusters.calculations.lammps import LammpsCalculation
from aiida_nanoclusters.calculations.lammps_batches import (
    continue_batch,
    merge_batches,
    pending_structures,
)
from aiida_nanoclusters.parsers.faults import MEMORY, shorten
from aiida_nanoclusters.workflows.job_restart import JobRestartWorkChain, give_up

OUTPUTS = ("structures", "trajectory", "thermo", "report")
#: Jobs that may die one after another without having finished anything.
MAX_DEATHS = 2


def validate_max_halvings(value: Int, _: Any) -> str | None:
    """Refuse a negative number."""
    return "`max_halvings` must be 0 or more" if value.value < 0 else None


class LammpsBaseWorkChain(JobRestartWorkChain):
    """Run stages on all structures, over as many jobs as it takes; outputs are in input order."""

    _process_class = LammpsCalculation

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and exit codes."""
        super().define(spec)
        spec.expose_inputs(
            LammpsCalculation, namespace="lammps", exclude=("resume", "parent_folder")
        )
        spec.input(
            "max_halvings",
            valid_type=Int,
            default=lambda: Int(2),
            validator=validate_max_halvings,
            help="How often the time step of an unstable structure is halved.",
        )
        spec.expose_outputs(LammpsCalculation, include=OUTPUTS)
        spec.outputs["report"].required = False
        spec.exit_code(410, "ERROR_LAMMPS", message="LAMMPS cannot run this: {message}")
        spec.exit_code(
            420,
            "ERROR_NO_PROGRESS",
            message=f"Jobs die without finishing anything: {{message}} Where no fault is named, "
            f"it may lack memory: {MORE_MEMORY}.",
        )
        spec.exit_code(
            430, "ERROR_STRUCTURES_FAILED", message="Structures {structures} failed: see `report`."
        )
        spec.exit_code(
            431,
            "ERROR_NOT_CONVERGED",
            message="Structures {structures} did not reach the force tolerance: see `report`.",
        )

    def setup(self) -> None:
        """Begin with all structures in one job."""
        super().setup()
        self.ctx.inputs = AttributeDict(self.exposed_inputs(LammpsCalculation, "lammps"))
        self.ctx.deaths = 0

    def results(self) -> ExitCode | None:
        """Attach the outputs of all jobs together; name the structures that were given up."""
        report = self.attach_merged()
        if report is None:
            return None
        entries = report["structures"]
        large = [str(e["index"]) for e in entries if e.get("reason") == MEMORY]
        if large:
            return self.exit_codes.ERROR_OUT_OF_MEMORY.format(
                what=f"Structures {shorten(large)} ran"
            )
        for code, wanted in (
            (self.exit_codes.ERROR_STRUCTURES_FAILED, lambda e: e["state"] != "finished"),
            (self.exit_codes.ERROR_NOT_CONVERGED, lambda e: e["converged"] is False),
        ):
            found = [str(e["index"]) for e in entries if wanted(e)]
            if found:
                return code.format(structures=shorten(found))
        return None

    def attach_merged(self) -> Any:
        """Attach the outputs of all jobs together; return the report, where there is one."""
        done = [child for child in self.ctx.children if "report" in child.outputs]
        if not done:
            return None
        if len(done) == 1:
            outputs = {key: done[0].outputs[key] for key in OUTPUTS if key in done[0].outputs}
        else:
            nodes = {"max_halvings": self.inputs.max_halvings}
            if "settings" in self.inputs.lammps:
                nodes["settings"] = self.inputs.lammps.settings
            for number, child in enumerate(done):
                if "timestep_factors" in child.inputs:
                    nodes[f"factors_{number:03d}"] = child.inputs.timestep_factors
                for key in OUTPUTS:
                    if key in child.outputs:
                        nodes[f"{key}_{number:03d}"] = child.outputs[key]
            outputs = merge_batches(self.inputs.lammps.frames, **nodes)
        for key, node in outputs.items():
            self.out(key, node)
        return outputs["report"]

    # -- one handler per fault -----------------------------------------------------------------

    @process_handler(
        priority=500,
        exit_codes=[
            LammpsCalculation.exit_codes.ERROR_LAMMPS,
            LammpsCalculation.exit_codes.ERROR_NO_PAIR_STYLE,
        ],
    )
    def handle_lammps_error(self, node: CalcJobNode) -> ProcessHandlerReport:
        """Abort: LAMMPS does not understand its input or lacks a style; repeating is no help."""
        return give_up(self.exit_codes.ERROR_LAMMPS.format(message=node.exit_message))

    @process_handler(priority=400)
    def handle_out_of_walltime(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Continue: the allotted time is up; the trajectories are sound and need more of it."""
        if node.exit_status not in (
            LammpsCalculation.exit_codes.ERROR_OUT_OF_WALLTIME.status,
            OUT_OF_WALLTIME,
        ):
            return None
        return self.go_on(node, "out of walltime")

    @process_handler(priority=350)
    def handle_out_of_memory(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Continue without what does not fit, even alone; a fresh job has all its memory again."""
        if node.exit_status != OUT_OF_MEMORY:
            return None
        return self.go_on(node, "out of memory")

    @process_handler(priority=300)
    def handle_death(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Continue: something killed LAMMPS, the physics is not to blame."""
        codes = LammpsCalculation.exit_codes
        if node.exit_status not in (codes.ERROR_DIED.status, codes.ERROR_NO_LOG.status):
            return None
        return self.go_on(node, node.exit_message)

    @process_handler(priority=200, exit_codes=LammpsCalculation.exit_codes.ERROR_UNSTABLE)
    def handle_unstable(self, node: CalcJobNode) -> ProcessHandlerReport:
        """Halve the time step: atoms that move too far in a step gain energy from nothing.

        Structures that are broken from the start (overlapping atoms), or still unstable at the
        shortest step, are given up; all others are kept.
        """
        return self.go_on(node, "unstable structures")

    @process_handler(priority=100, exit_codes=LammpsCalculation.exit_codes.ERROR_NOT_CONVERGED)
    def handle_not_converged(self, node: CalcJobNode) -> ProcessHandlerReport:
        """Finish: a minimiser that used up its steps did not fail, but the user must allow more."""
        return self._finish()

    def go_on(
        self, node: CalcJobNode, reason: str, *, blameless: bool = False
    ) -> ProcessHandlerReport:
        """Prepare a job for the structures that are not settled."""
        if "report" not in node.outputs:
            settled = 0
        else:
            factors = node.inputs.timestep_factors if "timestep_factors" in node.inputs else None
            report = node.outputs.report.get_dict()
            pending = pending_structures(
                report, factors and factors.get_list(), self.inputs.max_halvings.value
            )
            if not pending:
                return self._finish()
            settled = len(report["structures"]) - len(pending)
            settled += report["resume"] is not None or any(p.halved for p in pending)
            self.report(f"{reason}: {len(pending)} of {len(report['structures'])} go on")
        if not blameless:
            self.ctx.deaths = 0 if settled else self.ctx.deaths + 1
        if self.ctx.deaths > MAX_DEATHS:
            return give_up(self.exit_codes.ERROR_NO_PROGRESS.format(message=reason))
        if "report" in node.outputs:
            self._next_batch(node)
        return ProcessHandlerReport(do_break=True)

    def _next_batch(self, node: CalcJobNode) -> None:
        inputs = self.ctx.inputs
        optional = {
            name: inputs[key]
            for name, key in (("seeds", "seeds"), ("factors", "timestep_factors"))
            if key in inputs
        }
        batch = continue_batch(
            inputs.frames, node.outputs.report, self.inputs.max_halvings, **optional
        )
        for key in ("resume", "parent_folder"):
            inputs.pop(key, None)
        inputs.update({key: batch[key] for key in batch})
        if "resume" in batch:
            inputs.parent_folder = node.outputs.remote_folder

    def _finish(self) -> ProcessHandlerReport:
        """Go on to `results`, whose exit code tells what was given up."""
        self.ctx.is_finished = True
        return ProcessHandlerReport(do_break=True)

"""LammpsBaseWorkChain: stages of many structures, with restarts after failures."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode, ProcessHandlerReport, ProcessSpec, process_handler
from aiida.orm import CalcJobNode, Int

from aiida_nanoclusters.calculations.sampling.lammps import LammpsCalculation
from aiida_nanoclusters.calculations.sampling.lammps_batches import (
    continue_batch,
    merge_batches,
    pending_structures,
)
from aiida_nanoclusters.formats.lammps.job import Resume, has_gone_on
from aiida_nanoclusters.parsers.faults import shorten
from aiida_nanoclusters.workflows.base.job_restart import give_up
from aiida_nanoclusters.workflows.base.lammps_restart import LammpsRestartWorkChain

OUTPUTS = ("structures", "trajectory", "thermo", "report")


def validate_max_halvings(value: Int, _: Any) -> str | None:
    """Refuse a negative number."""
    return "`max_halvings` is negative: give 0 or more" if value.value < 0 else None


class LammpsBaseWorkChain(LammpsRestartWorkChain):
    """Run stages of all structures, in as many jobs as it takes; outputs are in input order."""

    _process_class = LammpsCalculation
    _namespace, _items = "lammps", "structures"

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and exit codes."""
        super().define(spec)
        spec.expose_inputs(
            cls._process_class, namespace="lammps", exclude=("resume", "parent_folder")
        )
        spec.input(
            "max_halvings",
            valid_type=Int,
            default=lambda: Int(2),
            validator=validate_max_halvings,
            help="Number of times that the time step of an unstable structure may be halved. "
            "Default: 2.",
        )
        spec.expose_outputs(LammpsCalculation, include=OUTPUTS)
        spec.outputs["report"].required = False
        spec.exit_code(
            430, "ERROR_STRUCTURES_FAILED", message="Structures {structures} failed: see `report`."
        )
        spec.exit_code(
            431,
            "ERROR_NOT_CONVERGED",
            message="Structures {structures} did not reach the force tolerance: see `report`.",
        )

    def results(self) -> ExitCode | None:
        """Attach the outputs of all jobs together; the exit code names structures that failed."""
        report = self.attach_merged()
        if report is None:
            return None
        entries = report["structures"]
        large = self.memory_problem(entries)
        if large is not None:
            return large
        for code, wanted in (
            (self.exit_codes.ERROR_STRUCTURES_FAILED, lambda e: e["state"] != "finished"),
            (self.exit_codes.ERROR_NOT_CONVERGED, lambda e: e["converged"] is False),
        ):
            found = [str(e["index"]) for e in entries if wanted(e)]
            if found:
                return code.format(structures=shorten(found))
        return None

    def attach_merged(self) -> Any:
        """Attach the outputs of all jobs together; return the report, or None."""
        done = self.reported_jobs()
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

    # -- one handler per failure ---------------------------------------------------------------

    @process_handler(priority=410, exit_codes=LammpsCalculation.exit_codes.ERROR_OUT_OF_WALLTIME)
    def handle_out_of_walltime(self, node: CalcJobNode) -> ProcessHandlerReport:
        """Continue: LAMMPS stopped by itself before the walltime was over."""
        return self.restart(node, "out of walltime")

    @process_handler(priority=200, exit_codes=LammpsCalculation.exit_codes.ERROR_UNSTABLE)
    def handle_unstable(self, node: CalcJobNode) -> ProcessHandlerReport:
        """Halve the time step: the integration of steps that are too long does not conserve energy.

        Structures with overlapping atoms, or unstable at the shortest time step, have failed; all
        others are kept.
        """
        return self.restart(node, "unstable structures")

    @process_handler(priority=100, exit_codes=LammpsCalculation.exit_codes.ERROR_NOT_CONVERGED)
    def handle_not_converged(self, node: CalcJobNode) -> ProcessHandlerReport:
        """Finish: a minimisation at its largest number of steps did not fail, but needs more."""
        return self.finish()

    def restart(
        self, node: CalcJobNode, reason: str, *, external: bool = False
    ) -> ProcessHandlerReport:
        """Prepare a job for the structures that neither finished nor failed."""
        if "report" not in node.outputs:
            settled = 0
        else:
            factors = node.inputs.timestep_factors if "timestep_factors" in node.inputs else None
            report = node.outputs.report.get_dict()
            pending = pending_structures(
                report, factors and factors.get_list(), self.inputs.max_halvings.value
            )
            if not pending:
                return self.finish()
            settled = len(report["structures"]) - len(pending)
            begun = Resume.of(node.inputs.resume.get_dict()) if "resume" in node.inputs else None
            settled += has_gone_on(report["resume"], begun) or any(p.halved for p in pending)
            count = len(report["structures"])
            self.report(f"{reason}: the next job holds {len(pending)} of {count} structures")
        if self.count_failure(bool(settled), external):
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

"""TemperingBaseWorkChain: one run of parallel tempering, in as many jobs as it takes."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode, ProcessHandlerReport, ProcessSpec, process_handler
from aiida.orm import CalcJobNode

from aiida_nanoclusters.calculations.sampling.tempering import TemperingCalculation
from aiida_nanoclusters.calculations.sampling.tempering import validate_inputs as validate_job
from aiida_nanoclusters.calculations.sampling.tempering_results import join_tempering
from aiida_nanoclusters.workflows.base.job_restart import give_up
from aiida_nanoclusters.workflows.base.lammps_restart import LammpsRestartWorkChain

_OUTPUTS = ("swaps", "trajectory", "report")


def validate_inputs(value, _) -> str | None:
    """Refuse what no job could run."""
    return validate_job(value.get("tempering", {}), None)


class TemperingBaseWorkChain(LammpsRestartWorkChain):
    """Run the replicas to the end; each job continues from the checkpoint of the one before."""

    _process_class = TemperingCalculation
    _namespace, _items = "tempering", "attempts to swap"

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and exit codes."""
        super().define(spec)
        spec.expose_inputs(TemperingCalculation, namespace="tempering", exclude=("checkpoint",))
        spec.inputs.validator = validate_inputs
        spec.expose_outputs(TemperingCalculation, include=_OUTPUTS)
        spec.outputs["report"].required = False
        spec.exit_code(430, "ERROR_REPLICA_FAILED", message="{message}")

    def setup(self) -> None:
        """Begin at the start."""
        super().setup()
        self.ctx.done = 0

    def results(self) -> ExitCode | None:
        """Attach the outputs of all jobs together."""
        self.attach_merged()
        return None

    def attach_merged(self) -> Any:
        """Attach the outputs of all jobs together; return the report, or None."""
        parts = {}
        for number, child in enumerate(self.ctx.children):
            if "swaps" not in child.outputs:
                continue
            for key in _OUTPUTS:
                if key in child.outputs:
                    parts[f"{key}_{number:03d}"] = child.outputs[key]
        if not parts:
            return None
        joined = join_tempering(**parts)
        for key in _OUTPUTS:
            if key in joined:
                self.out(key, joined[key])
        return joined["report"]

    # -- one handler per failure ---------------------------------------------------------------

    @process_handler(priority=410, exit_codes=TemperingCalculation.exit_codes.ERROR_OUT_OF_WALLTIME)
    def handle_out_of_walltime(self, node: CalcJobNode) -> ProcessHandlerReport:
        """Continue: the driver stopped by itself before the walltime was over."""
        return self.restart(node, "out of walltime")

    @process_handler(priority=200, exit_codes=TemperingCalculation.exit_codes.ERROR_REPLICA_FAILED)
    def handle_replica_failed(self, node: CalcJobNode) -> ProcessHandlerReport:
        """Abort: a replica that the potential cannot move at any time step fails again."""
        return give_up(self.exit_codes.ERROR_REPLICA_FAILED.format(message=node.exit_message))

    def restart(
        self, node: CalcJobNode, reason: str, *, external: bool = False
    ) -> ProcessHandlerReport:
        """Continue from the checkpoint, or from where the job itself began."""
        done = node.outputs.report["attempts_done"] if "report" in node.outputs else 0
        if self.count_failure(done > self.ctx.done, external):
            return give_up(self.exit_codes.ERROR_NO_PROGRESS.format(message=reason))
        if "checkpoint" in node.outputs:
            self.ctx.inputs.checkpoint = node.outputs.checkpoint
            self.ctx.done = max(done, self.ctx.done)
            attempts = node.outputs.report["attempts"]
            self.report(f"{reason}: continuing after {done} of {attempts} attempts to swap")
        return ProcessHandlerReport(do_break=True)

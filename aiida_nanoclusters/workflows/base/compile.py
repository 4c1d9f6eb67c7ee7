"""CompileBaseWorkChain: one model compiled, with restarts after failures."""

from __future__ import annotations

from aiida.engine import ProcessHandlerReport, ProcessSpec, process_handler
from aiida.orm import CalcJobNode

from aiida_nanoclusters.calculations.faults import OUT_OF_MEMORY
from aiida_nanoclusters.calculations.learning.compile import CompileCalculation
from aiida_nanoclusters.workflows.base.job_restart import JobRestartWorkChain, give_up

#: Number of jobs in a row that may be lost.
MAX_LOSSES = 2


class CompileBaseWorkChain(JobRestartWorkChain):
    """Compile a model; a lost job is repeated."""

    _process_class = CompileCalculation

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and exit codes."""
        super().define(spec)
        spec.expose_inputs(CompileCalculation, namespace="compile")
        spec.expose_outputs(CompileCalculation)
        spec.exit_code(403, "ERROR_COMPILATION_FAILED", message="{message}")

    def setup(self) -> None:
        """Start from the inputs."""
        super().setup()
        self.ctx.inputs = self.exposed_inputs(CompileCalculation, "compile")
        self.ctx.losses = 0

    @process_handler(priority=470)
    def handle_out_of_memory(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Abort: the next job would need as much memory."""
        if node.exit_status != OUT_OF_MEMORY:
            return None
        return give_up(self.exit_codes.ERROR_OUT_OF_MEMORY.format(what="The compiler ran"))

    @process_handler(priority=0)
    def handle_the_rest(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Abort with the message of the job: a repetition would fail as well."""
        if node.is_finished_ok:
            return None
        return give_up(self.exit_codes.ERROR_COMPILATION_FAILED.format(message=node.exit_message))

    def restart(
        self, node: CalcJobNode, reason: str, *, external: bool = False
    ) -> ProcessHandlerReport:
        """Repeat the job: a compilation takes minutes and writes no restart file."""
        self.ctx.losses += not external
        if self.ctx.losses > MAX_LOSSES:
            message = node.exit_message
            return give_up(self.exit_codes.ERROR_COMPILATION_FAILED.format(message=message))
        self.report(f"{reason}: the job is repeated")
        return ProcessHandlerReport(do_break=True)

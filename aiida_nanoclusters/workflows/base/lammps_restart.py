"""LammpsRestartWorkChain: failures that all jobs of LAMMPS have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessHandlerReport, ProcessSpec, process_handler
from aiida.orm import CalcJobNode

from aiida_nanoclusters.calculations.faults import MORE_MEMORY, OUT_OF_MEMORY, OUT_OF_WALLTIME
from aiida_nanoclusters.parsers.faults import MEMORY, shorten
from aiida_nanoclusters.workflows.base.job_restart import JobRestartWorkChain, give_up

#: Number of jobs in a row that may end without progress.
MAX_FAILURES = 2


class LammpsRestartWorkChain(JobRestartWorkChain):
    """Base of work chains that complete one batch by as many jobs of LAMMPS as it takes.

    A subclass names the namespace of the inputs of its CalcJob, and what that job's report lists.
    """

    _namespace: ClassVar[str]
    _items: ClassVar[str]

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare exit codes."""
        super().define(spec)
        spec.exit_code(410, "ERROR_LAMMPS", message="LAMMPS cannot run this input: {message}")
        spec.exit_code(
            420,
            "ERROR_NO_PROGRESS",
            message=f"Jobs end without any finished {cls._items}: {{message}} Where no cause is "
            f"named, they may lack memory: {MORE_MEMORY}.",
        )

    def setup(self) -> None:
        """Put all frames into the first job."""
        super().setup()
        self.ctx.inputs = AttributeDict(self.exposed_inputs(self._process_class, self._namespace))
        self.ctx.failures = 0

    def reported_jobs(self) -> list[CalcJobNode]:
        """Return the jobs that have a report, in order."""
        return [child for child in self.ctx.children if "report" in child.outputs]

    def count_failure(self, made_progress: bool, external: bool) -> bool:
        """Count a job that ended early; return whether there were too many without progress."""
        if not external:
            self.ctx.failures = 0 if made_progress else self.ctx.failures + 1
        return self.ctx.failures > MAX_FAILURES

    def finish(self) -> ProcessHandlerReport:
        """Continue with `results`, which returns the exit code."""
        self.ctx.is_finished = True
        return ProcessHandlerReport(do_break=True)

    def memory_problem(self, rows: Iterable[Mapping[str, Any]]) -> ExitCode | None:
        """Return the exit code where frames need more memory than a job has."""
        large = [str(row["index"]) for row in rows if row.get("reason") == MEMORY]
        if not large:
            return None
        what = f"{self._items.capitalize()} {shorten(large)} ran"
        return self.exit_codes.ERROR_OUT_OF_MEMORY.format(what=what)

    # -- one handler per failure ---------------------------------------------------------------

    @process_handler(priority=500)
    def handle_lammps_error(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Abort: LAMMPS does not accept its input or lacks a style, now and in any repetition."""
        codes = self._process_class.exit_codes
        if node.exit_status not in (codes.ERROR_LAMMPS.status, codes.ERROR_NO_PAIR_STYLE.status):
            return None
        return give_up(self.exit_codes.ERROR_LAMMPS.format(message=node.exit_message))

    @process_handler(priority=400)
    def handle_interrupted(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Continue: the walltime or a kill ended the job, not the physics."""
        codes = self._process_class.exit_codes
        if node.exit_status not in (
            codes.ERROR_DIED.status,
            codes.ERROR_NO_LOG.status,
            OUT_OF_WALLTIME,
        ):
            return None
        return self.restart(node, node.exit_message, external=False)

    @process_handler(priority=350)
    def handle_out_of_memory(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Continue without the frames that do not fit into memory even in a job of their own."""
        if node.exit_status != OUT_OF_MEMORY:
            return None
        return self.restart(node, "out of memory", external=False)

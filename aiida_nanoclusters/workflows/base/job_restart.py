"""JobRestartWorkChain: external failures, which jobs of every kind may have."""

from __future__ import annotations

from typing import Any

from aiida.engine import (
    BaseRestartWorkChain,
    ExitCode,
    ProcessHandlerReport,
    ProcessSpec,
    WorkChain,
    process_handler,
    while_,
)
from aiida.orm import CalcJobNode, Int

from aiida_nanoclusters.calculations.faults import (
    DISK_FULL,
    INVALID_ACCOUNT,
    MORE_MEMORY,
    NODE_FAILURE,
    PREEMPTED,
)


class JobRestartWorkChain(BaseRestartWorkChain):
    """Base of work chains that complete one batch by as many jobs as it takes.

    A subclass prepares in :meth:`restart` the job after one that was ended early, and attaches in
    :meth:`attach_merged` the results so far where the work chain aborts.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare outline and exit codes; a batch may need many jobs."""
        super().define(spec)
        spec.inputs["max_iterations"].default = lambda: Int(20)
        spec.outline(
            cls.setup,
            while_(cls.should_run_process)(cls.run_process, cls.inspect_process),
            cls.results,
        )
        spec.exit_code(404, "ERROR_NOT_SUBMITTED", message="{message}")
        spec.exit_code(
            440, "ERROR_OUT_OF_MEMORY", message=f"{{what}} out of memory: {MORE_MEMORY}."
        )

    def inspect_process(self) -> ExitCode | None:
        """Handle the last job; attach the results so far also where the work chain aborts."""
        exit_code = super().inspect_process()
        if exit_code is not None and exit_code.status:
            self.attach_merged()
        return exit_code

    def attach_merged(self) -> Any:
        """Attach the results of the jobs so far; none by default."""

    def restart(self, node: CalcJobNode, reason: str, *, external: bool) -> ProcessHandlerReport:
        """Prepare the next job, or abort.

        Parameters
        ----------
        node
            The job that was ended early.
        reason
            Reason, for the report.
        external
            Whether an external cause ended it, which does not count as a failure of the job.
        """
        raise NotImplementedError

    @process_handler(priority=900)
    def handle_not_submitted(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Abort: the scheduler refuses the account, now and in any repetition."""
        if node.exit_status != INVALID_ACCOUNT:
            return None
        return give_up(self.exit_codes.ERROR_NOT_SUBMITTED.format(message=refusal(node)))

    @process_handler(priority=890)
    def handle_disk_full(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Pause until the user has made room: every further job would fail on the full disk."""
        if node.exit_status != DISK_FULL:
            return None
        wait_for_space(self, node)
        return self.restart(node, "disk full", external=True)

    @process_handler(priority=880)
    def handle_preempted(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Continue: the job was preempted by another, which is no failure of its own."""
        if node.exit_status != PREEMPTED:
            return None
        return self.restart(node, "preempted", external=True)

    @process_handler(priority=870)
    def handle_node_failure(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Continue: the machine failed; repeated failures count, as the job may be their cause."""
        if node.exit_status != NODE_FAILURE:
            return None
        return self.restart(node, "node failure", external=False)


def give_up(exit_code: ExitCode) -> ProcessHandlerReport:
    """Return the report of a handler that ends the work chain."""
    return ProcessHandlerReport(do_break=True, exit_code=exit_code)


def wait_for_space(chain: WorkChain, node: CalcJobNode) -> None:
    """Pause a work chain until the user has made room and continues it."""
    chain.report(f"{node.exit_message} Then continue: verdi process play {chain.node.pk}")
    chain.pause(f"{node.exit_message} Then: verdi process play {chain.node.pk}")


def refusal(node: CalcJobNode) -> str:
    """Return why the scheduler refused a job, and the fix."""
    account, queue = node.get_option("account"), node.get_option("queue_name")
    return (
        f"{node.computer.label} does not let the account `{account}` use the partition `{queue}`: "
        "choose others with `--options account=...` and `--options partition=...`, or in the "
        "profile"
    )

"""JobRestartWorkChain: faults that come from outside and befall jobs of every kind alike."""

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
    """Base of work chains that see one batch through, over as many jobs as it takes.

    A subclass says in :meth:`go_on` what the job after one that was ended early has to do, and in
    :meth:`attach_merged` what there is to hand on where the work chain gives up.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare outline and exit codes; a job may have to be followed up many times."""
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
        """Judge the last job; hand on what there is also where the work chain gives up."""
        exit_code = super().inspect_process()
        if exit_code is not None and exit_code.status:
            self.attach_merged()
        return exit_code

    def attach_merged(self) -> Any:
        """Attach what the jobs have done so far; nothing by default."""

    def go_on(self, node: CalcJobNode, reason: str, *, blameless: bool) -> ProcessHandlerReport:
        """Prepare the next job, or give up.

        Parameters
        ----------
        node
            The job that was ended early.
        reason
            Why, for the report.
        blameless
            Whether this must not count as a sign that something is wrong with what it did.
        """
        raise NotImplementedError

    @process_handler(priority=900)
    def handle_not_submitted(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Abort: a scheduler that refuses an account does so again."""
        if node.exit_status != INVALID_ACCOUNT:
            return None
        return give_up(self.exit_codes.ERROR_NOT_SUBMITTED.format(message=refusal(node)))

    @process_handler(priority=890)
    def handle_disk_full(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Wait for a person: every further job would end on the full disk as well."""
        if node.exit_status != DISK_FULL:
            return None
        wait_for_space(self, node)
        return self.go_on(node, "disk full", blameless=True)

    @process_handler(priority=880)
    def handle_preempted(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Continue: the job made room for another, which says nothing about itself."""
        if node.exit_status != PREEMPTED:
            return None
        return self.go_on(node, "preempted", blameless=True)

    @process_handler(priority=870)
    def handle_node_failure(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Continue: the machine failed; one that fails again and again may be driven to it."""
        if node.exit_status != NODE_FAILURE:
            return None
        return self.go_on(node, "node failure", blameless=False)


def give_up(exit_code: ExitCode) -> ProcessHandlerReport:
    """Return the report of a handler that ends the work chain."""
    return ProcessHandlerReport(do_break=True, exit_code=exit_code)


def wait_for_space(chain: WorkChain, node: CalcJobNode) -> None:
    """Pause a work chain until a person has made room, and says so."""
    chain.report(f"{node.exit_message} Then go on: verdi process play {chain.node.pk}")
    chain.pause(f"{node.exit_message} Then: verdi process play {chain.node.pk}")


def refusal(node: CalcJobNode) -> str:
    """Return how to mend what a scheduler refused."""
    account, queue = node.get_option("account"), node.get_option("queue_name")
    return (
        f"{node.computer.label} does not let the account `{account}` use the partition `{queue}`: "
        "choose others with `--options account=...` and `--options partition=...`, or in the "
        "profile"
    )

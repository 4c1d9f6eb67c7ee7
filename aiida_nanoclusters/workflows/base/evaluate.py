"""EvaluateBaseWorkChain: many frames evaluated by a committee, with restarts after failures."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode, ProcessHandlerReport, ProcessSpec, process_handler
from aiida.orm import CalcJobNode

from aiida_nanoclusters.calculations.labels.evaluate import (
    EvaluateCalculation,
    continue_evaluation,
    merge_evaluations,
    unfinished_places,
)
from aiida_nanoclusters.parsers.faults import shorten
from aiida_nanoclusters.workflows.base.job_restart import give_up
from aiida_nanoclusters.workflows.base.lammps_restart import LammpsRestartWorkChain


class EvaluateBaseWorkChain(LammpsRestartWorkChain):
    """Evaluate all frames, in as many jobs as it takes; outputs are in input order."""

    _process_class = EvaluateCalculation
    _namespace, _items = "evaluate", "frames"

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and exit codes."""
        super().define(spec)
        spec.expose_inputs(EvaluateCalculation, namespace="evaluate")
        spec.expose_outputs(EvaluateCalculation, include=("labelled", "report"))
        spec.outputs["report"].required = False
        spec.exit_code(
            430, "ERROR_FRAMES_FAILED", message="Frames {frames} have no labels: see `report`."
        )

    def results(self) -> ExitCode | None:
        """Attach the outputs of all jobs together; the exit code names frames without labels."""
        report = self.attach_merged()
        large = self.memory_problem(report["frames"])
        if large is not None:
            return large
        missing = [str(e["index"]) for e in report["frames"] if e["state"] != "labelled"]
        if missing:
            return self.exit_codes.ERROR_FRAMES_FAILED.format(frames=shorten(missing))
        return None

    def attach_merged(self) -> Any:
        """Attach the outputs of all jobs together; return the report, or None."""
        done = self.reported_jobs()
        if not done:
            return None
        if len(done) == 1:
            report = done[0].outputs.report
            labelled = _labelled(done[0])
        else:
            nodes = {}
            for number, child in enumerate(done):
                nodes[f"report_{number:03d}"] = child.outputs.report
                for key, node in _labelled(child).items():
                    nodes[f"labelled_{number:03d}_{key}"] = node
            merged = merge_evaluations(self.inputs.evaluate.frames, **nodes)
            report = merged.pop("report")
            labelled = {k.removeprefix("labelled__"): node for k, node in merged.items()}
        for key in sorted(labelled):
            self.out(f"labelled.{key}", labelled[key])
        self.out("report", report)
        return report

    # -- one handler per failure ---------------------------------------------------------------

    @process_handler(priority=300, exit_codes=EvaluateCalculation.exit_codes.ERROR_FRAMES_FAILED)
    def handle_failed_frames(self, node: CalcJobNode) -> ProcessHandlerReport:
        """Continue: a frame without finite energy (overlapping atoms) has none in a repetition."""
        return self.restart(node, node.exit_message)

    def restart(
        self, node: CalcJobNode, reason: str, *, external: bool = False
    ) -> ProcessHandlerReport:
        """Prepare a job for the frames that the last one did not reach."""
        before = len(self.ctx.inputs.frames)
        left = (
            unfinished_places(node.outputs.report.get_dict()) if "report" in node.outputs else None
        )
        if left == []:
            return self.finish()
        if self.count_failure(left is not None and len(left) < before, external):
            return give_up(self.exit_codes.ERROR_NO_PROGRESS.format(message=node.exit_message))
        if left is not None and len(left) < before:
            self.report(f"{reason}: the next job evaluates {len(left)} of {before} frames")
            self.ctx.inputs.frames = continue_evaluation(
                self.ctx.inputs.frames, node.outputs.report
            )
        return ProcessHandlerReport(do_break=True)


def _labelled(node: CalcJobNode) -> dict[str, Any]:
    """Return the labelled frames of a job by key of the potential."""
    return dict(node.outputs.labelled.items()) if "labelled" in node.outputs else {}

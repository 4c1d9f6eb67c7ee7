"""EvaluateBaseWorkChain: many frames evaluated by a committee, seen through faults."""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ProcessHandlerReport, ProcessSpec, process_handler
from aiida.orm import CalcJobNode

from aiida_nanoclusters.calculations.evaluate import (
    EvaluateCalculation,
    continue_evaluation,
    merge_evaluations,
    unsettled,
)
from aiida_nanoclusters.calculations.faults import MORE_MEMORY, OUT_OF_MEMORY, OUT_OF_WALLTIME
from aiida_nanoclusters.parsers.faults import MEMORY, shorten
from aiida_nanoclusters.workflows.job_restart import JobRestartWorkChain, give_up

#: Jobs that may end one after another without having evaluated anything.
MAX_DEATHS = 2


class EvaluateBaseWorkChain(JobRestartWorkChain):
    """Evaluate all frames, over as many jobs as it takes; outputs are in input order."""

    _process_class = EvaluateCalculation

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and exit codes."""
        super().define(spec)
        spec.expose_inputs(EvaluateCalculation, namespace="evaluate")
        spec.expose_outputs(EvaluateCalculation, include=("labelled", "report"))
        spec.outputs["report"].required = False
        spec.exit_code(410, "ERROR_LAMMPS", message="LAMMPS cannot run this: {message}")
        spec.exit_code(
            420,
            "ERROR_NO_PROGRESS",
            message=f"Jobs die without evaluating anything: {{message}} Where no fault is named, "
            f"it may lack memory: {MORE_MEMORY}.",
        )
        spec.exit_code(
            430, "ERROR_FRAMES_FAILED", message="Frames {frames} have no labels: see `report`."
        )

    def setup(self) -> None:
        """Begin with all frames in one job."""
        super().setup()
        self.ctx.inputs = AttributeDict(self.exposed_inputs(EvaluateCalculation, "evaluate"))
        self.ctx.deaths = 0

    def results(self) -> ExitCode | None:
        """Attach the outputs of all jobs together; name the frames without labels."""
        report = self.attach_merged()
        large = [str(e["index"]) for e in report["frames"] if e["reason"] == MEMORY]
        if large:
            return self.exit_codes.ERROR_OUT_OF_MEMORY.format(what=f"Frames {shorten(large)} ran")
        missing = [str(e["index"]) for e in report["frames"] if e["state"] != "labelled"]
        if missing:
            return self.exit_codes.ERROR_FRAMES_FAILED.format(frames=shorten(missing))
        return None

    def attach_merged(self) -> Any:
        """Attach the outputs of all jobs together; return the report, where there is one."""
        done = [child for child in self.ctx.children if "report" in child.outputs]
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

    # -- one handler per fault -----------------------------------------------------------------

    @process_handler(
        priority=500,
        exit_codes=[
            EvaluateCalculation.exit_codes.ERROR_LAMMPS,
            EvaluateCalculation.exit_codes.ERROR_NO_PAIR_STYLE,
        ],
    )
    def handle_lammps_error(self, node: CalcJobNode) -> ProcessHandlerReport:
        """Abort: LAMMPS does not understand its input or lacks a style; repeating is no help."""
        return give_up(self.exit_codes.ERROR_LAMMPS.format(message=node.exit_message))

    @process_handler(priority=400)
    def handle_cut_short(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Evaluate the rest: walltime or a kill ended the job; frames are independent."""
        codes = EvaluateCalculation.exit_codes
        if node.exit_status not in (
            codes.ERROR_DIED.status,
            codes.ERROR_NO_LOG.status,
            OUT_OF_WALLTIME,
        ):
            return None
        return self.go_on(node, node.exit_message)

    @process_handler(priority=350)
    def handle_out_of_memory(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Evaluate the rest without what does not fit, even alone, into the memory of a job."""
        if node.exit_status != OUT_OF_MEMORY:
            return None
        return self.go_on(node, "out of memory")

    @process_handler(priority=300, exit_codes=EvaluateCalculation.exit_codes.ERROR_FRAMES_FAILED)
    def handle_failed_frames(self, node: CalcJobNode) -> ProcessHandlerReport:
        """Go on: a frame without finite energy (overlapping atoms) has none next time either."""
        return self.go_on(node, node.exit_message)

    def go_on(
        self, node: CalcJobNode, reason: str, *, blameless: bool = False
    ) -> ProcessHandlerReport:
        """Prepare a job for the frames that the last one never came to."""
        before = len(self.ctx.inputs.frames)
        left = unsettled(node.outputs.report.get_dict()) if "report" in node.outputs else None
        if left == []:
            self.ctx.is_finished = True
            return ProcessHandlerReport(do_break=True)
        if not blameless:
            self.ctx.deaths = self.ctx.deaths + 1 if left is None or len(left) == before else 0
        if self.ctx.deaths > MAX_DEATHS:
            return give_up(self.exit_codes.ERROR_NO_PROGRESS.format(message=node.exit_message))
        if left is not None and len(left) < before:
            self.report(f"{reason}: {len(left)} of {before} frames go on")
            self.ctx.inputs.frames = continue_evaluation(
                self.ctx.inputs.frames, node.outputs.report
            )
        return ProcessHandlerReport(do_break=True)


def _labelled(node: CalcJobNode) -> dict[str, Any]:
    """Return the labelled frames of a job by key of the potential."""
    return dict(node.outputs.labelled.items()) if "labelled" in node.outputs else {}

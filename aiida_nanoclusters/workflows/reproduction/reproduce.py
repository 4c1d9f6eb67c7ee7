"""ReproduceWorkChain: run a recorded process again and compare what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiida.common.exceptions import MultipleObjectsError, NotExistent
from aiida.common.links import LinkType
from aiida.engine import ExitCode, ProcessSpec, while_
from aiida.orm import (
    AbstractCode,
    Bool,
    CalcFunctionNode,
    CalcJobNode,
    Dict,
    ProcessNode,
    Str,
    load_node,
)

from aiida_nanoclusters.calculations.reproduction.reproduce import NEW, RECORDED, compare_outputs
from aiida_nanoclusters.data.trust import may_run
from aiida_nanoclusters.science.keys import with_present_keys
from aiida_nanoclusters.science.reproduction.settings import ComparisonSettings
from aiida_nanoclusters.workflows.parts.batches import BatchedWorkChain
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.parts.resources import JobOptions
from aiida_nanoclusters.workflows.reproduction.rebuild import (
    Codes,
    codes_of,
    has_dynamics,
    label_of,
    name_of,
    plan_of,
    rebuild,
)


class ReproduceWorkChain(BatchedWorkChain):
    """Run a finished process again with the codes of this profile, and compare every output.

    If the process as a whole cannot be run (a code is missing, or a folder cannot be read), the
    outermost of the called processes that can be run are run, and the verdict names the rest.
    A process that was not granted trust is run without the command lines and the lines of batch
    scripts that were recorded with it; the verdict names these too.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input(
            "recorded",
            valid_type=Str,
            validator=validate_recorded,
            help="UUID of the finished process that is run again.",
        )
        spec.input_namespace(
            "codes",
            valid_type=AbstractCode,
            dynamic=True,
            required=False,
            help="Local codes, by `code_key` of the UUID of the recorded codes.",
        )
        spec.input(
            "rules",
            valid_type=Dict,
            validator=validate_rules,
            help="Tolerances of each quantity with units, and how outputs are compared; see "
            "`ComparisonSettings`. Default: the protocol `moderate` of `reproduce`.",
        )
        spec.input(
            "reuse",
            valid_type=Bool,
            default=lambda: Bool(False),
            help="Whether labels that this profile holds may be reused. Default: False.",
        )
        spec.input(
            "options",
            valid_type=dict,
            default=dict,
            is_metadata=True,
            help="Job options, `JobOptions.spelt_out`, by the UUID of the recorded code. Default: "
            "the recorded options that are valid on any machine.",
        )
        spec.output(
            "verdict", valid_type=Dict, help="Verdict, difference and tolerance of every output."
        )
        spec.outline(
            cls.plan,
            while_(cls.has_batches)(cls.submit_batches),
            cls.compare,
            cls.results,
        )
        spec.exit_code(400, "ERROR_NOTHING_TO_RUN", message="Nothing can be run again: {reason}")

    @classmethod
    def get_builder_from_protocol(
        cls, recorded, codes=None, protocol=None, overrides=None, options=None
    ):
        """Return a builder; tolerances are those of `protocols/reproduce.yaml`.

        Parameters
        ----------
        recorded
            A finished CalcJob, work chain or calcfunction.
        codes
            Local codes by the UUID of the recorded ones. Default: the recorded ones, if all were
            granted trust.
        protocol, overrides
            Name of a protocol, and what to change in it.
        options
            :class:`JobOptions` by the UUID of the recorded code.

        Raises
        ------
        ValueError
            If no codes are given, and a recorded one was not granted trust.
        """
        builder = cls.get_builder()
        builder.recorded = Str(recorded.uuid)
        if codes is None:
            codes = {code.uuid: code for code in codes_of(recorded)}
            barred = [code for code in codes.values() if not may_run(code)]
            if barred:
                uuids = " ".join(code.uuid for code in barred)
                raise ValueError(
                    f"the recorded codes {', '.join(label_of(code) for code in barred)} were not "
                    "granted trust: give `codes`, or run `aiida-nanoclusters trust "
                    f"{uuids}` if you trust their maker"
                )
        if codes:
            builder.codes = {code_key(uuid): code for uuid, code in codes.items()}
        rules = load_protocol("reproduce", protocol, overrides)
        builder.rules = Dict(rules)
        builder.options = {uuid: one.spelt_out for uuid, one in (options or {}).items()}
        return builder

    def plan(self) -> ExitCode | None:
        """Find what can be run: the process, or parts of it."""
        plan = plan_of(load_node(self.inputs.recorded.value), self._codes())
        for row in plan.left_out:
            self.report(f"{row['process']} {row['uuid']} cannot be run: {row['reason']}")
        if not plan.parts:
            reason = plan.left_out[0]["reason"]
            return self.exit_codes.ERROR_NOTHING_TO_RUN.format(reason=reason)
        for uuid, names in plan.omitted.items():
            self.report(omission(uuid, names))
        self.ctx.left_out, self.ctx.omitted = plan.left_out, plan.omitted
        self.ctx.batches = [node.uuid for node in plan.parts]
        return None

    def submit_batch(self, batch: str) -> ProcessNode:
        """Run one recorded process again."""
        node = load_node(batch)
        process_class, inputs = rebuild(
            node, self._codes(), self._options(), reuse=self.inputs.reuse.value
        )
        if isinstance(node, CalcFunctionNode):
            before = {child.pk for child in self.node.called}
            try:
                return process_class.run_get_node(**inputs)[1]
            except Exception:  # of whatever was recorded: what it left is compared
                new = [child for child in self.node.called if child.pk not in before]
                if not new:
                    raise
                return new[0]
        return self.submit(process_class, **inputs)

    def compare(self) -> None:
        """Compare recorded and new outputs."""
        runs: dict[str, Any] = {"parts": {}, "left_out": self.ctx.left_out}
        outputs: dict[str, dict[str, Any]] = {RECORDED: {}, NEW: {}}
        for index, new in enumerate(self.finished_batches()):
            recorded, key = load_node(self.ctx.batches[index]), f"part_{index:03d}"
            run = describe_run(recorded, new)
            run["omitted"] = self.ctx.get("omitted", {}).get(recorded.uuid, [])
            runs["parts"][key] = run
            for side, node in ((RECORDED, recorded), (NEW, new)):
                found = outputs_of(node)
                if found:
                    outputs[side][key] = found
        given = {side: found for side, found in outputs.items() if found}
        self.ctx.verdict = compare_outputs(self.inputs.rules, Dict(runs), **given)
        self.out("verdict", self.ctx.verdict)

    def results(self) -> None:
        """Report the verdict and what differs."""
        verdict = self.ctx.verdict
        self.report(verdict["verdict"])
        for part in verdict["parts"]:
            for row in part["rows"]:
                if row["verdict"] == "differs":
                    self.report(f"{part['process']} {row['output']} differs: {row['note']}")

    def _codes(self) -> Codes:
        given = self.inputs.get("codes", {})
        return {code_uuid(key): code for key, code in given.items()}

    def _options(self) -> dict[str, JobOptions]:
        return {uuid: JobOptions(**one) for uuid, one in self.inputs.options.items()}


def code_key(uuid: str) -> str:
    """Return the name of the port for the local code that replaces a recorded one."""
    return "code_" + uuid.replace("-", "_")


def code_uuid(key: str) -> str:
    """Return the UUID from a name made by :func:`code_key`."""
    return key.removeprefix("code_").replace("_", "-")


def omission(uuid: str, names: Sequence[str]) -> str:
    """Return the sentence on what is left out of a process, and the command that keeps it."""
    return (
        f"left out of {uuid}, which was not granted trust: {', '.join(names)}; "
        f"`aiida-nanoclusters trust {uuid}` keeps it"
    )


def outputs_of(node: ProcessNode) -> dict[str, Any]:
    """Return the outputs of a process, nested as its ports are, under their present names."""
    links = node.base.links.get_outgoing(link_type=(LinkType.CREATE, LinkType.RETURN))
    return dict(with_present_keys(links.nested()))


def describe_run(recorded: ProcessNode, new: ProcessNode) -> dict[str, Any]:
    """Return the entry of the verdict for a process and its repetition."""
    jobs = [new, *(getattr(new, "called_descendants", None) or [])]
    jobs = [job for job in jobs if isinstance(job, CalcJobNode)]
    return {
        "name": name_of(recorded),
        "process": recorded.process_label or name_of(recorded),
        "recorded": recorded.uuid,
        "new": new.uuid,
        "exit_statuses": [recorded.exit_status, new.exit_status],
        "exit_message": new.exit_message or "",
        "dynamics": has_dynamics(recorded),
        "jobs": len(jobs),
        "from_cache": sum(job.base.caching.is_created_from_cache for job in jobs),
    }


def validate_recorded(value: Str, _: Any) -> str | None:
    """Return what is wrong if the UUID is not that of a finished process."""
    try:
        node = load_node(value.value)
    except (NotExistent, MultipleObjectsError, ValueError):
        return f"no process {value.value}: import its archive, or give a UUID this profile has"
    if not isinstance(node, ProcessNode):
        return f"{value.value} is data, not a process: give the process that made it"
    if not node.is_terminated:
        return f"{value.value} has not finished: wait for it (`verdi process list`)"
    return None


def validate_rules(value: Dict, _: Any) -> str | None:
    """Return what is wrong with the settings of the comparison."""
    problem = ComparisonSettings.problem(value.get_dict())
    return f"rules: {problem}" if problem else None

"""What `reproduce` does once AiiDA is loaded: check, run, tell."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NoReturn

from aiida.manage.caching import disable_caching, enable_caching
from aiida.orm import AbstractCode, ProcessNode
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aiida_nanoclusters.cli.integrity import BAD, GOOD, UNKNOWN, Check, check_stored
from aiida_nanoclusters.cli.job_options import options_of, parse_options
from aiida_nanoclusters.cli.launch import fixable, get_node, launch
from aiida_nanoclusters.cli.reproduce.codes import map_codes
from aiida_nanoclusters.cli.terminal import Fixable, make_console, open_profile
from aiida_nanoclusters.workflows.protocol import load_protocol
from aiida_nanoclusters.workflows.rebuild import Plan, label_of, plan_of
from aiida_nanoclusters.workflows.reproduce import ReproduceWorkChain
from aiida_nanoclusters.workflows.resources import JobOptions

WIDTH = 80
COLOURS = {
    "identical": "green",
    "agrees": "green",
    "differs": "red",
    "not compared": "yellow",
    GOOD: "green",
    BAD: "red",
    UNKNOWN: "yellow",
}
#: What is ours, for AiiDA's cache.
CACHED = (
    "aiida.calculations:nanoclusters.*",
    "aiida_nanoclusters.calculations.*",
)


def run(
    uuid: str,
    codes: Sequence[str],
    check_only: bool,
    archive: str | None,
    from_cache: bool,
    protocol: str,
    options: Sequence[str],
    here: bool,
    profile_name: str | None,
) -> NoReturn:
    """Check a recorded process, or run it again and compare; exits with 0, 1 or 2."""
    if archive and not check_only:
        raise Fixable("--archive is for --check-only: add that, or leave it out")
    open_profile(profile_name)
    node = _recorded(uuid)
    with fixable():
        rules = load_protocol("reproduce", protocol)
    given = parse_options(options)
    chosen, missing = map_codes(node, codes)
    plan = plan_of(node, chosen)
    if check_only:
        _check(node, rules, archive, chosen, missing, plan)
    if not plan.parts:
        raise Fixable(_why(plan, missing))
    asked = {
        recorded: JobOptions({}, given=given)
        if code.uuid == recorded  # the recorded options hold
        else options_of(code, options)
        for recorded, code in chosen.items()
    }
    with fixable():
        builder = ReproduceWorkChain.get_builder_from_protocol(
            node, chosen, protocol, options=asked
        )
    builder.reuse = from_cache
    with ExitStack() as stack:
        if from_cache:
            for pattern in CACHED:
                stack.enter_context(enable_caching(identifier=pattern))
        else:
            stack.enter_context(disable_caching())
        again = launch(builder, here=here or from_cache)
    _tell(again)


def _tell(again: ProcessNode) -> NoReturn:
    """Print the verdict and exit by it."""
    if "verdict" not in again.outputs:
        make_console().print(f"[red]failed[/red]: {escape(str(again.exit_message))}")
        sys.exit(1)
    verdict = again.outputs.verdict
    print_verdict(verdict.get_dict())
    make_console().print(f"  verdict {verdict.uuid}")
    sys.exit(1 if verdict["verdict"] == "differs" else 0)


def _recorded(uuid: str) -> ProcessNode:
    from aiida.orm import Data, Node

    node = get_node(uuid, Node)
    if isinstance(node, Data):
        maker = node.creator
        hint = f"reproduce what made it, {maker.uuid}" if maker else "nothing made it"
        raise Fixable(f"{uuid} is data, not a process: {hint}")
    if not isinstance(node, ProcessNode) or not node.is_terminated:
        raise Fixable(f"{uuid} has not finished: wait for it (`aiida-nanoclusters status {uuid}`)")
    return node


def _why(plan: Plan, missing: Sequence[AbstractCode]) -> str:
    reason = plan.left_out[0]["reason"]
    for code in missing:
        if label_of(code) in reason:
            plugin = code.default_calc_job_plugin
            what = f" for `{plugin}`" if plugin else ""
            return (
                f"{reason}: name one{what} of `verdi code list` by --code {label_of(code)}=LOCAL, "
                "or make one (`aiida-nanoclusters setup`, `verdi code create`)"
            )
    return f"{plan.left_out[0]['process']} cannot be run again: {reason}"


def _check(
    node: ProcessNode,
    rules: Mapping[str, Any],
    archive: str | None,
    chosen: Mapping[str, AbstractCode],
    missing: Sequence[AbstractCode],
    plan: Plan,
) -> NoReturn:
    checks = list(check_stored(node, rules, archive))
    for recorded in missing:
        note = f"none here for {label_of(recorded)}: --code {label_of(recorded)}=LOCAL"
        checks.append(Check("codes", BAD, note))
    for recorded_uuid, code in chosen.items():
        checks.append(Check("codes", GOOD, f"{_label(recorded_uuid)} -> {label_of(code)}"))
    for row in plan.left_out:
        note = f"{row['process']} {row['uuid'][:8]} cannot: {row['reason']}"
        checks.append(Check("run again", BAD, note))
    for part in plan.parts:
        checks.append(Check("run again", GOOD, f"{part.process_label} {part.uuid}"))
    table = Table(box=None, pad_edge=False, width=WIDTH)
    for name in ("check", "state", "what"):
        table.add_column(name, no_wrap=name != "what")
    for check in checks:
        table.add_row(check.name, _coloured(check.state), escape(check.note))
    _console().print(table)
    sys.exit(1 if any(check.state == BAD for check in checks) else 0)


def print_verdict(verdict: Mapping[str, Any]) -> None:
    """Print what agrees and what differs, 80 columns wide."""
    console = _console()
    for part in verdict["parts"]:
        console.print(f"{part['process']} {part['recorded']}\n  again {part['new']}")
        if part["from_cache"]:
            console.print(f"  {part['from_cache']} of {part['jobs']} jobs from the cache")
        table = Table(box=None, pad_edge=False, width=WIDTH)
        for name in ("output", "verdict", "difference", "allowed", "what"):
            table.add_column(name, overflow="fold")
        for row in part["rows"]:
            allowed = "" if row["tolerance"] is None else f"{row['tolerance']:.1e} {row['unit']}"
            difference = "" if row["difference"] is None else f"{row['difference']:.1e}"
            measured = row["quantity"] if row["difference"] is not None else ""
            what = "; ".join(row["notes"][:3]) or row["note"] or measured
            table.add_row(
                row["output"], _coloured(row["verdict"]), difference, allowed, escape(what)
            )
        console.print(table)
    for row in verdict["left_out"]:
        console.print(f"not run: {row['process']} {row['uuid']}\n  {row['reason']}", markup=False)
    told = _coloured(verdict["verdict"])
    console.print(told if verdict["complete"] else f"{told}, as far as it could be run")


def _coloured(state: str) -> str:
    return f"[{COLOURS[state]}]{state}[/{COLOURS[state]}]"


def _console() -> Console:
    return Console(width=WIDTH, highlight=False)


def _label(uuid: str) -> str:
    from aiida.orm import load_code

    return label_of(load_code(uuid))

"""The command `reproduce` once AiiDA is loaded: check, run again, print the verdict."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

from aiida.manage.caching import disable_caching, enable_caching
from aiida.orm import AbstractCode, ProcessNode
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aiida_nanoclusters.cli.launch.options import fixable, get_node, launch
from aiida_nanoclusters.cli.launch.resources import options_of, parse_options
from aiida_nanoclusters.cli.reproduce.codes import LocalCodes, confirm, is_usable, map_codes
from aiida_nanoclusters.cli.reproduce.confined import LimitReached, confined
from aiida_nanoclusters.cli.reproduce.integrity import (
    BAD,
    GOOD,
    UNKNOWN,
    Check,
    check_stored,
)
from aiida_nanoclusters.cli.terminal import Fixable, PlainConsole, make_console, open_profile
from aiida_nanoclusters.data.trust import may_run
from aiida_nanoclusters.formats.plain_text import one_line, reason_of
from aiida_nanoclusters.workflows.parts.codes import code_problem
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.parts.resources import JobOptions
from aiida_nanoclusters.workflows.reproduction.rebuild import Plan, label_of, plan_of
from aiida_nanoclusters.workflows.reproduction.reproduce import ReproduceWorkChain, omission

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
#: Processes of this package, for which the cache is switched on.
CACHED = ("aiida.calculations:nanoclusters.*",)


def run(
    uuid: str,
    codes: Sequence[str],
    check_only: bool,
    archive: str | None,
    max_minutes: float,
    max_memory: float,
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
    local = _local_codes(node, codes)
    if check_only:
        found = _checks(node, rules, archive, local, (max_minutes, max_memory))
        _print_checks(found)
        sys.exit(1 if any(check.state == BAD for check in found) else 0)
    plan = plan_of(node, local.chosen)
    if not plan.parts:
        raise Fixable(_why(plan, local.missing))
    confirm(local)
    asked = {
        recorded: JobOptions({}, given=given)
        if code.uuid == recorded and may_run(node)  # the recorded options hold
        else options_of(code, options)
        for recorded, code in local.chosen.items()
    }
    with fixable():
        builder = ReproduceWorkChain.get_builder_from_protocol(
            node, local.chosen, protocol, options=asked
        )
    builder.reuse = from_cache
    with ExitStack() as stack:
        if from_cache:
            for pattern in CACHED:
                stack.enter_context(enable_caching(identifier=pattern))
        else:
            stack.enter_context(disable_caching())
        again = launch(builder, here=here or from_cache)
    _print(again)


def _local_codes(node: ProcessNode, given: Sequence[str]) -> LocalCodes:
    try:
        return map_codes(node, given)
    except Fixable:
        raise
    except Exception as error:  # an imported code may hold anything
        raise Fixable(
            f"the codes of {node.uuid} cannot be read ({reason_of(error)}): ask the maker of its "
            "archive for another one"
        ) from error


def _print(again: ProcessNode) -> NoReturn:
    """Print the verdict and exit with 1 if anything differs."""
    if "verdict" not in again.outputs:
        make_console().print(f"[red]failed[/red]: {_shown(again.exit_message)}")
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
        hint = (
            f"reproduce the process that created it, {maker.uuid}"
            if maker
            else "no process created it"
        )
        raise Fixable(f"{uuid} is data, not a process: {hint}")
    try:
        ended = isinstance(node, ProcessNode) and node.is_terminated
    except ValueError as error:  # an imported process may hold anything
        raise Fixable(
            f"the state of {uuid} cannot be read ({error}): ask the maker of its archive for "
            "another one"
        ) from error
    if not ended:
        raise Fixable(f"{uuid} has not finished: wait for it (`aiida-nanoclusters status {uuid}`)")
    return node


def _why(plan: Plan, missing: Sequence[AbstractCode]) -> str:
    reason = plan.left_out[0]["reason"]
    for code in missing:
        if label_of(code) in reason and is_usable(code) and code_problem(code):
            return f"{code_problem(code)}, or give --code {label_of(code)}=LOCAL"
        if label_of(code) in reason:
            plugin = code.default_calc_job_plugin
            what = f" for `{plugin}`" if plugin else ""
            return (
                f"{reason}: name one{what} of `verdi code list` by --code {label_of(code)}=LOCAL, "
                "or create one (`aiida-nanoclusters setup`, `verdi code create`)"
            )
    return f"{plan.left_out[0]['process']} cannot be run again: {reason}"


def _checks(
    node: ProcessNode,
    rules: Mapping[str, Any],
    archive: str | None,
    codes: LocalCodes,
    limits: tuple[float, float],
) -> list[Check]:
    """Return the checks of the provenance, and of what could be run again."""
    checks: list[Check] = []
    # The checks work in a folder of their own.
    archive = str(Path(archive).absolute()) if archive else None
    try:
        with confined(*limits):
            for check in check_stored(node, rules, archive):
                checks.append(check)
            plan = plan_of(node, codes.chosen)
    except LimitReached as error:
        return [*checks, Check("limit", BAD, f"{error}; the checks above had ended")]
    for recorded in codes.missing:
        note = code_problem(recorded) or f"no local code for {label_of(recorded)}"
        note += f"; or give --code {label_of(recorded)}=LOCAL"
        checks.append(Check("codes", BAD, note))
    for uuid, code in codes.chosen.items():
        note = f"{label_of(codes.recorded[uuid])} -> {label_of(code)}"
        if uuid in codes.unconfirmed:
            note += f", which was not granted trust: `aiida-nanoclusters trust {code.uuid}`"
        checks.append(Check("codes", UNKNOWN if uuid in codes.unconfirmed else GOOD, note))
    for row in plan.left_out:
        note = f"{row['process']} {row['uuid'][:8]} cannot be run: {row['reason']}"
        checks.append(Check("run again", BAD, note))
    for part in plan.parts:
        checks.append(Check("run again", GOOD, f"{part.process_label} {part.uuid}"))
    for uuid, names in plan.omitted.items():
        checks.append(Check("run again", UNKNOWN, omission(uuid, names)))
    return checks


def _print_checks(checks: Sequence[Check]) -> None:
    table = Table(box=None, pad_edge=False, width=WIDTH)
    for name in ("check", "result", "note"):
        table.add_column(name, no_wrap=name != "note")
    for check in checks:
        table.add_row(check.name, _coloured(check.state), _shown(check.note))
    _console().print(table)


def print_verdict(verdict: Mapping[str, Any]) -> None:
    """Print what agrees and what differs, 80 columns wide."""
    console = _console()
    for part in verdict["parts"]:
        console.print(f"{_shown(part['process'])} {part['recorded']}\n  run again as {part['new']}")
        if part.get("omitted"):
            console.print(f"  {_shown(omission(part['recorded'], part['omitted']))}")
        if part["from_cache"]:
            console.print(f"  {part['from_cache']} of {part['jobs']} jobs taken from the cache")
        table = Table(box=None, pad_edge=False, width=WIDTH)
        for name in ("output", "verdict", "difference", "tolerance", "note"):
            table.add_column(name, overflow="fold")
        for row in part["rows"]:
            allowed = "" if row["tolerance"] is None else f"{row['tolerance']:.1e} {row['unit']}"
            difference = "" if row["difference"] is None else f"{row['difference']:.1e}"
            measured = row["quantity"] if row["difference"] is not None else ""
            note = "; ".join(row["notes"][:3]) or row["note"] or measured
            table.add_row(
                _shown(row["output"]), _coloured(row["verdict"]), difference, allowed, _shown(note)
            )
        console.print(table)
    for row in verdict["left_out"]:
        console.print(f"not run: {_shown(row['process'])} {row['uuid']}\n  {_shown(row['reason'])}")
    overall = _coloured(verdict["verdict"])
    console.print(overall if verdict["complete"] else f"{overall}, for the parts that could be run")


def _coloured(state: str) -> str:
    return f"[{COLOURS[state]}]{state}[/{COLOURS[state]}]"


def _console() -> Console:
    return PlainConsole(width=WIDTH, highlight=False)


def _shown(text: Any) -> str:
    """Return text of unknown origin as rich prints it literally, without control characters."""
    return escape(one_line(str(text)))

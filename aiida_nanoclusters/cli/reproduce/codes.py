"""Local codes that replace recorded ones."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import click
from aiida.orm import AbstractCode, Data, ProcessNode, QueryBuilder

from aiida_nanoclusters.cli.launch.options import get_code
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.data.trust import may_run, trust
from aiida_nanoclusters.formats.plain_text import one_line
from aiida_nanoclusters.queries.nodes import leaving_out
from aiida_nanoclusters.workflows.parts.codes import code_problem
from aiida_nanoclusters.workflows.reproduction.rebuild import codes_of, label_of

#: What an import appends to the label of a code that lies on a computer of this profile.
_IMPORTED = " (imported "


@dataclass
class LocalCodes:
    """Which local codes replace the recorded ones.

    Attributes
    ----------
    chosen
        By the UUID of the recorded code.
    missing
        Recorded codes without any local one.
    unconfirmed
        Those of `chosen`, by the UUID of the recorded code, that nobody granted trust and that were
        not named by `--code`.
    recorded
        All recorded codes by their UUIDs.
    """

    chosen: dict[str, AbstractCode] = field(default_factory=dict)
    missing: list[AbstractCode] = field(default_factory=list)
    unconfirmed: dict[str, AbstractCode] = field(default_factory=dict)
    recorded: dict[str, AbstractCode] = field(default_factory=dict)


def map_codes(node: ProcessNode, given: Sequence[str]) -> LocalCodes:
    """Find local codes for the recorded ones.

    `--code` comes first, then the recorded code itself if its computer is set up here, then the
    only local code of the same plugin or label. A code that was imported is taken only if it was
    granted trust.

    Raises
    ------
    Fixable
        If `--code` cannot be understood or names an imported code that was not granted trust, or if
        several codes are possible without a terminal to ask.
    """
    recorded = codes_of(node)
    codes = LocalCodes(_given(recorded, given), recorded={code.uuid: code for code in recorded})
    for code in recorded:
        if code.uuid in codes.chosen:
            continue
        candidates = candidates_for(code)
        if not candidates:
            codes.missing.append(code)
            continue
        found = candidates[0] if len(candidates) == 1 else _ask(code, candidates)
        codes.chosen[code.uuid] = found
        if not may_run(found):
            codes.unconfirmed[code.uuid] = found
    return codes


def confirm(codes: LocalCodes) -> None:
    """Ask once whether the codes that nobody granted trust may run, and grant it.

    Raises
    ------
    Fixable
        If the answer is no, or there is no terminal to ask.
    """
    if not codes.unconfirmed:
        return
    pairs = [
        f"{one_line(label_of(local))} for {one_line(label_of(codes.recorded[uuid]))}"
        for uuid, local in codes.unconfirmed.items()
    ]
    question = f"Codes without a grant of trust: {', '.join(pairs)}"
    if sys.stdin.isatty() and click.confirm(f"{question}. Are they yours, and may they run?"):
        for local in codes.unconfirmed.values():
            trust(local)
        return
    flags = " ".join(
        f"--code {one_line(label_of(codes.recorded[uuid]))}={one_line(label_of(local))}"
        for uuid, local in codes.unconfirmed.items()
    )
    uuids = " ".join(dict.fromkeys(local.uuid for local in codes.unconfirmed.values()))
    raise Fixable(
        f"{question}. If they are yours, add {flags}, or run `aiida-nanoclusters trust {uuids}` "
        "once"
    )


def candidates_for(recorded: AbstractCode) -> list[AbstractCode]:
    """Return the local codes that can replace a recorded one, the most similar ones.

    Those that were granted trust come alone; else those that no import is known to have brought.
    """
    if is_usable(recorded) and may_run(recorded):
        return [recorded]
    # The abstract class itself would find every Data.
    query = QueryBuilder().append(Data, filters={"node_type": {"like": "data.core.code.%"}})
    fitting: list[AbstractCode] = []
    for code in query.all(flat=True):
        with leaving_out(code.uuid):  # one that AiiDA itself imported may hold anything
            if isinstance(code, AbstractCode) and _may_replace(recorded, code):
                fitting.append(code)
    found = _most_similar(recorded, [code for code in fitting if may_run(code)])
    return found or _most_similar(recorded, fitting)


def _may_replace(recorded: AbstractCode, code: AbstractCode) -> bool:
    return (
        not code.is_hidden
        and is_usable(code)
        and code_problem(code) is None
        and wrong_plugin(recorded, code) is None
    )


def _most_similar(recorded: AbstractCode, codes: list[AbstractCode]) -> list[AbstractCode]:
    if recorded.uuid in {code.uuid for code in codes}:
        return [code for code in codes if code.uuid == recorded.uuid]
    label, plugin = recorded.label.partition(_IMPORTED)[0], recorded.default_calc_job_plugin
    named = [code for code in codes if code.label == label]
    alike = [code for code in codes if plugin and code.default_calc_job_plugin == plugin]
    both = [code for code in named if code in alike]
    return sorted(both or alike or named, key=label_of)


def is_usable(code: AbstractCode) -> bool:
    """Whether jobs can be sent to a code: its computer is set up for this user."""
    return code.computer is not None and code.computer.is_configured


def wrong_plugin(recorded: AbstractCode, local: AbstractCode) -> str | None:
    """Return what is wrong if a code is for another plugin."""
    wanted, found = recorded.default_calc_job_plugin, local.default_calc_job_plugin
    if wanted and found and wanted != found:
        return f"{label_of(local)} is for `{found}`, {label_of(recorded)} was for `{wanted}`"
    return None


def _given(recorded: list[AbstractCode], given: Sequence[str]) -> dict[str, AbstractCode]:
    chosen: dict[str, AbstractCode] = {}
    for text in given:
        name, equals, label = text.rpartition("=")
        if not equals or not name or not label:
            raise Fixable(f"--code {text}: write it as lammps@hpc=lammps@localhost")
        found = [code for code in recorded if name in (code.uuid, code.label, label_of(code))]
        known = ", ".join(label_of(code) for code in recorded) or "none"
        if not found:
            raise Fixable(f"--code {text}: no recorded code `{name}`; recorded are {known}")
        if len(found) > 1:
            raise Fixable(f"--code {text}: `{name}` is ambiguous; recorded are {known}")
        local = get_code(label)
        problem = wrong_plugin(found[0], local)
        if problem:
            raise Fixable(f"--code {text}: {problem}")
        if not is_usable(local):
            raise Fixable(
                f"--code {text}: the computer of `{label}` is not set up: run "
                "`verdi computer configure` for it, or name another code"
            )
        chosen[found[0].uuid] = local
    return chosen


def _ask(recorded: AbstractCode, candidates: list[AbstractCode]) -> AbstractCode:
    labels = [label_of(code) for code in candidates]
    if not sys.stdin.isatty():
        raise Fixable(
            f"several codes can replace {label_of(recorded)} ({', '.join(labels)}): choose by "
            f"--code {label_of(recorded)}={labels[0]}"
        )
    answer = click.prompt(
        f"Local code that replaces {label_of(recorded)}",
        type=click.Choice(labels),
        default=labels[0],
    )
    return candidates[labels.index(answer)]

"""Which code of this profile stands in for a recorded one."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
from aiida.orm import AbstractCode, Data, ProcessNode, QueryBuilder

from aiida_nanoclusters.cli.launch import get_code
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.workflows.rebuild import codes_of, label_of


def map_codes(
    node: ProcessNode, given: Sequence[str]
) -> tuple[dict[str, AbstractCode], list[AbstractCode]]:
    """Return local codes by the UUID of the recorded ones, and the recorded ones without any.

    What `--code` says comes first, then the recorded code itself where its computer is set up
    here, then the only code of the same plugin or label.

    Raises
    ------
    Fixable
        If `--code` cannot be understood, or several codes would do and nobody can be asked.
    """
    recorded = codes_of(node)
    chosen = _given(recorded, given)
    missing = []
    for code in recorded:
        if code.uuid in chosen:
            continue
        candidates = candidates_for(code)
        if not candidates:
            missing.append(code)
        elif len(candidates) == 1:
            chosen[code.uuid] = candidates[0]
        else:
            chosen[code.uuid] = _ask(code, candidates)
    return chosen, missing


def candidates_for(recorded: AbstractCode) -> list[AbstractCode]:
    """Return the codes here that may stand in for a recorded one, the likeliest kind of them."""
    if is_usable(recorded):
        return [recorded]
    # The abstract class itself would find every Data.
    query = QueryBuilder().append(Data, filters={"node_type": {"like": "data.core.code.%"}})
    stored = [code for code in query.all(flat=True) if isinstance(code, AbstractCode)]
    usable = [code for code in stored if not code.is_hidden and is_usable(code)]
    fitting = [code for code in usable if wrong_plugin(recorded, code) is None]
    named = [code for code in fitting if code.label == recorded.label]
    plugin = recorded.default_calc_job_plugin
    alike = [c for c in fitting if plugin and c.default_calc_job_plugin == plugin]
    both = [code for code in named if code in alike]
    return sorted(both or alike or named, key=label_of)


def is_usable(code: AbstractCode) -> bool:
    """Whether jobs can be sent to a code: its computer is set up for this user."""
    return code.computer is not None and code.computer.is_configured


def wrong_plugin(recorded: AbstractCode, local: AbstractCode) -> str | None:
    """Return what is wrong where a code is for another program."""
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
            f"several codes would do for {label_of(recorded)} ({', '.join(labels)}): choose by "
            f"--code {label_of(recorded)}={labels[0]}"
        )
    answer = click.prompt(
        f"Code in the place of {label_of(recorded)}", type=click.Choice(labels), default=labels[0]
    )
    return candidates[labels.index(answer)]

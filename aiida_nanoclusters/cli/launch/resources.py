"""What a launch asks the scheduler for: what setup stored with the codes, and `--options`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from aiida_nanoclusters.cli.launch.codes import get_code
from aiida_nanoclusters.cli.machine.profile_keys import (
    ONE_PROCESS,
    OPTION_KEYS,
    OPTIONS_EXTRA,
    RESOURCE_KEYS,
    VERBS_EXTRA,
    nearest,
)
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.workflows.parts.resources import VERBS, JobOptions, overlay

if TYPE_CHECKING:
    from aiida.orm import AbstractCode

    from aiida_nanoclusters.workflows.parts.codes import JobCodes

#: Short names, and AiiDA's own for them.
SHORT = {
    "walltime": "max_wallclock_seconds",
    "ranks": "num_mpiprocs_per_machine",
    "nodes": "num_machines",
    "threads": "num_cores_per_mpiproc",
    "partition": "queue_name",
    "memory_kb": "max_memory_kb",
    "mpi": "withmpi",
}
_KNOWN = {**RESOURCE_KEYS, **OPTION_KEYS, "withmpi": bool}
_SETTABLE = {key for key, kind in _KNOWN.items() if kind in (int, str, bool)}
_COUNTS = ("num_mpiprocs_per_machine", "tot_num_mpiprocs", "num_machines")
_CLOCK = re.compile(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)")

options_option = click.option(
    "--options",
    "options",
    multiple=True,
    metavar="[VERB.]KEY=VALUE",
    help="What jobs ask the scheduler for in this launch, e.g. anneal.walltime=2:00:00, ranks=8 or "
    f"partition=long. VERB: {', '.join(VERBS)}; all jobs without it. KEY: "
    f"{', '.join(SHORT)}, account, qos, ...",
)


def options_of(code: AbstractCode, given: Iterable[str] = ()) -> JobOptions:
    """Options of a code's jobs: what its profile names, then what `--options` say.

    One process where setup did not make the code.

    Raises
    ------
    Fixable
        If `--options` cannot be read.
    """
    extras = code.base.extras
    steps = {
        verb: [(int(atoms), options) for atoms, options in found]
        for verb, found in extras.get(VERBS_EXTRA, {}).items()
    }
    base = extras.get(OPTIONS_EXTRA, {"resources": ONE_PROCESS})
    return JobOptions(base, steps, parse_options(given))


def job_codes(lammps: str, nequip: str, given: Iterable[str], jobs: int) -> JobCodes:
    """Return the codes of these labels with the options of their jobs.

    Raises
    ------
    Fixable
        If there is no such code, or `--options` cannot be read.
    """
    from aiida_nanoclusters.workflows.parts.codes import JobCodes

    given, ours, other = tuple(given), get_code(lammps, "lammps"), get_code(nequip, "nequip")
    return JobCodes(ours, other, options_of(ours, given), options_of(other, given), jobs)


def parse_options(given: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Read ``anneal.walltime=2:00:00``: options by verb, ``""`` where none is named.

    Raises
    ------
    Fixable
        If a text is not of that form, or a name in it is unknown.
    """
    found: dict[str, dict[str, Any]] = {}
    for text in given:
        name, equals, value = text.partition("=")
        verb, dot, key = name.strip().rpartition(".")
        if not equals or not key:
            raise Fixable(f"--options {text}: write it as anneal.walltime=2:00:00")
        if dot and verb not in VERBS:
            raise Fixable(f"--options {text}: unknown verb `{verb}`{nearest(verb, VERBS)}")
        if key not in SHORT and key not in _SETTABLE:
            close = nearest(key, [*SHORT, *sorted(_SETTABLE)])
            raise Fixable(f"--options {text}: unknown key `{key}`{close}")
        key = SHORT.get(key, key)
        one = {key: _value(text, key, value.strip())}
        if key in RESOURCE_KEYS:
            several = key in _COUNTS and one[key] > 1
            one = {"resources": one}
            if several:  # which only mpirun can start
                one["withmpi"] = True
        found[verb] = overlay(found.get(verb, {}), one)
    return found


def _value(text: str, key: str, value: str) -> Any:
    kind = _KNOWN[key]
    clock = _CLOCK.fullmatch(value)
    if key == "max_wallclock_seconds" and clock:
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if kind is int:
        if not value.isdigit() or int(value) < 1:
            form = " of seconds, or h:mm:ss" if key == "max_wallclock_seconds" else " from 1"
            raise Fixable(f"--options {text}: give a whole number{form}")
        return int(value)
    if kind is bool:
        if value not in ("true", "false"):
            raise Fixable(f"--options {text}: give true or false")
        return value == "true"
    return value

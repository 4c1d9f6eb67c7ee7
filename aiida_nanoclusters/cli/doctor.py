"""aiida-nanoclusters doctor: what is wrong, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from rich.text import Text

from aiida_nanoclusters.cli import checks
from aiida_nanoclusters.cli.code_checks import Check
from aiida_nanoclusters.cli.machine import find_profile, read_machine
from aiida_nanoclusters.cli.terminal import Fixable, make_console, open_profile, profile_option

MARKS = {"ok": ("✔", "green"), "warning": ("!", "yellow"), "error": ("✘", "red")}


@click.command()
@click.argument("machine", metavar="[PROFILE_FOLDER]", default="laptop")
@profile_option
def doctor(machine: str, profile_name: str | None) -> None:
    """Look at everything a study needs and say how to mend what is wrong.

    PROFILE_FOLDER is the one given to `setup`. Exit code 1 if there is an error.
    """
    try:
        path = find_profile(machine)
        read_machine(path)
    except ValueError as error:
        raise Fixable(str(error)) from error
    console = make_console()
    errors = 0
    for check in run_checks(path, profile_name):
        mark, colour = MARKS[check.verdict]
        line = Text.assemble((f"{mark} ", colour), (f"{check.item:<22} ", "bold"), check.text)
        console.print(line, soft_wrap=True)
        if check.fix:
            console.print(Text(f"{'':25}fix: {check.fix}", colour), soft_wrap=True)
        errors += check.verdict == "error"
    if errors:
        raise SystemExit(1)


def run_checks(path: Path, profile_name: str | None) -> Iterator[Check]:
    """All checks, from what needs nothing to what needs all before."""
    yield from checks.check_python()
    yield from checks.check_compiler()
    try:
        profile = open_profile(profile_name)
    except Fixable as error:
        yield Check("AiiDA profile", "error", *error.message.split(": run ", 1))
        return
    from aiida.manage.configuration import get_config

    yield from checks.check_profile(profile)
    yield from checks.check_disk(Path(get_config().dirpath))
    yield from checks.check_machine(read_machine(path))

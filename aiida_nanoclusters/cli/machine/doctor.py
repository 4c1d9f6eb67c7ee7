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
@click.argument("machine", metavar="[PROFILE_FOLDER|COMPUTER]", default="laptop")
@profile_option
def doctor(machine: str, profile_name: str | None) -> None:
    """Look at everything a study needs and say how to mend what is wrong.

    PROFILE_FOLDER is the one given to `setup`; the label of a COMPUTER that is set up looks at that
    one and its codes. Exit code 1 if there is an error.
    """
    path = None
    try:
        path = find_profile(machine)
        read_machine(path)
    except ValueError as error:
        if path is not None or not _is_computer(machine, profile_name):
            raise Fixable(str(error)) from error
    console = make_console()
    errors = 0
    for check in run_checks(path or machine, profile_name):
        mark, colour = MARKS[check.verdict]
        line = Text.assemble((f"{mark} ", colour), (f"{check.item:<22} ", "bold"), check.text)
        console.print(line, soft_wrap=True)
        if check.fix:
            console.print(Text(f"{'':25}fix: {check.fix}", colour), soft_wrap=True)
        errors += check.verdict == "error"
    if errors:
        raise SystemExit(1)


def _is_computer(label: str, profile_name: str | None) -> bool:
    """Whether the profile knows a computer of that label."""
    from aiida.orm import Computer

    try:
        open_profile(profile_name)
    except Fixable:
        return False
    return bool(Computer.collection.count({"label": label}))


def run_checks(machine: Path | str, profile_name: str | None) -> Iterator[Check]:
    """All checks, from what needs nothing to what needs all before.

    Parameters
    ----------
    machine
        A profile.yaml, or the label of a computer.
    profile_name
        AiiDA profile; the default one where None.
    """
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
    if isinstance(machine, Path):
        yield from checks.check_machine(read_machine(machine))
    else:
        yield from checks.check_computer_and_codes(machine)

"""aiida-nanoclusters doctor: check the installation and name the fix of each fault."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from aiida_nanoclusters.cli.machine import checks
from aiida_nanoclusters.cli.machine.code_checks import Check
from aiida_nanoclusters.cli.machine.profile import find_profile, read_machine
from aiida_nanoclusters.cli.terminal import Fixable, make_console, open_profile, profile_option

MARKS = {"ok": ("✔", "green"), "warning": ("!", "yellow"), "error": ("✘", "red")}


@click.command()
@click.argument("machine", metavar="[PROFILE_FOLDER|COMPUTER]", default="laptop")
@profile_option
def doctor(machine: str, profile_name: str | None) -> None:
    """Check everything a study needs and name the fix of what is wrong.

    PROFILE_FOLDER is the one given to `setup` (default: the shipped `laptop`). The label of a
    COMPUTER that is set up checks that computer and its codes. Exit code 1 if there is an error.
    """
    path = None
    try:
        path = find_profile(machine)
        read_machine(path)
    except ValueError as error:
        if path is not None or not _is_computer(machine, profile_name):
            raise Fixable(str(error)) from error
    if show_checks(make_console(), run_checks(path or machine, profile_name)):
        raise SystemExit(1)


def show_checks(console: Console, found: Iterable[Check]) -> int:
    """Print each check with its fix; the number of errors."""
    errors = 0
    for check in found:
        mark, colour = MARKS[check.verdict]
        line = Text.assemble((f"{mark} ", colour), (f"{check.item:<22} ", "bold"), check.text)
        console.print(line, soft_wrap=True)
        if check.fix:
            console.print(Text(f"{'':25}fix: {check.fix}", colour), soft_wrap=True)
        errors += check.verdict == "error"
    return errors


def _is_computer(label: str, profile_name: str | None) -> bool:
    """Whether the profile knows a computer of that label."""
    from aiida.orm import Computer

    try:
        open_profile(profile_name)
    except Fixable:
        return False
    return bool(Computer.collection.count({"label": label}))


def run_checks(machine: Path | str, profile_name: str | None) -> Iterator[Check]:
    """All checks, in the order in which they depend on each other.

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

"""aiida-nanoclusters setup: create what a study needs on this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from aiida_nanoclusters.cli.machine import installation as do
from aiida_nanoclusters.cli.machine.aiida_profile import ensure_profile
from aiida_nanoclusters.cli.machine.doctor import run_checks, show_checks
from aiida_nanoclusters.cli.machine.profile import find_profile, read_machine
from aiida_nanoclusters.cli.machine.profile_keys import usual_values
from aiida_nanoclusters.cli.machine.questions import ask_missing
from aiida_nanoclusters.cli.terminal import Fixable, make_console, profile_option

COLOURS = {
    "made": "green",
    "was there": "dim",
    "changed": "cyan",
    "differs": "yellow",
    "left out": "yellow",
}


@click.command()
@click.argument("machine", metavar="[PROFILE_FOLDER]", default="laptop")
@profile_option
@click.option("--no-daemon", is_flag=True, help="Do not start AiiDA's daemon (default: start it).")
@click.option(
    "--update",
    is_flag=True,
    help="Change computers and codes that differ from the file (default: only report them).",
)
def setup(machine: str, profile_name: str | None, no_daemon: bool, update: bool) -> None:
    """Create what a study needs: AiiDA profile, computers, codes, LAMMPS plugin, daemon.

    PROFILE_FOLDER holds a profile.yaml (default: the shipped `laptop`). In a terminal, setup asks
    for the values that the file leaves open (null), writes them into it, and ends with the checks
    of `doctor`: exit code 1 if one is an error. The answers to a shipped template go into a copy,
    ./profile-NAME. Setup may be repeated: only what is missing is created.
    """
    console = make_console()
    table = Table(box=None, pad_edge=False)
    for name in ("item", "state", "note"):
        table.add_column(name, overflow="fold")
    try:
        path = find_profile(machine)
        answered = ask_missing(path)
        path = answered or path
        read_machine(path)  # a mistake in the file shows before anything is made
        from aiida_nanoclusters.cli.lock import only_one

        status = console.status("setting up (the first time takes half a minute)")
        with only_one("setup"), status:
            for step in run_steps(path, profile_name, daemon=not no_daemon, update=update):
                table.add_row(
                    Text(step.item), Text(step.state, COLOURS[step.state]), Text(step.note)
                )
    except ValueError as error:
        raise Fixable(str(error)) from error
    finally:  # steps before an error are shown too
        if table.row_count:
            console.print(table)
    if answered and show_checks(console, run_checks(answered, profile_name)):
        raise SystemExit(1)


def run_steps(
    path: Path, profile_name: str | None, *, daemon: bool, update: bool
) -> Iterator[do.Step]:
    """Carry out the steps one by one for a profile.yaml.

    Raises
    ------
    ValueError
        If a file or a step is at fault; the message names the fix.
    """
    checked = read_machine(path)  # a mistake in the file shows before anything is made
    profile, step = ensure_profile(profile_name, checked.aiida)
    yield step
    options = do.ensure_options(profile)
    yield options
    from aiida.manage.configuration import get_config

    aiida_dir = Path(get_config().dirpath)
    folder = do.plugin_folder(aiida_dir)
    found = read_machine(path, usual_values(Path(sys.prefix), folder, aiida_dir))
    if found.needs_plugin:
        yield do.ensure_plugin(folder)
    for computer in found.computers:
        yield do.ensure_computer(computer, update=update)
    for code in found.codes:
        yield do.ensure_code(code, update=update)
    if daemon:
        yield do.ensure_daemon(profile, options_changed=options.state == "made")

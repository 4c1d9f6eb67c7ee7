"""aiida-nanoclusters setup: everything a study needs on this machine, made once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from aiida_nanoclusters.cli import installation as do
from aiida_nanoclusters.cli.aiida_profile import ensure_profile
from aiida_nanoclusters.cli.machine import find_profile, read_machine
from aiida_nanoclusters.cli.machine_keys import usual_values
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
@click.option("--no-daemon", is_flag=True, help="Do not start AiiDA's daemon.")
@click.option("--update", is_flag=True, help="Change what differs from the file.")
def setup(machine: str, profile_name: str | None, no_daemon: bool, update: bool) -> None:
    """Make what a study needs: AiiDA profile, computers, codes, LAMMPS plugin, daemon.

    PROFILE_FOLDER holds a profile.yaml; without it the laptop's own is taken. Run it as often
    as you like: only what is missing is made.
    """
    console = make_console()
    table = Table(box=None, pad_edge=False)
    for name in ("item", "state", "note"):
        table.add_column(name, overflow="fold")
    try:
        with console.status("setting up (the first time takes half a minute)"):
            for step in run_steps(machine, profile_name, daemon=not no_daemon, update=update):
                table.add_row(
                    Text(step.item), Text(step.state, COLOURS[step.state]), Text(step.note)
                )
    except ValueError as error:
        raise Fixable(str(error)) from error
    finally:  # what was made before a fault is there to stay
        if table.row_count:
            console.print(table)


def run_steps(
    machine: str, profile_name: str | None, *, daemon: bool, update: bool
) -> Iterator[do.Step]:
    """Carry out the steps one by one.

    Raises
    ------
    ValueError
        If a file or a step is at fault; the message names the fix.
    """
    path = find_profile(machine)
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

"""aiida-nanoclusters reproduce: run a recorded process again and compare every output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from aiida_nanoclusters.cli.launch.resources import options_option
from aiida_nanoclusters.cli.reproduce.confined import GIGABYTES, MINUTES
from aiida_nanoclusters.cli.terminal import profile_option


def _limit_option(name: str, default: float, what: str) -> Callable[..., Any]:
    """Option that limits the checks of a stranger's provenance."""
    return click.option(
        name,
        type=click.FloatRange(min=0, min_open=True),
        default=default,
        show_default=True,
        help=f"With --check-only: {what}.",
    )


@click.command()
@click.argument("uuid")
@click.option(
    "--code",
    "codes",
    multiple=True,
    metavar="RECORDED=LOCAL",
    help="Local code that replaces a recorded one, e.g. lammps@hpc=lammps@localhost; repeatable. "
    "Default: the recorded code if it was granted trust, else the only local one of the same "
    "plugin or label.",
)
@click.option(
    "--check-only",
    is_flag=True,
    help="Run nothing: check files, hashes and calcfunctions of the provenance, and that every "
    "code has a local one.",
)
@click.option(
    "--archive",
    metavar="FILE",
    help="With --check-only: the archive from which the process was imported; it holds the hashes "
    "that an import drops.",
)
@_limit_option("--max-minutes", MINUTES, "longest time of the checks, in minutes")
@_limit_option("--max-memory", GIGABYTES, "memory that the checks may use, in GB")
@click.option(
    "--from-cache",
    is_flag=True,
    help="Reuse jobs that this profile has run before, by AiiDA's cache; implies --here.",
)
@click.option(
    "--protocol",
    default="moderate",
    show_default=True,
    help="Protocol of the tolerances, moderate or exact: docs/howto/reproduction/reproduce.md.",
)
@options_option
@click.option("--here", is_flag=True, help="Run in this process instead of the daemon.")
@profile_option
def reproduce(**options: Any) -> None:
    """Run a finished process again and compare every output with the recorded one.

    UUID (or pk) is that of any CalcJob, work chain or calcfunction of this profile, imported ones
    included. Exit code 0 if all compared outputs agree, 1 if one differs.

    Processes of this package run without the command lines and the lines of batch scripts that were
    recorded, those of other packages not at all, until `aiida-nanoclusters trust UUID`.
    """
    from aiida_nanoclusters.cli.reproduce.run import run

    run(**options)

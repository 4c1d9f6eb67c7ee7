"""aiida-nanoclusters reproduce: run a recorded process again and compare every output."""

from __future__ import annotations

from typing import Any

import click

from aiida_nanoclusters.cli.job_options import options_option
from aiida_nanoclusters.cli.terminal import profile_option


@click.command()
@click.argument("uuid")
@click.option(
    "--code",
    "codes",
    multiple=True,
    metavar="RECORDED=LOCAL",
    help="Code here in the place of a recorded one, e.g. lammps@hpc=lammps@localhost; once for "
    "each.",
)
@click.option(
    "--check-only",
    is_flag=True,
    help="Run nothing: check what is stored, that no input is missing, and that every code has one "
    "here.",
)
@click.option(
    "--archive",
    metavar="FILE",
    help="With --check-only: the archive it came in, which holds the hashes that an import drops.",
)
@click.option(
    "--from-cache",
    is_flag=True,
    help="Take jobs that this profile has run before from AiiDA's cache; runs in this process.",
)
@click.option(
    "--protocol",
    default="moderate",
    show_default=True,
    help="Set of tolerances: moderate or exact, see docs/howto/reproduce.md.",
)
@options_option
@click.option(
    "--here", is_flag=True, help="Run in this process instead of handing over to the daemon."
)
@profile_option
def reproduce(**options: Any) -> None:
    """Run a finished process again and compare every output with the recorded one.

    UUID is that of any CalcJob, work chain or calcfunction of this profile (or its pk), also one
    just imported from an archive. Exit code 0 if all that was compared agrees, 1 if anything
    differs.
    """
    from aiida_nanoclusters.cli.reproduce.run import run

    run(**options)

"""What every command shares: a console, an error that names its fix, the loaded AiiDA profile."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

if TYPE_CHECKING:
    from aiida.manage.configuration.profile import Profile


class Fixable(click.ClickException):
    """Input that cannot be used: one line that names the fix, exit code 2."""

    exit_code = 2


def prepare_environment() -> None:
    """Let AiiDA, not yet imported, find `verdi` also in an environment that is not activated."""
    scripts = str(Path(sys.prefix) / "bin")
    paths = os.environ.get("PATH", "").split(os.pathsep)
    if scripts not in paths:
        os.environ["PATH"] = os.pathsep.join([scripts, *paths])
    warnings.filterwarnings("ignore", message="Creating AiiDA configuration folder")


def make_console() -> Console:
    """Console on standard output, wide enough for a table when that is not a terminal."""
    return Console(width=None if sys.stdout.isatty() else 160, highlight=False)


def open_profile(name: str | None) -> Profile:
    """Load the AiiDA profile of that name, or the default one.

    Raises
    ------
    Fixable
        If there is no such profile.
    """
    from aiida.common.exceptions import ConfigurationError
    from aiida.manage.configuration import load_profile

    try:
        return load_profile(name, allow_switch=name is not None)
    except ConfigurationError as error:  # the folder or the profile is missing
        what = f"no AiiDA profile `{name}`" if name else "no AiiDA profile yet"
        flag = f" --profile {name}" if name else ""
        raise Fixable(f"{what}: run `aiida-nanoclusters setup{flag}`") from error


profile_option = click.option(
    "-p",
    "--profile",
    "profile_name",
    metavar="NAME",
    help="AiiDA profile; the default one if not given.",
)

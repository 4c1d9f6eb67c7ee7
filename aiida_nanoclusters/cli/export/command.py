"""aiida-nanoclusters export: structures, tables, figures and potentials of any result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiida_nanoclusters.cli.terminal import Fixable, echo, open_profile, profile_option
from aiida_nanoclusters.formats.plain_text import said_by

if TYPE_CHECKING:
    from aiida_nanoclusters.cli.export.results import Result

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FORMATS = ("pdf", "svg", "png")


class Formats(click.ParamType):
    """Formats of figures, with commas between."""

    name = "formats"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        """Return the formats that were named."""
        if isinstance(value, tuple):
            return value
        found = tuple(dict.fromkeys(part.strip().lower() for part in str(value).split(",")))
        unknown = [name for name in found if name not in _FORMATS]
        if unknown:
            raise Fixable(f"`{unknown[0]}` is no format of figures: {', '.join(_FORMATS)}")
        return found


@click.command()
@click.argument("uuid")
@click.option(
    "--xyz",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Extended XYZ file of the structures, with rank, point group, motif and hits.",
)
@click.option("--csv", type=_FOLDER, help="Folder of the tables, the unit of a column in its head.")
@click.option("--figures", type=_FOLDER, help="Folder of the figures of the report.")
@click.option(
    "--format",
    "formats",
    type=Formats(),
    metavar="NAMES",
    default=",".join(_FORMATS),
    show_default=True,
    help="Formats of the figures.",
)
@click.option(
    "--width",
    type=click.FloatRange(min=40, max=400),
    metavar="MM",
    help="Width of the figures, mm. Default: 86, one column; 178 where panels lie side by side.",
)
@click.option(
    "--potential",
    type=_FOLDER,
    help="Folder of the potentials' files, with the lines of an input of LAMMPS.",
)
@click.option(
    "--types",
    metavar="Cu,Au",
    help="With --potential: chemical symbols of the atom types 1, 2, ... of your input. Default: "
    "the elements of the potential.",
)
@profile_option
def export(
    uuid: str,
    xyz: Path | None,
    csv: Path | None,
    figures: Path | None,
    formats: tuple[str, ...],
    width: float | None,
    potential: Path | None,
    types: str | None,
    profile_name: str | None,
) -> None:
    """Write a result as files for other programs: structures, tables, figures, potentials.

    UUID (or pk) is that of any process of this package, finished or not, of one of its results or
    of a potential. Figures show the numbers of the report, in the width of a journal's column.
    Files that are there are replaced.

    \b
    aiida-nanoclusters export UUID --xyz lowest.xyz --csv tables --figures figures
    aiida-nanoclusters export UUID --potential copper
    """  # noqa: D301
    asked = {"--xyz": xyz, "--csv": csv, "--figures": figures, "--potential": potential}
    if not any(asked.values()):
        raise Fixable(f"nothing to write: give {', '.join(asked)} or several of them")
    open_profile(profile_name)
    from aiida.orm import Node

    from aiida_nanoclusters.cli.export.results import result_of
    from aiida_nanoclusters.cli.launch.options import get_node

    result = result_of(get_node(uuid, Node))
    symbols = [part.strip() for part in types.split(",")] if types else None
    writers: dict[str, Callable[[Path], Iterator[Path]]] = {
        "--xyz": lambda path: _structures(result, path),
        "--csv": lambda path: _tables(result, path),
        "--figures": lambda path: _figures(result, path, formats, width),
        "--potential": lambda path: _potentials(result, path, symbols),
    }
    lacking: list[str] = []
    for option, path in asked.items():
        if path is None:
            continue
        count = sum(1 for _ in _printed(writers[option](path), path))
        if not count:
            lacking.append(option)
    if lacking:
        _say_what_lacks(result, lacking, len(lacking) == sum(map(bool, asked.values())))


def _say_what_lacks(result: Result, options: list[str], all_of_them: bool) -> None:
    what = {
        "--xyz": "structures",
        "--csv": "tables",
        "--figures": "figures",
        "--potential": "potentials",
    }
    kind = getattr(result.node, "process_label", None) or type(result.node).__name__
    missing = " and ".join(what[option] for option in options)
    line = f"{kind} {result.node.uuid} has no {missing}"
    line += f": `aiida-nanoclusters explain {result.node.uuid}` lists what it has"
    if all_of_them:
        raise Fixable(line)
    echo(line, err=True)


def _printed(paths: Iterable[Path], asked: Path) -> Iterator[Path]:
    """Yield paths as they are written and print each.

    Raises
    ------
    Fixable
        If one cannot be written.
    """
    try:
        for path in paths:
            echo(path)
            yield path
    except OSError as error:
        raise Fixable(f"cannot write {asked}: {error.strerror}; choose another one") from error


def _structures(result: Result, path: Path) -> Iterator[Path]:
    from aiida_nanoclusters.cli.export.structures import images_of, structures_of
    from aiida_nanoclusters.formats.extxyz import write_images

    if structures_of(result):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_images(images_of(result), path)
        yield path


def _tables(result: Result, folder: Path) -> Iterator[Path]:
    from aiida_nanoclusters.cli.export.tables import write_tables

    folder.mkdir(parents=True, exist_ok=True)
    yield from write_tables(result, folder)


def _figures(
    result: Result, folder: Path, formats: tuple[str, ...], width: float | None
) -> Iterator[Path]:
    from aiida_nanoclusters.cli.export.drawing import write_figure
    from aiida_nanoclusters.cli.export.pictures import pictures_of

    try:
        pictures = pictures_of(result)
    except Exception as error:  # of nodes whose content is not what their type says
        raise Fixable(
            f"a result of {result.node.uuid} cannot be shown ({type(error).__name__}: "
            f"{said_by(error)}): its content is not what its type says"
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        yield from write_figure(picture, folder, formats, width)


def _potentials(result: Result, folder: Path, symbols: list[str] | None) -> Iterator[Path]:
    from aiida_nanoclusters.cli.export.potentials import write_potentials

    folder.mkdir(parents=True, exist_ok=True)
    yield from write_potentials(result, folder, symbols)

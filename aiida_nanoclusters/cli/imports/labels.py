"""aiida-nanoclusters import-labels: labels from calculations that exist already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from aiida_nanoclusters.cli.terminal import profile_option


@click.command("import-labels")
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH...",
)
@click.option("--level", help="Level of theory of all labels; what the files say by default.")
@click.option(
    "--atom-energy",
    multiple=True,
    metavar="Cu=-0.2",
    help="Energy of an isolated atom in eV; once for each element.",
)
@click.option(
    "--gap",
    default=8.0,
    show_default=True,
    help="Vacuum (Å) from which a direction counts as not periodic.",
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Extended XYZ to write."
)
@click.option("--store", is_flag=True, help="Keep the labels as FramesData in AiiDA.")
@click.option("--all", "show_all", is_flag=True, help="List everything, however long.")
@profile_option
def import_labels(**options: Any) -> None:
    """Read labels from finished calculations, check them, and keep them.

    PATH is a file or a folder (with all below it): vasprun.xml and OUTCAR of VASP or extended XYZ,
    compressed as .xz, .gz or .bz2 or not; outputs of CP2K, not compressed. Steps that did not
    converge are no labels and left out, and said so; whatever else is remarkable is listed and
    kept. Exit code 1 if there is no label at all.

    Published folders, AiiDA archives and potentials come in by `aiida-nanoclusters import`.
    """
    from aiida_nanoclusters.cli.imports.gather import gather

    gather(**options)

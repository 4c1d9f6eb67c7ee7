"""aiida-nanoclusters import-labels: labels of finished calculations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from aiida_nanoclusters.cli.launch.label_keys import label_key_options
from aiida_nanoclusters.cli.launch.options import atom_energy_option
from aiida_nanoclusters.cli.terminal import profile_option


@click.command("import-labels")
@click.argument(
    "paths",
    nargs=-1,
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH...",
)
@click.option("--level", help="Level of theory of all labels. Default: as in the files.")
@atom_energy_option
@label_key_options
@click.option(
    "--gap",
    default=8.0,  # that of formats.label_files, which would import numpy for a page of help
    show_default=True,
    help="Thickness (Å) of vacuum above which a direction becomes non-periodic.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Extended XYZ file to write. Default: none.",
)
@click.option(
    "--calculation",
    "calculations",
    multiple=True,
    metavar="UUID",
    help="Calculation or work chain of aiida-cp2k or aiida-vasp in this profile: the labels in the "
    "retrieved files become FramesData that is linked to them; repeatable.",
)
@click.option("--store", is_flag=True, help="Store the labels as FramesData in AiiDA.")
@click.option("--all", "show_all", is_flag=True, help="Show all lines of every list.")
@profile_option
def import_labels(paths: tuple[Path, ...], calculations: tuple[str, ...], **options: Any) -> None:
    """Read labels of finished calculations, check them, and store them.

    PATH is a file, or a folder with all its subfolders: vasprun.xml and OUTCAR of VASP, outputs
    of CP2K, extended XYZ or trajectories of ASE, which may be compressed (.xz, .gz, .bz2). A file
    that is named may also be an output of FHI-aims, Quantum ESPRESSO, Gaussian or ORCA. Steps that
    did not converge are not labels: they are left out and listed. Conspicuous labels are listed and
    kept. The exit code is 1 if there is no label.

    Published folders, AiiDA archives and potentials are imported by `aiida-nanoclusters import`.
    """
    from aiida_nanoclusters.cli.imports.import_labels import gather, take_over

    if not paths and not calculations:
        raise click.UsageError("give a PATH, or --calculation UUID")
    if not paths and (options["out"] or options["store"]):
        raise click.UsageError("--out and --store are for PATH: --calculation always stores")
    if calculations:
        keys = ("level", "atom_energy", "show_all", "profile_name")
        take_over(calculations, *(options[key] for key in keys))
    if paths:
        gather(paths, **options)

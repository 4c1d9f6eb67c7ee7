"""aiida-nanoclusters import: what others published, checked first; nothing in it is run."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import click

from aiida_nanoclusters.cli.terminal import Fixable, make_console, open_profile, profile_option

#: Bytes that an archive or folder may have unpacked, where not said otherwise.
MAX_SIZE = "20 GB"
_UNITS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def parse_size(text: str) -> int:
    """Return the bytes of ``20 GB``, ``500 MB`` or ``1000``.

    Raises
    ------
    Fixable
        If it is written otherwise.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kMGT]?)B?\s*", text)
    if match is None or float(match[1]) <= 0:
        raise Fixable(f"--max-size {text}: write it as '20 GB'")
    return int(float(match[1]) * _UNITS[match[2]])


@click.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH")
@click.option(
    "--trust",
    is_flag=True,
    help="Take what it brings as if it were made here: potentials may run their code, finished "
    "jobs and labels may be used again instead of new ones.",
)
@click.option("--check", is_flag=True, help="Only check; store nothing.")
@click.option(
    "--max-size",
    default=MAX_SIZE,
    show_default=True,
    help="Refuse what is larger than this when unpacked.",
)
@click.option("--level", help="Level of theory of a potential file, or of the labels of frames.")
@click.option(
    "--atom-energy",
    multiple=True,
    metavar="Cu=-0.2",
    help="Energy of an isolated atom in eV, for extended XYZ; once for each element.",
)
@profile_option
def import_command(
    paths: tuple[Path, ...],
    trust: bool,
    check: bool,
    max_size: str,
    level: str | None,
    atom_energy: tuple[str, ...],
    profile_name: str | None,
) -> None:
    """Read published data: folders, AiiDA archives, potentials, frames.

    PATH is a folder made by `aiida-nanoclusters publish`, an AiiDA archive of any age (.aiida), a
    packaged or compiled Allegro model (.nequip.zip, .nequip.pt2), a potential of LAMMPS
    (.eam.alloy, .eam.fs, .eam) or extended XYZ (.extxyz, .xyz). All are checked before the first
    is stored, and nothing in them is run. To import twice changes nothing.

    For labels of finished VASP or CP2K calculations, and for frames that should be looked at
    first, there is `aiida-nanoclusters import-labels`.
    """
    open_profile(profile_name)
    console = make_console()
    for line in import_paths(
        paths,
        trust=trust,
        check=check,
        max_bytes=parse_size(max_size),
        level=level,
        atom_energy=atom_energy,
    ):
        console.print(line, markup=False, soft_wrap=True)


@click.command("trust")
@click.argument("uuids", nargs=-1, required=True, metavar="UUID...")
@profile_option
def trust_command(uuids: tuple[str, ...], profile_name: str | None) -> None:
    """Let imported potentials run the code they carry, in this profile.

    A packaged Allegro model is Python code, a compiled one machine code: whoever uses it runs it
    with all your rights. Do this only if you trust its maker. UUID (or pk) is that of a
    PotentialData, or of the RemoteData of a training that is to go on.
    """
    open_profile(profile_name)
    from aiida.orm import Node, RemoteData

    from aiida_nanoclusters.cli.launch import get_node
    from aiida_nanoclusters.data.potential import PotentialData
    from aiida_nanoclusters.data.trust import trust

    nodes = [get_node(uuid, Node) for uuid in uuids]
    for node in nodes:
        if not isinstance(node, PotentialData | RemoteData):
            raise Fixable(
                f"{node.uuid} is neither a PotentialData nor a RemoteData: nothing else needs trust"
            )
    for node in nodes:
        trust(node)
        make_console().print(f"trusted: {node.uuid}")


def import_paths(
    paths: tuple[Path, ...],
    *,
    trust: bool = False,
    check: bool = False,
    max_bytes: int | None = None,
    level: str | None = None,
    atom_energy: tuple[str, ...] = (),
) -> list[str]:
    """Check all paths, then store what they hold; return a line on each thing that was done.

    Raises
    ------
    Fixable
        If one of them cannot be used; nothing is stored then.
    """
    from aiida_nanoclusters.cli.imports import store

    limit = parse_size(MAX_SIZE) if max_bytes is None else max_bytes
    with tempfile.TemporaryDirectory() as folder:
        sources: list[Any] = [
            store.prepare(path, Path(folder), limit, level, atom_energy)
            for path in dict.fromkeys(paths)
        ]
        if check:
            return [f"{source.path}: {source.what}: nothing wrong" for source in sources]
        return [line for source in sources for line in source.store(trust)]

"""aiida-nanoclusters import: what others published, checked first; nothing in it is run."""

from __future__ import annotations

import re
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from aiida_nanoclusters.cli.launch.options import atom_energy_option
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
    help="Let potentials run the code they carry, and let finished jobs and labels be used again "
    "instead of new ones. Codes and processes need `aiida-nanoclusters trust` still.",
)
@click.option("--check", is_flag=True, help="Only check; store nothing.")
@click.option(
    "--max-size",
    default=MAX_SIZE,
    show_default=True,
    help="Refuse what is larger than this when unpacked.",
)
@click.option("--level", help="Level of theory of a potential file, or of the labels of frames.")
@atom_energy_option
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
@click.argument("uuids", nargs=-1, metavar="[UUID]...")
@click.option(
    "--made-here",
    is_flag=True,
    help="Trust all potentials, codes and folders of trainings that no import is known to have "
    "brought, and use the labels of this profile again: once, where a profile was used with a "
    "version that did not record trust.",
)
@profile_option
def trust_command(uuids: tuple[str, ...], made_here: bool, profile_name: str | None) -> None:
    """Let what was imported run, in this profile.

    A packaged Allegro model is Python code, a compiled one machine code, a code a command, and a
    recorded process what its maker wrote: whoever runs it again runs that with all their rights. Do
    this only if you trust its maker. UUID (or pk) is that of a potential, a code, the folder of a
    training that is to go on, or a process that is to be run again as it was recorded.
    """
    open_profile(profile_name)
    from aiida.orm import AbstractCode, Node, ProcessNode, RemoteData

    from aiida_nanoclusters.cli.launch.options import get_node
    from aiida_nanoclusters.data.potential import PotentialData
    from aiida_nanoclusters.data.trust import nodes_made_here, trust
    from aiida_nanoclusters.workflows.parts.label_store import seal_methods_made_here

    if not uuids and not made_here:
        raise Fixable("name what is to be trusted by its UUID")
    nodes: list[Any] = [get_node(uuid, Node) for uuid in uuids]
    for node in nodes:
        if not isinstance(node, PotentialData | RemoteData | AbstractCode | ProcessNode):
            raise Fixable(
                f"{node.uuid} is a {type(node).__name__}, which needs no trust: only potentials, "
                "codes, folders and processes do"
            )
    for node in [*nodes, *(nodes_made_here() if made_here else ())]:
        trust(node)
        make_console().print(f"trusted: {node.uuid}")
    if made_here:
        seal_methods_made_here()


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
    from aiida_nanoclusters.cli.imports.sources import prepare
    from aiida_nanoclusters.cli.lock import only_one

    limit = parse_size(MAX_SIZE) if max_bytes is None else max_bytes
    # What is new is known only while no other import stores.
    with tempfile.TemporaryDirectory() as folder, nullcontext() if check else only_one("import"):
        sources: list[Any] = [
            prepare(path, Path(folder), limit, level, atom_energy, trusted=trust)
            for path in dict.fromkeys(paths)
        ]
        if check:
            return [f"{source.path}: {source.what}: nothing wrong" for source in sources]
        return [line for source in sources for line in source.store(trust)]

"""Clusters, cores, candidates and models as the commands on ligands take them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiida_nanoclusters.cli.launch.codes import get_code
from aiida_nanoclusters.cli.launch.converted import convert, converted_frames
from aiida_nanoclusters.cli.launch.nodes import find_potential, get_node
from aiida_nanoclusters.cli.launch.options import lammps_option
from aiida_nanoclusters.cli.launch.resources import options_of
from aiida_nanoclusters.cli.terminal import Fixable, echo
from aiida_nanoclusters.formats.limits import read_text

if TYPE_CHECKING:
    from aiida.orm import FolderData

    from aiida_nanoclusters.data.frames import FramesData
    from aiida_nanoclusters.data.matching_model import MatchingModelData

#: Bytes of the largest list of candidates.
_MOST_BYTES = 10_000_000
#: Files that cannot be read of which the reason is printed.
_SHOWN = 5

ligands_option = click.option(
    "--ligands",
    "ligands",
    multiple=True,
    required=True,
    metavar="FILE|SMILES",
    help="Candidate ligands: a file with one SMILES a line (several joined by dots are ranked as "
    "one set) and a name, or a SMILES; repeatable.",
)
model_option = click.option(
    "--model",
    "models",
    multiple=True,
    metavar="UUID",
    help="MatchingModelData; several are a committee.",
)
compatibility_option = click.option(
    "--compatibility",
    metavar="UUID",
    help="CompatibilityWorkChain whose committee is used.",
)


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that train the models first, on known clusters."""
    for option in (
        click.option(
            "--training-protocol",
            default="trial",
            show_default=True,
            help="Numbers of that training: a protocol of `run compatibility`.",
        ),
        click.option(
            "--clusters",
            multiple=True,
            metavar="FILE|FOLDER|UUID",
            help="Known clusters on which models are trained first, as of `run compatibility`; "
            "repeatable.",
        ),
    ):
        command = option(command)
    return command


def relaxation_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that name what relaxes the bare cores; the command gets them by their names."""
    for option in (
        lammps_option,
        click.option(
            "--potential-kind",
            help="Kind of the file of --potential. Default: told by the file.",
        ),
        click.option(
            "--potential",
            metavar="UUID|FILE|NAME",
            help="Potential that relaxes the bare cores, whose energies and structures then stand "
            "beside the ranking. Default: they are not relaxed.",
        ),
    ):
        command = option(command)
    return command


def relaxation_of(given: Mapping[str, Any], cores: FramesData) -> dict[str, Any]:
    """Return `code`, `potential` and `options` of what relaxes bare cores; empty if nothing does.

    Raises
    ------
    Fixable
        If there is no such potential, or it does not know an element of the cores.
    """
    from aiida_nanoclusters.workflows.parts.validators import potentials_problem

    if given.get("potential") is None:
        return {}
    elements = ",".join(cores.elements)
    potential = find_potential(given["potential"], given["potential_kind"], elements)
    if problem := potentials_problem({"potential": potential}, cores.elements):
        raise Fixable(problem)
    code = get_code(given["lammps"], "lammps")
    return {
        "code": code,
        "potential": potential,
        "options": options_of(code, given["options"]),
    }


def require_packages() -> None:
    """Refuse to go on where a package of the extra is missing.

    Raises
    ------
    Fixable
        Naming the package, and how to install it.
    """
    from importlib.util import find_spec

    for name in ("rdkit", "torch", "torch_geometric", "sklearn"):
        if find_spec(name) is None:
            fix = 'pip install "aiida-nanoclusters[ligands]"'
            raise Fixable(f"{name} is not installed: {fix}")


def is_file(source: str) -> bool:
    """Whether a source is a file or a folder, and no UUID."""
    return Path(source).exists()


def import_sources(sources: Iterable[str], settings: Mapping[str, Any]) -> FramesData:
    """Return the whole clusters of files and folders, and tell which files are left out.

    Raises
    ------
    Fixable
        If there are no such files, or none can be read.
    """
    from aiida.orm import Dict

    from aiida_nanoclusters.calculations.ligands.import_clusters import import_clusters

    paths = list(sources)
    for path in paths:
        if not Path(path).exists():
            raise Fixable(f"no file or folder at {path}")
    folder = _folder_of(paths)
    found = convert(", ".join(paths), import_clusters, files=folder, settings=Dict(dict(settings)))
    left_out = found["report"]["left_out"]
    for row in left_out[:_SHOWN]:
        echo(f"Warning: {row['origin']} is left out ({row['reason']}): {row['message']}", err=True)
    if len(left_out) > _SHOWN:
        echo(
            f"Warning: {len(left_out) - _SHOWN} more files are left out, see "
            f"{found['report'].uuid}",
            err=True,
        )
    frames: FramesData = found["frames"]
    return frames


def _folder_of(paths: Sequence[str]) -> FolderData:
    """Return the files of clusters as one node, those of a folder under their paths in it."""
    from aiida.orm import FolderData

    from aiida_nanoclusters.formats.cluster_files import CHARGES, find_cluster_files

    node, seen = FolderData(), set()
    for start in map(Path, paths):
        base = start if start.is_dir() else start.parent
        files = list(find_cluster_files([start]))
        tables = {path.parent / CHARGES for path in files}
        for path in [*files, *sorted(t for t in tables if t.is_file())]:
            name = str(path.relative_to(base))
            if name not in seen:
                seen.add(name)
                node.base.repository.put_object_from_file(str(path.resolve()), name)
    if not seen:
        raise Fixable(f"{', '.join(paths)}: there is no file .xyz, .extxyz, .cif or .mol2")
    return node


def get_clusters(sources: Sequence[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return `frames` of whole clusters from files, folders or a UUID, or `pairs` of a UUID.

    Parameters
    ----------
    sources
        Files and folders, or one UUID.
    settings
        Of the pairs; `structures` says what becomes of disorder in crystals.

    Raises
    ------
    Fixable
        If there is no such file or node, or it is of another kind.
    """
    from aiida.orm import Data

    from aiida_nanoclusters.data.pairs import PairsData

    if any(is_file(source) for source in sources):
        return {"frames": import_sources(sources, settings.get("structures", {}))}
    if len(sources) > 1:
        raise Fixable(f"no file or folder at {sources[0]}: give files and folders, or one UUID")
    if "/" in sources[0] or sources[0].endswith((".xyz", ".extxyz", ".cif", ".mol2")):
        raise Fixable(f"no file or folder at {sources[0]}")
    node = get_node(sources[0], Data, what="FramesData or PairsData")
    if isinstance(node, PairsData):
        return {"pairs": node}
    return {"frames": converted_frames(sources[0])}


def get_core(source: str, settings: Mapping[str, Any]) -> FramesData:
    """Return the core, or cores, of a file or a node; ligands of whole clusters are cut off.

    Parameters
    ----------
    source
        File, or UUID of frames or a structure. What has carbon is a whole cluster.
    settings
        By which clusters are divided.

    Raises
    ------
    Fixable
        If there is no such file or node, or nothing in it is a cluster.
    """
    from aiida_nanoclusters.calculations.charts.families import take_out_of_boxes

    frames: FramesData
    frames = import_sources([source], settings) if is_file(source) else converted_frames(source)
    if "C" in frames.elements:
        frames = _divided(source, frames, settings)
    if frames.frames.pbc.any():
        frames = convert(source, take_out_of_boxes, frames=frames)
    return frames


def _divided(source: str, frames: FramesData, settings: Mapping[str, Any]) -> FramesData:
    """Return the cores of whole clusters."""
    from aiida.orm import Dict

    from aiida_nanoclusters.calculations.ligands.pairs import collect_ligand_pairs
    from aiida_nanoclusters.calculations.ligands.ranking import cores_of_pairs

    found = convert(source, collect_ligand_pairs, frames=frames, settings=Dict(dict(settings)))
    echo(f"{source} has carbon: its ligands are cut off, the core is used", err=True)
    cores: FramesData = convert(source, cores_of_pairs, pairs=found["pairs"])
    return cores


def read_candidates(sources: Iterable[str]) -> list[str]:
    """Return the lines of candidates from files and SMILES, and see that each is a ligand.

    Raises
    ------
    Fixable
        If a file cannot be read, or a line is no ligand.
    """
    from aiida_nanoclusters.science.ligands.candidates import parse_candidates
    from aiida_nanoclusters.science.ligands.smiles import canonical_ligand

    lines: list[str] = []
    for source in sources:
        own = [source]
        if Path(source).is_file():
            try:
                own = read_text(Path(source), _MOST_BYTES).splitlines()
            except (OSError, ValueError) as error:
                raise Fixable(f"cannot read ligands from {source}: {error}") from error
        elif source.endswith((".smi", ".txt", ".csv")):
            raise Fixable(f"no file of ligands at {source}")
        try:
            parse_candidates(own, canonical_ligand)
        except ValueError as error:
            raise Fixable(f"--ligands {source}: {error}") from error
        lines += [" ".join(s.split()) for s in own if s.strip() and not s.strip().startswith("#")]
    return lines


def get_models(uuids: Sequence[str], chain: str | None) -> dict[str, MatchingModelData]:
    """Return the committee of UUIDs, or of a finished CompatibilityWorkChain.

    Raises
    ------
    Fixable
        If both or neither are given, or a node is of another kind.
    """
    from aiida.orm import WorkChainNode

    from aiida_nanoclusters.data.matching_model import MatchingModelData

    if bool(uuids) == bool(chain):
        raise Fixable("give either --model UUID (once or more) or --compatibility UUID")
    if not chain:
        return {f"member_{i}": get_node(uuid, MatchingModelData) for i, uuid in enumerate(uuids)}
    outputs = get_node(chain, WorkChainNode).outputs
    if "models" not in outputs:
        raise Fixable(f"{chain} has no output `models`: give a finished CompatibilityWorkChain")
    return dict(outputs.models)

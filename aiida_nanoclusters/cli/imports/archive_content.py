"""Nodes of an archive against their schemas and their files, before any of them is stored."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiida.storage.sqlite_zip.utils import REPO_FOLDER

from aiida_nanoclusters.cli.imports.archive_rows import NodeRow, Rows
from aiida_nanoclusters.data.model_files import head_file, model_problem
from aiida_nanoclusters.data.schemas import (
    array_problem,
    attributes_problem,
    file_names,
    frames_problem,
    name_problem,
    wanted_file,
)
from aiida_nanoclusters.formats.calculators.description import read_description
from aiida_nanoclusters.formats.lammps.potential_files import eam_difference, read_eam_metadata
from aiida_nanoclusters.formats.plain_text import excerpt

#: Extras by which this package marks nodes and groups of its own.
_PRIVATE = "nanoclusters_"
#: Deepest folder of a node.
_DEEPEST = 32
_NEEDS_COMPUTER = ("data.core.code.installed.", "data.core.remote.")


def check_content(rows: Rows, archive: Path) -> None:
    """Check each node: its attributes, its files, and that the ones follow from the others.

    Raises
    ------
    ValueError
        Naming the node and what is wrong with it.
    """
    with zipfile.ZipFile(archive) as members:
        prefix = f"{REPO_FOLDER}/"
        objects = {
            member.filename.removeprefix(prefix): member.file_size
            for member in members.infolist()
            if member.filename.startswith(prefix)
        }
        for node in rows.nodes.values():
            _check_node(node, members, objects)
    for group in rows.groups.values():
        if any(key.startswith(_PRIVATE) for key in group.extras):
            raise ValueError(f"group {group.uuid} has marks that only an import sets")


def _check_node(node: NodeRow, members: zipfile.ZipFile, objects: Mapping[str, int]) -> None:
    what = "process" if node.node_type.startswith("process.") else "node"
    if what == "process" and node.attributes.get("sealed") is not True:
        raise ValueError(
            f"process {node.uuid} has not ended: ask its maker for an archive of ended ones"
        )
    if what == "node" and node.process_type:  # earlier versions wrote an empty one
        raise ValueError(f"node {node.uuid} is data with the type of a process")
    if node.node_type.startswith(_NEEDS_COMPUTER) and node.dbcomputer_id is None:
        raise ValueError(f"node {node.uuid} names no computer")
    problem = attributes_problem(node.node_type, node.attributes)
    if problem:
        raise ValueError(f"{what} {node.uuid}: {problem}")
    files: dict[str, str] = {}
    for path, key in _files(node.uuid, node.repository_metadata, "", _DEEPEST):
        if key not in objects:
            raise ValueError(
                f"the file `{excerpt(path)}` of node {node.uuid} is missing: fetch it again"
            )
        files[path] = key
    _check_files(node, files, members, objects)


def _files(uuid: str, folder: Mapping[str, Any], path: str, left: int) -> Iterator[tuple[str, str]]:
    """Yield path and key of the files below a folder of a node, and check all names on the way."""
    if set(folder) - {"o"} or left == 0:
        raise ValueError(f"node {uuid} has a list of files that AiiDA does not write")
    entries = folder.get("o", {})
    if not isinstance(entries, dict):
        raise ValueError(f"node {uuid} has a list of files that AiiDA does not write")
    for name, entry in entries.items():
        problem = name_problem(name)
        if problem:
            raise ValueError(f"the file `{excerpt(path + name)}` of node {uuid} {problem}")
        if not isinstance(entry, dict):
            raise ValueError(f"node {uuid} has a list of files that AiiDA does not write")
        if "k" not in entry:
            yield from _files(uuid, entry, f"{path}{name}/", left - 1)
        elif set(entry) != {"k"} or not isinstance(entry["k"], str):
            raise ValueError(f"node {uuid} has a list of files that AiiDA does not write")
        else:
            yield f"{path}{name}", entry["k"]


def _check_files(
    node: NodeRow, files: Mapping[str, str], members: zipfile.ZipFile, objects: Mapping[str, int]
) -> None:
    """Check the files whose content the attributes describe; a publication may leave some out."""
    for name, shape in file_names(node.attributes, node.node_type).items():
        if name not in files:
            raise ValueError(f"node {node.uuid} has no file `{excerpt(name)}`")
        with members.open(f"{REPO_FOLDER}/{files[name]}") as stream:
            problem = array_problem(shape, stream, objects[files[name]])  # type: ignore[arg-type]
        if problem:
            raise ValueError(f"the array `{excerpt(name)}` of node {node.uuid} {problem}")
    wanted = wanted_file(node.attributes, node.node_type)
    if wanted is None:
        return
    is_frames = node.node_type.startswith("data.nanoclusters.frames.")
    head = head_file(node.node_type)
    needed = {wanted, head} if head else {wanted}
    if absent := sorted(needed - set(files)):
        if is_frames or head:
            raise ValueError(f"node {node.uuid} has no file `{absent[0]}`")
        return
    content = members.read(f"{REPO_FOLDER}/{files[wanted]}")
    if is_frames:
        problem = frames_problem(node.attributes, content)
    elif head:
        text = members.read(f"{REPO_FOLDER}/{files[head]}")
        problem = model_problem(node.node_type, node.attributes, text, content)
    else:
        problem = _potential_problem(node.attributes, content, wanted)
    if problem:
        raise ValueError(f"node {node.uuid}: {problem}")


def _potential_problem(attributes: Mapping[str, Any], content: bytes, name: str) -> str | None:
    """Return whether an EAM file is one, of the elements and cutoff of its node.

    A packaged or compiled model is a program: it is not opened before it is trusted.
    """
    kind = str(attributes["kind"])
    if kind == "calculator":
        read_description(content)
        return None
    if not kind.startswith("eam"):
        if not zipfile.is_zipfile(io.BytesIO(content)):
            return f"`{name}` is no zip file, as models are"
        return None
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        symbols, cutoff = read_eam_metadata(path, kind)
    return eam_difference(symbols, cutoff, attributes["elements"], attributes["cutoff"])

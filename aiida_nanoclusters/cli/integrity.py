"""Whether what is stored of a process is what once was stored: files, hashes, repeated steps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from aiida.common.exceptions import AiidaException
from aiida.common.links import LinkType
from aiida.orm import CalcFunctionNode, Data, Node, ProcessNode, QueryBuilder
from aiida.orm.implementation.utils import clean_value
from aiida.repository import Repository
from aiida.tools.archive.abstract import get_format
from aiida.tools.graph.graph_traversers import traverse_graph
from packaging.version import Version

from aiida_nanoclusters.calculations.reproduce import compare_output, content_hash
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.queries.nodes import chunks
from aiida_nanoclusters.workflows.reproduce import outputs_of

GOOD, BAD, UNKNOWN = "good", "bad", "unknown"
#: AiiDA before it hashed otherwise: its hashes cannot be compared with ours.
_SAME_HASHES = Version("2.6")
_FORWARD = (LinkType.CREATE, LinkType.RETURN, LinkType.CALL_CALC, LinkType.CALL_WORK)
_BACKWARD = (LinkType.INPUT_CALC, LinkType.INPUT_WORK, LinkType.CREATE)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: how it is, and what is wrong."""

    name: str
    state: str
    note: str


def provenance_of(node: ProcessNode) -> list[Node]:
    """Return a process with all it came from, all it called, and all that made."""
    assert node.pk is not None
    found = traverse_graph([node.pk], links_forward=_FORWARD, links_backward=_BACKWARD)
    nodes: list[Node] = []
    for chunk in chunks(found["nodes"]):
        nodes += QueryBuilder().append(Node, filters={"id": {"in": chunk}}).all(flat=True)
    return sorted(nodes, key=lambda one: one.pk or 0)


def check_stored(
    node: ProcessNode, rules: Mapping[str, Any], archive: str | None
) -> Iterator[Check]:
    """Check the whole provenance of a process, running no job and storing nothing.

    Parameters
    ----------
    node
        The process.
    rules
        Those of ``protocols/reproduce.yaml``: for calcfunctions that are repeated.
    archive
        The file it was imported from.
    """
    nodes = provenance_of(node)
    recorded, version = _archived(archive) if archive else ({}, None)
    files = _check_files(nodes)
    yield files
    yield _check_hashes(nodes, recorded, version)
    if files.state == BAD:
        yield Check("frames, calcfunctions", UNKNOWN, "not looked at: their files cannot be read")
        return
    yield _check_frames(nodes)
    yield _check_calcfunctions(nodes, rules)


def _check_files(nodes: list[Node]) -> Check:
    """Every file is there, and is what its name, the hash of its content, says."""
    keys: dict[str, Node] = {}
    for node in nodes:
        flat = Repository.flatten(node.base.repository.metadata)
        keys |= {key: node for key in flat.values() if key is not None}
    if not keys:
        return Check("files", GOOD, "there are none")
    repository = nodes[0].backend.get_repository()
    missing = [key for key in keys if not repository.has_object(key)]
    if missing:
        return Check("files", BAD, f"missing: {_names(keys[key] for key in missing)}")
    if repository.key_format != "sha256":
        return Check("files", UNKNOWN, f"{len(keys)} there; named by {repository.key_format}")
    changed = []
    for key, stream in repository.iter_object_streams(list(keys)):
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
        if digest.hexdigest() != key:
            changed.append(keys[key])
    if changed:
        return Check("files", BAD, f"changed: {_names(changed)}")
    return Check("files", GOOD, f"{len(keys)} hold what they held when stored")


def _check_hashes(nodes: list[Node], recorded: Mapping[str, str], version: str | None) -> Check:
    """Every node's hash is the one that was kept when it was stored."""
    changed, compared = [], 0
    for node in nodes:
        kept = recorded.get(node.uuid) or node.base.caching.get_hash()
        known = node.node_type == type(node).class_node_type  # else its plugin is not installed
        if kept and known and _hashed_alike(node, version):
            compared += 1
            if kept != node.base.caching.compute_hash():
                changed.append(node)
    if changed:
        return Check("hashes", BAD, f"{len(changed)} of {compared} differ: {_names(changed)}")
    if compared < len(nodes):
        note = f"{compared} of {len(nodes)} nodes have a hash to compare with"
        hint = "" if version else "; --archive FILE brings those an import drops"
        return Check("hashes", UNKNOWN, note + hint)
    return Check("hashes", GOOD, f"{compared} nodes are as they were stored")


def _hashed_alike(node: Node, archived_by: str | None) -> bool:
    maker = node.creator if isinstance(node, Data) else node
    version = maker.base.attributes.get("version", {}).get("core") if maker else None
    version = version or archived_by
    return version is None or Version(version) >= _SAME_HASHES


_LATER = FramesData._hash_ignored_attributes


def _check_frames(nodes: list[Node]) -> Check:
    """What a set of frames says of itself follows from its file."""
    wrong, checked = [], 0
    for node in nodes:
        if isinstance(node, FramesData):
            checked += 1
            stored = node.base.attributes.all
            # Rounded as AiiDA rounds what it stores; sets of earlier versions note less.
            again = clean_value(FramesData(node.frames).base.attributes.all)
            noted = [key for key in again if key in stored or key not in _LATER]
            if any(stored.get(key) != again[key] for key in noted):
                wrong.append(node)
    if wrong:
        return Check("frames", BAD, f"their attributes belie their files: {_names(wrong)}")
    return Check("frames", GOOD, f"{checked} sets are what their attributes say")


def _check_calcfunctions(nodes: list[Node], rules: Mapping[str, Any]) -> Check:
    """What our calcfunctions made is what they make of the same inputs now."""
    wrong, repeated, others = [], 0, 0
    for node in nodes:
        if not isinstance(node, CalcFunctionNode) or not node.is_finished_ok:
            continue
        module, _, name = str(node.process_type).rpartition(".")
        if not module.startswith("aiida_nanoclusters."):
            others += 1
            continue
        repeated += 1
        function = getattr(import_module(module), name).__wrapped__
        try:
            made = function(**node.base.links.get_incoming(link_type=LinkType.INPUT_CALC).nested())
        except (ValueError, KeyError, TypeError) as error:
            wrong.append(f"{name} <{node.uuid[:8]}> ({error})")
            continue
        made = {"result": made} if isinstance(made, Data) else made
        wrong += [
            f"{name} <{node.uuid[:8]}> `{key}`"
            for key, output in outputs_of(node).items()
            if not _equal(key, output, made.get(key), rules)
        ]
    if wrong:
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        return Check("calcfunctions", BAD, f"make something else now: {', '.join(wrong[:3])}{more}")
    note = f"{repeated} were repeated and make the same"
    return Check("calcfunctions", GOOD, note + (f"; {others} of other packages not" * bool(others)))


def _equal(name: str, recorded: Any, made: Any, rules: Mapping[str, Any]) -> bool:
    if not isinstance(recorded, Data) or made is None:
        return made is not None
    if content_hash(recorded) == content_hash(made):
        return True
    row = compare_output(f"calcfunction.{name}", recorded, made, rules, {"dynamics": False})
    return bool(row["verdict"] != "differs")


def _archived(path: str) -> tuple[dict[str, str], str]:
    """Return the hashes by UUID that an archive holds, and the AiiDA that wrote it."""
    if not Path(path).is_file():
        raise Fixable(f"--archive {path}: no such file")
    try:
        with get_format().open(path, "r") as reader:
            version = str(reader.get_metadata()["aiida_version"])
            query = QueryBuilder(backend=reader.get_backend())
            query.append(Node, project=["uuid", "extras._aiida_hash"])
            hashes = {uuid: found for uuid, found in query.iterall() if found}
    except (AiidaException, OSError, KeyError) as error:
        raise Fixable(f"--archive {path}: run `verdi archive migrate {path} NEW` first") from error
    return hashes, version


def _names(nodes: Any) -> str:
    found = [f"{type(node).__name__} {node.uuid[:8]}" for node in nodes]
    return ", ".join(found[:3]) + (f", and {len(found) - 3} more" if len(found) > 3 else "")

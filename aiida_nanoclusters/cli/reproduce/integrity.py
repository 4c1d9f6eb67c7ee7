"""Whether the stored provenance of a process is unchanged: files, hashes, calcfunctions.

The nodes may be a stranger's: whatever reading one of them raises becomes a row of the table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiida.common.links import LinkType
from aiida.orm import CalcFunctionNode, Data, Node, ProcessNode, QueryBuilder
from aiida.orm.implementation.utils import clean_value
from aiida.repository import Repository
from aiida.tools.archive.abstract import get_format
from aiida.tools.graph.graph_traversers import traverse_graph
from packaging.version import Version

from aiida_nanoclusters.calculations.identity import own_arguments, own_function
from aiida_nanoclusters.calculations.reproduction.reproduce import compare_output, content_hash
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.data.chunks import chunks
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.trust import IMPORTED, came_from_elsewhere
from aiida_nanoclusters.formats.plain_text import reason_of
from aiida_nanoclusters.workflows.reproduction.reproduce import outputs_of

GOOD, BAD, UNKNOWN = "good", "bad", "unknown"
#: Hashes by earlier versions of AiiDA were computed otherwise and cannot be compared.
_SAME_HASHES = Version("2.6")
_FORWARD = (LinkType.CREATE, LinkType.RETURN, LinkType.CALL_CALC, LinkType.CALL_WORK)
_BACKWARD = (LinkType.INPUT_CALC, LinkType.INPUT_WORK, LinkType.CREATE)


@dataclass(frozen=True)
class Check:
    """One check: its result, and what is wrong."""

    name: str
    state: str
    note: str


def provenance_of(node: ProcessNode) -> list[Node]:
    """Return a process with its ancestors, what it called, and the outputs of all of these."""
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
        Those of ``protocols/reproduce.yaml``, by which repeated calcfunctions are compared.
    archive
        The file it was imported from.

    Yields
    ------
    Check
        One for each kind of check, whatever the nodes hold.

    Raises
    ------
    Fixable
        If the archive cannot be read.
    """
    recorded, version = _archived(archive) if archive else ({}, None)
    nodes: list[Node] = []
    try:
        nodes = provenance_of(node)
    except Exception as error:
        yield Check("provenance", BAD, f"of {_name(node)} cannot be read: {reason_of(error)}")
        return
    files = _guarded("files", lambda: _check_files(nodes))
    yield files
    yield _guarded("hashes", lambda: _check_hashes(nodes, recorded, version))
    yield _guarded("origin", lambda: _check_origin(nodes))
    if files.state == BAD:
        yield Check("frames, calcfunctions", UNKNOWN, "not checked: their files cannot be read")
        return
    yield _guarded("frames", lambda: _check_frames(nodes))
    yield _guarded("calcfunctions", lambda: _check_calcfunctions(nodes, rules))


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except Exception as error:  # shown, with the check it ended
        return Check(name, BAD, f"ended by {reason_of(error)}")


def _look(nodes: Iterable[Node], look: Callable[[Node], bool | None]) -> tuple[list[str], int]:
    """Look at nodes one by one.

    Parameters
    ----------
    look
        Whether a node is as it should be; None where it is not concerned.

    Returns
    -------
    tuple
        Names of the nodes that are not, with the reason where reading one raised it, and the
        number of nodes concerned.
    """
    wrong, count = [], 0
    for node in nodes:
        try:
            good = look(node)
        except Exception as error:  # shown, with the name of the node
            good, name = False, f"{_name(node)} ({reason_of(error)})"
        else:
            name = _name(node)
        count += good is not None
        if good is False:
            wrong.append(name)
    return wrong, count


def _check_files(nodes: list[Node]) -> Check:
    """Check that every file is there and that its content fits its name, a SHA-256."""
    keys: dict[str, Node] = {}

    def collect(node: Node) -> bool:
        flat = Repository.flatten(node.base.repository.metadata)
        keys.update({key: node for key in flat.values() if key is not None})
        return True

    unreadable, _ = _look(nodes, collect)
    if unreadable:
        return Check("files", BAD, f"lists of files cannot be read: {_few(unreadable)}")
    if not keys:
        return Check("files", GOOD, "no files")
    repository = nodes[0].backend.get_repository()
    missing = [key for key in keys if not repository.has_object(key)]
    if missing:
        return Check("files", BAD, f"missing: {_names(keys[key] for key in missing)}")
    if repository.key_format != "sha256":
        return Check(
            "files", UNKNOWN, f"{len(keys)} present; named by {repository.key_format}, not compared"
        )
    changed = []
    for key, stream in repository.iter_object_streams(list(keys)):
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
        if digest.hexdigest() != key:
            changed.append(keys[key])
    if changed:
        return Check("files", BAD, f"changed: {_names(changed)}")
    return Check("files", GOOD, f"{len(keys)} are unchanged")


def _check_hashes(nodes: list[Node], recorded: Mapping[str, str], version: str | None) -> Check:
    """Check that the hash of every node is the one of when it was stored."""

    def look(node: Node) -> bool | None:
        kept = recorded.get(node.uuid) or node.base.caching.get_hash()
        known = node.node_type == type(node).class_node_type  # else its plugin is not installed
        if not (kept and known and _hashed_alike(node, version)):
            return None
        return bool(kept == node.base.caching.compute_hash())

    changed, compared = _look(nodes, look)
    if changed:
        return Check("hashes", BAD, f"{len(changed)} of {compared} differ: {_few(changed)}")
    if compared < len(nodes):
        note = f"{compared} of {len(nodes)} nodes have a hash to compare"
        hint = "" if version else "; --archive FILE reads the hashes that an import drops"
        return Check("hashes", UNKNOWN, note + hint)
    return Check("hashes", GOOD, f"{compared} nodes are unchanged")


def _hashed_alike(node: Node, archived_by: str | None) -> bool:
    maker = node.creator if isinstance(node, Data) else node
    version = maker.base.attributes.get("version", {}).get("core") if maker else None
    version = version or archived_by
    return version is None or Version(version) >= _SAME_HASHES


def _check_origin(nodes: list[Node]) -> Check:
    """Check that no process of an import is recorded as the creator of a node it found here.

    Whoever knows the UUID of a node can write an archive with a process that claims it. A node that
    was stored here has its hash and no mark of an import, and its PK is lower than that of a
    process which came later.
    """

    def look(node: Node) -> bool | None:
        creator = node.creator if isinstance(node, Data) else None
        if creator is None:
            return None
        extras = node.base.extras
        stored_here = bool(node.base.caching.get_hash()) and not extras.get(IMPORTED, False)
        came_later = (creator.pk or 0) > (node.pk or 0)
        from_elsewhere = not creator.base.caching.get_hash() or came_from_elsewhere(creator)
        return not (stored_here and came_later and from_elsewhere)

    wrong, checked = _look(nodes, look)
    if wrong:
        note = f"an imported process claims to have created what was here before: {_few(wrong)}"
        return Check("origin", BAD, note)
    return Check("origin", GOOD, f"{checked} nodes came with the process that created them")


_LATER = FramesData._hash_ignored_attributes


def _check_frames(nodes: list[Node]) -> Check:
    """Check that the attributes of every set of frames follow from its file."""

    def look(node: Node) -> bool | None:
        if not isinstance(node, FramesData):
            return None
        stored = node.base.attributes.all
        # Rounded as AiiDA rounds stored values; sets of earlier versions have fewer attributes.
        again = clean_value(FramesData(node.frames).base.attributes.all)
        noted = [key for key in again if key in stored or key not in _LATER]
        return all(stored.get(key) == again[key] for key in noted)

    wrong, checked = _look(nodes, look)
    if wrong:
        return Check("frames", BAD, f"attributes do not follow from the file: {_few(wrong)}")
    return Check("frames", GOOD, f"{checked} sets have the attributes that follow from their files")


def _check_calcfunctions(nodes: list[Node], rules: Mapping[str, Any]) -> Check:
    """Check that calcfunctions of this package give the recorded outputs when repeated.

    Those of other packages are neither imported nor called.
    """
    wrong, repeated, others = [], 0, 0
    for node in nodes:
        if not isinstance(node, CalcFunctionNode):
            continue
        name = _name(node)
        try:
            if not node.is_finished_ok:
                continue
            function = own_function(node)
            if function is None:
                others += 1
                continue
            repeated += 1
            name = f"{function.__name__} <{node.uuid[:8]}>"
            wrong += [f"{name} `{key}`" for key in _changed_outputs(node, function, rules)]
        except Exception as error:  # shown, with the name of the node
            wrong.append(f"{name} ({reason_of(error)})")
    if wrong:
        return Check("calcfunctions", BAD, f"give other results now: {_few(wrong)}")
    note = f"{repeated} were repeated with the same results"
    return Check(
        "calcfunctions", GOOD, note + (f"; {others} of other packages were not" * bool(others))
    )


def _changed_outputs(
    node: CalcFunctionNode, function: Any, rules: Mapping[str, Any]
) -> Iterator[str]:
    recorded = node.base.links.get_incoming(link_type=LinkType.INPUT_CALC).nested()
    made = function.__wrapped__(**own_arguments(node, recorded))
    made = {"result": made} if isinstance(made, Data) else made
    for key, output in outputs_of(node).items():
        if not _equal(key, output, made.get(key), rules):
            yield key


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
    except Exception as error:  # AiiDA, its database and zipfile raise many kinds
        raise Fixable(
            f"--archive {path} cannot be read ({reason_of(error)}): if an earlier AiiDA wrote it, "
            f"run `verdi archive migrate {path} NEW` first"
        ) from error
    return hashes, version


def _names(nodes: Iterable[Node]) -> str:
    return _few([_name(node) for node in nodes])


def _name(node: Node) -> str:
    return f"{type(node).__name__} {node.uuid[:8]}"


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f", and {len(names) - 3} more" if len(names) > 3 else "")

"""What must hold of an archive's nodes before any of them is stored; nothing here stores."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

from aiida.common.exceptions import (
    AiidaException,
    CorruptStorage,
    IncompatibleStorageSchema,
    StorageMigrationError,
)
from aiida.orm import Computer, Node, QueryBuilder
from aiida.storage.sqlite_zip.migrator import get_schema_version_head, list_versions
from aiida.storage.sqlite_zip.utils import read_version
from aiida.tools.archive.exceptions import ArchiveImportError
from aiida.tools.archive.implementations.sqlite_zip.main import ArchiveFormatSqlZip
from sqlalchemy.exc import SQLAlchemyError

from aiida_nanoclusters.cli.archive_log import quiet_archives
from aiida_nanoclusters.cli.publish.archive import flat_files
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.queries.nodes import chunks

#: What AiiDA and its database raise on an archive that is not what it seems.
_BROKEN = (
    AiidaException,
    ArchiveImportError,
    SQLAlchemyError,
    zipfile.BadZipFile,
    KeyError,
    TypeError,
    ValueError,
    OSError,
)


@contextmanager
def archive_errors(path: Path) -> Iterator[None]:
    """Name the archive where AiiDA cannot make sense of it.

    Raises
    ------
    Fixable
        Instead of what AiiDA raised.
    """
    try:
        with quiet_archives():
            yield
    except _BROKEN as error:
        said = " ".join(str(error).split())[:300] or type(error).__name__
        raise Fixable(f"{path.name} is no archive AiiDA can read ({said})") from error


def migrated(path: Path, folder: Path) -> Path:
    """Return an archive of the schema this AiiDA has: itself, or a copy of it in `folder`.

    Raises
    ------
    Fixable
        If it is of a newer schema, or not an archive.
    """
    with archive_errors(path):
        schema, head = read_version(path), get_schema_version_head()
    if schema == head:
        return path
    if schema not in list_versions():
        raise Fixable(
            f"{path.name} has the archive schema {schema}, which this AiiDA does not know (newest: "
            f"{head}): upgrade aiida-core if it is newer"
        )
    new = folder / f"{path.name}.migrated"
    try:
        with archive_errors(path):
            ArchiveFormatSqlZip().migrate(path, new, head)
    except (CorruptStorage, IncompatibleStorageSchema, StorageMigrationError) as error:
        raise Fixable(f"{path.name} cannot be brought to schema {head}: {error}") from error
    return new


def check_nodes(name: str, archive: Path) -> tuple[set[str], set[str], set[str]]:
    """Look through the nodes of an archive of the newest schema.

    Returns
    -------
    tuple of set
        UUIDs of nodes this profile has not, of nodes it has, and of computers it has not.

    Raises
    ------
    Fixable
        If a process has not ended, a file of a node would lie outside of its folder or is missing,
        or a node has the UUID of another one here.
    """
    with archive_errors(Path(name)), ArchiveFormatSqlZip().open(archive, "r") as reader:
        backend = reader.get_backend()
        query = QueryBuilder(backend=backend).append(
            Node, project=["uuid", "node_type", "attributes", "repository_metadata"]
        )
        objects = set(backend.get_repository().list_objects())
        theirs: dict[str, tuple[str, Any, Any]] = {}
        for uuid, node_type, attributes, metadata in query.iterall():
            problem = _problem(uuid, node_type, attributes, metadata, objects)
            if problem:
                raise Fixable(f"{name}: {problem}")
            theirs[uuid] = (node_type, attributes, metadata)
        computers = set(
            QueryBuilder(backend=backend).append(Computer, project="uuid").all(flat=True)
        )
    known = _known(name, theirs)
    here = set(QueryBuilder().append(Computer, project="uuid").all(flat=True))
    return set(theirs) - known, known, computers - here


def read_extras(archive: Path) -> dict[str, dict[str, Any]]:
    """Return the extras of the nodes that have any, by UUID."""
    with ArchiveFormatSqlZip().open(archive, "r") as reader:
        query = QueryBuilder(backend=reader.get_backend()).append(Node, project=["uuid", "extras"])
        return {uuid: extras for uuid, extras in query.iterall() if extras}


def _problem(
    uuid: str, node_type: str, attributes: Mapping[str, Any], metadata: Any, objects: set[str]
) -> str | None:
    try:
        UUID(uuid)
    except ValueError:
        return f"`{uuid}` is no UUID"
    if node_type.startswith("process.") and not attributes.get("sealed"):
        return f"process {uuid} has not ended: ask its maker for an archive of ended ones"
    for path, key in flat_files(metadata):
        if _leads_out(path):
            return f"the file `{path}` of node {uuid} leads out of its folder"
        if key not in objects:
            return f"the file `{path}` of node {uuid} is missing: fetch it again"
    return None


def _leads_out(path: str) -> bool:
    parts = PurePosixPath(path)
    # each name stands for itself in the metadata, so that a slash in one shows as an empty part
    odd = any(part in ("", ".", "..") for part in path.split("/"))
    return odd or parts.is_absolute() or "\\" in path or "\0" in path


def _known(name: str, theirs: Mapping[str, tuple[str, Any, Any]]) -> set[str]:
    """UUIDs that this profile has; each must be the same node in both."""
    known: set[str] = set()
    for chunk in chunks(theirs):
        query = QueryBuilder().append(
            Node,
            filters={"uuid": {"in": chunk}},
            project=["uuid", "node_type", "attributes", "repository_metadata"],
        )
        for uuid, node_type, attributes, metadata in query.iterall():
            their_type, their_attributes, their_metadata = theirs[uuid]
            own = dict(flat_files(metadata))
            # a publication may have left files out, never put others in
            files_differ = dict(flat_files(their_metadata)).items() - own.items()
            is_data = node_type.startswith("data.")
            differ = is_data and attributes != their_attributes
            if node_type != their_type or differ or files_differ:
                raise Fixable(
                    f"{name}: node {uuid} is another one in this profile: import it into a fresh "
                    "profile (`verdi presto -p NAME`)"
                )
            known.add(uuid)
    return known

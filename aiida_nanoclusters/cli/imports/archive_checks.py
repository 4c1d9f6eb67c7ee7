"""What must hold of an archive's nodes before any of them is stored; nothing here stores."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiida.orm import Computer, Node, QueryBuilder
from aiida.storage.sqlite_zip.migrator import get_schema_version_head, list_versions
from aiida.storage.sqlite_zip.utils import read_version
from aiida.tools.archive.implementations.sqlite_zip.main import ArchiveFormatSqlZip

from aiida_nanoclusters.cli.aiida_log import quiet_archives
from aiida_nanoclusters.cli.imports.archive_content import check_content
from aiida_nanoclusters.cli.imports.archive_database import check_objects
from aiida_nanoclusters.cli.imports.archive_graph import additions, check_links
from aiida_nanoclusters.cli.imports.archive_rows import read_rows
from aiida_nanoclusters.cli.publish.archive import flat_files
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.data.chunks import chunks
from aiida_nanoclusters.formats.plain_text import said_by


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
    except Fixable:
        raise
    except Exception as error:  # AiiDA's readers and migrations may raise anything on strange input
        said = said_by(error, 300)
        raise Fixable(f"{path.name} is no archive AiiDA can read ({said})") from error


def migrated(path: Path, folder: Path) -> Path:
    """Return an archive of the schema this AiiDA has: itself, or a copy of it in `folder`.

    Raises
    ------
    Fixable
        If it is of a newer schema, or no archive that AiiDA can bring to its own.
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
    with archive_errors(path):
        if zipfile.is_zipfile(path):
            try:
                check_objects(path, folder)
            except ValueError as error:
                raise Fixable(f"{path.name}: {error}") from error
        ArchiveFormatSqlZip().migrate(path, new, head)
    return new


@dataclass(frozen=True)
class Found:
    """What an archive holds, as far as this profile is concerned.

    Attributes
    ----------
    new, known
        UUIDs of the nodes that this profile has not, and of those it has.
    computers
        UUIDs of the computers it has not.
    """

    new: set[str]
    known: set[str]
    computers: set[str]


def check_archive_content(name: str, archive: Path, folder: Path, *, trusted: bool) -> Found:
    """Look through all that an archive of the newest schema holds.

    Parameters
    ----------
    name, archive
        Name for messages, and the file.
    folder
        For a copy of its database meanwhile.
    trusted
        Whether it may add links and comments to nodes that this profile has.

    Raises
    ------
    Fixable
        If a row, a file or a link is not as AiiDA would have written it, a process has not ended,
        or a node is not the one of the same UUID that is here.
    """
    with archive_errors(Path(name)):
        try:
            rows = read_rows(archive, folder)
            check_links(rows)
            check_content(rows, archive)
        except ValueError as error:
            raise Fixable(f"{name}: {error}") from error
    theirs = {
        node.uuid: (node.node_type, node.attributes, node.repository_metadata)
        for node in rows.nodes.values()
    }
    known = _known(name, theirs)
    added = [] if trusted else additions(rows, known)
    if added:
        more = f", and {len(added) - 1} more" if len(added) > 1 else ""
        raise Fixable(
            f"{name} adds {added[0]}{more}, which this profile has already: import it with --trust "
            "if you trust its maker, or into a fresh profile (`verdi presto -p NAME`)"
        )
    here = set(QueryBuilder().append(Computer, project="uuid").all(flat=True))
    computers = {computer.uuid for computer in rows.computers.values()}
    return Found(set(theirs) - known, known, computers - here)


def read_extras(archive: Path) -> dict[str, dict[str, Any]]:
    """Return the extras of the nodes that have any, by UUID."""
    with ArchiveFormatSqlZip().open(archive, "r") as reader:
        query = QueryBuilder(backend=reader.get_backend()).append(Node, project=["uuid", "extras"])
        return {uuid: extras for uuid, extras in query.iterall() if extras}


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

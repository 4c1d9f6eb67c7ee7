"""An AiiDA archive that differs from the profile: what may not be given on is left out of it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from aiida.orm import Node, QueryBuilder
from aiida.orm.entities import EntityTypes
from aiida.tools.archive import create_archive
from aiida.tools.archive.implementations.sqlite_zip.main import ArchiveFormatSqlZip
from aiida.tools.archive.implementations.sqlite_zip.writer import ArchiveWriterSqlZip

from aiida_nanoclusters.data.chunks import chunks
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import GRANT
from aiida_nanoclusters.formats.publication.readme import Withheld


@dataclass(frozen=True)
class Changes:
    """How an archive differs from what the profile has.

    Attributes
    ----------
    withheld
        Files that are left out, with the key of their content.
    contents
        Other content of files, by the key of the former.
    rows
        Each changes a row of the database, of the kind that is named.
    """

    withheld: Mapping[Withheld, str]
    contents: Mapping[str, bytes] = field(default_factory=dict)
    rows: Sequence[Callable[[EntityTypes, dict[str, Any]], None]] = ()


def find_compiled(pks: Collection[int]) -> dict[Withheld, str]:
    """Return the files of compiled models, with the key of their content."""
    query = QueryBuilder().append(
        PotentialData, filters={"attributes.kind": "allegro-compiled"}, project="id"
    )
    compiled = set(pks).intersection(query.all(flat=True))
    reason = "fits one kind of machine only: compile the package it was made of"
    return {
        Withheld(uuid, path, reason): key
        for uuid, _, files in repository_files(compiled)
        for path, key in files.items()
    }


def repository_files(pks: Collection[int]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield UUID, type and files (path -> key of the content) of nodes."""
    for chunk in chunks(pks):
        query = QueryBuilder().append(
            Node,
            filters={"id": {"in": chunk}},
            project=["uuid", "node_type", "repository_metadata"],
        )
        for uuid, node_type, metadata in query.iterall():
            yield uuid, node_type, dict(flat_files(metadata))


def flat_files(metadata: Mapping[str, Any], folder: str = "") -> Iterator[tuple[str, str]]:
    """Yield path and key of the files that a node's ``repository_metadata`` names."""
    for name, entry in (metadata or {}).get("o", {}).items():
        path = f"{folder}{name}"
        if "k" in entry:
            yield path, entry["k"]
        else:
            yield from flat_files(entry, f"{path}/")


def write_archive(nodes: Collection[Node], path: Path, changes: Changes) -> None:
    """Write nodes with their ancestors, callers, outputs and calls, but for some changes.

    Raises
    ------
    aiida.tools.archive.exceptions.ExportValidationError
        If one of the processes has not ended.
    """
    create_archive(nodes, path, archive_format=_ChangingFormat(changes))


class _ChangingFormat(ArchiveFormatSqlZip):
    """AiiDA's own format, but for what is left out or changed."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def open(self, path: Any, mode: Any = "r", *, compression: int = 6, **kwargs: Any) -> Any:
        if mode == "r":
            return super().open(path, mode, compression=compression, **kwargs)
        writer = _ChangingWriter(path, self, mode=mode, compression=compression, **kwargs)
        writer.changes = self._changes
        writer.keys = frozenset(self._changes.withheld.values())
        writer.new_keys = {k: new_key(content) for k, content in self._changes.contents.items()}
        writer.paths = {}
        for file in self._changes.withheld:
            writer.paths.setdefault(file.node, []).append(file.path)
        return writer


class _ChangingWriter(ArchiveWriterSqlZip):
    changes: Changes
    keys: frozenset[str]
    new_keys: dict[str, str]
    paths: dict[str, list[str]]

    def bulk_insert(
        self, entity_type: EntityTypes, rows: list[dict[str, Any]], allow_defaults: bool = False
    ) -> None:
        for row in rows:
            if entity_type == EntityTypes.NODE:
                for path in self.paths.get(row["uuid"], ()):
                    _remove(row["repository_metadata"], path.split("/"))
                _rename(row["repository_metadata"], self.new_keys)
                row["extras"].pop(GRANT, None)  # whom this profile trusts is its own affair
            for change in self.changes.rows:
                change(entity_type, row)
        super().bulk_insert(entity_type, rows, allow_defaults=allow_defaults)

    def put_object(
        self, stream: BinaryIO, *, buffer_size: int | None = None, key: str | None = None
    ) -> str:
        if key is not None and key in self.keys:
            return key
        if key is not None and key in self.new_keys:
            stream, key = io.BytesIO(self.changes.contents[key]), self.new_keys[key]
        return super().put_object(stream, buffer_size=buffer_size, key=key)


def new_key(content: bytes) -> str:
    """Return the key under which an archive keeps a content."""
    return hashlib.sha256(content).hexdigest()


def _remove(metadata: dict[str, Any], parts: list[str]) -> None:
    for part in parts[:-1]:
        metadata = metadata["o"][part]
    del metadata["o"][parts[-1]]


def _rename(metadata: Mapping[str, Any], keys: Mapping[str, str]) -> None:
    for entry in (metadata or {}).get("o", {}).values():
        if "k" in entry:
            entry["k"] = keys.get(entry["k"], entry["k"])
        else:
            _rename(entry, keys)

"""An AiiDA archive without the files that may not be given on."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from aiida.manage import get_manager
from aiida.orm import Node, QueryBuilder
from aiida.orm.entities import EntityTypes
from aiida.tools.archive import create_archive
from aiida.tools.archive.implementations.sqlite_zip.main import ArchiveFormatSqlZip
from aiida.tools.archive.implementations.sqlite_zip.writer import ArchiveWriterSqlZip

from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import TRUSTED
from aiida_nanoclusters.formats.publication import Withheld
from aiida_nanoclusters.queries.nodes import chunks

_POTCAR_NAME = re.compile(r"potcar(?!\.spec)([._-].*)?", re.IGNORECASE)
#: A line near the head of every POTCAR, which no output of VASP repeats.
_POTCAR_LINE, _HEAD = b"parameters from PSCTR are", 16_384
_POTCAR_NODE = "data.vasp.potcar_file."
_LICENCE = "VASP's licence"


def find_withheld(pks: Collection[int]) -> dict[Withheld, str]:
    """Return the licensed files that nodes hold, with the key of their content.

    These are whatever a ``PotcarFileData`` of aiida-vasp holds, files named POTCAR, files that
    begin as one, and all that have the same content. ``PotcarData`` holds no file, and its
    attributes (title, functional, hash) are free.
    """
    found: dict[Withheld, str] = {}
    others: list[tuple[str, str, str]] = []
    for uuid, node_type, files in repository_files(pks):
        for path, key in files.items():
            if node_type.startswith(_POTCAR_NODE):
                reason = f"content of a PotcarFileData: {_LICENCE}"
            elif _POTCAR_NAME.fullmatch(Path(path).name):
                reason = f"a POTCAR: {_LICENCE}"
            else:
                others.append((uuid, path, key))
                continue
            found[Withheld(uuid, path, reason)] = key
    licensed = set(found.values())
    repository = get_manager().get_profile_storage().get_repository()
    for key in sorted({key for _, _, key in others} - licensed):
        with repository.open(key) as handle:
            if _POTCAR_LINE in handle.read(_HEAD):
                licensed.add(key)
    for uuid, path, key in others:
        if key in licensed:
            found[Withheld(uuid, path, f"a POTCAR by its content: {_LICENCE}")] = key
    return dict(sorted(found.items(), key=lambda item: (item[0].node, item[0].path)))


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
    """Yield path and key of the files that a node's ``repository_metadata`` tells of."""
    for name, entry in (metadata or {}).get("o", {}).items():
        path = f"{folder}{name}"
        if "k" in entry:
            yield path, entry["k"]
        else:
            yield from flat_files(entry, f"{path}/")


def write_archive(nodes: Collection[Node], path: Path, withheld: Mapping[Withheld, str]) -> None:
    """Write nodes with their ancestors, callers, outputs and calls, but no file of `withheld`.

    Raises
    ------
    aiida.tools.archive.exceptions.ExportValidationError
        If one of the processes has not ended.
    """
    create_archive(nodes, path, archive_format=_WithholdingFormat(withheld))


class _WithholdingFormat(ArchiveFormatSqlZip):
    """AiiDA's own format, but for files that are not written."""

    def __init__(self, withheld: Mapping[Withheld, str]) -> None:
        self._withheld = withheld

    def open(self, path: Any, mode: Any = "r", *, compression: int = 6, **kwargs: Any) -> Any:
        if mode == "r":
            return super().open(path, mode, compression=compression, **kwargs)
        writer = _WithholdingWriter(path, self, mode=mode, compression=compression, **kwargs)
        writer.keys = frozenset(self._withheld.values())
        writer.paths = {}
        for file in self._withheld:
            writer.paths.setdefault(file.node, []).append(file.path)
        return writer


class _WithholdingWriter(ArchiveWriterSqlZip):
    keys: frozenset[str]
    paths: dict[str, list[str]]

    def bulk_insert(
        self, entity_type: EntityTypes, rows: list[dict[str, Any]], allow_defaults: bool = False
    ) -> None:
        if entity_type == EntityTypes.NODE:
            for row in rows:
                for path in self.paths.get(row["uuid"], ()):
                    _remove(row["repository_metadata"], path.split("/"))
                row["extras"].pop(TRUSTED, None)  # whom this profile trusts is its own affair
        super().bulk_insert(entity_type, rows, allow_defaults=allow_defaults)

    def put_object(
        self, stream: BinaryIO, *, buffer_size: int | None = None, key: str | None = None
    ) -> str:
        if key is not None and key in self.keys:
            return key
        return super().put_object(stream, buffer_size=buffer_size, key=key)


def _remove(metadata: dict[str, Any], parts: list[str]) -> None:
    for part in parts[:-1]:
        metadata = metadata["o"][part]
    del metadata["o"][parts[-1]]

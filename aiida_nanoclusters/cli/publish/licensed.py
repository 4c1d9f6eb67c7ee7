"""What of nodes may not be given on: POTCARs, in files, in packed files and in attributes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from aiida.manage import get_manager
from aiida.orm import Node, QueryBuilder
from aiida.orm.entities import EntityTypes

from aiida_nanoclusters.cli.publish.archive import repository_files
from aiida_nanoclusters.data.chunks import chunks
from aiida_nanoclusters.formats.publication.readme import Withheld
from aiida_nanoclusters.formats.publication.search import search

_POTCAR_NAME = re.compile(r"potcar(?!\.spec)([._-].*)?", re.IGNORECASE)
#: Lines of every POTCAR, of its head and of its data, which no output of VASP repeats.
_POTCAR_TEXT = "parameters from PSCTR are|PAW radial sets|Non local Part"
_POTCAR_BYTES = re.compile(_POTCAR_TEXT.encode())
_POTCAR_STRING = re.compile(_POTCAR_TEXT)
_POTCAR_NODE = "data.vasp.potcar_file."
_LICENCE = "VASP's licence"
#: In the place of a text that was left out.
LEFT_OUT = "[text of a POTCAR, left out: VASP's licence]"
_TEXTS = ("label", "description", "attributes", "extras")


@dataclass
class Licensed:
    """What is left out of an archive.

    Attributes
    ----------
    withheld
        Files, with the key of their content.
    texts
        Attributes and other texts of nodes, whose value is replaced.
    closed
        Files that could not be looked into, and why: they are in the archive.
    """

    withheld: dict[Withheld, str] = field(default_factory=dict)
    texts: list[Withheld] = field(default_factory=list)
    closed: list[Withheld] = field(default_factory=list)

    @property
    def nodes(self) -> set[str]:
        """UUIDs of the nodes of which something is left out."""
        return {file.node for file in (*self.withheld, *self.texts)}


def find_licensed(pks: Collection[int]) -> Licensed:
    """Return what of nodes is licensed.

    These are whatever a ``PotcarFileData`` of aiida-vasp holds, files named POTCAR, files in which
    the text of one is found, in whatever encoding of ASCII and however packed, and all of the same
    content; and such text in labels, descriptions, attributes and extras. ``PotcarData`` holds no
    file, and its attributes (title, functional, hash) are free.
    """
    found = Licensed(texts=list(_licensed_texts(pks)))
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
            found.withheld[Withheld(uuid, path, reason)] = key
    licensed = set(found.withheld.values())
    closed: dict[str, str] = {}
    repository = get_manager().get_profile_storage().get_repository()
    for key in sorted({key for _, _, key in others} - licensed):
        finding = search(partial(repository.open, key), _POTCAR_BYTES)  # type: ignore[arg-type]
        if finding.found:
            licensed.add(key)
        elif finding.closed:
            closed[key] = finding.closed
    for uuid, path, key in others:
        if key in licensed:
            reason = f"a POTCAR by its content: {_LICENCE}"
            found.withheld[Withheld(uuid, path, reason)] = key
        elif key in closed:
            found.closed.append(Withheld(uuid, path, closed[key]))
    ordered = sorted(found.withheld.items(), key=lambda item: (item[0].node, item[0].path))
    found.withheld = dict(ordered)
    found.closed.sort(key=lambda file: (file.node, file.path))
    return found


def holds_licensed(value: Any) -> bool:
    """Whether a text in a value of JSON is that of a POTCAR."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if _POTCAR_STRING.search(item.replace("\0", "")):
                return True
        elif isinstance(item, dict):
            stack.extend((*item, *item.values()))
        elif isinstance(item, list | tuple):
            stack.extend(item)
    return False


def without_licensed(content: Any) -> Any:
    """Return a value of JSON, but for the entries (of its highest level) that hold a POTCAR."""
    if isinstance(content, dict):
        kept = {k: v for k, v in content.items() if not holds_licensed(k)}
        return {k: _in_place_of(v) if holds_licensed(v) else v for k, v in kept.items()}
    return _in_place_of(content) if holds_licensed(content) else content


def _in_place_of(value: Any) -> Any:
    """Return what stands for a licensed value, of the same type."""
    if isinstance(value, list | tuple):
        return [LEFT_OUT]
    return {"left out": LEFT_OUT} if isinstance(value, dict) else LEFT_OUT


def clean_row(kind: EntityTypes, row: dict[str, Any]) -> None:
    """Replace text of POTCARs in a row of the archive's database."""
    names = {EntityTypes.LOG: ("message", "metadata"), EntityTypes.COMMENT: ("content",)}
    for name in _TEXTS if kind == EntityTypes.NODE else names.get(kind, ()):
        row[name] = without_licensed(row[name])


def _licensed_texts(pks: Collection[int]) -> Iterator[Withheld]:
    reason = f"text of a POTCAR: {_LICENCE}"
    for chunk in chunks(pks):
        query = QueryBuilder().append(
            Node, filters={"id": {"in": chunk}}, project=["uuid", *_TEXTS]
        )
        for uuid, *values in query.iterall():
            for name, value in zip(_TEXTS, values, strict=True):
                if isinstance(value, dict):
                    keys = [key for key, v in value.items() if holds_licensed([key, v])]
                else:
                    keys = [""] if holds_licensed(value) else []
                for key in keys:
                    yield Withheld(uuid, f"{name} {key}".strip(), reason)

"""Rows of an archive's database, each held against a schema before AiiDA reads one of them.

The database is a file of SQLite that anybody may have written: its tables must be AiiDA's, without
views and triggers, its indices sound, and each cell of the type, length and form that AiiDA itself
would have written. It is read as it lies in the archive, not by AiiDA's classes.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

from aiida.common.links import LinkType, validate_link_label
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from aiida_nanoclusters.cli.imports.archive_database import check_database, opened_database
from aiida_nanoclusters.data.schemas import check_uuid, first_fault
from aiida_nanoclusters.formats.plain_text import excerpt

#: Deepest nesting of attributes and extras.
_DEEPEST = 100
#: Most characters of a description, a comment, a log, or of attributes as JSON.
_LONGEST, _LONGEST_JSON = 10**6, 10**8
#: Years in which a node can have been stored.
_FIRST_YEAR, _LAST_YEAR = 2000, 2200
_NODE_TYPE = re.compile(r"(data|process)(\.[A-Za-z0-9_-]+)+\.")
_PROCESS_TYPE = re.compile(r"[A-Za-z0-9_.:<>-]{0,255}")

RowType = TypeVar("RowType", bound="Row")


def _plain(text: str) -> str:
    """Refuse what no database and no terminal takes: NUL, and halves of UTF-16 characters."""
    if "\0" in text or (not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)):
        raise ValueError("holds characters that are none")
    return text


def _time(text: str) -> str:
    if not _FIRST_YEAR <= datetime.fromisoformat(text).year <= _LAST_YEAR:
        raise ValueError(f"`{excerpt(text)}` is no time at which a node was stored")
    return text


def _matching(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(text: str) -> str:
        if pattern.fullmatch(text) is None:
            raise ValueError(f"`{excerpt(text)}` is no {what}")
        return text

    return AfterValidator(check)


def _link_label(label: str) -> str:
    try:
        validate_link_label(label)
    except ValueError as error:
        raise ValueError(f"`{excerpt(label)}` is no label of a link ({error})") from error
    return label


def _from_json(text: Any) -> dict[str, Any]:
    """Return a JSON object of numbers and texts that every database takes, not too deep."""
    if not isinstance(text, str) or len(text) > _LONGEST_JSON:
        raise ValueError("is no JSON")
    try:
        content = json.loads(text, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    if not isinstance(content, dict):
        raise ValueError("is no table of names and values")
    level: list[Any] = [content]
    for _ in range(_DEEPEST):
        if not level:
            return content
        level = [value for container in level for value in _values(container)]
    raise ValueError("is nested too deeply")


def _values(container: Any) -> Iterator[Any]:
    """Check the keys and plain values of a list or table; yield the lists and tables in it."""
    if isinstance(container, dict):
        for key in container:
            _plain(key)
    for value in container.values() if isinstance(container, dict) else container:
        if isinstance(value, (dict, list)):
            yield value
        elif isinstance(value, str):
            _plain(value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError("holds a number that is not finite")
        elif isinstance(value, int) and abs(value) >= 2**64:
            raise ValueError("holds a whole number of more than 64 bits")


def _no_number(name: str) -> None:
    raise ValueError(f"holds {name}")


Uuid = Annotated[str, AfterValidator(check_uuid)]
Short = Annotated[str, Field(max_length=255), AfterValidator(_plain)]
Long = Annotated[str, Field(max_length=_LONGEST), AfterValidator(_plain)]
Time = Annotated[str, Field(max_length=40), AfterValidator(_time)]
Json = Annotated[dict[str, Any], BeforeValidator(_from_json)]
NodeType = Annotated[str, Field(max_length=255), _matching(_NODE_TYPE, "type of a node")]
ProcessType = Annotated[str, _matching(_PROCESS_TYPE, "type of a process")]


class Row(BaseModel):
    """One row of a table, its cells in the order of the columns."""

    model_config = ConfigDict(strict=True, extra="forbid")
    id: Annotated[int, Field(ge=1)]


class UserRow(Row):
    """A user."""

    email: Short
    first_name: Short
    last_name: Short
    institution: Short


class ComputerRow(Row):
    """A computer, without its authorisation."""

    uuid: Uuid
    label: Annotated[Short, Field(min_length=1)]
    hostname: Short
    description: Long
    scheduler_type: Short
    transport_type: Short
    metadata: Json


class NodeRow(Row):
    """A node without its files and links."""

    uuid: Uuid
    node_type: NodeType
    process_type: ProcessType | None
    label: Short
    description: Long
    ctime: Time
    mtime: Time
    attributes: Json
    extras: Json
    repository_metadata: Json
    dbcomputer_id: int | None
    user_id: int


class GroupRow(Row):
    """A group without its members."""

    uuid: Uuid
    label: Short
    type_string: Short
    time: Time
    description: Long
    extras: Json
    user_id: int


class MemberRow(Row):
    """That a node is in a group."""

    dbnode_id: int
    dbgroup_id: int


class LinkRow(Row):
    """A link between two nodes."""

    input_id: int
    output_id: int
    label: Annotated[Short, AfterValidator(_link_label)]
    type: Annotated[str, AfterValidator(lambda text: LinkType(text).value)]


class LogRow(Row):
    """A message of a process."""

    uuid: Uuid
    time: Time
    loggername: Short
    levelname: Short
    dbnode_id: int
    message: Long
    metadata: Json


class CommentRow(Row):
    """A comment on a node."""

    uuid: Uuid
    dbnode_id: int
    ctime: Time
    mtime: Time
    user_id: int
    content: Long


class AuthInfoRow(Row):
    """How a user reaches a computer; never imported."""

    aiidauser_id: int
    dbcomputer_id: int
    metadata: Json
    auth_params: Json
    enabled: Annotated[int, Field(ge=0, le=1)]


_TABLES: dict[str, type[Row]] = {
    "db_dbuser": UserRow,
    "db_dbcomputer": ComputerRow,
    "db_dbnode": NodeRow,
    "db_dbgroup": GroupRow,
    "db_dbgroup_dbnodes": MemberRow,
    "db_dblink": LinkRow,
    "db_dblog": LogRow,
    "db_dbcomment": CommentRow,
    "db_dbauthinfo": AuthInfoRow,
}


@dataclass(frozen=True)
class Rows:
    """All rows of an archive by their ids; each fits its schema, and all they refer to is there."""

    users: dict[int, UserRow]
    computers: dict[int, ComputerRow]
    nodes: dict[int, NodeRow]
    groups: dict[int, GroupRow]
    links: list[LinkRow]
    logs: list[LogRow]
    comments: list[CommentRow]


def read_rows(archive: Path, folder: Path) -> Rows:
    """Read the database of an archive of the newest schema.

    Parameters
    ----------
    archive
        A zip file that was looked through, see
        :func:`~aiida_nanoclusters.formats.publication.archive_file.check_archive`.
    folder
        Where a copy of its database may lie meanwhile.

    Raises
    ------
    ValueError
        Naming the row and what is wrong with it.
    sqlite3.Error
        If the file is no database, or a text in it is not UTF-8.
    """
    with opened_database(archive, folder) as database:
        check_database(database, _TABLES)
        found = {name: _read(database, name, row) for name, row in _TABLES.items()}
    _check_references(found)
    _check_unique(found)
    return Rows(
        users=_by_id(found["db_dbuser"], UserRow),
        computers=_by_id(found["db_dbcomputer"], ComputerRow),
        nodes=_by_id(found["db_dbnode"], NodeRow),
        groups=_by_id(found["db_dbgroup"], GroupRow),
        links=[row for row in found["db_dblink"] if isinstance(row, LinkRow)],
        logs=[row for row in found["db_dblog"] if isinstance(row, LogRow)],
        comments=[row for row in found["db_dbcomment"] if isinstance(row, CommentRow)],
    )


def _by_id(rows: list[Row], kind: type[RowType]) -> dict[int, RowType]:
    return {row.id: row for row in rows if isinstance(row, kind)}


def _read(database: sqlite3.Connection, table: str, kind: type[Row]) -> list[Row]:
    names = list(kind.model_fields)
    columns = ", ".join(f'"{name}"' for name in names)
    rows: list[Row] = []
    for cells in database.execute(f"SELECT {columns} FROM {table}"):
        try:
            rows.append(kind.model_validate(dict(zip(names, cells, strict=True))))
        except ValidationError as error:
            what = table.removeprefix("db_db")
            raise ValueError(f"{what} {_name(names, cells)}: {first_fault(error)}") from error
    return rows


def _name(names: list[str], cells: tuple[Any, ...]) -> str:
    row = dict(zip(names, cells, strict=True))
    return excerpt(str(row.get("uuid", f"in row {row['id']}")))


#: Columns that refer to another table.
_REFERENCES = {
    "user_id": "db_dbuser",
    "aiidauser_id": "db_dbuser",
    "dbcomputer_id": "db_dbcomputer",
    "dbnode_id": "db_dbnode",
    "dbgroup_id": "db_dbgroup",
    "input_id": "db_dbnode",
    "output_id": "db_dbnode",
}


def _check_references(found: dict[str, list[Row]]) -> None:
    ids = {table: {row.id for row in rows} for table, rows in found.items()}
    for table, rows in found.items():
        columns = [name for name in _TABLES[table].model_fields if name in _REFERENCES]
        for row in rows:
            for column in columns:
                value = getattr(row, column)
                if value is not None and value not in ids[_REFERENCES[column]]:
                    what = table.removeprefix("db_db")
                    raise ValueError(
                        f"{what} in row {row.id}: `{column}` refers to a row that is missing"
                    )


#: Columns whose values occur once in a table.
_UNIQUE = {
    "db_dbuser": ("email",),
    "db_dbcomputer": ("uuid", "label"),
    "db_dbnode": ("uuid",),
    "db_dbgroup": ("uuid",),
    "db_dblog": ("uuid",),
    "db_dbcomment": ("uuid",),
}


def _check_unique(found: dict[str, list[Row]]) -> None:
    for table, rows in found.items():
        for column in ("id", *_UNIQUE.get(table, ())):
            seen: set[Any] = set()
            for row in rows:
                value = getattr(row, column)
                if value in seen:
                    raise ValueError(f"{table}: `{excerpt(str(value))}` is in it twice")
                seen.add(value)

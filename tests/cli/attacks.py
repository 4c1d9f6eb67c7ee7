"""Archives as an attacker writes them: rows of the database changed, files replaced."""

import json
import sqlite3
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

#: The published study, which everybody has and whose UUIDs everybody knows.
PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "published" / "copper.aiida"

Change = Callable[[sqlite3.Connection], None]


def changed(
    archive: Path, new: Path, *changes: Change, files: Mapping[str, bytes] | None = None
) -> Path:
    """Write a copy of an archive whose database was changed; `files` are added or replaced."""
    database = new.with_name(f"{new.name}.sqlite3")
    files = dict(files or {})
    with zipfile.ZipFile(archive) as source:
        database.write_bytes(source.read("db.sqlite3"))
        connection = sqlite3.connect(database)
        with connection:
            for change in changes:
                change(connection)
        connection.close()
        files["db.sqlite3"] = database.read_bytes()
        with zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as target:
            for item in source.infolist():  # AiiDA looks for the database among the first
                content = files.pop(item.filename, None)
                target.writestr(
                    item.filename, source.read(item.filename) if content is None else content
                )
            for name, content in files.items():
                target.writestr(name, content)
    database.unlink()
    return new


def column(uuid: str, name: str, value: Any, table: str = "db_dbnode") -> Change:
    """Set one column of the row of a UUID; None is NULL, dictionaries and lists become JSON."""
    text = json.dumps(value) if isinstance(value, dict | list) else value

    def change(connection: sqlite3.Connection) -> None:
        statement = f"UPDATE {table} SET {name} = ? WHERE uuid IN (?, ?)"
        done = connection.execute(statement, [text, uuid, uuid.replace("-", "")])
        assert done.rowcount == 1, uuid

    return change


def attribute(uuid: str, path: list, value: Any) -> Change:
    """Set one of the attributes of a node, at a path of keys and positions."""

    def change(connection: sqlite3.Connection) -> None:
        attributes = read(connection, uuid, "attributes")
        inner = attributes
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        column(uuid, "attributes", attributes)(connection)

    return change


def link(source: str, target: str, kind: str, label: str) -> Change:
    """Add a link between two nodes."""

    def change(connection: sqlite3.Connection) -> None:
        statement = "INSERT INTO db_dblink (input_id, output_id, label, type) VALUES (?, ?, ?, ?)"
        ends = [read(connection, uuid, "id") for uuid in (source, target)]
        connection.execute(statement, [*ends, label, kind])

    return change


def renamed(known: dict[str, str]) -> Change:
    """Give every node a new UUID, that in `known` or a random one; `known` gets all of them."""

    def change(connection: sqlite3.Connection) -> None:
        for pk, old in connection.execute("SELECT id, uuid FROM db_dbnode").fetchall():
            new = known.setdefault(str(UUID(old)), str(uuid4()))
            text = new if "-" in old else new.replace("-", "")
            connection.execute("UPDATE db_dbnode SET uuid = ? WHERE id = ?", [text, pk])

    return change


def read(connection: sqlite3.Connection, uuid: str, name: str) -> Any:
    """Return one column of the row of a node."""
    query = f"SELECT {name} FROM db_dbnode WHERE uuid IN (?, ?)"
    (found,) = connection.execute(query, [uuid, uuid.replace("-", "")]).fetchone()
    return json.loads(found) if name in ("attributes", "extras", "repository_metadata") else found

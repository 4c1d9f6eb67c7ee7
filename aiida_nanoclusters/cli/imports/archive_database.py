"""The database of an archive: a file of SQLite that anybody may have written, opened to read.

Its tables must be AiiDA's, without anything that computes: a view, a trigger or an expression runs
what it says, for as long as it likes.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from aiida.storage.sqlite_zip.models import SqliteBase
from aiida.storage.sqlite_zip.utils import DB_FILENAME

from aiida_nanoclusters.formats.plain_text import excerpt

#: How AiiDA's tables and indices are made: of columns and constraints, without expressions.
_MADE = {
    "table": re.compile(r"\s*CREATE\s+TABLE\b(?!.*\b(CHECK|GENERATED|AS|SELECT)\b).*", re.I | re.S),
    "index": re.compile(r"\s*CREATE\s+(UNIQUE\s+)?INDEX\s[\w\"\s]+\([\w\",\s]+\)\s*", re.I),
}


def check_objects(archive: Path, folder: Path) -> None:
    """Refuse a database that runs what it says once it is written to; of any schema of AiiDA.

    To bring an archive to the newest schema is to write to its database.

    Parameters
    ----------
    archive, folder
        As for :func:`read_rows`; archives of the oldest schemas have no database.

    Raises
    ------
    ValueError
        Naming what is not AiiDA's.
    sqlite3.Error
        If the file is no database.
    """
    with zipfile.ZipFile(archive) as members:
        if DB_FILENAME not in members.namelist():
            return
    with opened_database(archive, folder) as database:
        _check_objects(database)


@contextmanager
def opened_database(archive: Path, folder: Path) -> Iterator[sqlite3.Connection]:
    """Give the database of an archive to read, from a copy in the folder."""
    path = folder / "checked.sqlite3"
    with zipfile.ZipFile(archive) as members, path.open("wb") as copy:
        with members.open(DB_FILENAME) as content:
            shutil.copyfileobj(content, copy)
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as database:
            database.execute("PRAGMA trusted_schema = OFF")
            yield database
    finally:
        path.unlink()


def check_database(database: sqlite3.Connection, tables: Iterable[str]) -> None:
    """Refuse a database of the newest schema that is not as AiiDA makes it, or is damaged.

    Parameters
    ----------
    database
        Open to read.
    tables
        Names of those whose rows are used.

    Raises
    ------
    ValueError
        Naming what is not AiiDA's.
    """
    _check_objects(database)
    known = SqliteBase.metadata.tables
    for name in tables:
        columns = database.execute(f"PRAGMA table_xinfo({name})").fetchall()
        if {column[1] for column in columns} != set(known[name].columns.keys()):
            raise ValueError(f"its table {name} has other columns than AiiDA's")
        if any(column[6] for column in columns):
            raise ValueError(f"its table {name} has columns that are computed")
    for (said,) in database.execute("PRAGMA integrity_check(1)").fetchall():
        if said != "ok":
            raise ValueError(f"its database is damaged ({excerpt(str(said))})")


def _check_objects(database: sqlite3.Connection) -> None:
    """Refuse everything but AiiDA's tables and indices: a view or trigger runs what it says.

    Raises
    ------
    ValueError
        Naming what is not AiiDA's.
    """
    known = SqliteBase.metadata.tables
    for kind, name, table, sql in database.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master"
    ).fetchall():
        own = table in known or table == "alembic_version"
        made = _MADE.get(kind)
        by_itself = kind == "index" and sql is None  # of a constraint
        plain = made is not None and made.fullmatch(str(sql)) is not None
        if not own or not (by_itself or plain):
            raise ValueError(f"its database holds a {kind} `{excerpt(str(name))}`")

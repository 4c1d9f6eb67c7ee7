"""A small part of a published archive, and its rows changed by SQL: what a stranger may send."""

import json
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.cli.attacks import PUBLISHED


def rewrite(archive: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """The archive with `change(name, content)` in the place of each member; None leaves it out."""
    new = archive.with_name(f"re-{archive.name}")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(new, "w") as out:
        for member in old.infolist():
            content = change(member.filename, old.read(member))
            if content is not None:
                out.writestr(member.filename, content)
    return new


def with_database(archive: Path, change: Callable[[sqlite3.Connection], None]) -> Path:
    """The archive with its database changed, its own constraints aside."""

    def replaced(name: str, content: bytes) -> bytes:
        if name != "db.sqlite3":
            return content
        path = archive.with_suffix(".sqlite")
        path.write_bytes(content)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA foreign_keys = OFF")
            change(connection)
            connection.commit()
        return path.read_bytes()

    return rewrite(archive, replaced)


def with_sql(archive: Path, *statements: str) -> Path:
    """The archive after statements of SQL, each of which changes something."""

    def change(connection: sqlite3.Connection) -> None:
        for statement in statements:
            assert connection.execute(statement).rowcount != 0, statement

    return with_database(archive, change)


def cut_copper(path: Path) -> Path:
    """Write a small part of the study of copper: a job of LAMMPS with its caller, and two steps."""
    with zipfile.ZipFile(PUBLISHED) as archive:
        database = archive.read("db.sqlite3")
        path.with_suffix(".sqlite").write_bytes(database)
        with closing(sqlite3.connect(path.with_suffix(".sqlite"))) as connection:
            keys = _keep_a_few(connection)
            connection.commit()
            connection.execute("VACUUM")
        with zipfile.ZipFile(path, "w") as out:
            for member in archive.infolist():
                content = archive.read(member)
                if member.filename == "db.sqlite3":
                    content = path.with_suffix(".sqlite").read_bytes()
                if not member.filename.startswith("repo/") or member.filename[5:] in keys:
                    out.writestr(member.filename, content)
    return path


def _keep_a_few(connection: sqlite3.Connection) -> set[str]:
    """Delete all but a few nodes; return the keys of their files."""
    kept: set[int] = set()
    for process_type in (
        "aiida.calculations:nanoclusters.lammps",
        "%.gather_frames",
        "%.compare_sizes",
    ):
        (job,) = connection.execute(
            "SELECT id FROM db_dbnode WHERE process_type LIKE ? ORDER BY id", [process_type]
        ).fetchone()
        callers = connection.execute(
            "SELECT input_id FROM db_dblink WHERE output_id = ? AND type = 'call_calc'", [job]
        ).fetchall()
        for process in (job, *(pk for (pk,) in callers[: process_type.count(":")])):
            around = connection.execute(
                "SELECT input_id, output_id FROM db_dblink WHERE (input_id = ? OR output_id = ?) "
                "AND type NOT LIKE 'call%'",
                [process, process],
            )
            kept |= {process, *(pk for ends in around for pk in ends)}
    listed = ",".join(map(str, sorted(kept)))
    connection.execute(
        f"DELETE FROM db_dblink WHERE input_id NOT IN ({listed}) OR output_id NOT IN ({listed})"
    )
    connection.execute(f"DELETE FROM db_dblog WHERE dbnode_id NOT IN ({listed})")
    connection.execute(f"DELETE FROM db_dbnode WHERE id NOT IN ({listed})")
    keys: set[str] = set()
    for (metadata,) in connection.execute("SELECT repository_metadata FROM db_dbnode"):
        _collect(json.loads(metadata), keys)
    return keys


def _collect(folder: dict, keys: set[str]) -> None:
    for entry in folder.get("o", {}).values():
        if "k" in entry:
            keys.add(entry["k"])
        else:
            _collect(entry, keys)


def uuid_of(archive: Path, where: str) -> str:
    """UUID of the first node of an archive that a condition of SQL holds for."""
    path = archive.with_suffix(".sqlite")
    with zipfile.ZipFile(archive) as members:
        path.write_bytes(members.read("db.sqlite3"))
    with closing(sqlite3.connect(path)) as connection:
        query = f"SELECT uuid FROM db_dbnode WHERE {where} ORDER BY id"
        return connection.execute(query).fetchone()[0]

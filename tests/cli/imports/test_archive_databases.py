"""Databases of archives that would compute while they are read."""

import json
import sqlite3

import pytest

from tests.cli.imports.test_hostile_archives import refused
from tests.cli.published import run_import
from tests.cli.small_archive import rewrite, with_database

FOREVER = (
    "CREATE VIEW forever AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
    "SELECT count(*) AS n FROM c"
)


@pytest.mark.parametrize("statement", [None, "UPDATE", "INSERT", "DELETE"])
def test_databases_of_older_schemas(aiida_profile_clean, archive, statement) -> None:
    """To bring one up to date is to write to it: what that would set off is refused before."""

    def older(name: str, content: bytes) -> bytes:
        if name != "metadata.json":
            return content
        return json.dumps({**json.loads(content), "export_version": "main_0000b"}).encode()

    new = rewrite(archive, older)
    if statement is None:
        assert run_import(new)[0] == 0
        return
    trigger = (
        f"CREATE TRIGGER evil BEFORE {statement} ON alembic_version "
        "BEGIN SELECT n FROM forever; END"
    )

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
        connection.execute(FOREVER)
        connection.execute(trigger)

    assert "its database holds a view `forever`" in refused(with_database(new, change))


def test_tables_that_compute(aiida_profile_clean, archive) -> None:
    def change(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = rtrim(sql, ')') || ', CHECK (zeroblob(9) IS NOT 1))' "
            "WHERE name = 'db_dbnode'"
        )

    assert "its database holds a table `db_dbnode`" in refused(with_database(archive, change))


def test_indices_that_compute(aiida_profile_clean, archive) -> None:
    new = with_database(
        archive, lambda c: c.execute("CREATE INDEX evil ON db_dbnode (hex(zeroblob(10)))")
    )
    assert "its database holds a index `evil`" in refused(new)

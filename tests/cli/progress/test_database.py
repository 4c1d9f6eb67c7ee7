"""A terminal waits for PostgreSQL, and asks again."""

import io
import sqlite3

import psycopg
import pytest
from aiida.common.exceptions import UnreachableStorage
from click.testing import CliRunner
from rich.console import Console
from sqlalchemy.exc import OperationalError

from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.cli.progress import database


class Session:
    def __init__(self) -> None:
        self.rolled_back = 0

    def rollback(self) -> None:
        self.rolled_back += 1


@pytest.fixture
def session(monkeypatch) -> Session:
    made = Session()
    monkeypatch.setattr(database, "_session", lambda: made)
    return made


def asks(*answers):
    """A question that meets these errors, then has these answers."""
    left = iter(answers)

    def ask():
        answer = next(left)
        if isinstance(answer, Exception):
            raise OperationalError("select 1", {}, answer)
        return answer

    return ask


def test_a_database_that_comes_back_is_asked_again(session) -> None:
    console = Console(file=io.StringIO(), width=300)
    refused = psycopg.OperationalError("connection refused\n[is it running?]")
    assert database.ask_patiently(asks(refused, refused, 7), console, 0.0) == 7
    assert session.rolled_back == 2
    said = console.file.getvalue()
    assert said.count("does not answer") == 1
    assert "connection refused [is it running?]" in said
    assert "start PostgreSQL" in said


def test_a_file_in_use_is_waited_for(session) -> None:
    console = Console(file=io.StringIO(), width=300)
    locked = sqlite3.OperationalError("database is locked")
    assert database.ask_patiently(asks(locked, 7), console, 0.0) == 7
    assert session.rolled_back == 1 and "another process uses it" in console.file.getvalue()


def test_other_errors_are_raised(session) -> None:
    wrong = asks(sqlite3.OperationalError("no such table: db_dbnode"), 7)
    with pytest.raises(OperationalError):
        database.ask_patiently(wrong, Console(file=io.StringIO()), 0.0)
    assert session.rolled_back == 0


@pytest.mark.usefixtures("aiida_profile")
def test_a_command_names_the_fix_while_the_database_is_away(monkeypatch) -> None:
    def reach(_) -> None:
        raise UnreachableStorage("Could not connect") from RuntimeError("connection refused")

    monkeypatch.setattr("aiida.manage.manager.Manager.get_profile_storage", reach)
    done = CliRunner().invoke(cli, ["status"])
    assert done.exit_code == 2
    assert "start PostgreSQL" in done.output and "connection refused" in done.output


@pytest.mark.usefixtures("aiida_profile")
def test_sqlite_is_never_restarted() -> None:
    assert database.database_started() == 0.0

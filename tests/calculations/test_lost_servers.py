"""A worker ends where PostgreSQL or RabbitMQ has cut its connection, and only there."""

import os
import sqlite3
import sys
import threading
from types import SimpleNamespace

import pytest
from kiwipy.rmq import RmqThreadCommunicator
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from aiida_nanoclusters.calculations import lost_servers

WORKER = ["/env/bin/verdi", "-p", "nanoclusters", "daemon", "worker"]
CUT = {
    "is_disconnect": True,
    "connection": object(),
    "is_pre_ping": False,
    "dialect": SimpleNamespace(name="postgresql"),
    "original_exception": RuntimeError("terminating connection\n"),
}

SQLITE = SimpleNamespace(name="sqlite")
LOCKED = sqlite3.OperationalError("database is locked")


@pytest.fixture
def ends(monkeypatch) -> list[int]:
    found: list[int] = []
    monkeypatch.setattr(os, "_exit", found.append)
    return found


@pytest.mark.parametrize(
    ("changed", "command", "ended"),
    (
        ({}, WORKER, True),
        ({"is_disconnect": False, "connection": None}, WORKER, True),  # it cannot be made
        ({"is_disconnect": False}, WORKER, False),  # a statement that is wrong
        ({"is_pre_ping": True}, WORKER, False),  # SQLAlchemy makes another one
        ({"dialect": SQLITE}, WORKER, False),
        ({"dialect": SQLITE, "original_exception": LOCKED}, WORKER, True),
        ({"dialect": SQLITE, "original_exception": LOCKED}, WORKER[:-2], False),
        ({}, ["/env/bin/verdi", "process", "list"], False),
        ({}, ["/env/bin/verdi", "daemon", "start"], False),
    ),
)
def test_only_a_worker_whose_connection_is_cut_ends(monkeypatch, ends, changed, command, ended):
    monkeypatch.setattr(sys, "argv", command)
    lost_servers.leave_database(SimpleNamespace(**CUT | changed))
    assert ends == [1] * ended


def test_a_worker_that_cannot_connect_ends(monkeypatch, ends) -> None:
    """The listener hears of the errors of every engine."""
    assert event.contains(Engine, "handle_error", lost_servers.leave_database)
    monkeypatch.setattr(sys, "argv", WORKER)
    nobody = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    with pytest.raises(OperationalError), nobody.connect() as connection:
        connection.execute(text("select 1"))
    assert ends == [1]


class Communicator(RmqThreadCommunicator):
    """One without a server."""

    def __init__(self) -> None:
        self.callbacks = []

    def add_close_callback(self, callback, weak: bool = False) -> None:
        self.callbacks.append(callback)


@pytest.mark.parametrize(
    ("command", "transport", "ended"),
    ((WORKER, object(), True), (WORKER, None, False), (WORKER[:-1], object(), False)),
)
def test_only_a_worker_that_loses_the_broker_ends(
    monkeypatch, ends, command, transport, ended
) -> None:
    communicator = Communicator()
    monkeypatch.setattr(sys, "argv", command)
    monkeypatch.setattr("aiida.manage.manager.Manager.get_communicator", lambda _: communicator)
    lost_servers.watch_broker()
    for callback in communicator.callbacks:
        callback(SimpleNamespace(transport=transport), ConnectionError("closed"))
    assert ends == [1] * ended


def test_a_file_that_others_use_for_some_seconds_is_waited_for(tmp_path) -> None:
    """A reader longer than the five seconds that AiiDA waits."""
    file = tmp_path / "database.sqlite"
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.execute(text("create table names (name text)"))
    reader = sqlite3.connect(file, check_same_thread=False)
    reader.execute("begin")
    reader.execute("select * from names").fetchall()
    later = threading.Timer(6.0, reader.rollback)
    later.start()
    with engine.begin() as connection:
        connection.execute(text("insert into names values ('Cu')"))
    later.join()
    assert reader.execute("select * from names").fetchall() == [("Cu",)]

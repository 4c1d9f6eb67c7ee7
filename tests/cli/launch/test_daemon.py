"""Workers older than what is installed, or the database, are restarted before a submission."""

import io
import os
import time

import pytest
from aiida.engine.daemon.client import DaemonTimeoutException
from rich.console import Console

from aiida_nanoclusters.cli.launch import daemon
from aiida_nanoclusters.cli.terminal import Fixable


class Client:
    def __init__(self, running: bool, started: tuple[float, ...]) -> None:
        self.is_daemon_running, self.started, self.restarted = running, started, 0

    def get_worker_info(self) -> dict:
        workers = {str(pid): {"create_time": time} for pid, time in enumerate(self.started)}
        return {"status": "ok", "info": workers}

    def restart_daemon(self, timeout: int) -> None:
        assert timeout > 30  # s after which a worker that goes on is killed
        if self.restarted is None:
            raise DaemonTimeoutException("Connection to the daemon timed out.")
        self.restarted += 1


@pytest.mark.parametrize(
    ("running", "started", "database", "restarts"),
    (
        (True, (200.0, 50.0), 0.0, 1),
        (True, (200.0,), 0.0, 0),
        (True, (200.0,), 201.0, 1),
        (True, (200.0,), 199.0, 0),
        (True, (), 201.0, 0),
        (False, (50.0,), 201.0, 0),
    ),
)
def test_only_workers_that_are_older_are_restarted(
    monkeypatch, running, started, database, restarts
) -> None:
    client = Client(running, started)
    monkeypatch.setattr("aiida.engine.daemon.client.get_daemon_client", lambda: client)
    monkeypatch.setattr(daemon, "newest_installation", lambda: 100.0)
    monkeypatch.setattr(daemon, "database_started", lambda: database)
    console = Console(file=io.StringIO(), width=200)
    assert daemon.refresh_daemon(console) is bool(restarts)
    assert client.restarted == restarts
    said = console.file.getvalue()
    assert ("verdi daemon restart" in said) is bool(restarts)
    assert ("PostgreSQL" in said) is (bool(restarts) and database > 0)


def test_workers_that_cannot_be_restarted_are_told_in_one_line(monkeypatch) -> None:
    client = Client(True, (50.0,))
    client.restarted = None
    monkeypatch.setattr("aiida.engine.daemon.client.get_daemon_client", lambda: client)
    monkeypatch.setattr(daemon, "newest_installation", lambda: 100.0)
    monkeypatch.setattr(daemon, "database_started", lambda: 0.0)
    with pytest.raises(Fixable, match=r"timed out.*verdi daemon stop"):
        daemon.refresh_daemon(Console(file=io.StringIO()))


def test_the_newest_installation_is_that_of_the_last_package(tmp_path) -> None:
    assert daemon.newest_installation([tmp_path]) == 0.0
    for name, age in (("one-1.0.dist-info", 1000.0), ("two-2.0.dist-info", 10.0)):
        (tmp_path / name).mkdir()
        record = tmp_path / name / "RECORD"
        record.touch()
        os.utime(record, (time.time() - age,) * 2)
    found = daemon.newest_installation([tmp_path])
    assert found == (tmp_path / "two-2.0.dist-info" / "RECORD").stat().st_mtime

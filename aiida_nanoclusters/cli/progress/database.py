"""A database that is restarted, does not answer or is in use, as seen from a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

Answer = TypeVar("Answer")


def database_started() -> float:
    """Return when PostgreSQL was started, seconds since the epoch; 0 for a profile on SQLite.

    A worker of the daemon that is older has lost its connection.
    """
    from sqlalchemy import text

    session = _session()
    if session.get_bind().dialect.name != "postgresql":
        return 0.0
    started = session.execute(text("select extract(epoch from pg_postmaster_start_time())"))
    return float(started.scalar_one())


def ask_patiently(ask: Callable[[], Answer], console: Console, interval: float) -> Answer:
    """Ask the database, again and again while it does not answer, which is told once.

    Parameters
    ----------
    ask
        A query without effects, whose nodes are not used further.
    console
        Where it is told.
    interval
        Seconds between two questions.
    """
    import psycopg
    from sqlalchemy.exc import OperationalError

    from aiida_nanoclusters.calculations.lost_servers import is_locked

    told = False
    while True:
        try:
            return ask()
        except OperationalError as error:
            locked = is_locked(error.orig)
            if not (locked or isinstance(error.orig, psycopg.OperationalError)):
                raise
            if not told:
                said = escape(" ".join(str(error.orig).split()))
                fix = "another process uses it" if locked else "start PostgreSQL if nobody does"
                console.print(
                    f"[yellow]The database does not answer[/yellow] ({said}): {fix}. The study "
                    "goes on with it, and so does this table."
                )
                told = True
            _session().rollback()  # the next question then makes a new connection
            time.sleep(interval)


def _session() -> Session:
    from aiida.manage import get_manager

    storage = get_manager().get_profile_storage()
    session: Session = storage.get_session()  # type: ignore[attr-defined]
    return session

"""A worker of the daemon that loses database or broker ends, and the daemon starts another one.

AiiDA gives back no transaction whose connection was cut, as by a restart of PostgreSQL: all later
calls in that worker fail, and so would its processes. Without RabbitMQ a process that changes its
state ends as excepted. Nothing in AiiDA ends such a worker, whereas the daemon replaces at once one
that ended, and the new one continues all processes at their last checkpoints.

A file of SQLite that another process reads cannot be written to. AiiDA waits five seconds, which
are too few for a large database on a busy machine; a commit that then fails leaves a session that
takes no further statement and keeps the file locked.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from typing import Any

from aiida.common.log import AIIDA_LOGGER
from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext
from sqlalchemy.pool import Pool

LOGGER = AIIDA_LOGGER.getChild("nanoclusters")
#: Milliseconds to wait for a file of SQLite that another process uses.
LOCKED_FOR = 60_000


def is_worker() -> bool:
    """Whether this Python is a worker of AiiDA's daemon."""
    return sys.argv[-2:] == ["daemon", "worker"]


def leave_database(context: ExceptionContext) -> None:
    """End a worker whose connection to the database was cut, before any process learns of it.

    Parameters
    ----------
    context
        What SQLAlchemy knows of an error. One that it mends itself (of a ping before use), or that
        leaves the connection whole, is left to others; of files of SQLite all but a lock.
    """
    if context.dialect.name == "postgresql":
        gone = (context.is_disconnect or context.connection is None) and not context.is_pre_ping
    else:
        gone = is_locked(context.original_exception)
    if gone and is_worker():
        _end("database", context.original_exception)


def is_locked(error: BaseException | None) -> bool:
    """Whether another process used a file of SQLite for too long."""
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def wait_for_lock(connection: Any, *_: Any) -> None:
    """Wait for a file of SQLite as long as its other users may take."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute(f"PRAGMA busy_timeout={LOCKED_FOR}")


def watch_broker() -> None:
    """End this worker when RabbitMQ cuts its connection; without effect elsewhere."""
    from aiida.manage import get_manager
    from kiwipy.rmq import RmqThreadCommunicator

    communicator = get_manager().get_communicator() if is_worker() else None
    if not isinstance(communicator, RmqThreadCommunicator):
        return

    def leave(connection: Any, error: BaseException | None) -> None:
        if connection.transport is not None:  # taken away by a worker that is asked to stop
            _end("broker", error)

    communicator.add_close_callback(leave)


def _end(server: str, error: BaseException | None) -> None:
    """End as if killed: a worker that is asked to stop writes to database and broker first."""
    said = " ".join(str(error).split())
    LOGGER.warning(f"the {server} is lost ({said}): this worker ends, the daemon starts another")
    os._exit(1)


event.listen(Engine, "handle_error", leave_database)
event.listen(Pool, "checkout", wait_for_lock)
watch_broker()

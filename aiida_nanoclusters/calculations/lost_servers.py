"""A worker of the daemon that loses database or broker ends, and the daemon starts another one.

AiiDA gives back no transaction whose connection was cut, as by a restart of PostgreSQL: all later
calls in that worker fail, and so would its processes. Without RabbitMQ a process that changes its
state ends as excepted. Nothing in AiiDA ends such a worker, whereas the daemon replaces at once one
that ended, and the new one continues all processes at their last checkpoints.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from aiida.common.log import AIIDA_LOGGER
from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext

LOGGER = AIIDA_LOGGER.getChild("nanoclusters")


def is_worker() -> bool:
    """Whether this Python is a worker of AiiDA's daemon."""
    return sys.argv[-2:] == ["daemon", "worker"]


def leave_database(context: ExceptionContext) -> None:
    """End a worker whose connection to the database was cut, before any process learns of it.

    Parameters
    ----------
    context
        What SQLAlchemy knows of an error. One that it mends itself (of a ping before use), that
        leaves the connection whole, or that is of a file of SQLite, is left to others.
    """
    gone = context.is_disconnect or context.connection is None
    mended = context.is_pre_ping or context.dialect.name != "postgresql"
    if gone and not mended and is_worker():
        _end("database", context.original_exception)


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
watch_broker()

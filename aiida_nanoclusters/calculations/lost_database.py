"""A worker of the daemon that loses the database ends, and the daemon starts another one.

AiiDA gives back no transaction whose connection was cut, as by a restart of PostgreSQL: all later
calls in that worker fail, and so would its processes. Nothing in AiiDA ends such a worker, whereas
the daemon replaces at once one that ended, and the new one continues all processes at their last
checkpoints.
"""

from __future__ import annotations

import os
import sys

from aiida.common.log import AIIDA_LOGGER
from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext

LOGGER = AIIDA_LOGGER.getChild("nanoclusters")


def is_worker() -> bool:
    """Whether this Python is a worker of AiiDA's daemon."""
    return sys.argv[-2:] == ["daemon", "worker"]


def leave_database(context: ExceptionContext) -> None:
    """End a worker whose connection to the database was cut, before any process learns of it.

    It ends at once, as if killed: an error that reaches a process would be its end, and a worker
    that is asked to stop writes to the database first.

    Parameters
    ----------
    context
        What SQLAlchemy knows of an error. One that it mends itself (of a ping before use), that
        leaves the connection whole, or that is of a file of SQLite, is left to others.
    """
    gone = context.is_disconnect or context.connection is None
    mended = context.is_pre_ping or context.dialect.name != "postgresql"
    if mended or not gone or not is_worker():
        return
    said = " ".join(str(context.original_exception).split())
    LOGGER.warning(f"the database is lost ({said}): this worker ends, the daemon starts another")
    os._exit(1)


event.listen(Engine, "handle_error", leave_database)

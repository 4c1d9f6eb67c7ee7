"""Suppression of the messages that AiiDA prints about archives."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_archives() -> Iterator[None]:
    """Show only AiiDA's warnings while it writes, migrates or reads an archive."""
    loggers = [logging.getLogger(f"aiida.{name}") for name in ("export", "migrate", "storage")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)

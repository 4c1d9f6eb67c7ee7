"""Suppression of messages that AiiDA prints where a command says the same in its own words."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_ARCHIVES = ("aiida.export", "aiida.migrate", "aiida.storage")
_FUNCTIONS = ("aiida.orm.nodes.process.calculation.calcfunction",)


@contextmanager
def quiet_archives() -> Iterator[None]:
    """Show only AiiDA's warnings while it writes, migrates or reads an archive."""
    with _at_least(logging.WARNING, _ARCHIVES):
        yield


@contextmanager
def quiet_functions() -> Iterator[None]:
    """Show no traceback where a calculation function refuses a file: the error says why."""
    with _at_least(logging.CRITICAL, _FUNCTIONS):
        yield


@contextmanager
def _at_least(level: int, names: tuple[str, ...]) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, own in zip(loggers, before, strict=True):
            logger.setLevel(own)

"""One writer at a time where two of a command would get in each other's way."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from aiida.manage.configuration.settings import AiiDAConfigDir

from aiida_nanoclusters.cli.terminal import make_console


@contextmanager
def only_one(what: str) -> Iterator[None]:
    """Wait until no other process of this AiiDA installation does the same.

    The lock is the kernel's: it ends with the process that holds it, however that ends.
    """
    folder = AiiDAConfigDir.get()
    # Not by reading AiiDA's configuration: what another process writes meanwhile would be missed.
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"nanoclusters-{what}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            make_console().print(f"waiting for another {what} to end")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield

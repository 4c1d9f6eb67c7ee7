"""Limits within which the provenance of others is looked at: time, memory, and where it writes.

What is repeated is code of this package, but with numbers and texts that a stranger may have
chosen. An audit hook of Python refuses what no check needs: to write outside of a temporary folder,
to start a program, to open a connection. It is a second lock behind the checks of each input, not a
sandbox for code of others, which is never run here.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

#: Limits where the user sets no others: minutes, and GB of memory.
MINUTES, GIGABYTES = 10.0, 8.0
#: Seconds after which a call into a library that cannot be interrupted ends the program.
_GRACE = 60
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Audit events that change a path: positions of the paths, and of the folders they start from.
_CHANGES: dict[str, tuple[tuple[int, int | None], ...]] = {
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.truncate": ((0, None),),
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.utime": ((0, 3),),
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
}
_REFUSED = (
    *("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn"),
    *("os.spawn", "pty.spawn", "socket.connect", "socket.bind", "os.chroot", "os.kill"),
)


class LimitReached(BaseException):
    """A limit was reached; not an `Exception`, so that no check takes it for a fault of a node."""


class _Hook:
    """The audit hook of this process; Python never removes one, so it is switched on and off."""

    folder: str | None = None
    thread: int | None = None
    is_set = False

    @classmethod
    def watch(cls, event: str, args: tuple[Any, ...]) -> None:
        if cls.folder is None or threading.get_ident() != cls.thread:
            return
        if event in _REFUSED:
            raise PermissionError(f"a check starts no program and opens no connection ({event})")
        if event == "open":
            path, _, flags = args
            if isinstance(flags, int) and flags & _WRITES:
                cls.require_inside(path, None)
        for position, start in _CHANGES.get(event, ()):
            cls.require_inside(args[position], None if start is None else args[start])

    @classmethod
    def require_inside(cls, path: Any, start: int | None) -> None:
        if isinstance(path, int) or os.fspath(path) in (os.devnull, os.fsencode(os.devnull)):
            return  # a file that is open already, or no file
        folder = os.getcwd() if start in (None, -1) else os.readlink(f"/proc/self/fd/{start}")
        # The last name is not followed: a link itself is what is changed.
        whole = Path(folder, os.fsdecode(path))
        found = os.path.join(os.path.realpath(whole.parent), whole.name)
        inside = whole.name != ".." and Path(found).is_relative_to(str(cls.folder))
        if not inside or (os.path.islink(found) and os.path.realpath(found) != found):
            raise PermissionError(f"a check writes nothing outside of its folder: {whole}")


@contextmanager
def confined(minutes: float = MINUTES, gigabytes: float = GIGABYTES) -> Iterator[Path]:
    """Limit what this thread does: time, memory, and that it writes into a new folder alone.

    Parameters
    ----------
    minutes
        Longest time.
    gigabytes
        Memory that may be used in addition to what is in use, and the largest file that may be
        written; more raises `MemoryError` or `OSError`.

    Yields
    ------
    Path
        The folder, which is removed at the end. It is the current one in between.

    Raises
    ------
    LimitReached
        If the time is over.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nanoclusters-check-"))
        folder = os.path.realpath(folder)
        stack.enter_context(_working_in(folder))
        stack.enter_context(_at_most(gigabytes))
        stack.enter_context(_no_longer_than(minutes))
        if not _Hook.is_set:
            sys.addaudithook(_Hook.watch)
            _Hook.is_set = True
        _Hook.folder, _Hook.thread = folder, threading.get_ident()
        try:
            yield Path(folder)
        finally:
            _Hook.folder = None


@contextmanager
def _working_in(folder: str) -> Iterator[None]:
    before, temporary, bytecode = os.getcwd(), tempfile.tempdir, sys.dont_write_bytecode
    os.chdir(folder)
    tempfile.tempdir, sys.dont_write_bytecode = folder, True
    try:
        yield
    finally:
        tempfile.tempdir, sys.dont_write_bytecode = temporary, bytecode
        os.chdir(before)


@contextmanager
def _at_most(gigabytes: float) -> Iterator[None]:
    """Limit the memory of this process, where the system says how much is in use, and its files."""
    statm = Path("/proc/self/statm")
    if not statm.exists():  # macOS does not enforce the limit either
        yield
        return
    in_use = int(statm.read_text().split()[5]) * resource.getpagesize()
    with ExitStack() as stack:
        for kind, most in ((resource.RLIMIT_DATA, in_use), (resource.RLIMIT_FSIZE, 0)):
            soft, hard = resource.getrlimit(kind)
            bounds = [bound for bound in (soft, hard) if bound != resource.RLIM_INFINITY]
            limit = min([most + int(gigabytes * 1e9), *bounds])
            stack.callback(resource.setrlimit, kind, (soft, hard))
            resource.setrlimit(kind, (limit, hard))
        yield


@contextmanager
def _no_longer_than(minutes: float) -> Iterator[None]:
    """Raise in the main thread once the time is over; signals reach no other."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_: int, __: FrameType | None) -> None:
        raise LimitReached(f"not finished after {minutes:g} min: --max-minutes allows more")

    before = signal.signal(signal.SIGALRM, stop)
    # Again each second: an exception in a callback of Python or of a library may be lost.
    signal.setitimer(signal.ITIMER_REAL, minutes * 60, 1)
    if sys.__stderr__ is not None:
        faulthandler.dump_traceback_later(minutes * 60 + _GRACE, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

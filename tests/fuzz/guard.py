"""What code that reads a stranger's file must not do: run, unpickle, write elsewhere, never end."""

import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

#: Events of Python's audit that a reader never causes.
FORBIDDEN = {
    *("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty"),
    *("subprocess.Popen", "pty.spawn", "socket.connect", "socket.bind", "pickle.find_class"),
    *("ctypes.dlopen", "webbrowser.open", "urllib.Request"),
}
#: Events whose first argument is a path that is changed.
CHANGES = {
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"),
    *("os.chmod", "os.chown", "shutil.rmtree", "shutil.move", "shutil.copyfile"),
}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class TooLong(BaseException):
    """The time of one example is over; no handler of exceptions takes it for an error."""


class Forbidden(BaseException):
    """Something ran, or wrote elsewhere; no handler of exceptions takes it for an error."""


@dataclass
class Guard:
    """Watches this process while it is armed; an audit hook cannot be taken away again."""

    armed: bool = False
    folders: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def hook(self, event: str, args: tuple) -> None:
        if not self.armed:
            return
        path = None
        if event == "open" and isinstance(args[2], int) and args[2] & _WRITES:
            path = args[0]
        elif event in CHANGES:
            path = args[0]
            # of a name in an open folder, by which shutil.rmtree goes down
            if event in ("os.remove", "os.rmdir") and args[1] >= 0:
                path = os.path.join(os.readlink(f"/proc/self/fd/{args[1]}"), os.fsdecode(path))
        if event in FORBIDDEN or (path is not None and not self._inside(path)):
            if event == "ctypes.dlopen" and args[0] is None:
                return
            self.seen.append(f"{event} {str(args[:2])[:200]}")
            raise Forbidden(self.seen[-1])

    def _inside(self, path) -> bool:
        if isinstance(path, int):
            return True
        full = os.path.realpath(os.fsdecode(path))
        return full == "/dev/null" or any(full.startswith(folder) for folder in self.folders)


_GUARD = Guard()
_HOOKED: list[bool] = []


@contextmanager
def guarded(seconds: float, folders: Sequence[Path]) -> Iterator[None]:
    """Raise where the code does what it must not, or takes longer than this."""
    if not _HOOKED:
        sys.addaudithook(_GUARD.hook)
        _HOOKED.append(True)
        sys.dont_write_bytecode = True  # of modules that are imported on the way

    def over(*_) -> None:
        raise TooLong(f"more than {seconds} s")

    _GUARD.folders = [os.path.realpath(folder) for folder in folders]
    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    _GUARD.armed = True
    try:
        yield
    finally:
        _GUARD.armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass
class Findings:
    """What examples led to: how often each outcome, and what must not have been."""

    outcomes: Counter = field(default_factory=Counter)
    faults: dict[str, tuple[int, str, object]] = field(default_factory=dict)
    every: int = 0  # examples after which the numbers are printed; 0: never

    def record(self, name: str, example: object, run: Callable[[], str], declared: tuple) -> None:
        """Run one example; anything but a result or a declared error is a fault."""
        try:
            outcome = run()
        except declared as error:
            outcome = "refused"
            if not str(error).strip():
                self._fault(name, "an error without a message", example)
        except (Exception, TooLong, Forbidden) as error:
            frames = traceback.extract_tb(error.__traceback__)
            own = [f for f in frames if "aiida_nanoclusters" in f.filename] or frames
            place = f"{Path(own[-1].filename).name}:{own[-1].lineno}"
            self._fault(name, f"{type(error).__name__} at {place}: {str(error)[:200]}", example)
            outcome = "fault"
        self.outcomes[name, outcome] += 1
        done = sum(self.outcomes.values())
        if self.every and done % self.every == 0:
            print(f"{done} examples, {len(self.faults)} kinds of fault", flush=True)

    def _fault(self, name: str, what: str, example: object) -> None:
        key = f"{name}: {what.split(': ')[0]}"
        count, said, kept = self.faults.get(key, (0, what, example))
        if not count and self.every:
            print(f"FAULT {name}: {what}\n  {example!r}"[:2000], flush=True)
        self.faults[key] = (count + 1, said, kept)

    def lines(self) -> Iterator[str]:
        """Yield the numbers and the faults, one line each."""
        for (name, outcome), count in sorted(self.outcomes.items()):
            yield f"{name:12} {outcome:9} {count}"
        yield f"{sum(self.outcomes.values())} examples, {len(self.faults)} kinds of fault"
        for key, (count, said, _) in self.faults.items():
            yield f"FAULT {count} x {key}: {said}"

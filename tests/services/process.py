"""Servers that the tests start for themselves: private folders, free ports, gone afterwards."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

PREFIX = "nanoclusters-services-"  # then the process id of the tests that own the folder


class MissingError(Exception):
    """A program that is not installed, or may not be run: the reason to skip."""


def program(name: str, package: str, *folders: str) -> str:
    """Path of a program, sought in PATH and where Debian hides it."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", *folders])
    found = shutil.which(name, path=path)
    if found is None:
        raise MissingError(f"{name} is not installed: apt-get install {package}")
    return found


def need_root() -> None:
    if os.geteuid() != 0:
        raise MissingError("slurmd gives jobs to their users: only root may start it")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def run(*command: str, **kwargs) -> str:
    """Run a command that must succeed; what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {(done.stderr or done.stdout)[-800:]}")
    return done.stdout


def wait_for(what: str, ready: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    last: Exception | None = None
    while time.monotonic() < end:
        try:
            if ready():
                return
        except (RuntimeError, ConnectionError) as error:
            last = error
        time.sleep(0.1)
    raise TimeoutError(f"waited {seconds} s for {what}") from last


class Server:
    """One server in the foreground, in a process group of its own."""

    def __init__(self, name: str, folder: Path, command: list[str], **kwargs):
        self.name, self.folder, self.command, self.kwargs = name, folder, command, kwargs
        self.environment = {
            **os.environ,
            **kwargs.pop("env", {}),
            "NANOCLUSTERS_TESTS": str(folder),
        }
        self.process: subprocess.Popen | None = None

    def start(self, ready: Callable[[], bool]) -> None:
        log = (self.folder / f"{self.name}.log").open("a")
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=self.environment,
            **self.kwargs,
        )
        log.close()

        def alive() -> bool:
            if self.process.poll() is not None:
                text = (self.folder / f"{self.name}.log").read_text()[-1500:]
                raise AssertionError(f"{self.name} ended with {self.process.returncode}: {text}")
            return ready()

        wait_for(self.name, alive)

    def stop(self, how: signal.Signals = signal.SIGTERM, *, group: bool = False) -> None:
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.process.pid, how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)
        self.process = None


def make_folder() -> Path:
    """Folder for servers of this test run, after clearing away what killed runs have left."""
    for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = old.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            clear(old)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    folder.chmod(0o755)  # servers of other users live in it
    return folder


def clear(folder: Path) -> None:
    """Kill what still runs in a folder of servers, which it names or has in its environment."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            told = [*process.cmdline(), *process.environ().values()]
            if process.pid != os.getpid() and any(str(folder) in text for text in told):
                process.kill()
    shutil.rmtree(folder, ignore_errors=True)

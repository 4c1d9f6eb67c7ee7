"""Faults that a seed draws, one by one, while work runs on the servers of the tests."""

import contextlib
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import psutil

from tests.laptop import Home
from tests.services.fixtures import Services

AWAY = 5.0  # s that a server is stopped
DISK = "1200m"  # just above what is refused before a launch


def workers(home: Home) -> list[psutil.Process]:
    """The daemon's workers of an AiiDA folder, who do all the work."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            ours = process.environ().get("AIIDA_PATH", "").startswith(str(home.path))
            if ours and "worker" in process.cmdline():
                found.append(process)
    return found


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """The folder of the jobs on a disk of its own; False where only root may mount one."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Chaos:
    """Seven faults of a cluster and of the machine of its user.

    Parameters
    ----------
    services, home
        The servers, and the AiiDA folder whose daemon works on them.
    seed
        Of the draws.
    say
        Takes a line for each fault.
    """

    def __init__(self, services: Services, home: Home, seed: int, say: Callable[[str], None]):
        self.services, self.home, self.say = services, home, say
        self.random = random.Random(seed)
        self.faults: dict[str, Callable[[], str]] = {
            "worker killed": self.kill_worker,
            "job cancelled": self.cancel_job,
            "broker restarted": lambda: self.restart(services.rabbitmq),
            "database restarted": lambda: self.restart(services.postgresql),
            "sshd restarted": lambda: self.restart(services.ssh),
            "node lost": self.lose_node,
            "disk full": self.fill_disk,
        }
        self.counts = dict.fromkeys(self.faults, 0)
        self.played = 0

    def draw(self) -> None:
        """Cause one fault."""
        name = self.random.choice(list(self.faults))
        self.counts[name] += 1
        self.say(f"{name}: {self.faults[name]()}")

    def restart(self, server) -> str:
        server.stop()
        time.sleep(AWAY)
        server.start()
        return f"away for {AWAY:.0f} s"

    def kill_worker(self) -> str:
        found = workers(self.home)
        for process in found:
            process.kill()
        return f"{len(found)}"

    def cancel_job(self) -> str:
        running = self.services.slurm("squeue", "-h", "-t", "R", "-o", "%i").split()
        if not running:
            return "none ran"
        number = self.random.choice(sorted(running))
        try:
            self.services.slurm("scancel", number)
        except RuntimeError as error:  # it has ended since
            return str(error)
        return number

    def lose_node(self) -> str:
        change = ("scontrol", "update", "nodename=node")
        running = self.services.slurm("squeue", "-h", "-t", "R", "-o", "%i").split()
        self.services.slurm(*change, "state=down", "reason=chaos")
        time.sleep(AWAY)
        with contextlib.suppress(RuntimeError):  # a node that answers has come back by itself
            self.services.slurm(*change, "state=resume")
        self.services.slurm.await_node()
        return f"with jobs {', '.join(running) or 'none'}"

    def fill_disk(self) -> str:
        """Fill the disk of the jobs for a while; `play` is what its user does then."""
        filler = self.home.path / "scratch" / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as handle:
            while handle.write(bytes(1 << 20)):
                pass
        size = filler.stat().st_size
        time.sleep(2 * AWAY)
        filler.unlink()
        return f"{size >> 20} MB for {2 * AWAY:.0f} s"

    def play(self, paused: Sequence[str]) -> None:
        """Continue what waits for a person, as the documentation says."""
        self.home.run("aiida", "process", "play", "--all")
        self.played += 1
        self.say(f"played: {', '.join(paused)}")

    @contextmanager
    def going_on(self, minutes: float, every: float) -> Iterator[None]:
        """Draw a fault every so many seconds, for some minutes or until the work has ended."""
        over, failed = Event(), []

        def draw() -> None:
            start = time.monotonic()
            for n in range(1, int(60 * minutes / every) + 1):
                if over.wait(max(0.0, start + n * every - time.monotonic())):
                    return
                try:
                    self.draw()
                except Exception as error:
                    self.say(f"no more faults: {error!r}")
                    failed.append(error)
                    return

        thread = Thread(target=draw)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        if failed:
            raise failed[0]

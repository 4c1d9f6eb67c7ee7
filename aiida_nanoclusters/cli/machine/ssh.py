"""What OpenSSH knows of a host: the user's configuration, whether it logs in, its queue."""

from __future__ import annotations

import glob
import subprocess
from functools import cached_property
from pathlib import Path

CONNECT_SECONDS, ANSWER_SECONDS = 5, 10
CANNOT_CONNECT = 255  # exit status of ssh itself; any other is the command's there


def configured_hosts(config: Path | None = None) -> list[str]:
    """Names of the Host entries of an OpenSSH configuration, patterns left out.

    Parameters
    ----------
    config
        The file; default ~/.ssh/config. Files that it includes are read too.
    """
    config = config or Path.home() / ".ssh" / "config"
    hosts: dict[str, None] = {}
    pending, seen = [config], set()
    while pending:
        file = pending.pop(0)
        if file in seen or not file.is_file():
            continue
        seen.add(file)
        for line in file.read_text(errors="replace").splitlines():
            keyword, *names = line.replace("=", " ", 1).replace('"', "").split() or [""]
            if keyword.lower() == "host":
                hosts |= dict.fromkeys(n for n in names if not set("*?!") & set(n))
            elif keyword.lower() == "include":
                for name in names:
                    pattern = config.parent / Path(name).expanduser()
                    pending += [Path(found) for found in sorted(glob.glob(str(pattern)))]
    return list(hosts)


class Remote:
    """A host as `ssh` reaches it, without a password; each answer is fetched once.

    Parameters
    ----------
    host
        Name as in ``ssh HOST``; None where it is not known: nothing is found out then.
    """

    def __init__(self, host: str | None):
        self.host = host

    @cached_property
    def login(self) -> str:
        """One line on how `ssh` logs in: user, host name, port."""
        done = _run("ssh", "-G", "--", str(self.host))
        lines = done.stdout.splitlines() if isinstance(done, subprocess.CompletedProcess) else []
        found = dict(line.split(" ", 1) for line in lines if " " in line)
        user, name = found.get("user", "?"), found.get("hostname", self.host)
        return f"ssh logs in as {user} at {name}, port {found.get('port', '22')}"

    @property
    def failure(self) -> str | None:
        """Why `ssh` does not log in; None if it does."""
        done = self._queue
        if isinstance(done, str):
            return f"ssh {self.host}: {done}"
        if done.returncode == CANNOT_CONNECT:
            reason = (done.stderr.strip().splitlines() or ["no connection"])[-1]
            return f"`ssh {self.host}` does not log in without asking: {reason}"
        return None

    @property
    def partitions(self) -> list[str]:
        """Partitions of Slurm there; none where it cannot be asked."""
        return [name.rstrip("*") for name in self._names]

    @property
    def default_partition(self) -> str | None:
        """Partition of jobs that name none: the only one, or the one that Slurm marks."""
        marked = [name.rstrip("*") for name in self._names if name.endswith("*")]
        candidates = marked or self.partitions
        return candidates[0] if len(candidates) == 1 else None

    @property
    def _names(self) -> list[str]:
        if self.host is None or isinstance(self._queue, str) or self._queue.returncode:
            return []
        return list(dict.fromkeys(self._queue.stdout.split()))

    @cached_property
    def _queue(self) -> subprocess.CompletedProcess[str] | str:
        batch = ("-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_SECONDS}")
        return _run("ssh", *batch, "--", str(self.host), "sinfo -h -o %P")


def _run(*command: str) -> subprocess.CompletedProcess[str] | str:
    """Result of a command, or why there is none."""
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=ANSWER_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {ANSWER_SECONDS} s"
    except OSError as error:
        return f"`{command[0]}` cannot be run ({error.strerror}): install OpenSSH"

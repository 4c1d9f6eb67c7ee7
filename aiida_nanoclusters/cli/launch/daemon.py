"""The daemon's workers have the packages and the database that were there when they started."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from rich.console import Console

from aiida_nanoclusters.cli.machine.installation import RESTART_SECONDS
from aiida_nanoclusters.cli.progress.database import database_started
from aiida_nanoclusters.cli.terminal import Fixable


def newest_installation(folders: Iterable[Path] | None = None) -> float:
    """Return when a package was last installed or removed, seconds since the epoch.

    Parameters
    ----------
    folders
        Folders of installed packages; those of this Python where None.
    """
    if folders is None:
        folders = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    times = [0.0]
    for folder in folders:
        # `RECORD` is written last; a name of a folder stays when its package is replaced.
        times += [path.stat().st_mtime for path in folder.glob("*.dist-info/RECORD")]
    return max(times)


def refresh_daemon(console: Console) -> bool:
    """Restart the daemon's workers where they are older than what is installed, or PostgreSQL.

    A worker that was started before, say, aiida-cp2k was installed does not know it, and one from
    before a restart of PostgreSQL has no connection: the process fails after submission, or is
    never begun. Processes that are running are continued by the new workers.

    Returns
    -------
    bool
        Whether the workers were restarted.

    Raises
    ------
    Fixable
        If they could not be.
    """
    from aiida.engine.daemon.client import DaemonException, get_daemon_client

    client = get_daemon_client()
    if not client.is_daemon_running:
        return False
    workers = client.get_worker_info().get("info", {})
    started = [row["create_time"] for row in workers.values() if isinstance(row, dict)]
    newer = {
        "the packages installed": newest_installation(),
        "PostgreSQL, started": database_started(),
    }
    found = [
        f"{name} at {_minute(at)}" for name, at in newer.items() if min(started, default=at) < at
    ]
    if not found:
        return False
    console.print(
        f"[yellow]The daemon's workers are older than {' and '.join(found)}: they are "
        "restarted[/yellow] (verdi daemon restart)"
    )
    try:
        client.restart_daemon(timeout=RESTART_SECONDS)
    except DaemonException as error:
        raise Fixable(
            f"the daemon does not restart ({error}): `verdi daemon stop; aiida-nanoclusters setup`"
        ) from error
    return True


def _minute(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"

"""The daemon's workers run the packages that were installed when they started."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from rich.console import Console


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
    """Restart the daemon's workers where they are older than what is installed.

    A worker that was started before, say, aiida-cp2k was installed does not know it, and the
    process fails after submission. Processes that are running are continued by the new workers.

    Returns
    -------
    bool
        Whether the workers were restarted.
    """
    from aiida.engine.daemon.client import get_daemon_client

    client = get_daemon_client()
    if not client.is_daemon_running:
        return False
    workers = client.get_worker_info().get("info", {})
    started = [row["create_time"] for row in workers.values() if isinstance(row, dict)]
    if not started or min(started) >= (installed := newest_installation()):
        return False
    console.print(
        "[yellow]The daemon's workers are older than the packages installed at "
        f"{datetime.fromtimestamp(installed):%Y-%m-%d %H:%M}: they are restarted[/yellow] "
        "(verdi daemon restart)"
    )
    client.restart_daemon()
    return True

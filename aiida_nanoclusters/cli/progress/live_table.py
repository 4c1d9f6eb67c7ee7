"""The live table of a study, for `status` and for launch scripts: `watch(node, console)`."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from aiida_nanoclusters.cli.progress.counts import (
    JobTotal,
    Process,
    Progress,
    ProgressRow,
    read_progress,
)

if TYPE_CHECKING:
    from aiida.orm import ProcessNode

INTERVAL = 3.0  # s between two queries, which take time from the study's own
PATIENCE = 15.0  # s that the daemon may be stopped, as it is while it restarts


def watch(
    node: ProcessNode,
    console: Console,
    *,
    interval: float = INTERVAL,
    patience: float = PATIENCE,
) -> bool:
    """Show a study's live table until it ends.

    Ctrl-C, or a daemon that remains stopped, ends the display and does not affect the study; the
    last line then names the command that resumes the display. Where the console is no terminal, a
    line is printed for each change instead.

    Parameters
    ----------
    node
        A submitted process.
    console
        Where to show it.
    interval
        Seconds between two queries of the database.
    patience
        Seconds to wait for a daemon that is not running.

    Returns
    -------
    bool
        Whether the study has come to an end.
    """
    assert node.pk is not None
    shown: dict[tuple[str, ...], str] = {}
    last_alive = time.monotonic()
    try:
        progress = read_progress(node.pk)
        with Live(console=console, auto_refresh=False, transient=True) as live:
            while not progress.root.terminated:
                alive = daemon_runs()
                if alive:
                    last_alive = time.monotonic()
                if console.is_terminal:
                    live.update(render(progress, daemon=alive), refresh=True)
                else:
                    _print_changes(progress, console, shown)
                if time.monotonic() - last_alive >= patience:
                    break
                time.sleep(interval)
                progress = read_progress(node.pk)
    except KeyboardInterrupt:
        console.print(f"The study continues in the background. {_come_back(node.uuid)}")
        return False
    console.print(render(progress))
    if not progress.root.terminated:
        console.print(
            "The daemon is not running, so the study does not proceed. Start it: "
            "verdi daemon start\n" + _come_back(node.uuid)
        )
    return progress.root.terminated


def render(progress: Progress, *, daemon: bool = True) -> Group:
    """Table of a study's processes, with its last error and the command that shows more."""
    now, root = datetime.now(timezone.utc), progress.root
    elapsed = ProgressRow(root.path, [root]).elapsed(now)
    head = Text.assemble(
        (root.path[0], "bold"),
        f"  {root.uuid}  ",
        _state(root),
        f"  after {duration(elapsed)}",
        _frames(progress, root.path),
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("process")
    for name in ("done", "running", "queued", "failed", "job time", "left"):
        table.add_column(name, justify="right")
    for row in progress.rows:
        left = row.left(now)
        cached = f" ({row.cached} from cache)" if row.cached else ""
        table.add_row(
            Text("  " * (len(row.path) - 2) + row.label + _frames(progress, row.path)),
            Text(f"{row.done}{cached}", "green" if row.done else "dim"),
            Text(str(row.active - row.queued), "cyan" if row.active else "dim"),
            Text(str(row.queued), "yellow" if row.queued else "dim"),
            Text(str(row.failed), "red" if row.failed else "dim"),
            job_time(progress.job_times.get(row.path)),
            f"~{duration(left)}" if left else "",
        )
    parts: list[Text | Table] = [head, table] if progress.rows else [head]
    if progress.rows and progress.job_times:
        parts.append(Text(legend(progress), "dim"))
    if error := progress.last_error:
        parts.append(_describe_error(error))
    for waiting in progress.paused:
        parts.append(Text(f"paused: {waiting.path[-1]}<{waiting.pk}> {waiting.paused}", "yellow"))
    if not daemon:
        parts.append(Text("The daemon is not running: verdi daemon start", "yellow"))
    return Group(*parts)


def duration(span: timedelta) -> str:
    """Time in at most two units, e.g. ``3 min 20 s``."""
    seconds = round(span.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def job_time(total: JobTotal | None) -> str:
    """Time of jobs with ``~`` where a part is an estimate; empty where no job has run."""
    if total is None:
        return ""
    return f"{'~' if total.estimated else ''}{duration(total.span)}"


def legend(progress: Progress) -> str:
    """What the column of job times holds."""
    text = "job time: wall time of all jobs of a row together, without those taken from cache"
    if any(total.estimated for total in progress.job_times.values()):
        text += "; ~ estimated from submission to end where the scheduler reports no time"
    return text


def daemon_runs() -> bool:
    """Whether the daemon of the loaded AiiDA profile runs."""
    from aiida.common.exceptions import ConfigurationError
    from aiida.engine.daemon.client import get_daemon_client

    try:
        return bool(get_daemon_client().is_daemon_running)
    except ConfigurationError:
        return False


def _state(root: Process) -> tuple[str, str]:
    if root.ok:
        return "finished", "green"
    if root.state == "finished":
        return f"failed [{root.exit_status}] {root.message}", "red"
    return (root.state, "red") if root.terminated else (root.state, "cyan")


def _frames(progress: Progress, path: tuple[str, ...]) -> str:
    if path not in progress.frames:
        return ""
    done, asked = progress.frames[path]
    return f"  {done} of {asked} frames"


def _describe_error(error: Process) -> Text:
    code = f" [{error.exit_status}]" if error.exit_status else f" {error.state}"
    handled = " (its work chain recovered)" if error.parent_ok else ""
    return Text.assemble(
        (f"last error: {error.path[-1]}{code} {error.message}{handled}\n", "red"),
        f"details: verdi process report {error.pk}   ({error.uuid})",
    )


def _print_changes(progress: Progress, console: Console, shown: dict[tuple[str, ...], str]) -> None:
    lines = {progress.root.path: _frames(progress, progress.root.path).strip()}
    for row in progress.rows:
        queued = f"{row.queued} queued, " if row.queued else ""
        running = row.active - row.queued
        counts = f"{row.done} done, {running} running, {queued}{row.failed} failed"
        lines[row.path] = counts + _frames(progress, row.path)
    for path, counts in lines.items():
        if counts and shown.get(path) != counts:
            shown[path] = counts
            moment = datetime.now().strftime("%H:%M:%S")
            name = " > ".join(path[1:] or path)
            console.print(f"{moment} {name}: {counts}", markup=False)


def _come_back(uuid: str) -> str:
    return f"Show the table again: aiida-nanoclusters status {uuid} --watch"

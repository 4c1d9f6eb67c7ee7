"""The live table of a study, for `status` and for launch scripts: `watch(node, console)`."""

from __future__ import annotations

import time
from collections.abc import Callable
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
from aiida_nanoclusters.cli.progress.database import ask_patiently

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
    line is printed for each change instead. A database that does not answer is told and waited for;
    nodes in memory, `node` as well, are then lost to it and must be loaded again.

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
    pk, uuid = node.pk, node.uuid
    assert pk is not None

    def read() -> Progress:
        return ask_patiently(lambda: read_progress(pk), console, interval)

    shown: dict[tuple[str, ...], str] = {}
    last_alive = time.monotonic()
    try:
        progress = read()
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
                progress = read()
    except KeyboardInterrupt:
        console.print(f"The study continues in the background. {_come_back(uuid)}")
        return False
    console.print(render(progress))
    if not progress.root.terminated:
        console.print(
            "The daemon is not running, so the study does not proceed. Start it: "
            "verdi daemon start\n" + _come_back(uuid)
        )
    return progress.root.terminated


def render(progress: Progress, *, daemon: bool = True) -> Group:
    """Table of a study's processes, with its last error and the command that shows more."""
    now, root = datetime.now(timezone.utc), progress.root
    elapsed = ProgressRow(root.path, [root]).elapsed(now)
    head = Text.assemble(
        (root.path[0], "bold"),
        f"  {root.uuid}\n",
        _state(root),
        f"{chr(10) if root.failed else ', '}elapsed {duration(elapsed)}",
        f", computing {job_time(total)}" if (total := progress.job_times.get(root.path)) else "",
        _frames(progress, root.path),
    )
    parts: list[Text | Table] = [head, _table(progress, now)] if progress.rows else [head]
    if progress.rows:
        parts.append(Text(legend(progress), "dim"))
    if error := progress.last_error:
        parts.append(_describe_error(error))
    for waiting in progress.paused:
        parts.append(Text(f"paused: {waiting.path[-1]}<{waiting.pk}> {waiting.paused}", "yellow"))
    if not daemon:
        parts.append(Text("The daemon is not running: verdi daemon start", "yellow"))
    return Group(*parts)


def _table(progress: Progress, now: datetime) -> Table:
    """Return the rows in at most 80 columns; counts that are zero in all rows are left out."""
    under_way = not progress.root.terminated
    columns: list[tuple[str, Callable[[ProgressRow], tuple[int, str]]]] = [
        ("run", lambda row: (row.active - row.queued, "cyan")),
        ("queue", lambda row: (row.queued, "yellow")),
        ("fail", lambda row: (row.failed, "red")),
    ]
    shown = [c for c in columns if under_way or any(c[1](row)[0] for row in progress.rows)]
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("process", overflow="fold")
    for name in ("done", *(name for name, _ in shown), "elapsed", "computing"):
        table.add_column(name, justify="right", no_wrap=True)
    if under_way:
        table.add_column("left", justify="right", no_wrap=True)
    for row in progress.rows:
        left, total = row.left(now), progress.job_times.get(row.path)
        indent = " " * (len(row.path) - 2)
        frames = _frames(progress, row.path).strip()
        cells = [
            Text(f"{indent}{row.label}" + (f"\n{indent} {frames}" if frames else "")),
            Text(
                f"{row.done}" + (f" ({row.cached})" if row.cached else ""),
                "green" if row.done else "dim",
            ),
        ]
        for _, count in shown:
            number, colour = count(row)
            cells.append(Text(str(number), colour if number else "dim"))
        cells += [Text(short_duration(row.elapsed(now))), Text(_computing(total))]
        if under_way:
            cells.append(Text(f"~{short_duration(left)}" if left else ""))
        table.add_row(*cells)
    return table


def _computing(total: JobTotal | None) -> str:
    return "" if total is None else f"{'~' * total.estimated}{short_duration(total.span)}"


def short_duration(span: timedelta) -> str:
    """Time in one unit, e.g. ``3.3 min``: at most eight characters."""
    seconds = span.total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.{1 if seconds < 100 * length else 0}f} {unit}"
    return f"{seconds:.0f} s"


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
    """What the columns of times hold."""
    text = "elapsed: from the first process of a row to the end of its last"
    if progress.job_times:
        text += "; computing: wall time of all its jobs together, without those taken from cache"
    if any(total.estimated for total in progress.job_times.values()):
        text += ", ~ estimated from submission to end where the scheduler reports no time"
    if any(row.cached for row in progress.rows):
        text += "; in brackets: done, but taken from cache"
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

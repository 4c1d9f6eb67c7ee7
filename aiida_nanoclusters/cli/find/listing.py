"""Results of `find` as tables of 80 columns with complete UUIDs, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aiida_nanoclusters.cli.terminal import echo, make_console

_UUID = 36  # characters
_WIDTH = 80


@dataclass(frozen=True)
class Column:
    """A column: its head, the text of its cell for a row, and whether that is a number."""

    head: str
    cell: Callable[[Any], str]
    number: bool = False


@dataclass(frozen=True)
class Listing:
    """How results of one kind are shown, and the hint where there are none."""

    columns: tuple[Column, ...]
    empty: str
    after: str = "where one comes from: aiida-nanoclusters explain UUID"


def show(listing: Listing, rows: Sequence[Any], as_json: bool, limit: int | None = None) -> None:
    """Print the first `limit` rows, and whether there are more."""
    shown = rows if limit is None else rows[:limit]
    if as_json:
        echo(to_json([asdict(row) for row in shown]))
        return
    console = narrow_console()
    if not rows:
        console.print(listing.empty, soft_wrap=True)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for column in listing.columns:
        table.add_column(
            column.head,
            justify="right" if column.number else "left",
            overflow="fold",
            no_wrap=column.head == "UUID",
            min_width=_UUID if column.head == "UUID" else None,
        )
    for row in shown:
        table.add_row(*(Text(column.cell(row)) for column in listing.columns))
    console.print(table)
    if len(shown) < len(rows):
        console.print(f"there are more: --limit {2 * len(shown)}", soft_wrap=True)
    console.print(listing.after, style="dim", soft_wrap=True)


def to_json(content: Any) -> str:
    """Return JSON text; times as ISO 8601."""

    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            return value.isoformat()
        raise TypeError(f"no JSON of {type(value).__name__}")

    text = json.dumps(content, indent=2, default=plain, ensure_ascii=False)
    if text.isprintable() or all(c.isprintable() or c == "\n" for c in text):
        return text
    # half characters, which no output takes, and those that steer a terminal
    return json.dumps(content, indent=2, default=plain, ensure_ascii=True)


def narrow_console() -> Console:
    """Return a console on standard output, 80 columns wide where that is not a terminal."""
    return make_console(_WIDTH)


def _sizes(row: Any) -> str:
    low, high = min(row.sizes), max(row.sizes)
    return str(low) if low == high else f"{low}-{high}"


def _number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _interval(row: Any) -> str:
    low = "..." if row.low is None else f"{row.low:.0f}"
    return f"{low}-" + ("..." if row.high is None else f"{row.high:.0f}")


def _label_reason(row: Any) -> str:
    tries = [f"level {a.get('settings_level')}: {a.get('reason')}" for a in row.attempts]
    parts = [row.reason] if row.reason and not tries else tries
    if row.known_from:
        parts.append(f"reused from {row.known_from}")
    if row.outcome != row.state:
        parts.append(f"finally {row.outcome}")
    return "; ".join(parts)


DATASETS = Listing(
    (
        Column("UUID", lambda r: r.uuid),
        Column("labelled", lambda r: f"{r.n_labelled}/{r.n_frames}", number=True),
        Column("atoms", _sizes, number=True),
        Column("of", lambda r: " ".join(r.elements)),
        Column("level", lambda r: r.level_of_theory or "-"),
    ),
    "no such set of frames: leave out a condition, or create one (aiida-nanoclusters run dataset, "
    "aiida-nanoclusters import-labels)",
)
POTENTIALS = Listing(
    (
        Column("UUID", lambda r: r.uuid),
        Column("kind", lambda r: r.kind),
        Column("of", lambda r: " ".join(r.elements)),
        Column("meV/ atom", lambda r: _number(r.energy_rmse), number=True),
        Column("meV/Å", lambda r: _number(r.forces_rmse), number=True),
        Column("level", lambda r: r.level_of_theory),
    ),
    "no such potential: leave out a condition (errors are known of committees that were tested), "
    "or train potentials (aiida-nanoclusters run train)",
)
STRUCTURES = Listing(
    (
        Column("UUID", lambda r: r.uuid),
        Column("frame", lambda r: str(r.index), number=True),
        Column("cluster", lambda r: r.formula),
        Column("eV", lambda r: f"{r.energy:.3f}", number=True),
        Column("level", lambda r: r.level_of_theory),
    ),
    "no such cluster with an energy: leave out a condition, or anneal clusters "
    "(aiida-nanoclusters run anneal)",
    after="in Python: load_node(UUID).frames[FRAME]; "
    "where one comes from: aiida-nanoclusters explain UUID",
)
CROSSOVERS = Listing(
    (
        Column("UUID", lambda r: r.uuid),
        Column("of", lambda r: r.element),
        Column("N", lambda r: _number(r.size, 0), number=True),
        Column("interval", _interval, number=True),
        Column(
            "potentials",
            lambda r: (
                ", ".join(sorted({f"{p.kind} {p.level_of_theory}" for p in r.potentials}))
                + (f" ({len(r.potentials)})" if len(r.potentials) > 1 else "")
            ),
        ),
    ),
    "no such crossover: leave out a condition, or search for one "
    "(aiida-nanoclusters run crossover)",
)
DEPENDENTS = Listing(
    (
        Column("UUID", lambda r: r.uuid),
        Column("what", lambda r: r.kind),
        Column("as", lambda r: r.returned_as or (f"by {r.made_by}" if r.made_by else "")),
    ),
    "nothing depends on it: no process has used it, or none has a result yet; --all shows every "
    "step",
)
LABELS = Listing(
    (
        Column("frame", lambda r: str(r.index), number=True),
        Column("cluster", lambda r: r.formula),
        Column("state", lambda r: r.state),
        Column(
            "settings level",
            lambda r: "-" if r.settings_level is None else str(r.settings_level),
            number=True,
        ),
        Column("reason", _label_reason),
    ),
    "it has no frames",
    after="UUIDs of frames and labels: --json",
)

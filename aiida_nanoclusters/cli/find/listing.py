"""Results of `find` as lines of 80 columns with complete UUIDs, or as JSON.

What has no fixed length, such as a level of theory, stands below its row where the line is too
short for it, so that no word is broken.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from aiida_nanoclusters.cli.terminal import echo, make_console
from aiida_nanoclusters.formats.plain_text import excerpt
from aiida_nanoclusters.science.labels.levels import MODELS

_WIDTH = 80
_INDENT = 4
#: Most characters of a cell in words.
_LONGEST = 2000


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
    #: What is said of a row in words.
    words: Callable[[Any], str]
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
    for line in _lines(listing, shown, console.width):
        console.print(line, soft_wrap=True)
    if len(shown) < len(rows):
        console.print(f"there are more: --limit {2 * len(shown)}", soft_wrap=True)
    console.print(listing.after, style="dim", soft_wrap=True)


def _lines(listing: Listing, rows: Sequence[Any], width: int) -> Iterator[Text]:
    """Yield the heads and rows; the words of a row behind it where all fit, else below it."""
    columns = listing.columns
    cells = [[excerpt(column.cell(row)) for column in columns] for row in rows]
    heads = [column.head for column in columns]
    widths = [max(cell_len(c) for c in own) for own in zip(heads, *cells, strict=True)]
    words = [excerpt(listing.words(row), _LONGEST) for row in rows]
    start = sum(widths) + 2 * len(widths)
    behind = all(start + cell_len(said) <= width for said in words)
    yield Text(_line(heads, widths, columns), "bold")
    for own, said in zip(cells, words, strict=True):
        line = _line(own, widths, columns)
        if not said or behind:
            yield Text(f"{line}  {said}".rstrip())
            continue
        yield Text(line)
        yield from (Text(part) for part in wrapped(" " * _INDENT + said, width, _INDENT))


def wrapped(text: str, width: int, indent: int) -> list[str]:
    """Return a line as lines of `width` columns, the further ones indented; no word is broken."""
    first = " " * (len(text) - len(text.lstrip()))
    return textwrap.wrap(
        text.strip(),
        max(width, 2 * indent),
        initial_indent=first,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


def _line(cells: Sequence[str], widths: Sequence[int], columns: Sequence[Column]) -> str:
    padded = (
        " " * (width - cell_len(cell)) + cell
        if column.number
        else cell + " " * (width - cell_len(cell))
        for cell, width, column in zip(cells, widths, columns, strict=True)
    )
    return "  ".join(padded).rstrip()


def _named(row: Any) -> str:
    """Return the label and the groups of a node."""
    parts = [f"“{row.label}”" if row.label else ""]
    if row.groups:
        parts.append(
            f"in {'the group' if len(row.groups) == 1 else 'groups'} {', '.join(row.groups)}"
        )
    return "; ".join(part for part in parts if part)


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _level(row: Any) -> str:
    """Return a level of theory, and whether the energies are predictions."""
    return f"predicted by {row.level_of_theory}" if row.predicted else row.level_of_theory


def _trained(row: Any) -> str:
    """Return the level of theory of a potential, and whether it was trained on it."""
    return f"trained at {row.level_of_theory}" if row.kind in MODELS else row.level_of_theory


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
    ),
    "no such set of frames: leave out a condition, add --all for the sets in between, or create "
    "one (aiida-nanoclusters run dataset, aiida-nanoclusters import-labels)",
    words=lambda r: _joined(_level(r) if r.level_of_theory else "unlabelled", _named(r)),
)
POTENTIALS = Listing(
    (
        Column("UUID", lambda r: r.uuid),
        Column("kind", lambda r: r.kind),
        Column("of", lambda r: " ".join(r.elements)),
        Column("meV/atom", lambda r: _number(r.energy_rmse), number=True),
        Column("meV/Å", lambda r: _number(r.forces_rmse), number=True),
    ),
    "no such potential: leave out a condition (errors are known of committees that were tested), "
    "or train potentials (aiida-nanoclusters run train)",
    words=lambda r: _joined(_trained(r), _named(r)),
)
STRUCTURES = Listing(
    (
        Column("UUID", lambda r: r.uuid),
        Column("frame", lambda r: str(r.index), number=True),
        Column("cluster", lambda r: r.formula),
        Column("eV", lambda r: f"{r.energy:.3f}", number=True),
    ),
    "no such cluster with an energy: leave out a condition, or anneal clusters "
    "(aiida-nanoclusters run anneal)",
    words=_level,
    after="in Python: load_node(UUID).frames[FRAME]\n"
    "where one comes from: aiida-nanoclusters explain UUID",
)
CROSSOVERS = Listing(
    (
        Column("UUID", lambda r: r.uuid),
        Column("of", lambda r: r.element),
        Column("N", lambda r: _number(r.size, 0), number=True),
        Column("interval", _interval, number=True),
    ),
    "no such crossover: leave out a condition, or search for one "
    "(aiida-nanoclusters run crossover)",
    words=lambda r: (
        ", ".join(sorted({f"{p.kind}, {_trained(p)}" for p in r.potentials}))
        + (f" ({len(r.potentials)} members)" if len(r.potentials) > 1 else "")
    ),
)
DEPENDENTS = Listing(
    (
        Column("UUID", lambda r: r.uuid),
        Column("what", lambda r: r.kind),
    ),
    "nothing depends on it: no process has used it, or none has a result yet; --all shows every "
    "step",
    words=lambda r: f"as {r.returned_as}" if r.returned_as else r.made_by and f"by {r.made_by}",
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
    ),
    "it has no frames",
    words=_label_reason,
    after="UUIDs of frames and labels: --json",
)

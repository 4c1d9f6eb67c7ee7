"""Growth of a training set: uncertain frames, labels and errors, round by round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from aiida_nanoclusters.cli.report.content import RoundsPart
from aiida_nanoclusters.cli.report.figures import COLOURS, Picture, picture, show, style
from aiida_nanoclusters.science.keys import FORMER_LOOP_KEYS, with_present_keys
from aiida_nanoclusters.science.learning.metrics import UNITS

#: Errors of a round, and what they are called.
_ERRORS = {
    "forces_rmse": f"force error ({UNITS['forces']})",
    "energy_rmse": f"energy error ({UNITS['energy']})",
}


def collect_rounds(nodes: Mapping[str, Any]) -> RoundsPart | None:
    """Read the outputs of an ActiveLearningWorkChain; None where there is no history yet."""
    if "history" not in nodes:
        return None
    found = with_present_keys(nodes["history"].get_dict(), FORMER_LOOP_KEYS)
    return RoundsPart(
        tuple(found["rows"]), str(found["reason"]), {"history": nodes["history"].uuid}
    )


def _curves(part: RoundsPart, quantity: str) -> Iterator[tuple[str, list[int], list[float]]]:
    """Name, labels and errors of each set; of a set with several sizes, of each size."""
    rows = [row for row in part.rows if row.get("errors")]
    for name in sorted({name for row in rows for name in row["errors"]}):
        own = [(row["labels"], row["errors"][name]) for row in rows if name in row["errors"]]
        groups = {f"{name}, all": [(n, table["overall"]) for n, table in own]}
        if name == "extrapolation":
            sizes = sorted({size for _, table in own for size in table["by_size"]}, key=int)
            groups = {
                f"{size} atoms, never learnt": [
                    (n, table["by_size"][size]) for n, table in own if size in table["by_size"]
                ]
                for size in sizes
            }
        for label, pairs in groups.items():
            known = [(n, row[quantity]) for n, row in pairs if row[quantity] is not None]
            if known:
                yield label, [n for n, _ in known], [value for _, value in known]


def growth(part: RoundsPart) -> Picture:
    """Errors and fraction of uncertain frames against labels."""
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.05)
    for row, (quantity, title) in enumerate(_ERRORS.items(), start=1):
        for k, (name, labels, values) in enumerate(_curves(part, quantity)):
            figure.add_trace(_line(labels, values, name, k, show_legend=row == 1), row=row, col=1)
        figure.update_yaxes(title_text=title, rangemode="tozero", row=row, col=1)
    known = [row for row in part.rows if row.get("uncertain") is not None]
    labels, shares = [r["labels"] for r in known], [100 * r["uncertain"] for r in known]
    figure.add_trace(_line(labels, shares, "uncertain frames", 7, show_legend=True), row=3, col=1)
    figure.update_yaxes(title_text="uncertain (%)", rangemode="tozero", row=3, col=1)
    figure.update_xaxes(title_text="labels requested", row=3, col=1)
    return picture(
        "rounds",
        "Errors and uncertain frames, round by round",
        f"Errors of the committee and fraction of uncertain frames over {len(part.rows)} rounds.",
        style(figure, 760),
        COLUMNS,
        round_rows(part),
        part.uuids,
    )


def _line(x: list[int], y: list[float], name: str, k: int, *, show_legend: bool) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        mode="lines+markers",
        name=name,
        legendgroup=name,
        showlegend=show_legend,
        line={"color": COLOURS[k % len(COLOURS)], "width": 1.8},
        marker={"size": 6},
        hovertemplate=f"{name}<br>%{{x}} labels: %{{y:.4g}}<extra></extra>",
    )


COLUMNS = (
    *("round", "labels", "members", "accurate below (eV/Å)", "uncertain (%)"),
    *("selected", "labelled"),
)


def round_rows(part: RoundsPart) -> list[tuple[Any, ...]]:
    """One row a round, as in :data:`COLUMNS`."""
    rows = []
    for row in part.rows:
        share = row.get("uncertain")
        rows.append(
            (
                *(row["round"], row["labels"], row.get("members")),
                show(row.get("accurate_below"), 3),
                None if share is None else show(100 * share, 3),
                *(row.get("selected"), row.get("labelled")),
            )
        )
    return rows

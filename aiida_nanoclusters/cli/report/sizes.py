"""Pictures of a size scan: binding energies, second differences, and which sizes are magic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from aiida_nanoclusters.cli.report.content import Ints, ScanPart
from aiida_nanoclusters.cli.report.figures import (
    COLOURS,
    MUTED,
    REFERENCE,
    Picture,
    picture,
    style,
)
from aiida_nanoclusters.science.words import counted

#: Sizes farther apart than this begin a panel of their own; more panels than this are drawn as one.
_GAP, _MOST_PANELS = 20, 4
#: Marks of the two sequences: colour, plotly's symbol, words.
_SEQUENCES = (
    ("electronic", COLOURS[3], "diamond-open", "electronic shell closing"),
    ("geometric", COLOURS[2], "hexagon2-open", "closed icosahedral shell"),
)


def binding_energies(scan: ScanPart) -> Picture:
    """Binding energy per atom against the number of atoms (equation 2)."""
    figure, panels = _panels(scan.sizes)
    for column, (low, high) in enumerate(panels, start=1):
        own = (scan.sizes >= low) & (scan.sizes <= high)
        figure.add_trace(
            go.Scatter(
                x=scan.sizes[own],
                y=scan.binding_energies[own],
                mode="lines+markers",
                line={"color": COLOURS[0], "width": 1.5},
                marker={"size": 5},
                showlegend=False,
                hovertemplate="N = %{x}<br>%{y:.4f} eV/atom<extra></extra>",
            ),
            row=1,
            col=column,
        )
        _mark(figure, column, scan, scan.sizes[own], scan.binding_energies[own])
    figure.update_yaxes(title_text="Binding energy (eV/atom)", row=1, col=1)
    by_size = {s.size: s for s in scan.structures}
    rows = [
        (int(n), e, b, *_words(by_size.get(int(n))))
        for n, e, b in zip(scan.sizes, scan.energies, scan.binding_energies, strict=True)
    ]
    return picture(
        "binding-energies",
        "Binding energy per size",
        f"Binding energy per atom of the lowest structures of {counted(len(scan.sizes), 'size')}, "
        f"from {int(scan.sizes.min())} to {int(scan.sizes.max())} atoms.",
        style(figure),
        ("N", "energy (eV)", "binding energy (eV/atom)", "point group", "motif", "runs that agree"),
        rows,
        {name: scan.uuids[name] for name in ("energies", "table") if name in scan.uuids},
    )


def _words(structure: Any) -> tuple[str, str, str]:
    if structure is None:
        return ("", "", "")
    runs = "" if structure.runs is None else f" of {structure.runs}"
    hits = "" if structure.hits is None else f"{structure.hits}{runs}"
    return (structure.point_group, structure.motif, hits)


def second_differences(scan: ScanPart) -> Picture | None:
    """Second difference of the energy (equation 1), magic sizes and closings marked."""
    at, values, spreads = scan.difference_sizes, scan.differences, scan.spreads
    if not len(at):
        return None
    figure, panels = _panels(at)
    known = bool(np.isfinite(spreads).any())
    magic = {m.size for m in scan.magic}
    for column, (low, high) in enumerate(panels, start=1):
        own = (at >= low) & (at <= high)
        n, y = at[own], values[own]
        figure.add_hline(y=0, line={"color": MUTED, "width": 1}, row=1, col=column)
        figure.add_trace(
            go.Scatter(
                x=_broken(n)[0],
                y=_broken(n, y)[1],
                mode="lines+markers",
                line={"color": COLOURS[0], "width": 1.5},
                marker={"size": 5},
                error_y=_bars(_broken(n, spreads[own])[1]) if known else None,
                showlegend=False,
                hovertemplate="N = %{x}<br>%{y:.3f} eV<extra></extra>",
            ),
            row=1,
            col=column,
        )
        _mark(figure, column, scan, n, y)
        _name_magic(figure, column, magic, zip(n, y, spreads[own], strict=True))
    bars = np.nan_to_num(spreads)
    bottom, top = float(np.min(values - bars)), float(np.max(values + bars))
    room = 0.14 * (top - bottom or 1.0)
    figure.update_yaxes(range=[bottom - room, top + 1.4 * room])
    figure.update_yaxes(title_text="Δ<sub>2</sub>E (eV)", row=1, col=1)
    rows = [
        (int(n), v, s, "magic" if int(n) in magic else "", scan.kind(int(n)))
        for n, v, s in zip(at, values, spreads, strict=True)
    ]
    sizes = ", ".join(str(n) for n in sorted(magic)) or "none"
    return picture(
        "second-differences",
        "Second differences and magic sizes",
        f"Second difference of the energy of {counted(len(at), 'size')}; "
        f"those that stand out: {sizes}.",
        style(figure, 430),
        ("N", "second difference (eV)", "spread of the committee (eV)", "magic", "shell closing"),
        rows,
        {name: scan.uuids[name] for name in ("energies", "magic") if name in scan.uuids},
    )


def _name_magic(
    figure: go.Figure, column: int, magic: set[int], points: Iterable[tuple[Any, Any, Any]]
) -> None:
    """Write the magic sizes above their points: sizes, second differences and spreads (eV)."""
    for size, value, spread in points:
        if int(size) in magic:
            figure.add_annotation(
                x=int(size),
                y=float(value + (spread if np.isfinite(spread) else 0.0)),
                text=f"<b>{int(size)}</b>",
                showarrow=False,
                yshift=13,
                row=1,
                col=column,
                font={"color": REFERENCE},
            )


def _panels(sizes: Ints) -> tuple[go.Figure, list[tuple[int, int]]]:
    """One panel for each range of sizes, side by side on one scale where there are few."""
    ordered = np.sort(sizes)
    breaks = np.flatnonzero(np.diff(ordered) > _GAP) + 1
    parts = np.split(ordered, breaks)
    if len(parts) > _MOST_PANELS:
        parts = [ordered]
    ranges = [(int(p[0]), int(p[-1])) for p in parts]
    shares = [max(high - low + 2, 8) for low, high in ranges]
    floor = 0.16 * sum(shares)
    widths = [max(share, floor) for share in shares]
    figure = make_subplots(
        rows=1,
        cols=len(ranges),
        shared_yaxes=True,
        horizontal_spacing=0.02,
        column_widths=[w / sum(widths) for w in widths],
    )
    for column, (low, high) in enumerate(ranges, start=1):
        share = widths[column - 1] / sum(widths)
        step = next(d for d in (1, 2, 5, 10, 20, 50, 100, 1000) if (high - low) / d <= 20 * share)
        figure.update_xaxes(
            range=[low - 1.5, high + 1.5],
            tickformat="d",
            dtick=step,
            tickangle=0,
            row=1,
            col=column,
        )
    figure.add_annotation(
        text="Number of atoms",
        xref="paper",
        yref="paper",
        x=0.5,
        y=0,
        yshift=-30,
        yanchor="top",
        font={"size": 15},
        showarrow=False,
    )
    return figure, ranges


def _mark(figure: go.Figure, column: int, scan: ScanPart, n: Ints, y: Any) -> None:
    """Ring the sizes at which a shell closes."""
    for name, colour, symbol, words in _SEQUENCES:
        closed = np.isin(n, getattr(scan, name))
        seen = any(trace.legendgroup == name for trace in figure.data)
        if not closed.any():
            continue
        figure.add_trace(
            go.Scatter(
                x=n[closed],
                y=np.asarray(y)[closed],
                mode="markers",
                name=words,
                legendgroup=name,
                showlegend=not seen,
                marker={
                    "symbol": symbol,
                    "size": 14 if name == "geometric" else 11,
                    "color": colour,
                    "line": {"width": 2, "color": colour},
                },
                hovertemplate=f"N = %{{x}}: {words}<extra></extra>",
            ),
            row=1,
            col=column,
        )


def _broken(n: Ints, *columns: Any) -> tuple[list[Any], ...]:
    """Columns with an empty point wherever sizes are not consecutive, so that lines break."""
    breaks = np.flatnonzero(np.diff(n) > 1) + 1
    lists = [
        [None if isinstance(v, float) and not np.isfinite(v) else v for v in part.tolist()]
        for part in (np.asarray(n), *(np.asarray(c, float) for c in columns))
    ]
    for at in breaks[::-1]:
        for part in lists:
            part.insert(int(at), None)
    return tuple(lists)


def _bars(spreads: Sequence[float | None]) -> dict[str, Any]:
    return {
        "type": "data",
        "array": [s or 0.0 for s in spreads],
        "visible": True,
        "thickness": 1.2,
        "width": 3,
        "color": MUTED,
    }

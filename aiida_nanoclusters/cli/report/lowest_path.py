"""The lowest path between two families of a chart, on the free energy it lies on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from aiida_nanoclusters.cli.report.chart_content import ChartPart, FreeEnergyPart
from aiida_nanoclusters.cli.report.figures import MUTED, Picture, picture, style
from aiida_nanoclusters.cli.report.palette import translucent
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.charts.transitions import running_mean

#: Cells over which the steps of the grid are smoothed where the path is drawn.
_SMOOTHED = 5


def path_picture(part: ChartPart) -> Picture | None:
    """Free energy along the lowest path, and the surface it lies on, seen from one side."""
    own = part.free_energy
    if own is None:
        return None
    there = keys.PATH_COORDINATES in own.arrays
    figure = make_subplots(
        rows=1, cols=2 if there else 1, horizontal_spacing=0.14,
        column_widths=[0.52, 0.48] if there else [1.0],
    )  # fmt: skip
    _surface(figure, own)
    if there:
        _profile(figure, part, _along(own))
    figure = style(figure, 440)
    figure.update_layout(showlegend=False)
    names = f"{own.origin} and {own.target}"
    return picture(
        "free-energy",
        f"Free energy at {own.temperature:.0f} K",
        f"Free energy over the chart at {own.temperature:.0f} K"
        + (f", and along the lowest path between {names}." if there else "."),
        figure,
        *_table(part, own),
        {"free energy": own.uuid},
    )


def _table(part: ChartPart, own: FreeEnergyPart) -> tuple[tuple[str, ...], list[Any]]:
    """Columns and rows: the path, or where there is none the lowest cells."""
    unit = ("free energy (meV)", "error (meV)")
    if keys.PATH_COORDINATES in own.arrays:
        return ("length of the path", *unit, "family"), [
            (float(a), 1000 * float(f), 1000 * float(e), part.families[int(k)].label)
            for a, f, e, k in zip(*_along(own), strict=True)
        ]
    cells, values = own.arrays[keys.CELL_COORDINATES], own.arrays[keys.FREE_ENERGIES]
    order, errors = np.argsort(values, kind="stable"), own.arrays[keys.FREE_ENERGY_ERRORS]
    return (*(f"coordinate {k + 1}" for k in range(len(cells))), *unit), [
        (*map(float, cells[:, k]), 1000 * float(values[k]), 1000 * float(errors[k])) for k in order
    ]


def _along(own: FreeEnergyPart) -> tuple[Any, Any, Any, Any]:
    places = own.arrays[keys.PATH_COORDINATES]
    steps = np.linalg.norm(np.diff(places, axis=1), axis=0)
    return (
        np.concatenate([[0.0], np.cumsum(steps)]),
        own.arrays[keys.PATH_FREE_ENERGIES],
        own.arrays[keys.PATH_FREE_ENERGY_ERRORS],
        own.arrays[keys.PATH_FAMILIES],
    )


def _profile(figure: go.Figure, part: ChartPart, along: tuple[Any, Any, Any, Any]) -> None:
    length, values, errors, families = along
    low, high = 1000 * (values - errors), 1000 * (values + errors)
    finite = np.isfinite(errors)
    figure.add_trace(
        go.Scatter(
            x=np.concatenate([length[finite], length[finite][::-1]]),
            y=np.concatenate([high[finite], low[finite][::-1]]), fill="toself", hoverinfo="skip",
            fillcolor=translucent(MUTED, 0.25), line={"width": 0},
        ),
        row=1, col=2,
    )  # fmt: skip
    colours = [part.colours[int(k)] for k in families]
    labels = [part.families[int(k)].label for k in families]
    figure.add_trace(
        go.Scatter(
            x=length, y=1000 * values, mode="lines+markers", line={"color": MUTED, "width": 1.2},
            marker={"size": 8, "color": colours},
            customdata=list(zip(labels, 1000 * errors, strict=True)),
            hovertemplate="%{customdata[0]}<br>%{y:.0f} ± %{customdata[1]:.0f} meV<extra></extra>",
        ),
        row=1, col=2,
    )  # fmt: skip
    figure.update_xaxes(title_text="Length of the path in the chart", row=1, col=2)
    figure.update_yaxes(title_text="Free energy (meV)", row=1, col=2)


def _surface(figure: go.Figure, own: FreeEnergyPart) -> None:
    """The surface over the first two coordinates, the others integrated out."""
    from ase.units import kB

    there = keys.PATH_COORDINATES in own.arrays
    cells, thermal = own.arrays[keys.CELL_COORDINATES], kB * own.temperature
    axes = [np.unique(np.round(row, 9)) for row in cells[:2]]
    if len(axes) < 2:
        figure.add_trace(
            go.Scatter(x=cells[0], y=1000 * own.arrays[keys.FREE_ENERGIES], mode="lines"),
            row=1, col=1,
        )  # fmt: skip
        return
    where = [
        np.searchsorted(axis, np.round(row, 9)) for axis, row in zip(axes, cells[:2], strict=True)
    ]
    density = np.zeros((len(axes[1]), len(axes[0])))
    np.add.at(density, (where[1], where[0]), np.exp(-own.arrays[keys.FREE_ENERGIES] / thermal))
    with np.errstate(divide="ignore"):
        values = -thermal * np.log(density)
    values = 1000 * (values - values[np.isfinite(values)].min())
    figure.add_trace(
        go.Contour(
            x=axes[0], y=axes[1], z=np.where(np.isfinite(values), values, None),
            colorscale="Viridis", contours={"coloring": "heatmap"}, ncontours=14,
            line={"width": 0.5, "color": "rgba(255,255,255,0.5)"},
            colorbar={"title": {"text": "meV"}, "thickness": 12, "x": 0.455 if there else 1.0},
            hovertemplate="%{x:.2f}, %{y:.2f}: %{z:.0f} meV<extra></extra>",
        ),
        row=1, col=1,
    )  # fmt: skip
    if there:
        path = running_mean(own.arrays[keys.PATH_COORDINATES].T, _SMOOTHED).T
        figure.add_trace(
            go.Scatter(
                x=path[0], y=path[1], mode="lines", hoverinfo="skip",
                line={"color": "#ffffff", "width": 3},
            ),
            row=1, col=1,
        )  # fmt: skip
        figure.add_trace(
            go.Scatter(
                x=path[0, [0, -1]], y=path[1, [0, -1]], mode="markers+text", hoverinfo="skip",
                text=[own.origin.split(" ·")[0], own.target.split(" ·")[0]],
                textposition="top center",
                textfont={"color": "#ffffff", "size": 14},
                marker={"size": 9, "color": "#ffffff", "line": {"color": "#1b1e23", "width": 1.5}},
            ),
            row=1, col=1,
        )  # fmt: skip
    figure.update_xaxes(title_text="Coordinate 1", row=1, col=1)
    figure.update_yaxes(title_text="Coordinate 2", row=1, col=1)


def path_caption(part: ChartPart) -> str:
    """What the picture shows."""
    text = "Free energy over the first two coordinates, the third integrated out"
    if part.free_energy is None or keys.PATH_COORDINATES not in part.free_energy.arrays:
        return f"{text}."
    return (
        f"First panel: {text[0].lower()}{text[1:]}, with the path (white). Second: free energy "
        "along the path, with its standard error; points have the colour of the family. The path "
        "has the lowest highest point of all between the two families, and among those the "
        "greatest flux."
    )


def path_words(part: ChartPart) -> str:
    """What the lowest path says, or why there is none."""
    own = part.free_energy
    if own is None:
        return ""
    answer = own.answer
    start = f"At {own.temperature:.0f} K, between {own.origin} and {own.target}: "
    if not answer.get("connected"):
        return start + f"no path, because {answer.get('reason', 'none was found')}."

    def energy(value: float, error: float | None) -> str:
        spread = "of unknown error" if error is None else f"± {1000 * error:.0f}"
        return f"{1000 * value:.0f} {spread} meV"

    numbers: Sequence[int] = answer["families_on_path"]
    return (
        f"{start}{energy(answer['barrier'], answer['barrier_error'])} from the first to the "
        "highest point of the lowest path, "
        f"{energy(answer['barrier_back'], answer['barrier_back_error'])} from the other side. It "
        f"goes through {' → '.join(part.families[k].label for k in numbers)}. The free energy is "
        "that of places in the chart, of relaxed frames: no rate follows from it alone."
    )

"""Pictures of populations against temperature, by families of a chart and by common neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from aiida_nanoclusters.cli.report.chart_content import ChartPart, PopulationPart
from aiida_nanoclusters.cli.report.figures import MUTED, Picture, picture, show, style
from aiida_nanoclusters.cli.report.palette import NONE, PACKINGS, translucent
from aiida_nanoclusters.science import keys

#: Largest share below which a family is drawn as one of the rest, and most families that are not.
_RARE, _MOST_FAMILIES = 0.02, 14
#: One class of a panel: legend, colour, shares, errors, frames at the ladder.
_Band = tuple[str, str, Any, Any, Any]


def population_pictures(part: ChartPart) -> list[tuple[Picture, str]]:
    """Return the pictures of each composition with their captions."""
    found = []
    for k, own in enumerate(part.populations, start=1):
        bands = (_family_bands(part, own), _packing_bands(own))
        found += [
            (
                _stacked(own, bands, k),
                "Share of each class in equilibrium, by reweighting of all temperatures together; "
                "first by families of the chart, then by common neighbours. Families that never "
                f"reach {100 * _RARE:.0f} %, and all but the {_MOST_FAMILIES} most frequent ones, "
                "are drawn together. Colours are those of the chart.",
            ),
            (
                _lines(own, bands, k),
                "The same shares with their standard errors, from blocks of time. Dots are the "
                "frames as they were sampled at each temperature, counted and not reweighted.",
            ),
        ]
    return found


def _family_bands(part: ChartPart, own: PopulationPart) -> list[_Band]:
    arrays, colours = own.arrays, part.colours
    shares, errors = arrays[keys.POPULATIONS], arrays[keys.POPULATION_ERRORS]
    frames = arrays[keys.FAMILY_FRAMES]
    largest = shares.max(axis=1)
    first = np.argsort(-largest, kind="stable")[:_MOST_FAMILIES]
    common = np.sort(first[largest[first] >= _RARE])
    order = sorted(
        common,
        key=lambda k: (
            list(PACKINGS).index(part.families[k].packing)
            if part.families[k].packing in PACKINGS
            else 9,
            k,
        ),
    )
    bands: list[_Band] = [
        (part.families[k].label, colours[k], shares[k], errors[k], frames[k]) for k in order
    ]
    rest = np.setdiff1d(np.arange(len(shares)), common)
    if len(rest):
        name = f"{len(rest)} other famil{'ies' if len(rest) > 1 else 'y'}"
        total = shares[rest].sum(axis=0)
        # An upper limit: errors of parts of one whole.
        spread = np.sqrt((errors[rest] ** 2).sum(axis=0))
        bands.append((name, NONE, total, spread, frames[rest].sum(axis=0)))
    return bands


def _packing_bands(own: PopulationPart) -> list[_Band]:
    arrays = own.arrays
    columns = zip(
        own.packings,
        arrays[keys.PACKING_POPULATIONS],
        arrays[keys.PACKING_POPULATION_ERRORS],
        arrays[keys.PACKING_FRAMES],
        strict=True,
    )
    return [
        (name, PACKINGS.get(name, NONE), shares, errors, frames)
        for name, shares, errors, frames in columns
        if shares.max() > 0.001 or frames.any()
    ]


def _panels() -> go.Figure:
    figure = make_subplots(
        rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.05,
        subplot_titles=("Families of the chart", "Common neighbours"),
    )  # fmt: skip
    figure.update_xaxes(title_text="Temperature (K)")
    figure.update_yaxes(range=[0, 1], tickformat=".0%")
    figure.update_yaxes(title_text="Population", row=1, col=1)
    return figure


def _stacked(own: PopulationPart, bands: tuple[list[_Band], list[_Band]], number: int) -> Picture:
    figure, grid = _panels(), own.arrays[keys.TEMPERATURES]
    for column, members in enumerate(bands, start=1):
        for name, colour, shares, errors, _ in members:
            figure.add_trace(
                go.Scatter(
                    x=grid, y=shares, name=name, mode="lines", stackgroup=f"all {column}",
                    line={"width": 0.6, "color": "rgba(255,255,255,0.75)"},
                    fillcolor=translucent(colour, 0.92), customdata=errors,
                    legend="legend" if column == 1 else "legend2",
                    hovertemplate=f"{name}<br>%{{x:.0f}} K: %{{y:.1%}} ± %{{customdata:.1%}}"
                    "<extra></extra>",
                ),
                row=1, col=column,
            )  # fmt: skip
    figure.update_xaxes(range=[float(grid[0]), float(grid[-1])])
    return _picture(own, _legends(style(figure, 560), bands), number, "populations", bands)


def _lines(own: PopulationPart, bands: tuple[list[_Band], list[_Band]], number: int) -> Picture:
    figure = _panels()
    grid, ladder = own.arrays[keys.TEMPERATURES], own.arrays[keys.LADDER]
    total = own.arrays[keys.FAMILY_FRAMES].sum(axis=0) + own.arrays[keys.FRAMES_WITHOUT_MINIMUM]
    for column, members in enumerate(bands, start=1):
        for name, colour, shares, errors, frames in members:
            legend = "legend" if column == 1 else "legend2"
            both = {"legendgroup": f"{name} {column}", "legend": legend}
            figure.add_trace(
                go.Scatter(
                    x=np.concatenate([grid, grid[::-1]]),
                    y=np.clip(np.concatenate([shares + errors, (shares - errors)[::-1]]), 0, 1),
                    fill="toself", fillcolor=translucent(colour, 0.22), line={"width": 0},
                    hoverinfo="skip", showlegend=False, **both,
                ),
                row=1, col=column,
            )  # fmt: skip
            figure.add_trace(
                go.Scatter(
                    x=grid, y=shares, name=name, mode="lines", line={"color": colour, "width": 2},
                    customdata=errors, hovertemplate=f"{name}<br>%{{x:.0f}} K: %{{y:.1%}} ± "
                    "%{customdata:.1%}<extra></extra>", **both,
                ),
                row=1, col=column,
            )  # fmt: skip
            with np.errstate(invalid="ignore"):
                counted = frames / np.where(total, total, np.nan)
            figure.add_trace(
                go.Scatter(
                    x=ladder, y=counted, mode="markers", showlegend=False, customdata=frames,
                    marker={"size": 5, "color": colour, "line": {"width": 0.8, "color": MUTED}},
                    hovertemplate=f"{name}<br>%{{x:.0f}} K: %{{customdata}} frames, %{{y:.1%}}"
                    "<extra></extra>", **both,
                ),
                row=1, col=column,
            )  # fmt: skip
    return _picture(own, _legends(style(figure, 560), bands), number, "shares", bands)


def _legends(figure: go.Figure, bands: tuple[list[_Band], list[_Band]]) -> go.Figure:
    """A legend below each panel, tall enough for its entries."""
    rows = max(map(len, bands))
    below = 24 * rows + 70
    figure.update_layout(
        height=380 + below, margin={"b": below, "t": 36},
        **{
            name: {
                "orientation": "v", "x": x, "xanchor": "left", "y": -70 / 344, "yanchor": "top",
                "traceorder": "normal", "font": {"size": 12},
            }
            for name, x in (("legend", 0.0), ("legend2", 0.53))
        },
    )  # fmt: skip
    return figure


def _picture(
    own: PopulationPart,
    figure: go.Figure,
    number: int,
    kind: str,
    bands: tuple[Sequence[_Band], Sequence[_Band]],
) -> Picture:
    grid = own.arrays[keys.TEMPERATURES]
    members = [*bands[0], *bands[1]]
    title = "Populations" if kind == "populations" else "Populations with errors"
    return picture(
        f"{kind}-{number}",
        f"{title} of {own.composition} against temperature",
        f"Share of structures of {own.composition} from {grid[0]:.0f} to {grid[-1]:.0f} K, by "
        f"{len(bands[0])} classes of the chart and {len(bands[1])} of common neighbours.",
        figure,
        ("temperature (K)", *(f"{name} (%)" for name, *_ in members)),
        [
            (
                float(t),
                *(
                    f"{show(100 * float(s[k]), 3)} ± {show(100 * float(e[k]), 2)}"
                    for _, _, s, e, _ in members
                ),
            )
            for k, t in enumerate(grid)
        ],
        {"populations": own.uuid},
    )

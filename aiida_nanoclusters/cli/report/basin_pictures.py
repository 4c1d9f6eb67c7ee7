"""Basins of metadynamics in a report: the path between the two lowest, their difference in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from aiida_nanoclusters.cli.report.figures import COLOURS, MUTED, Picture, picture, style
from aiida_nanoclusters.cli.report.palette import translucent
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.sampling.metadynamics_basins import in_words
from aiida_nanoclusters.science.units import KCAL_PER_MOL_PER_EV

Floats = NDArray[np.float64]

#: Arrays of a free energy that are of its basins.
ARRAYS = (
    *(keys.PATH_VARIABLES, keys.PATH_FREE_ENERGIES, keys.PATH_FREE_ENERGY_ERRORS),
    *(keys.DIFFERENCE_TIMES, keys.BASIN_DIFFERENCES, keys.BASIN_DIFFERENCE_ERRORS),
    keys.BASIN_DIFFERENCES_BY_HILLS,
)
#: Basins that are marked in a picture.
_MOST_MARKED = 8


@dataclass(frozen=True)
class BasinsPart:
    """Basins of a free energy.

    Attributes
    ----------
    names, widths
        Of the D variables and of the hills along them.
    answer
        As the work chain has it; empty where an earlier version made none.
    arrays
        Those of :data:`ARRAYS` that there are.
    uuids
        Of ``free_energy`` and ``answer``.
    """

    names: tuple[str, ...] = ()
    widths: tuple[float, ...] = ()
    answer: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Floats] = field(default_factory=dict)
    uuids: Mapping[str, str] = field(default_factory=dict)

    @property
    def sentences(self) -> list[str]:
        """What they say, the judgement first."""
        return in_words(self.answer) if self.answer else []

    @property
    def columns(self) -> tuple[str, ...]:
        """Heads of :meth:`rows`."""
        return (
            "basin", *self.names, "lowest cell (eV)", "whole basin above A (eV)", "error (eV)",
            "whole basin above A (kcal/mol)", "depth (eV)",
        )  # fmt: skip

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """One for each basin."""
        return [
            (
                own["name"], *(own["place"][name] for name in self.names), own["lowest"],
                own["free_energy"], own["error"], _kcal(own["free_energy"]), own["depth"],
            )
            for own in self.answer.get("basins", ())
        ]  # fmt: skip


def mark_basins(
    figure: go.Figure, part: BasinsPart, pair: tuple[int, int], row: int, zoom: float
) -> None:
    """Draw path and names of basins over the surface of two variables.

    Parameters
    ----------
    figure
        With one surface in each row.
    part
        The basins.
    pair
        The two variables.
    row
        Of the surface, from 1.
    zoom
        Basins higher than this, eV, are left out.
    """
    if keys.PATH_VARIABLES in part.arrays:
        path = part.arrays[keys.PATH_VARIABLES]
        for colour, width in (("#1b1e23", 5), ("#ffffff", 2.5)):
            figure.add_trace(
                go.Scatter(
                    x=path[:, pair[0]], y=path[:, pair[1]], mode="lines", hoverinfo="skip",
                    line={"color": colour, "width": width}, showlegend=False,
                ),
                row=row, col=1,
            )  # fmt: skip
    marked = _marked(part, zoom)
    if marked:
        figure.add_trace(
            go.Scatter(
                x=[own["place"][part.names[pair[0]]] for own in marked],
                y=[own["place"][part.names[pair[1]]] for own in marked],
                mode="markers+text", text=[own["name"] for own in marked], showlegend=False,
                hoverinfo="skip", textposition="middle center",
                textfont={"color": "#1b1e23", "size": 13},
                marker={"size": 22, "color": "#ffffff", "line": {"color": "#1b1e23", "width": 1.5}},
            ),
            row=row, col=1,
        )  # fmt: skip


def name_basins(figure: go.Figure, part: BasinsPart, zoom: float) -> None:
    """Write the names of basins below a curve along one variable."""
    for own in _marked(part, zoom):
        figure.add_annotation(
            x=own["place"][part.names[0]], y=own["lowest"], text=f"<b>{own['name']}</b>",
            showarrow=True, arrowhead=0, arrowwidth=1, arrowcolor=MUTED, ax=0, ay=-26,
        )  # fmt: skip


def _marked(part: BasinsPart, zoom: float) -> list[Mapping[str, Any]]:
    return [own for own in part.answer.get("basins", ()) if own["lowest"] <= zoom][:_MOST_MARKED]


def path_profile(part: BasinsPart) -> Picture | None:
    """Free energy along the lowest path; None without one, and along a single variable."""
    if keys.PATH_VARIABLES not in part.arrays or len(part.names) < 2:
        return None
    path, values, errors = (
        part.arrays[key]
        for key in (keys.PATH_VARIABLES, keys.PATH_FREE_ENERGIES, keys.PATH_FREE_ENERGY_ERRORS)
    )
    steps = np.linalg.norm(np.diff(path / np.array(part.widths), axis=0), axis=1)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    figure = go.Figure()
    _band(figure, length, values, errors)
    words = [", ".join(f"{n} {x:.3g}" for n, x in zip(part.names, p, strict=True)) for p in path]
    figure.add_trace(
        go.Scatter(
            x=length, y=values, mode="lines", showlegend=False,
            line={"color": COLOURS[0], "width": 2.2},
            customdata=list(zip(words, errors, _kcal(values), strict=True)),
            hovertemplate="%{customdata[0]}<br>%{y:.3f} ± %{customdata[1]:.3f} eV "
            "(%{customdata[2]:.2f} kcal/mol)<extra></extra>",
        )
    )  # fmt: skip
    for name, place in (("A", 0), ("B", -1)):
        figure.add_annotation(
            x=length[place], y=values[place], text=f"<b>{name}</b>", showarrow=False, yshift=-14
        )
    figure.update_xaxes(title_text="Length of the path (widths of a hill)")
    figure.update_yaxes(title_text="Free energy (eV)")
    return picture(
        "path",
        "Lowest path from A to B",
        f"Free energy along the lowest path from basin A to B, in eV above the lowest cell of A, "
        f"over {' and '.join(part.names)}.",
        style(figure, 380),
        (*part.names, "free energy (eV)", "standard error (eV)", "free energy (kcal/mol)"),
        [
            (*map(float, place), float(value), float(error), float(_kcal(value)))
            for place, value, error in zip(path, values, errors, strict=True)
        ],
        {"free energy": part.uuids["free_energy"]},
    )


def difference_in_time(part: BasinsPart) -> Picture | None:
    """How far B is above A, by both estimates, as the runs went on."""
    if keys.DIFFERENCE_TIMES not in part.arrays:
        return None
    times, values, errors = (
        part.arrays[key]
        for key in (keys.DIFFERENCE_TIMES, keys.BASIN_DIFFERENCES, keys.BASIN_DIFFERENCE_ERRORS)
    )
    columns: dict[str, Floats] = {"time (ps)": times, "samples, reweighted (eV)": values}
    columns["standard error (eV)"] = errors
    figure = go.Figure()
    _band(figure, times, values, errors)
    there = np.isfinite(values)
    figure.add_trace(
        go.Scatter(
            x=times[there], y=values[there], name="samples, reweighted", mode="lines+markers",
            line={"color": COLOURS[0], "width": 2.2}, customdata=errors[there],
            hovertemplate="%{x:.4g} ps: %{y:.3f} ± %{customdata:.3f} eV<extra></extra>",
        )
    )  # fmt: skip
    if keys.BASIN_DIFFERENCES_BY_HILLS in part.arrays:
        by_hills = columns["sum of hills (eV)"] = part.arrays[keys.BASIN_DIFFERENCES_BY_HILLS]
        figure.add_trace(
            go.Scatter(
                x=times, y=by_hills, name="sum of hills", mode="lines+markers",
                line={"color": MUTED, "dash": "dash"}, marker={"size": 4},
                hovertemplate="%{x:.4g} ps: %{y:.3f} eV<extra></extra>",
            )
        )  # fmt: skip
    columns["samples, reweighted (kcal/mol)"] = _kcal(values)
    figure.update_xaxes(title_text="Time (ps)")
    figure.update_yaxes(title_text="B above A (eV)")
    return picture(
        "difference",
        "Free energy of B above A as the runs went on",
        "Free energy of the whole basin B above that of A, in eV against time, from the samples "
        "and from the hills until then.",
        style(figure, 380),
        tuple(columns),
        [tuple(map(float, row)) for row in zip(*columns.values(), strict=True)],
        {"free energy": part.uuids["free_energy"]},
    )


def _band(figure: go.Figure, x: Floats, values: Floats, errors: Floats) -> None:
    known = np.isfinite(values) & np.isfinite(errors)
    low, high = (values - errors)[known], (values + errors)[known]
    figure.add_trace(
        go.Scatter(
            x=np.concatenate([x[known], x[known][::-1]]), y=np.concatenate([high, low[::-1]]),
            fill="toself", fillcolor=translucent(COLOURS[0], 0.25), line={"width": 0},
            hoverinfo="skip", showlegend=False,
        )
    )  # fmt: skip


def _kcal(energy: Any) -> Any:
    return None if energy is None else KCAL_PER_MOL_PER_EV * energy


def collect_basins(
    names: Sequence[str], widths: Sequence[float], surface: Any, answer: Any
) -> BasinsPart:
    """Read what the nodes of a free energy and of its answer, perhaps None, say of basins."""
    there = surface.get_arraynames()
    uuids = {"free_energy": surface.uuid}
    return BasinsPart(
        tuple(names),
        tuple(widths),
        {} if answer is None else answer.get_dict(),
        {key: surface.get_array(key) for key in ARRAYS if key in there},
        uuids if answer is None else {**uuids, "answer": answer.uuid},
    )

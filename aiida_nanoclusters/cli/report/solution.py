"""A solution in a report: distances and angles beside published ones, and the solvent in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from aiida_nanoclusters.cli.report.content import RoundsPart
from aiida_nanoclusters.cli.report.figures import COLOURS, MUTED, Picture, picture, show, style
from aiida_nanoclusters.cli.report.palette import translucent
from aiida_nanoclusters.science import keys

Floats = NDArray[np.float64]

#: Columns of a row of pictures.
_COLUMNS = 3
#: Share of frames on which a committee disagrees from which its potential is doubted, and the least
#: share of a state that is told.
_DOUBTFUL, _LEAST_SHARE = 0.2, 1e-3


@dataclass(frozen=True)
class Curve:
    """Distribution of a distance or angle: its unit, grid, density and standard error, (G,)."""

    name: str
    unit: str
    grid: Floats
    density: Floats
    error: Floats


@dataclass(frozen=True)
class SolutionPart:
    """Structure and solvent in the frames of one run.

    Attributes
    ----------
    run
        Name of the run.
    curves
        Distributions.
    times, counts
        ps, and solvent atoms within the radius, (F,).
    report
        Maxima, shares of states and the number of frames.
    uuids
        Of the nodes, by name.
    """

    run: str
    curves: tuple[Curve, ...]
    times: Floats
    counts: Floats
    report: Mapping[str, Any]
    uuids: Mapping[str, str]


def collect_solutions(nodes: Mapping[str, Any]) -> tuple[SolutionPart, ...]:
    """Read the measurements of each run from the outputs of a NucleateWorkChain."""
    found = []
    for name in sorted(n for n in nodes if n.startswith("structure.")):
        run = name.partition(".")[2]
        arrays, report = nodes[name], nodes.get(f"structure_report.{run}")
        if report is None:
            continue
        rows = report.get_dict()
        of_curve = arrays.get_array(keys.DISTRIBUTION_NUMBERS)
        columns = [
            arrays.get_array(key)
            for key in (
                keys.DISTRIBUTION_VALUES,
                keys.DISTRIBUTION_DENSITIES,
                keys.DISTRIBUTION_ERRORS,
            )
        ]
        curves = [
            Curve(row["name"], row["unit"], *(column[of_curve == number] for column in columns))
            for number, row in enumerate(rows["distributions"])
        ]
        found.append(
            SolutionPart(
                run=run,
                curves=tuple(curves),
                times=arrays.get_array(keys.TIMES),
                counts=arrays.get_array(keys.SOLVENT_COUNTS),
                report=rows,
                uuids={"structure": arrays.uuid, "report": report.uuid},
            )
        )
    return tuple(found)


def solution_words(part: SolutionPart) -> str:
    """Sentences on the frames, and on the shares of the states."""
    shares = [
        f"{name} {_percent(own['share'], own['error'])}"
        for name, own in part.report["states"].items()
    ]
    return (
        f"From {part.report['frames']} frames, reweighted by the bias that acted on each. States "
        f"by the number of solvent atoms about the point of nucleation: {', '.join(shares)}."
    )


def maxima_rows(part: SolutionPart) -> list[tuple[Any, ...]]:
    """One row a maximum, ours beside the published one."""
    rows = []
    for row in part.report["maxima"]:
        own = "none" if row["maximum"] is None else _with_error(row["maximum"], row["error"])
        published = "none" if row["published"] is None else show(row["published"], 4)
        rows.append((row["name"], row["unit"], own, published, row["verdict"]))
    return rows


MAXIMA = ("atoms", "unit", "maximum", "published", "published beside crystals")


def distributions_picture(part: SolutionPart) -> Picture | None:
    """Distributions with error bands; dashed lines are published maxima."""
    curves = [curve for curve in part.curves if np.isfinite(curve.density).all()]
    if not curves:
        return None
    lines = -(-len(curves) // _COLUMNS)
    figure = make_subplots(
        rows=lines, cols=_COLUMNS,
        subplot_titles=[f"{curve.name} ({curve.unit})" for curve in curves],
        horizontal_spacing=0.08, vertical_spacing=0.3 / lines,
    )  # fmt: skip
    for number, curve in enumerate(curves):
        place = {"row": number // _COLUMNS + 1, "col": number % _COLUMNS + 1}
        for trace in _traces(curve):
            figure.add_trace(trace, **place)
        for row in part.report["maxima"]:
            if row["name"] == curve.name and row["published"] is not None:
                figure.add_vline(
                    x=row["published"], line={"color": MUTED, "dash": "dash", "width": 1.5}, **place
                )
        seen = curve.grid[curve.density > 1e-3 * curve.density.max()]
        figure.update_xaxes(range=[float(seen.min()), float(seen.max())], **place)
        figure.update_yaxes(showticklabels=False, rangemode="tozero", **place)
    figure.update_layout(showlegend=False)
    return picture(
        f"distributions-{part.run}",
        "Distances and angles",
        f"Distributions of {', '.join(curve.name for curve in curves)} with standard errors, "
        "published maxima as dashed lines.",
        style(figure, 240 * lines + 60),
        ("atoms", "unit", "value", "density", "standard error"),
        [
            (curve.name, curve.unit, float(x), float(y), float(e))
            for curve in curves
            for x, y, e in zip(*_thinned(curve), strict=True)
        ],
        {"structure": part.uuids["structure"]},
    )


def _thinned(curve: Curve) -> tuple[Floats, Floats, Floats]:
    """Return every tenth point, which is one a bandwidth."""
    return curve.grid[::10], curve.density[::10], curve.error[::10]


def _traces(curve: Curve) -> Sequence[go.Scatter]:
    x, y = curve.grid, curve.density
    error = np.where(np.isfinite(curve.error), curve.error, 0.0)
    return (
        go.Scatter(
            x=np.concatenate([x, x[::-1]]), y=np.concatenate([y + error, (y - error)[::-1]]),
            fill="toself", fillcolor=translucent(COLOURS[0], 0.25), line={"width": 0},
            hoverinfo="skip",
        ),
        go.Scatter(
            x=x, y=y, mode="lines", line={"color": COLOURS[0], "width": 2},
            hovertemplate=f"{curve.name} %{{x:.3g}}<extra></extra>",
        ),
    )  # fmt: skip


def solvent_picture(part: SolutionPart) -> Picture:
    """Solvent atoms about the point of nucleation against time."""
    figure = go.Figure(
        go.Scatter(
            x=part.times, y=part.counts, mode="lines", line={"color": COLOURS[1], "width": 1.2},
            hovertemplate="%{x:.3g} ps: %{y}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(title_text="Time (ps)")
    figure.update_yaxes(title_text="Solvent atoms", rangemode="tozero")
    return picture(
        f"solvent-{part.run}",
        "Solvent about the point of nucleation",
        f"Number of solvent atoms about the point of nucleation in {len(part.times)} frames.",
        style(figure, 280),
        ("time (ps)", "solvent atoms"),
        [(float(t), int(n)) for t, n in zip(part.times, part.counts, strict=True)],
        {"structure": part.uuids["structure"]},
    )


def doubt(rounds: RoundsPart | None) -> str:
    """Return what speaks against the potential of the dynamics; empty where nothing does."""
    known = [row for row in rounds.rows if row.get("uncertain") is not None] if rounds else []
    if not known or known[-1]["uncertain"] < _DOUBTFUL:
        return ""
    return (
        f"The committee disagreed on {100 * known[-1]['uncertain']:.0f} % of the frames that it "
        f"explored last (force deviation above {known[-1]['accurate_below']:g} eV/Å): the "
        "potential is not yet that of the reference, and neither the free energy nor the structure "
        "is."
    )


def _percent(share: float, error: float | None) -> str:
    if share < _LEAST_SHARE:
        return f"below {100 * _LEAST_SHARE:g} %"
    return f"{_with_error(100 * share, error, 100)} %"


def _with_error(value: float, error: float | None, factor: float = 1.0) -> str:
    return show(value, 3) if error is None else f"{show(value, 3)} ± {show(factor * error, 2)}"

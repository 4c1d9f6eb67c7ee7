"""Metadynamics in a report: the free energy along its variables, and the runs in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import plotly.graph_objects as go
from ase.units import kB
from numpy.typing import NDArray
from plotly.subplots import make_subplots
from scipy.special import logsumexp

from aiida_nanoclusters.cli.report.basin_pictures import (
    BasinsPart,
    collect_basins,
    mark_basins,
    name_basins,
)
from aiida_nanoclusters.cli.report.figures import COLOURS, MUTED, Picture, picture, show, style
from aiida_nanoclusters.cli.report.palette import translucent
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.sampling.basin_difference import STILL_GROWING
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings
from aiida_nanoclusters.science.units import KCAL_PER_MOL_PER_EV, MEV_PER_EV

Floats = NDArray[np.float64]

#: Values of a variable that are drawn of each run.
_MOST_VALUES = 2000
#: Free energies are compared and drawn up to here, in k T: above, hardly anything is sampled.
_HIGHEST = 12.0


@dataclass(frozen=True)
class MetadynamicsPart:
    """Runs of metadynamics and the free energy from them.

    Attributes
    ----------
    settings
        Of the runs.
    names
        Of the D variables.
    edges
        Of the cells along each variable, (D, C + 1).
    energies, errors, by_hills
        eV, (C, ...): from the samples with their standard errors, and from the sum of hills, None
        where there are no hills.
    series
        Of each run times (ps) and variables: (S,) and (S, D).
    report
        As the work chain has it.
    uuids
        Of the nodes, by name.
    basins
        Of the free energy; none of earlier versions.
    """

    settings: MetadynamicsSettings
    names: tuple[str, ...]
    edges: Floats
    energies: Floats
    errors: Floats
    by_hills: Floats | None
    series: Mapping[str, tuple[Floats, Floats]]
    report: Mapping[str, Any]
    uuids: Mapping[str, str]
    basins: BasinsPart = field(default_factory=BasinsPart)

    @property
    def centres(self) -> Floats:
        """Of the cells along each variable, (D, C)."""
        return np.asarray(0.5 * (self.edges[:, 1:] + self.edges[:, :-1]))

    @property
    def thermal(self) -> float:
        """Thermal energy k T of the runs, eV."""
        return float(kB * self.settings.temperature)


def collect_metadynamics(
    nodes: Mapping[str, Any], settings: Mapping[str, Any] | None
) -> MetadynamicsPart | None:
    """Read the outputs of a MetadynamicsWorkChain; None where there is no free energy yet."""
    surface = nodes.get("free_energy")
    if surface is None or settings is None or keys.CELL_EDGES not in surface.get_arraynames():
        return None
    own, names = MetadynamicsSettings(**settings), surface.base.attributes.get("names")
    series = {}
    for name in sorted(n for n in nodes if n.startswith("bias.")):
        times, values = (nodes[name].get_array(key) for key in (keys.TIMES, keys.VARIABLES))
        kept = slice(None, None, max(1, -(-len(times) // _MOST_VALUES)))
        series[name.partition(".")[2]] = (times[kept], values[kept])
    return MetadynamicsPart(
        settings=own,
        names=tuple(names),
        edges=surface.get_array(keys.CELL_EDGES),
        energies=surface.get_array(keys.FREE_ENERGIES),
        errors=surface.get_array(keys.FREE_ENERGY_ERRORS),
        by_hills=surface.get_array(keys.FREE_ENERGIES_BY_HILLS)
        if keys.FREE_ENERGIES_BY_HILLS in surface.get_arraynames()
        else None,
        series=series,
        report=nodes["report"].get_dict() if "report" in nodes else {},
        uuids={name: node.uuid for name, node in nodes.items() if name != "report"},
        basins=collect_basins(
            names, [variable.width for variable in own.ordered], surface, nodes.get("answer")
        ),
    )


def metadynamics_words(part: MetadynamicsPart) -> str:
    """Sentences on what was run, and on how far the two estimates of the free energy agree."""
    own, runs = part.settings, part.report
    count = len(runs) or len(part.series)
    text = f"{count} run{'s' if count != 1 else ''} at {own.temperature:g} K"
    if runs:
        text += f" of {max(run['duration'] for run in runs.values()):g} ps"
    if own.height is not None and not own.is_opes:
        hills = ", ".join(str(run["hills"]) for run in runs.values())
        text += f" with {hills} hills" if runs else ""
        text += f" of at most {show(own.height * MEV_PER_EV, 3)} meV"
    elif own.barrier is not None:
        text += f" with OPES up to barriers of {show(own.barrier * MEV_PER_EV, 3)} meV"
    text += f", bias factor {own.bias_factor:g}."
    last = [run["last_height"] for run in runs.values() if run["last_height"] is not None]
    if last and not part.basins.answer:  # which says it
        text += f" The last hills have at most {100 * max(last):.0f} % of the height of the first"
        text += ": the bias still grows, run longer." if max(last) > STILL_GROWING else "."
    apart = disagreement(part)
    if apart is not None:
        text += (
            f" The free energies from the hills and from the reweighted samples differ by "
            f"{show(apart * MEV_PER_EV, 2)} meV (rms, up to {_HIGHEST:g} k T); by a converged run "
            f"they differ by no more than their errors, here {show(_error(part) * MEV_PER_EV, 2)} "
            "meV (median)."
        )
    return text


def disagreement(part: MetadynamicsPart) -> float | None:
    """Return how far the two estimates are apart, eV rms; the constant between them is free.

    None where one of them is missing.
    """
    low = np.isfinite(part.energies) & (part.energies <= _HIGHEST * part.thermal)
    if part.by_hills is None or low.sum() < 2:
        return None
    return float(np.std(part.energies[low] - part.by_hills[low]))


def _error(part: MetadynamicsPart) -> float:
    low = np.isfinite(part.errors) & (part.energies <= _HIGHEST * part.thermal)
    return float(np.median(part.errors[low])) if low.any() else np.nan


def surface(part: MetadynamicsPart) -> Picture:
    """The free energy along one variable, or over each pair of them, the third integrated out."""
    if len(part.names) == 1:
        return _profile(part)
    pairs = list(combinations(range(len(part.names)), 2))
    highest = _HIGHEST * part.thermal
    figure = make_subplots(rows=len(pairs), cols=1, vertical_spacing=0.09)
    for row, pair in enumerate(pairs, start=1):
        values = marginal(part.energies, pair, part.thermal)
        shown = np.where(values <= highest, values, np.nan)
        figure.add_trace(
            go.Contour(
                x=part.centres[pair[0]], y=part.centres[pair[1]], z=shown.T,
                colorscale="Viridis", contours={"coloring": "heatmap"}, ncontours=14,
                line={"width": 0.5, "color": "rgba(255,255,255,0.5)"},
                colorbar={"title": {"text": "eV"}, "thickness": 12},
                showscale=row == 1, zmin=0.0, zmax=highest,
                hovertemplate=f"{part.names[pair[0]]} %{{x:.3g}}, {part.names[pair[1]]} "
                "%{y:.3g}: %{z:.3f} eV<extra></extra>",
            ),
            row=row, col=1,
        )  # fmt: skip
        mark_basins(figure, part.basins, pair, row, highest)
        figure.update_xaxes(title_text=part.names[pair[0]], row=row, col=1)
        figure.update_yaxes(title_text=part.names[pair[1]], row=row, col=1)
    tables = _tables(part)
    sampled = np.argwhere(np.isfinite(part.energies))
    rows = sorted(
        (
            *(float(part.centres[d][k]) for d, k in enumerate(cell)),
            *(float(values[tuple(cell)]) for values in tables.values()),
        )
        for cell in sampled
    )
    rows.sort(key=lambda row: row[len(part.names)])
    return picture(
        "free-energy",
        f"Free energy over {', '.join(part.names[:-1])} and {part.names[-1]}",
        f"Free energy over {', '.join(part.names)} in eV, at {part.settings.temperature:g} K.",
        style(figure, 60 + 400 * len(pairs)),
        (*part.names, *tables),
        rows,
        {"free energy": part.uuids["free_energy"]},
    )


def _tables(part: MetadynamicsPart) -> dict[str, Floats]:
    """Return what is known of each cell by the head of its column."""
    found = {"free energy (eV)": part.energies, "standard error (eV)": part.errors}
    if part.by_hills is not None:
        found["from the hills (eV)"] = part.by_hills
    return {**found, "free energy (kcal/mol)": KCAL_PER_MOL_PER_EV * part.energies}


def marginal(energies: Floats, kept: tuple[int, ...], thermal: float) -> Floats:
    """Return the free energy of some of the variables, the others integrated out.

    F(s) = -k T ln sum over the others of exp(-F / k T), above its lowest value.
    """
    others = tuple(d for d in range(energies.ndim) if d not in kept)
    with np.errstate(divide="ignore"):
        found = -thermal * logsumexp(-energies / thermal, axis=others)
    return np.asarray(found - found.min())


def _profile(part: MetadynamicsPart) -> Picture:
    x, finite, tables = part.centres[0], np.isfinite(part.energies), _tables(part)
    energy, error = part.energies, part.errors
    figure = go.Figure()
    banded = finite & np.isfinite(error)
    figure.add_trace(
        go.Scatter(
            x=np.concatenate([x[banded], x[banded][::-1]]),
            y=np.concatenate([(energy + error)[banded], (energy - error)[banded][::-1]]),
            fill="toself", fillcolor=translucent(COLOURS[0], 0.25), line={"width": 0},
            hoverinfo="skip", showlegend=False,
        )
    )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=x[finite], y=energy[finite], name="samples, reweighted", mode="lines",
            line={"color": COLOURS[0], "width": 2.2}, customdata=error[finite],
            hovertemplate="%{x:.3g}: %{y:.3f} ± %{customdata:.3f} eV<extra></extra>",
        )
    )  # fmt: skip
    if part.by_hills is not None:
        figure.add_trace(
            go.Scatter(
                x=x, y=part.by_hills, name="sum of hills", mode="lines",
                line={"color": MUTED, "dash": "dash"},
                hovertemplate="%{x:.3g}: %{y:.3f} eV<extra></extra>",
            )
        )  # fmt: skip
    highest = _HIGHEST * part.thermal
    name_basins(figure, part.basins, highest)
    figure.update_yaxes(
        range=[-0.06 * highest, min(highest, energy[finite].max() + 0.06 * highest)]
    )
    figure.update_xaxes(title_text=part.names[0])
    figure.update_yaxes(title_text="Free energy (eV)")
    return picture(
        "free-energy",
        f"Free energy along {part.names[0]}",
        f"Free energy along {part.names[0]} in eV at {part.settings.temperature:g} K, from "
        "reweighted samples with standard errors"
        f"{'' if part.by_hills is None else ' and from the sum of hills'}.",
        style(figure, 400),
        (part.names[0], *tables),
        [tuple(map(float, row)) for row in zip(x, *tables.values(), strict=True)],
        {"free energy": part.uuids["free_energy"]},
    )


def variables_in_time(part: MetadynamicsPart) -> Picture | None:
    """Each variable against time, runs by colour."""
    if not part.series:
        return None
    figure = make_subplots(rows=len(part.names), cols=1, shared_xaxes=True, vertical_spacing=0.06)
    for k, (run, (times, values)) in enumerate(part.series.items()):
        for d, name in enumerate(part.names):
            figure.add_trace(
                go.Scatter(
                    x=times, y=values[:, d], name=run.replace("_", " "), mode="lines",
                    line={"color": COLOURS[k % len(COLOURS)], "width": 1}, legendgroup=run,
                    showlegend=d == 0 and len(part.series) > 1,
                    hovertemplate=f"{run}: %{{x:.1f}} ps, {name} %{{y:.3g}}<extra></extra>",
                ),
                row=d + 1, col=1,
            )  # fmt: skip
            figure.update_yaxes(title_text=name, row=d + 1, col=1)
    figure.update_xaxes(title_text="Time (ps)", row=len(part.names), col=1)
    ranges = {run: own["ranges"] for run, own in part.report.items()}
    return picture(
        "variables",
        "Variables in time",
        f"{', '.join(part.names)} against time of {len(part.series)} biased runs.",
        style(figure, 160 + 170 * len(part.names)),
        ("run", *(f"{name}, {end}" for name in part.names for end in ("lowest", "highest"))),
        [
            (run, *(float(value) for name in part.names for value in own[name]))
            for run, own in ranges.items()
        ],
        {run: part.uuids[f"bias.{run}"] for run in part.series},
    )

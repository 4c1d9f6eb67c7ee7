"""How a cluster melts: caloric curve, heat capacity and Lindemann index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from aiida_nanoclusters.cli.report.content import MeltingPart
from aiida_nanoclusters.cli.report.figures import COLOURS, MUTED, Picture, picture, show, style
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.units import MEV_PER_EV

_SIGNS = {
    "caloric": "step of the caloric curve",
    keys.LINDEMANN: "Lindemann index, all atoms",
    keys.LINDEMANN_SURFACE: "Lindemann index, surface",
    keys.LINDEMANN_CORE: "Lindemann index, core",
}


def collect_melting(nodes: Mapping[str, Any]) -> MeltingPart | None:
    """Read the outputs of a MeltingWorkChain; None where it has not come so far."""
    if not {"curve", "melting"} <= set(nodes):
        return None
    curve = nodes["curve"]
    return MeltingPart(
        curve={name: curve.get_array(name) for name in curve.get_arraynames()},
        answer=nodes["melting"].get_dict(),
        uuids={name: node.uuid for name, node in nodes.items()},
    )


def melting_answer(part: MeltingPart) -> str:
    """Temperature with its error, for a headline."""
    found = part.answer
    if found["melting_point"] is None:
        low, high = found["range"]
        return f"not seen from {low:.0f} to {high:.0f} K"
    return f"{found['melting_point']:.0f} ± {found['error']:.0f} K"


def sign_rows(part: MeltingPart) -> list[tuple[Any, ...]]:
    """Melting temperature by each criterion on its own."""
    rows: list[tuple[Any, ...]] = []
    for name, text in _SIGNS.items():
        sign = part.answer[name] or {}
        latent = sign.get("latent_heat")
        rows.append(
            (
                text,
                *(show(sign.get(key), 3) for key in ("temperature", "error", "width")),
                None if latent is None else show(MEV_PER_EV * latent, 3),
            )
        )
    peak = float(part.answer["heat_capacity_peak"])
    return [*rows, ("greatest heat capacity", show(peak, 3), None, None, None)]


def caloric_curve(part: MeltingPart) -> Picture:
    """Energy, heat capacity and Lindemann index against temperature, in three panels."""
    curve, t = part.curve, part.curve[keys.TEMPERATURES]
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.05)
    _energies(figure, curve)
    for name, key, dash, colour in (
        ("from fluctuations", keys.HEAT_CAPACITIES, "solid", COLOURS[0]),
        ("from the slope", keys.HEAT_CAPACITIES_BY_SLOPE, "dot", COLOURS[5]),
    ):
        figure.add_trace(
            _line(t, curve[key], f"heat capacity {name}", colour, dash, "k/atom"), row=2, col=1
        )
    for name, key, colour in (
        ("all atoms", keys.LINDEMANN, COLOURS[0]),
        ("surface", keys.LINDEMANN_SURFACE, COLOURS[1]),
        ("core", keys.LINDEMANN_CORE, COLOURS[2]),
    ):
        if np.isfinite(curve[key]).any():
            trace = _line(t, curve[key], f"Lindemann index, {name}", colour, "solid", "")
            if key == keys.LINDEMANN:
                trace.error_y = {"array": curve[keys.LINDEMANN_ERRORS], "thickness": 1}
            figure.add_trace(trace, row=3, col=1)
    low, high = part.answer["thresholds"]
    figure.add_hrect(y0=low, y1=high, fillcolor=MUTED, opacity=0.18, line_width=0, row=3, col=1)
    if part.answer["melting_point"] is not None:
        middle, error = part.answer["melting_point"], part.answer["error"]
        figure.add_vrect(
            x0=middle - error, x1=middle + error, fillcolor=COLOURS[4], opacity=0.18, line_width=0
        )
        figure.add_vline(x=middle, line={"color": COLOURS[4], "width": 1.5})
    figure.update_xaxes(title_text="Temperature (K)", row=3, col=1)
    for row, text in enumerate(("Energy (eV/atom)", "C (k/atom)", "Lindemann index"), start=1):
        figure.update_yaxes(title_text=text, row=row, col=1)
    columns = (
        keys.TEMPERATURES, keys.BULK_FRACTIONS, keys.MEASURED_TEMPERATURES, keys.TOTAL_ENERGIES,
        keys.TOTAL_ENERGY_ERRORS, keys.HEAT_CAPACITIES, keys.LINDEMANN, keys.LINDEMANN_ERRORS,
        keys.LINDEMANN_SURFACE, keys.LINDEMANN_CORE,
    )  # fmt: skip
    cluster = part.answer["cluster"]
    return picture(
        "caloric-curve",
        f"Caloric curve and Lindemann index of {cluster}",
        f"Total energy, heat capacity and Lindemann index of {cluster} at {len(t)} temperatures "
        f"from {t[0]:.0f} to {t[-1]:.0f} K.",
        style(figure, 760),
        tuple(
            name.replace("_", " ") + (f" ({keys.UNITS[name]})" if keys.UNITS[name] else "")
            for name in columns
        ),
        [tuple(float(curve[name][k]) for name in columns) for k in range(len(t))],
        {name: part.uuids[name] for name in ("curve", "melting")},
    )


def _energies(figure: go.Figure, curve: Mapping[str, Any]) -> None:
    trace = _line(
        curve[keys.TEMPERATURES], curve[keys.TOTAL_ENERGIES], "total energy", COLOURS[0], "solid",
        "eV/atom",
    )  # fmt: skip
    trace.error_y = {"array": curve[keys.TOTAL_ENERGY_ERRORS], "thickness": 1}
    figure.add_trace(trace, row=1, col=1)


def _line(x: Any, y: Any, name: str, colour: str, dash: str, unit: str) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        mode="lines+markers",
        name=name,
        line={"color": colour, "width": 1.8, "dash": dash},
        marker={"size": 6},
        hovertemplate=f"{name}<br>%{{x:.0f}} K: %{{y:.4g}} {unit}<extra></extra>",
    )

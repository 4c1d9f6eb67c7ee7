"""Parallel tempering in a report: heat capacity, acceptance, flow and paths of the replicas."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from aiida_nanoclusters.cli.report.chart_content import TemperingPart
from aiida_nanoclusters.cli.report.figures import COLOURS, MUTED, Picture, picture, show, style
from aiida_nanoclusters.cli.report.palette import translucent
from aiida_nanoclusters.science import keys

#: Attempts and replicas whose path is drawn.
_MOST_ATTEMPTS, _MOST_REPLICAS = 300, 3


def collect_tempering(nodes: Mapping[str, Any]) -> tuple[TemperingPart, ...]:
    """Read the outputs of a ParallelTemperingWorkChain, a part for each composition."""
    reports = nodes["report"].get_dict() if "report" in nodes else {}
    parts = []
    for name in sorted(n for n in nodes if n.startswith("swaps.")):
        composition, node = name.partition(".")[2], nodes[name]
        heat = nodes.get(f"thermodynamics.{composition}")
        steps = node.get_array(keys.SWAP_STEPS)
        kept = slice(None, None, max(1, -(-len(steps) // _MOST_ATTEMPTS)))
        uuids = {"swaps": node.uuid}
        if heat is not None:
            uuids["thermodynamics"] = heat.uuid
        parts.append(
            TemperingPart(
                composition=composition,
                temperatures=node.get_array(keys.TEMPERATURES),
                path=node.get_array(keys.REPLICA_TEMPERATURES)[kept],
                steps=steps[kept],
                thermodynamics={}
                if heat is None
                else {n: heat.get_array(n) for n in heat.get_arraynames()},
                report=reports.get(composition, {}),
                uuids=uuids,
            )
        )
    return tuple(parts)


def heat_capacity_peak(part: TemperingPart) -> tuple[float, float, float] | None:
    """Temperature (K), value and error (k/atom) of the largest heat capacity inside the range."""
    found = part.thermodynamics.get(keys.HEAT_CAPACITIES)
    if found is None or len(found) < 3:
        return None
    place = int(np.argmax(found))
    if place in (0, len(found) - 1):
        return None
    return (
        float(part.thermodynamics[keys.TEMPERATURES][place]),
        float(found[place]),
        float(part.thermodynamics[keys.HEAT_CAPACITY_ERRORS][place]),
    )


def tempering_words(part: TemperingPart) -> str:
    """Sentences on how well the replicas moved."""
    report, ladder = part.report, part.temperatures
    text = (
        f"{len(ladder)} replicas of {part.composition} from {ladder[0]:.0f} to {ladder[-1]:.0f} K."
    )
    if not report:
        return text
    accepted = [a for a in report["acceptance"] if a is not None]
    if accepted:
        low, high = (100 * value for value in (min(accepted), max(accepted)))
        text += f" Between {low:.0f} and {high:.0f} % of the swaps of neighbours were accepted."
    trips = report["round_trips"]
    text += f" {sum(trips)} round trips between the ends of the ladder"
    text += f", at least {min(trips)} of each replica." if trips else "."
    if not sum(trips):
        text += " Without round trips the temperatures are not in equilibrium: run longer."
    text += f" A sphere of {show(report['confinement_radius'], 3)} Å confines the cluster"
    touched = [t for t in report["touched"] if t is not None]
    text += (
        f"; atoms were beyond it before {100 * max(touched):.1f} % of the attempts at the hottest."
        if touched
        else "."
    )
    if report["evaporated"]:
        text += f" {report['evaporated']} evaporations were taken back."
    return text


def thermodynamics(part: TemperingPart, number: int) -> Picture | None:
    """Heat capacity and potential energy against temperature with their errors."""
    found = part.thermodynamics
    if not found:
        return None
    t = found[keys.TEMPERATURES]
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.12)
    for column, (value, error, name) in enumerate(
        (
            (keys.HEAT_CAPACITIES, keys.HEAT_CAPACITY_ERRORS, "heat capacity"),
            (keys.POTENTIAL_ENERGIES, keys.POTENTIAL_ENERGY_ERRORS, "potential energy"),
        ),
        start=1,
    ):
        y, e, colour, unit = found[value], found[error], COLOURS[2 - column], keys.UNITS[value]
        figure.add_trace(
            go.Scatter(
                x=np.concatenate([t, t[::-1]]), y=np.concatenate([y + e, (y - e)[::-1]]),
                fill="toself", fillcolor=translucent(colour, 0.25), line={"width": 0},
                hoverinfo="skip", showlegend=False,
            ),
            row=1, col=column,
        )  # fmt: skip
        figure.add_trace(
            go.Scatter(
                x=t, y=y, mode="lines", line={"color": colour, "width": 2.2}, showlegend=False,
                customdata=e, hovertemplate=f"{name}<br>%{{x:.0f}} K: %{{y:.4g}} ± "
                f"%{{customdata:.1g}} {unit}<extra></extra>",
            ),
            row=1, col=column,
        )  # fmt: skip
        figure.update_xaxes(title_text="Temperature (K)", row=1, col=column)
        figure.update_yaxes(title_text=f"{name.capitalize()} ({unit})", row=1, col=column)
    if (peak := heat_capacity_peak(part)) is not None:
        figure.add_vline(
            x=peak[0], line={"color": MUTED, "dash": "dot", "width": 1.2}, row=1, col=1
        )
    names = (
        *(keys.TEMPERATURES, keys.HEAT_CAPACITIES, keys.HEAT_CAPACITY_ERRORS),
        *(keys.POTENTIAL_ENERGIES, keys.POTENTIAL_ENERGY_ERRORS),
    )
    return picture(
        f"thermodynamics-{number}",
        f"Heat capacity and energy of {part.composition}",
        f"Heat capacity and potential energy of {part.composition} at {len(t)} temperatures from "
        f"{t[0]:.0f} to {t[-1]:.0f} K, by reweighting, with standard errors.",
        style(figure, 380),
        tuple(f"{n.replace('_', ' ')} ({keys.UNITS[n]})" for n in names),
        [tuple(float(found[n][k]) for n in names) for k in range(len(t))],
        {"thermodynamics": part.uuids["thermodynamics"]},
    )


def swaps(part: TemperingPart, number: int) -> Picture | None:
    """Acceptance of neighbours, flow of replicas, and paths of some through the ladder."""
    report, ladder = part.report, part.temperatures
    if not report or len(ladder) < 2:
        return None
    figure = make_subplots(
        rows=1, cols=3, column_widths=[0.28, 0.28, 0.44], horizontal_spacing=0.1,
        subplot_titles=("Swaps accepted", "Replicas from the cold end", "Paths of replicas"),
    )  # fmt: skip
    middle = (ladder[:-1] + ladder[1:]) / 2
    figure.add_trace(
        go.Bar(
            x=middle, y=report["acceptance"], width=np.diff(ladder) * 0.86, showlegend=False,
            marker={"color": translucent(COLOURS[0], 0.8)},
            customdata=[f"{a:.0f} ↔ {b:.0f} K" for a, b in pairwise(ladder)],
            hovertemplate="%{customdata}: %{y:.0%} of the swaps accepted<extra></extra>",
        ),
        row=1, col=1,
    )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=[ladder[0], ladder[-1]], y=[1, 0], mode="lines", hoverinfo="skip", showlegend=False,
            line={"color": MUTED, "dash": "dash", "width": 1},
        ),
        row=1, col=2,
    )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=ladder, y=report["flow"], mode="lines+markers", showlegend=False,
            line={"color": COLOURS[1], "width": 2}, marker={"size": 6},
            hovertemplate="%{x:.0f} K: %{y:.0%} come from the cold end<extra></extra>",
        ),
        row=1, col=2,
    )  # fmt: skip
    replicas = np.unique(np.linspace(0, len(ladder) - 1, _MOST_REPLICAS).round().astype(int))
    for k, replica in enumerate(replicas):
        figure.add_trace(
            go.Scatter(
                x=part.steps / 1000, y=ladder[part.path[:, replica]], mode="lines",
                showlegend=False, opacity=0.85,
                line={"color": COLOURS[k % len(COLOURS)], "width": 1.3, "shape": "hv"},
                hovertemplate=f"replica {replica}<br>step %{{x:.0f}} k: %{{y:.0f}} K"
                "<extra></extra>",
            ),
            row=1, col=3,
        )  # fmt: skip
    figure.update_yaxes(range=[0, 1], tickformat=".0%", row=1, col=1)
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%", row=1, col=2)
    figure.update_yaxes(title_text="Temperature (K)", row=1, col=3)
    for column, text in enumerate(("Temperature (K)", "Temperature (K)", "Thousand time steps"), 1):
        figure.update_xaxes(title_text=text, row=1, col=column)
    flow, trips = report["flow"], report["round_trips"]
    accepted = [*report["acceptance"], None]
    return picture(
        f"swaps-{number}",
        f"Swaps of {part.composition}",
        f"Acceptance of the swaps of {part.composition} between neighbouring temperatures, share "
        "of replicas that come from the lowest temperature, and paths of some replicas.",
        style(figure, 360),
        (
            "temperature (K)", "accepted with the next (%)", "from the cold end (%)",
            "round trips of the replica that began here",
        ),
        [
            (float(t), None if a is None else 100 * a, None if f is None else 100 * f, n)
            for t, a, f, n in zip(ladder, accepted, flow, trips, strict=True)
        ],
        {"swaps": part.uuids["swaps"]},
    )  # fmt: skip

"""Coverage of a target by a training set: coordination numbers, and environments on a map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from aiida_nanoclusters.cli.report.content import CoveragePart
from aiida_nanoclusters.cli.report.figures import COLOURS, MUTED, Picture, picture, style
from aiida_nanoclusters.science import keys

if TYPE_CHECKING:
    from aiida.orm import Node

#: Process that compares the two; outputs that it has.
PROCESS, OUTPUTS = "compare_environments", ("coordination", "environments", "coverage")
#: Most points of one cloud on a map.
_MOST_POINTS = 2000
_UNCOVERED = COLOURS[6]


def collect_coverages(training: Node | None) -> tuple[CoveragePart, ...]:
    """Read what was computed from a training set by :func:`.compare_environments`, in order."""
    from aiida.common.links import LinkType
    from aiida.orm import CalcFunctionNode

    if training is None:
        return ()
    links = training.base.links.get_outgoing(
        node_class=CalcFunctionNode,
        link_type=LinkType.INPUT_CALC,
        link_label_filter="training",
    ).all_nodes()
    done = {n.uuid: n for n in links if n.process_label == PROCESS and n.is_finished_ok}
    return tuple(_part(n) for n in sorted(done.values(), key=lambda n: n.ctime))


def _part(process: Any) -> CoveragePart:
    outputs = {name: process.outputs[name] for name in OUTPUTS}
    coordination, environments = outputs["coordination"], outputs["environments"]
    return CoveragePart(
        groups=tuple(environments.base.attributes.get("groups")),
        coordination={n: coordination.get_array(n) for n in coordination.get_arraynames()},
        environments={n: environments.get_array(n) for n in environments.get_arraynames()},
        coverage=outputs["coverage"].get_dict(),
        uuids={
            **{name: node.uuid for name, node in outputs.items()},
            "target": process.inputs.target.uuid,
        },
    )


def words(part: CoveragePart) -> str:
    """Say how much of the target is covered."""
    found = part.coverage
    missing = ", ".join(str(n) for n in found["coordination_not_seen"])
    text = (
        f"Of the atoms of {part.target}, {_percent(found['coordination'])} have a coordination "
        f"number that occurs in the training set"
        + (f" (not {missing})" if missing else "")
        + f", and {_percent(found['environments'])} of {found['n_target_environments']} "
        "environments are as close to one of the training set as those are to each other."
    )
    poor = [row for row in found["target"] if row["coverage"] < 0.9]
    if poor and len(found["target"]) > 1:
        worst = min(poor, key=lambda row: row["coverage"])
        text += f" Least covered: {worst['composition']} ({_percent(worst['coverage'])})."
    return text


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.0f} %" if percent in (0, 100) else f"{min(percent, 99.9):.1f} %"


def pictures(part: CoveragePart, number: int) -> list[tuple[Picture, str]]:
    """P(CN) and the map, each with a caption; `number` distinguishes comparisons."""
    return [
        (
            _coordination(part, number),
            "Probability of coordination numbers. Top: training set, by kind of system. Bottom: "
            "target. What occurs in the target should also occur in the training set.",
        ),
        (
            _map(part, number),
            "Atomic environments (SOAP), by their first two principal components, which are "
            "fitted to the training set alone. First panel: the map. Second: distance of each "
            "environment from the nearest one of the training set, in all components; beyond the "
            "dashed line it is not covered.",
        ),
    ]


def coverage_rows(part: CoveragePart) -> list[tuple[Any, ...]]:
    """Coverage of each composition of the target."""
    return [
        (
            row["composition"],
            row["n_environments"],
            _percent(row["coverage"]),
            row["largest_distance"],
        )
        for row in part.coverage["target"]
    ]


def _coordination(part: CoveragePart, number: int) -> Picture:
    numbers = part.coordination[keys.COORDINATION_NUMBERS]
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.07)
    densities: dict[str, Mapping[str, Any]] = {}
    for row, name in enumerate((keys.TRAINING_ATOMS, keys.TARGET_ATOMS), start=1):
        counts = part.coordination[name]
        densities[name] = {
            group: counts[k] / counts.sum()
            for k, group in enumerate(part.groups)
            if counts[k].any()
        }
        for group, values in densities[name].items():
            figure.add_trace(
                go.Bar(
                    x=numbers,
                    y=values,
                    name=group,
                    legendgroup=group,
                    showlegend=row == 1 or group not in densities[keys.TRAINING_ATOMS],
                    marker={"color": COLOURS[part.groups.index(group)]},
                    hovertemplate=f"{group}: %{{x}} neighbours, %{{y:.3f}}<extra></extra>",
                ),
                row=row,
                col=1,
            )
    figure.update_layout(barmode="stack", bargap=0.15)
    for row, who in ((1, "training"), (2, "target")):
        figure.update_yaxes(title_text=f"P(CN), {who}", rangemode="tozero", row=row, col=1)
    figure.update_xaxes(title_text="Coordination number", dtick=1, row=2, col=1)
    rows = [
        (int(n), group, *(float(densities[s].get(group, zero)[k]) for s in densities))
        for group in part.groups
        if any(group in found for found in densities.values())
        for zero in [np.zeros(len(numbers))]
        for k, n in enumerate(numbers)
        if any(densities[s].get(group, zero)[k] for s in densities)
    ]
    return picture(
        f"coordination-{number}",
        f"Coordination numbers: training set and {part.target}",
        f"Probability density of coordination numbers of the training set by kind of system, and "
        f"of {part.target}.",
        style(figure, 460),
        ("coordination number", "kind of system", "training", "target"),
        rows,
        {"coordination": part.uuids["coordination"], "target": part.uuids["target"]},
    )


def _map(part: CoveragePart, number: int) -> Picture:
    arrays, threshold = part.environments, part.coverage["threshold"]
    covered = arrays[keys.TARGET_DISTANCES] <= threshold
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.13, column_widths=[0.62, 0.38])
    clouds = [
        (f"training, {group}", arrays[keys.TRAINING_COMPONENTS][:2, own], COLOURS[k], 4, 0.45)
        for k, group in enumerate(part.groups)
        for own in [arrays[keys.TRAINING_GROUPS] == k]
        if own.any()
    ]
    for name, own, colour in (
        ("target, covered", covered, COLOURS[4]),
        ("target, not covered", ~covered, _UNCOVERED),
    ):
        if own.any():
            clouds.append((name, arrays[keys.TARGET_COMPONENTS][:2, own], colour, 5, 0.8))
    for name, points, colour, size, opacity in clouds:
        few = points[:, :: max(1, -(-points.shape[1] // _MOST_POINTS))]
        symbol = "circle" if name.startswith("training") else "x-thin-open"
        figure.add_trace(
            go.Scatter(
                x=few[0],
                y=few[1] if len(few) > 1 else np.zeros(few.shape[1]),
                mode="markers",
                name=name,
                marker={"size": size, "opacity": opacity, "color": colour, "symbol": symbol},
                hovertemplate=f"{name}<br>%{{x:.3f}}, %{{y:.3f}}<extra></extra>",
            ),
            row=1,
            col=1,
        )
    _distances(figure, arrays, threshold)
    figure.update_layout(legend={"itemsizing": "constant"})
    explained = arrays[keys.EXPLAINED_VARIANCE]
    for axis, k in ((figure.update_xaxes, 0), (figure.update_yaxes, 1)):
        share = f"{100 * explained[k]:.0f} % of the variance" if k < len(explained) else ""
        axis(title_text=f"Component {k + 1} ({share})", row=1, col=1)
    rows = [(f"component {k}", float(value)) for k, value in enumerate(explained, start=1)]
    found = part.coverage
    rows += [
        ("threshold of the distance", threshold),
        ("largest distance of the target", found["largest_distance"]),
        ("share of the target that is covered", found["environments"]),
    ]
    return picture(
        f"environments-{number}",
        f"Map of environments: training set and {part.target}",
        f"{found['n_training_environments']} environments of the training set and "
        f"{found['n_target_environments']} of {part.target} by two principal components.",
        style(figure, 500),
        ("quantity", "value"),
        rows,
        {"environments": part.uuids["environments"], "coverage": part.uuids["coverage"]},
    )


def _distances(figure: go.Figure, arrays: Mapping[str, Any], threshold: float) -> None:
    """Histograms of distances to the nearest training environment, and the threshold."""
    both = np.concatenate([arrays[keys.TRAINING_DISTANCES], arrays[keys.TARGET_DISTANCES]])
    edges = np.linspace(0, max(float(both.max()), threshold) * 1.02, 41)
    for name, key, colour in (
        ("training to itself", keys.TRAINING_DISTANCES, MUTED),
        ("target to training", keys.TARGET_DISTANCES, COLOURS[4]),
    ):
        counts, _ = np.histogram(arrays[key], edges)
        figure.add_trace(
            go.Scatter(
                x=(edges[1:] + edges[:-1]) / 2,
                y=counts / counts.sum(),
                mode="lines",
                line={"shape": "hvh", "color": colour, "width": 2},
                name=name,
                hovertemplate=f"{name}<br>distance %{{x:.3f}}: %{{y:.3f}}<extra></extra>",
            ),
            row=1,
            col=2,
        )
    figure.add_vline(x=threshold, line={"color": MUTED, "dash": "dash", "width": 1}, row=1, col=2)
    figure.update_xaxes(title_text="Distance to the nearest", rangemode="tozero", row=1, col=2)
    figure.update_yaxes(title_text="Share", rangemode="tozero", row=1, col=2)

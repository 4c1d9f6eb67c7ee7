"""The part of a report about a chart, read from the nodes of the work chain that made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_nanoclusters.cli.report.chart_content import (
    ChartPart,
    FreeEnergyPart,
    PopulationPart,
    TransitionPart,
)
from aiida_nanoclusters.cli.report.collect_chart import chart_part
from aiida_nanoclusters.science import keys

if TYPE_CHECKING:
    from aiida.orm import ProcessNode

#: Names of losses in the learning curves of a chart, and what the report calls them.
_LOSSES = {"train_loss": "training", "val_loss": "validation"}


def collect_chart(chain: ProcessNode | None) -> ChartPart | None:
    """Read the outputs of a ChartWorkChain; None where it has not come so far."""
    if chain is None:
        return None
    nodes = _outputs(chain)
    if not {"coordinates", "families"} <= set(nodes):
        return None
    arrays, found = _arrays(nodes["coordinates"]), nodes["families"].get_dict()
    plateau, chart = found.get("plateau"), nodes.get("chart")
    trials = zip(found.get("bandwidths", ()), found.get("numbers", ()), strict=True)
    return chart_part(
        _input(chain, "frames").frames,
        arrays[keys.CHART_COORDINATES],
        arrays[keys.FAMILY],
        found["families"],
        packing=arrays.get(keys.PACKING),
        bandwidth=found.get("bandwidth"),
        plateau=None if plateau is None else (plateau[0], plateau[1]),
        curve=tuple(trials),
        between_seeds=tuple(found.get("between_seeds", ())),
        training=_training(nodes),
        stability={
            " and ".join(row["seeds"]): row["agreement"]
            for row in found.get("agreement", {}).get("seeds", ())
        },
        facts=() if chart is None else (_facts(chart),),
        uuids={
            name: nodes[name].uuid
            for name in ("chart", "coordinates", "families", "representatives", "report")
            if name in nodes
        },
        **_analysis(nodes, found["families"]),
    )


def collect_placements(chain: ProcessNode | None) -> ChartPart | None:
    """Read the outputs of a ClassifyWorkChain; None where it has not come so far."""
    if chain is None:
        return None
    nodes = _outputs(chain)
    if "placements" not in nodes:
        return None
    arrays, chart = _arrays(nodes["placements"]), _input(chain, "chart")
    families = _input(chain, "families")
    counts = {row["family"]: row["count"] for row in nodes["table"]["families"]}
    rows = [
        {**row, "count": counts.get(k, 0)} for k, row in enumerate(families.get_dict()["families"])
    ]
    frames = nodes.get("relaxed") or _input(chain, "frames")
    return chart_part(
        frames.frames,
        arrays[keys.CHART_COORDINATES],
        arrays[keys.FAMILY],
        rows,
        packing=arrays.get(keys.PACKING),
        outside=arrays[keys.OUTSIDE] > 0,
        representatives=False,
        placed=True,
        seen=np.asarray(chart.chart.seen, float),
        facts=(_facts(chart),),
        uuids={
            "placements": nodes["placements"].uuid,
            "chart": chart.uuid,
            "families": families.uuid,
        },
        transitions=_transitions(nodes, arrays),
        **_analysis(nodes, rows),
    )


def _facts(chart: Any) -> str:
    """What the chart was trained on."""
    head = chart.chart.head
    sizes = f"{min(head.sizes)}" + (f" to {max(head.sizes)}" if len(head.sizes) > 1 else "")
    return f"The chart was trained on clusters of {', '.join(head.bond_lengths)} of {sizes} atoms."


def _training(nodes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Losses by member and kind of frames."""
    found = {}
    for name, node in nodes.items():
        if name.startswith("learning_curves."):
            arrays = _arrays(node)
            found[name.partition(".")[2]] = {
                ours: arrays[theirs] for theirs, ours in _LOSSES.items() if theirs in arrays
            }
    return found


def _analysis(nodes: Mapping[str, Any], rows: Any) -> dict[str, Any]:
    """Populations of each composition, and the lowest path of the first that has one."""
    populations = tuple(
        PopulationPart(
            composition=name.partition(".")[2],
            arrays=_arrays(node),
            families=tuple(node.base.attributes.get("families")),
            packings=tuple(node.base.attributes.get("packings")),
            uuid=node.uuid,
        )
        for name, node in nodes.items()
        if name.startswith("populations.")
    )
    paths = [name.partition(".")[2] for name in nodes if name.startswith("path.")]
    surface = None
    if paths and f"free_energy.{paths[0]}" in nodes:
        answer, node = nodes[f"path.{paths[0]}"].get_dict(), nodes[f"free_energy.{paths[0]}"]
        labels = [
            f"{k} · {name}" if name else str(k)
            for k, name in zip(answer["families"], answer["names"], strict=True)
        ]
        surface = FreeEnergyPart(
            _arrays(node), answer["temperature"], labels[0], labels[1], answer, node.uuid
        )
    return {"populations": populations, "free_energy": surface}


def _transitions(nodes: Mapping[str, Any], placed: Mapping[str, Any]) -> TransitionPart | None:
    if not {"trajectory", "transitions"} <= set(nodes):
        return None
    found = nodes["transitions"].get_dict()
    shared = {name: placed[name] for name in (keys.CHART_COORDINATES, keys.FAMILY)}
    return TransitionPart(
        arrays={**shared, **_arrays(nodes["trajectory"])},
        events=tuple(found["events"]),
        dwells=tuple(found["dwells"]),
        core=found["core"],
        residence=found["residence"],
        confidence=found["confidence"],
        uuid=nodes["transitions"].uuid,
    )


def _outputs(process: ProcessNode) -> dict[str, Any]:
    from aiida.common.links import LinkType

    links = process.base.links.get_outgoing(link_type=LinkType.RETURN).all()
    return {link.link_label.replace("__", "."): link.node for link in links}


def _input(process: ProcessNode, name: str) -> Any:
    return process.base.links.get_incoming(link_label_filter=name).one().node


def _arrays(node: Any) -> dict[str, Any]:
    return {name: node.get_array(name) for name in node.get_arraynames()}

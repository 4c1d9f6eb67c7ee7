"""From a trained chart to families of structures, and to places of new structures."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Data, Dict

from aiida_nanoclusters.calculations.arrays import arrays_node
from aiida_nanoclusters.data.chart import ChartData
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.charts.distributions import pair_distributions
from aiida_nanoclusters.science.charts.families import agreement_of, find_families
from aiida_nanoclusters.science.charts.naming import name_families
from aiida_nanoclusters.science.charts.placement import place, summary
from aiida_nanoclusters.science.charts.settings import ChartSettings
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.structures.isolation import out_of_box

#: Å of vacuum around a cluster in a box.
GAP = 8.0


@calcfunction
def divide_chart(
    frames: FramesData, settings: Dict, chart: ChartData, **others: ChartData
) -> dict[str, Any]:
    """Find the families of the frames of a chart, and what is stable between seeds.

    Parameters
    ----------
    frames
        Relaxed clusters on which the charts were trained.
    settings
        Of the chart, see :class:`.ChartSettings`.
    chart
        The member that is kept, with the lowest validation loss.
    others
        ``seed_<n>``: the other members of the committee.

    Returns
    -------
    dict
        ``coordinates``: arrays as named in :mod:`aiida_nanoclusters.science.keys`. ``families``:
        bandwidth, what every bandwidth that was tried gives, a row per family, and ``agreement``,
        the adjusted Rand indices of the families between seeds, and between families and packings
        by common neighbours. ``representatives``: one frame per family.
    """
    own, given = ChartSettings(**settings.get_dict()), frames.frames
    rows = pair_distributions(given, own.distribution, chart.chart.bond_lengths)
    where = chart.chart.coordinates(rows)
    order = sorted(others)
    elsewhere = [others[key].chart.coordinates(rows) for key in order]
    found = find_families(where, own.families, elsewhere)
    named = name_families(given, where, found, own.families)
    known = named.packing_families >= 0
    labels = {"chart": found.labels, **dict(zip(order, found.others, strict=True))}
    chosen = [row["representative"] for row in named.rows]
    return {
        "coordinates": arrays_node(
            {
                keys.CHART_COORDINATES: where,
                keys.FAMILY: found.labels,
                keys.PACKING: named.packing_families,
            }
        ),
        "families": Dict(
            {
                "bandwidth": found.bandwidth,
                "plateau": None if found.plateau is None else list(found.plateau),
                "bandwidths": [trial.bandwidth for trial in found.trials],
                "numbers": [trial.families for trial in found.trials],
                "agreements": [_known(trial.agreement) for trial in found.trials],
                "between_seeds": [_known(trial.between_seeds) for trial in found.trials],
                "families": named.rows,
                "agreement": {
                    "packing": agreement_of(found.labels[known], named.packing_families[known]),
                    "seeds": [
                        {"seeds": [a, b], "agreement": agreement_of(labels[a], labels[b])}
                        for a, b in combinations(labels, 2)
                    ],
                    "numbers": {key: len(np.unique(own)) for key, own in labels.items()},
                },
            }
        ),
        "representatives": FramesData(_named(given.select(chosen), named.rows)),
    }


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _named(frames: Frames, rows: list[dict[str, Any]]) -> Frames:
    """Return the representatives with the number and the name of their family as their kind."""
    kinds = [f"family {k}: {row['name']}" for k, row in enumerate(rows)]
    return frames.with_origin(config_types=kinds)


@calcfunction
def place_frames(
    chart: ChartData,
    families: Dict,
    frames: FramesData,
    bond_lengths: Data | None = None,
    report: Data | None = None,
) -> dict[str, Any]:
    """Place frames in a chart, and say which lie outside of what it has seen.

    Parameters
    ----------
    chart, families
        Outputs of a ChartWorkChain.
    frames
        Clusters of any sizes and elements.
    bond_lengths
        Dict of the bond length of elements (Å). Default: that of the training of the chart, of
        other elements that of the bulk metal.
    report
        Of the StagesWorkChain that relaxed the frames, which says of each which one it was.

    Returns
    -------
    dict
        ``placements``: arrays as named in :mod:`aiida_nanoclusters.science.keys`. ``table``: frames
        by family, how many lie outside, the criterion.
    """
    rows = families["families"]
    known, names = chart.chart, [family_label(row) for row in rows]
    lengths = None if bond_lengths is None else bond_lengths.get_dict()
    placed = place(frames.frames, known, [row["centre"] for row in rows], lengths)
    index = np.arange(len(frames))
    if report is not None:
        finished = [row for row in report["structures"] if row["state"] == "finished"]
        index = np.array([row["index"] for row in finished])
    return {
        "placements": arrays_node(
            {
                keys.PLACED_FRAMES: index,
                keys.CHART_COORDINATES: placed.coordinates,
                keys.FAMILY: placed.families,
                keys.RECONSTRUCTION_ERRORS: placed.errors,
                keys.SEEN_DISTANCES: placed.distances,
                keys.BEYOND_RANGE: placed.beyond,
                keys.OUTSIDE: placed.outside.astype(np.int8),
            }
        ),
        "table": Dict(summary(placed, names, known)),
    }


@calcfunction
def take_out_of_boxes(frames: FramesData) -> FramesData:
    """Return clusters without the boxes in which a program had them.

    Directions with at least :data:`GAP` Å of vacuum are not periodic any more, and a cluster that
    lay across the border of its box is in one piece.
    """
    given = frames.frames
    free = [out_of_box(atoms, GAP) if atoms.pbc.any() else atoms for atoms in given]
    known = {"level_of_theory": given.level_of_theory, "atom_energies": given.atom_energies}
    return FramesData(Frames.from_atoms(free, **known))


def family_label(row: Any) -> str:
    """Return name and subfamily of a family of a chart."""
    return ", ".join(filter(None, (row.get("name", ""), row.get("subfamily", ""))))


@calcfunction
def report_committee(**reports: Dict) -> Dict:
    """Return the trainings of a committee, ``seed_<n>``, and which member is kept.

    It is the one with the lowest validation loss: all members have the same frames held out.
    """
    members = {key: reports[key].get_dict() for key in sorted(reports)}
    losses = {key: float(row["best_val_loss"]) for key, row in members.items()}
    return Dict(
        {
            "chosen": min(losses, key=lambda key: losses[key]),
            "validation_losses": losses,
            "spread": float(np.std(list(losses.values()))),
            "members": members,
        }
    )

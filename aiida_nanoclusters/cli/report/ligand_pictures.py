"""Pictures of the compatibility of cores and ligands: methods, calibration, maps, rankings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from aiida_nanoclusters.cli.report.figures import (
    COLOURS,
    MUTED,
    SYMBOLS,
    Picture,
    losses,
    picture,
    style,
)
from aiida_nanoclusters.cli.report.ligand_content import CompatibilityPart
from aiida_nanoclusters.science.ligands.ligand_ranking import ligand_words

#: Sets of a ranking that are drawn, and characters of a name on an axis.
_DRAWN, _LONGEST = 25, 46
#: Arrays of a map, and what they are called.
_MAPS = (("neighbours", "t-SNE"), ("components", "Principal components"))


def auc_by_method(part: CompatibilityPart) -> Picture | None:
    """AUC of each method and kind of split, with its interval."""
    rows = [
        row for row in part.methods.get("rows", ()) if row["metrics"]["auc"]["mean"] is not None
    ]
    if not rows:
        return None
    splits = list(dict.fromkeys(row["split"] for row in rows))
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figure = go.Figure()
    for k, split in enumerate(splits):
        own = [row for row in rows if row["split"] == split]
        # Side by side about the place of the method.
        shift = 0.5 * ((k + 0.5) / len(splits) - 0.5)
        middle = np.array([row["metrics"]["auc"]["mean"] for row in own])
        ends = [row["intervals"]["auc"] for row in own]
        low, high = (
            np.array([m if e[name] is None else e[name] for e, m in zip(ends, middle, strict=True)])
            for name in ("low", "high")
        )
        figure.add_trace(
            go.Scatter(
                x=middle,
                y=[methods.index(row["method"]) + shift for row in own],
                name=f"held out: {split}",
                showlegend=True,
                mode="markers",
                marker={"size": 9, "color": COLOURS[k], "symbol": SYMBOLS[k]},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": np.maximum(high - middle, 0),
                    "arrayminus": np.maximum(middle - low, 0),
                    "thickness": 1.4,
                },
                text=[row["method"] for row in own],
                hovertemplate="%{text}: %{x:.3f}<extra>" + split + "</extra>",
            )
        )
    figure.add_vline(x=0.5, line={"color": MUTED, "dash": "dash", "width": 1})
    figure.update_xaxes(title_text="AUC", range=[0, 1.02])
    figure.update_yaxes(
        tickvals=list(range(len(methods))), ticktext=methods, range=[len(methods) - 0.5, -0.5]
    )
    return picture(
        "auc",
        "Methods",
        f"Area under the curve of {len(methods)} methods on held-out pairs with intervals; the "
        "dashed line is chance.",
        style(figure, 150 + len(methods) * (16 + 14 * len(splits))),
        ("held out", "method", "AUC", "from", "to"),
        [
            (r["split"], r["method"], r["metrics"]["auc"]["mean"], e["low"], e["high"])
            for r in rows
            for e in (r["intervals"]["auc"],)
        ],
        {"methods": part.uuids.get("methods", "")},
    )


def reliability(part: CompatibilityPart) -> Picture | None:
    """Share of compatible pairs against the predicted probability, for the models for use."""
    rows = list(part.methods.get("rows", ()))
    main = next((m for m in ("pretrained", "scratch") if any(r["method"] == m for r in rows)), None)
    own = [row for row in rows if row["method"] == main and row["calibration"]["table"]]
    if not own:
        return None
    figure, table = go.Figure(), []
    figure.add_trace(
        go.Scatter(
            x=[0, 1], y=[0, 1], mode="lines", showlegend=False, hoverinfo="skip",
            line={"color": MUTED, "dash": "dash", "width": 1},
        )
    )  # fmt: skip
    for k, row in enumerate(own):
        bins = row["calibration"]["table"]
        counts = np.array([b["n"] for b in bins])
        figure.add_trace(
            go.Scatter(
                x=[b["probability"] for b in bins],
                y=[b["fraction"] for b in bins],
                showlegend=True,
                name=f"held out: {row['split']} (ECE {row['calibration']['ece']:.2f})",
                mode="lines+markers",
                line={"color": COLOURS[k], "width": 1.6},
                marker={
                    "size": 5 + 12 * np.sqrt(counts / counts.max()),
                    "symbol": SYMBOLS[k],
                    "line": {"width": 0},
                },
                customdata=counts,
                hovertemplate="predicted %{x:.2f}, compatible %{y:.2f}<br>%{customdata} pairs"
                "<extra></extra>",
            )
        )
        table += [
            (row["split"], b["low"], b["high"], b["n"], b["probability"], b["fraction"])
            for b in bins
        ]
    figure.update_xaxes(title_text="Predicted probability", range=[-0.02, 1.02])
    figure.update_yaxes(title_text="Share of compatible pairs", range=[-0.05, 1.05])
    return picture(
        "reliability",
        "Reliability",
        f"Share of compatible pairs against the probability by `{main}`, on held-out pairs of all "
        "seeds; the dashed line is perfect calibration.",
        style(figure, 420),
        ("held out", "from", "to", "pairs", "mean probability", "compatible"),
        table,
        {"methods": part.uuids.get("methods", "")},
    )


def pair_maps(part: CompatibilityPart) -> list[tuple[Picture, str]]:
    """Features of the pairs in two dimensions, one panel for each method."""
    made = [found for array, name in _MAPS if (found := _pair_map(part, array, name))]
    words = [_map_words(part), *[""] * len(made)]
    return list(zip(made, words, strict=False))


def _pair_map(part: CompatibilityPart, array: str, name: str) -> Picture | None:
    methods = [m for m, arrays in part.maps.items() if array in arrays]
    if not methods:
        return None
    words = {"pretrained": "core encoder pretrained", "scratch": "without pretraining"}
    titles = [words.get(method, method) for method in methods]
    figure = make_subplots(rows=1, cols=len(methods), subplot_titles=titles)
    table = []
    for column, method in enumerate(methods, start=1):
        places, labels = part.maps[method][array], part.maps[method]["labels"]
        for value, what in ((0, "not compatible"), (1, "compatible")):
            own = np.flatnonzero(labels == value)
            figure.add_trace(
                go.Scatter(
                    x=places[own, 0],
                    y=places[own, 1],
                    name=what,
                    legendgroup=what,
                    showlegend=column == 1,
                    mode="markers",
                    customdata=own,
                    marker={
                        "size": 7, "opacity": 0.75, "color": COLOURS[value],
                        "symbol": SYMBOLS[value],
                    },
                    hovertemplate=f"{what}<br>pair %{{customdata}}<extra></extra>",
                ),
                row=1,
                col=column,
            )  # fmt: skip
        table += [(method, k, int(labels[k]), *map(float, places[k])) for k in range(len(labels))]
    figure.update_xaxes(showticklabels=False, ticks="")
    figure.update_yaxes(showticklabels=False, ticks="")
    style(figure, 450)
    # The names of the panels stand above them.
    figure.update_layout(margin={"t": 80}, legend={"y": 1.09})
    return picture(
        f"pairs-{array}",
        f"Features of the pairs: {name}",
        f"{name} of the features of {part.counts['n_pairs']} pairs, compatible ones and others, "
        f"for {len(methods)} models.",
        figure,
        ("model", "pair", "label", "x", "y"),
        table,
        {"pairs": part.uuids.get("pairs", "")},
    )


def _map_words(part: CompatibilityPart) -> str:
    told = []
    for method, found in part.separations.items():
        if found.get("davies_bouldin") is not None:
            told.append(
                f"{method} {found['davies_bouldin']:.3g} and {found['calinski_harabasz']:.3g}"
            )
    text = "Training pairs are among them, so that separation is no measure of accuracy."
    if told:
        text += (
            " Davies-Bouldin index (small where the labels are apart) and Calinski-Harabasz index "
            f"(large where they are): {'; '.join(told)}."
        )
    return text


def matching_losses(part: CompatibilityPart) -> Picture | None:
    """Losses of the members of the committee against the epoch."""
    axis = {"title_text": "Binary cross entropy", "rangemode": "tozero"}
    drawn = losses(part.curves, {"val_loss": "solid", "train_loss": "dot"}, axis)
    if drawn is None:
        return None
    figure, rows = drawn
    return picture(
        "matching-training",
        "Training of the committee",
        f"Binary cross entropy against the epoch for {len(part.curves)} seeds.",
        style(figure, 340),
        ("member", "loss", "epochs", "best epoch", "lowest loss"),
        rows,
        {},
    )


def ranking_picture(
    core: Mapping[str, Any], names: Mapping[str, str], number: int, uuid: str
) -> Picture | None:
    """Probabilities of the best sets of a core, with each member of the committee."""
    rows = core["rows"][:_DRAWN]
    if not rows:
        return None
    labels = [f"{row['rank']}. {_short(ligand_words(row['ligands'], names))}" for row in rows]
    figure = go.Figure()
    inside = [not row["outside"] for row in rows]
    figure.add_trace(
        go.Scatter(
            x=[p for row in rows for p in row["members"]],
            y=[label for label, row in zip(labels, rows, strict=True) for _ in row["members"]],
            name="single members",
            mode="markers",
            marker={"size": 5, "color": MUTED, "opacity": 0.8},
            hovertemplate="%{x:.3f}<extra></extra>",
        )
    )
    for kept, name, symbol in (
        (True, "mean", "circle"),
        (False, "mean, set outside", "circle-open"),
    ):
        own = [k for k, value in enumerate(inside) if value is kept]
        if not own:
            continue
        figure.add_trace(
            go.Scatter(
                x=[rows[k]["probability"] for k in own],
                y=[labels[k] for k in own],
                name=name,
                mode="markers",
                marker={"size": 10, "color": COLOURS[0], "symbol": symbol},
                hovertemplate="%{y}<br>%{x:.3f}<extra></extra>",
            )
        )
    figure.add_vline(x=0.5, line={"color": MUTED, "dash": "dash", "width": 1})
    figure.update_xaxes(title_text="Probability of a cluster", range=[-0.02, 1.02])
    figure.update_yaxes(
        autorange="reversed", categoryorder="array", categoryarray=labels, tickfont={"size": 11}
    )
    return picture(
        f"ranking-{number}",
        f"Ligands for {core['formula']}",
        f"Probabilities of the first {len(rows)} of {core['n_sets']} sets of ligands for "
        f"{core['formula']}, mean and single members of the committee.",
        style(figure, 130 + 24 * len(rows)),
        ("rank", "ligands", "probability", "spread", "outside", "nearest known set", "distance"),
        [
            (
                row["rank"],
                ligand_words(row["ligands"], names),
                row["probability"],
                row["spread"],
                "yes" if row["outside"] else "no",
                row["nearest"][0]["name"] if row["nearest"] else "",
                row["nearest"][0]["distance"] if row["nearest"] else None,
            )
            for row in core["rows"]
        ],
        {"table": uuid},
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"

"""Pictures of the assembly of a trajectory: clusters and coordination in time, who met whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from aiida_nanoclusters.cli.report import assembly
from aiida_nanoclusters.cli.report.assembly import AssemblyPart, change, when
from aiida_nanoclusters.cli.report.figures import COLOURS, MUTED, Picture, picture, style
from aiida_nanoclusters.cli.report.palette import translucent
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.nucleation.octahedra import CORNERS

#: Sizes of clusters that are drawn alike, by their smallest, and their colours.
CLASSES = (1, 2, 3, 6, 7, 13)
SIZE_COLOURS = ("#c3c8d0", "#8ea4bf", COLOURS[0], COLOURS[2], COLOURS[4], COLOURS[1])
#: Most points of a curve, clusters of a tree, and curves of nuclei.
_MOST_POINTS, _MOST_CLUSTERS, _MOST_CURVES = 2000, 3000, 8


def assembly_context(part: AssemblyPart | None) -> dict[str, Any]:
    """What the page of a report says and draws of an assembly."""
    if part is None:
        return {}
    return {
        "assembly_words": assembly.assembly_words(part),
        "coordination_words": assembly.coordination_words(part),
        "clusters_in_time": clusters_in_time(part),
        "merger_tree": tree(part),
        "order": order_in_time(part),
        "nucleus_columns": assembly.NUCLEUS_COLUMNS,
        "nucleus_rows": assembly.nucleus_rows(part),
        "nuclei_left_out": part.report["nuclei_left_out"],
    }


def _class_of(size: int) -> int:
    return int(np.searchsorted(CLASSES, size, side="right")) - 1


def _class_name(part: AssemblyPart, number: int) -> str:
    low = CLASSES[number]
    high = CLASSES[number + 1] - 1 if number + 1 < len(CLASSES) else None
    if high is None:
        return f"{part.formula(low)} and larger"
    return part.formula(low) if low == high else f"{part.formula(low)} to {part.formula(high)}"


def _clock(part: AssemblyPart) -> tuple[Any, str]:
    """Times of the frames, or their numbers, and the title of their axis."""
    times = np.asarray(part.series[keys.TIMES])
    known = part.report["time"] is not None
    return (times, "Time (ps)") if known else (np.arange(len(times)), "Frame")


def clusters_in_time(part: AssemblyPart) -> Picture:
    """Metal atoms in clusters of each size, and the mean coordination with its plateaus."""
    clock, axis = _clock(part)
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.07)
    rows = [*part.report["sizes"], {**part.report["sizes"][-1], "frame": len(clock) - 1}]
    held = np.zeros((len(rows), len(CLASSES)), int)
    for place, row in enumerate(rows):
        for size, number in row["sizes"]:
            held[place, _class_of(size)] += size * number
    for number in np.flatnonzero(held.any(axis=0)).tolist():
        figure.add_trace(
            go.Scatter(
                x=[clock[row["frame"]] for row in rows], y=held[:, number], mode="lines",
                name=_class_name(part, number), stackgroup="sizes",
                line={"shape": "hv", "width": 0}, fillcolor=SIZE_COLOURS[number],
                hovertemplate=f"%{{y}} {part.metal} atoms in {_class_name(part, number)}"
                "<extra></extra>",
            ),
            row=1, col=1,
        )  # fmt: skip
    _add_coordination(figure, part, clock)
    figure.update_yaxes(title_text=f"{part.metal} atoms", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title_text=f"{part.metal}-{part.metal} coordination", row=2, col=1)
    figure.update_xaxes(title_text=axis, row=2, col=1)
    table = [
        (when(row), *(int(value) for value in values))
        for row, values in zip(part.report["sizes"], held, strict=False)
    ]
    return picture(
        "clusters",
        "Clusters and coordination in time",
        f"{part.metal} atoms in clusters of each size, and their mean number of {part.metal} "
        f"neighbours, against time; {len(part.report['sizes'])} sets of sizes.",
        style(figure, 520),
        ("from", *(f"atoms in {_class_name(part, k)}" for k in range(len(CLASSES)))),
        table,
        _source(part, "series"),
    )


def _add_coordination(figure: go.Figure, part: AssemblyPart, clock: Any) -> None:
    values = np.asarray(part.series[keys.METAL_COORDINATION])
    kept = slice(None, None, max(1, -(-len(values) // _MOST_POINTS)))
    figure.add_trace(
        go.Scatter(
            x=clock[kept], y=values[kept], mode="lines", showlegend=False,
            line={"color": translucent(COLOURS[0], 0.45), "width": 1}, hoverinfo="skip",
        ),
        row=2, col=1,
    )  # fmt: skip
    steps = part.report["steps"]
    ends = [0, *(step["frame"] for step in steps), len(values) - 1]
    means = [values.mean()] if not steps else [steps[0]["before"], *(s["after"] for s in steps)]
    x = [clock[frame] for frame in ends]
    figure.add_trace(
        go.Scatter(
            x=x, y=[*means, means[-1]], mode="lines", name="plateaus of the coordination",
            line={"color": COLOURS[3], "width": 2.4, "shape": "hv"},
            hovertemplate="%{y:.2f} neighbours from %{x:.6g}<extra></extra>",
        ),
        row=2, col=1,
    )  # fmt: skip


def tree(part: AssemblyPart) -> Picture | None:
    """Which clusters met and parted when: a line for each cluster, joined where they change."""
    report = part.report
    if not report["events"]:
        return None
    clock, axis = _clock(part)
    clusters = sorted(report["clusters"], key=lambda c: _span(c, len(clock)), reverse=True)
    left_out = max(0, len(clusters) - _MOST_CLUSTERS)
    places = _places(report["clusters"])
    figure = go.Figure()
    _add_joints(figure, report["events"], places, clock)
    for number in range(len(CLASSES)):
        own = [c for c in clusters[:_MOST_CLUSTERS] if _class_of(c["size"]) == number]
        if own:
            _add_lines(figure, part, own, places, clock, number)
    _add_marks(figure, part, places, clock)
    figure.update_xaxes(title_text=axis)
    figure.update_yaxes(visible=False)
    figure.update_layout(hovermode="closest")
    style(figure, int(min(900, max(360, 110 + 9 * report["metal_atoms"]))))
    figure.update_layout(margin={"l": 16})
    more = f" Without {left_out} that lived shortest." if left_out else ""
    return picture(
        "tree",
        "Which clusters met when",
        f"A line for each of {len(clusters)} clusters over the time of its life, joined where "
        f"clusters meet and part: {len(report['events'])} events.{more}",
        figure,
        ("when", "event", "kind"),
        [(when(event), change(part, event), event["kind"]) for event in report["events"]],
        _source(part, "assembly"),
    )


def _span(cluster: Mapping[str, Any], frames: int) -> int:
    last = frames - 1 if cluster["last"] is None else cluster["last"]
    return int(last - cluster["first"])


def _places(clusters: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    """Return the height of each cluster: the mean rank of its atoms.

    Atoms are ordered by the last cluster they are in, within it by the one before, and so on, so
    that lines of clusters that meet lie beside each other.
    """
    paths: dict[int, list[Mapping[str, Any]]] = {}
    for cluster in clusters:  # in the order of time
        for atom in cluster["atoms"]:
            paths.setdefault(atom, []).append(cluster)

    def key(atom: int) -> list[tuple[int, int]]:
        return [(-cluster["size"], cluster["number"]) for cluster in reversed(paths[atom])]

    rank = {atom: place for place, atom in enumerate(sorted(paths, key=key))}
    return {c["number"]: -float(np.mean([rank[atom] for atom in c["atoms"]])) for c in clusters}


def _add_joints(
    figure: go.Figure, events: Sequence[Mapping[str, Any]], places: Mapping[int, float], clock: Any
) -> None:
    x: list[Any] = []
    y: list[Any] = []
    for event in events:
        heights = [places[number] for key in ("before", "after") for number in event[key]]
        x += [clock[event["frame"]]] * 2 + [None]
        y += [min(heights), max(heights), None]
    figure.add_trace(
        go.Scatter(
            x=x, y=y, mode="lines", line={"color": MUTED, "width": 1}, hoverinfo="skip",
            showlegend=False,
        )
    )  # fmt: skip


def _add_lines(
    figure: go.Figure, part: AssemblyPart, clusters: Sequence[Mapping[str, Any]],
    places: Mapping[int, float], clock: Any, number: int,
) -> None:  # fmt: skip
    x: list[Any] = []
    y: list[Any] = []
    texts: list[str] = []
    for cluster in clusters:
        last = len(clock) - 1 if cluster["last"] is None else cluster["last"] + 1
        begin, end = clock[cluster["first"]], clock[min(last, len(clock) - 1)]
        until = "the end" if cluster["last"] is None else f"{end:.6g}"
        text = f"{part.named(cluster['number'])}, {begin:.6g} to {until}"
        x += [begin, 0.5 * (begin + end), end, None]
        y += [places[cluster["number"]]] * 3 + [None]
        texts += [text] * 3 + [""]
    figure.add_trace(
        go.Scatter(
            x=x, y=y, text=texts, mode="lines", name=_class_name(part, number),
            line={"color": SIZE_COLOURS[number], "width": 2 + number},
            hovertemplate="%{text}<extra></extra>",
        )
    )  # fmt: skip


def _add_marks(
    figure: go.Figure, part: AssemblyPart, places: Mapping[int, float], clock: Any
) -> None:
    """Mark where nuclei become octahedra, and name the nuclei of the last frame."""
    ordered = [n for n in part.report["nuclei"] if n["ordered"] is not None]
    if ordered:
        figure.add_trace(
            go.Scatter(
                x=[clock[n["ordered"]["frame"]] for n in ordered],
                y=[places[n["cluster"]] for n in ordered],
                text=[f"{part.named(n['cluster'])} is an octahedron" for n in ordered],
                mode="markers", name="becomes an octahedron",
                marker={"symbol": "diamond", "size": 13, "color": COLOURS[2],
                        "line": {"width": 1.5, "color": "#ffffff"}},
                hovertemplate="%{text} from %{x:.6g}<extra></extra>",
            )
        )  # fmt: skip
    for nucleus in part.final:
        figure.add_annotation(
            x=clock[-1], y=places[nucleus["cluster"]], text=part.named(nucleus["cluster"]),
            xanchor="right", yanchor="bottom", showarrow=False, yshift=2, font={"size": 12},
        )  # fmt: skip


def order_in_time(part: AssemblyPart) -> Picture | None:
    """RMSD of the nuclei of six from an octahedron in time."""
    numbers = np.asarray(part.series[keys.NUCLEUS_NUMBERS])
    if not len(numbers):
        return None
    clock, axis = _clock(part)
    rmsd = np.asarray(part.series[keys.NUCLEUS_RMSD])
    figure = go.Figure()
    lengths = np.isfinite(rmsd).sum(axis=0)
    drawn = np.sort(np.argsort(-lengths, kind="stable")[:_MOST_CURVES])
    kept = slice(None, None, max(1, -(-len(clock) // _MOST_POINTS)))
    for place, column in enumerate(drawn.tolist()):
        name = part.named(int(numbers[column]))
        figure.add_trace(
            go.Scatter(
                x=clock[kept], y=rmsd[kept, column], mode="lines", name=name,
                line={"color": COLOURS[place % len(COLOURS)], "width": 1.2},
                hovertemplate=f"{name}: %{{x:.6g}}, %{{y:.2f}} Å<extra></extra>",
            )
        )  # fmt: skip
    limit = part.report["settings"]["octahedron"]
    figure.add_hline(y=limit, line={"color": MUTED, "dash": "dash", "width": 1})
    figure.update_xaxes(title_text=axis)
    figure.update_yaxes(title_text="RMSD from an octahedron (Å)", rangemode="tozero")
    nuclei = {n["cluster"]: n for n in part.report["nuclei"]}
    rows = [
        (
            part.named(int(number)),
            float(np.nanmean(rmsd[:, column])),
            float(np.nanmin(rmsd[:, column])),
            nuclei[int(number)]["rmsd"],
        )
        for column, number in enumerate(numbers)
    ]
    return picture(
        "order",
        f"From {CORNERS} atoms to an octahedron",
        f"Distance of {len(drawn)} nuclei of {CORNERS} {part.metal} atoms from a regular "
        f"octahedron against time; below {limit:g} Å (dashed) they are one.",
        style(figure, 360),
        ("nucleus", "mean RMSD (Å)", "lowest", "at its end"),
        rows,
        _source(part, "series"),
    )


def _source(part: AssemblyPart, name: str) -> dict[str, str]:
    return {name: part.uuids[name]} if name in part.uuids else {}

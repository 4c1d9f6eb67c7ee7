"""Pictures of a report: how they look, learning curves and parity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from aiida_nanoclusters.cli.report.content import Floats, LearningCurve, Parity, TrainingPart
from aiida_nanoclusters.science.units import MEV_PER_EV
from aiida_nanoclusters.science.words import counted

#: Those of M. Okabe and K. Ito, distinguishable also with colour blindness; without black, which
#: dark pages do not show. Lines and points differ by dashes or markers as well.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8f98", "#c9b800")
LEARNT, REFERENCE = COLOURS[0], COLOURS[1]
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "x")
#: Most points of one cloud in a parity plot, and most rows of a table.
MOST_POINTS, MOST_ROWS = 2500, 400
MUTED = "#8a8f98"
#: Labelled ticks that an axis has at least.
_FEWEST_TICKS = 3


@dataclass(frozen=True)
class Picture:
    """A figure with its description and the table of its numbers."""

    name: str
    title: str
    alt: str
    figure: go.Figure
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sources: Mapping[str, str] = field(default_factory=dict)
    left_out: int = 0

    @property
    def json(self) -> str:
        """The figure as JSON that may stand inside a script element."""
        return str(self.figure.to_json()).replace("<", "\\u003c")


def picture(
    name: str,
    title: str,
    alt: str,
    figure: go.Figure,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    sources: Mapping[str, str],
) -> Picture:
    """Return a picture; numbers of the table become text, rows beyond MOST_ROWS are cut."""
    shown = tuple(tuple(show(cell) for cell in row) for row in rows[:MOST_ROWS])
    left_out = len(rows) - len(shown)
    return Picture(name, title, alt, figure, tuple(columns), shown, sources, left_out)


def show(value: Any, digits: int = 4) -> str:
    """Return a number as text: with a minus sign, few digits, a dash for None."""
    if value is None or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return "–"
    if isinstance(value, float | np.floating):
        text = f"{value:.{digits}g}"
        if "e" in text:
            text = f"{value:.0f}" if abs(value) >= 1 else f"{value:.1e}"
        return text.replace("-", "−")
    return str(value)


def style(figure: go.Figure, height: int = 400) -> go.Figure:
    """Neutral look, transparent ground: the page's own script sets ink and grid."""
    figure.update_layout(
        template="none",
        height=height,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13},
        margin={"l": 70, "r": 18, "t": 44, "b": 56},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "xanchor": "left"},
        hoverlabel={"font": {"family": "system-ui, sans-serif"}},
        separators=".\u2009",
    )
    axis = {"showline": True, "zeroline": False, "ticks": "outside", "automargin": True}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure


def logarithmic(low: float, high: float) -> dict[str, Any]:
    """Logarithmic axis with at least three labelled ticks, numbers written in full.

    They stand at 1, 2 and 5 of every decade; of more than four decades at the powers of ten, of a
    short range closer together.
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for parts in ((1,),) if high / low > 1e4 else ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        ticks = [d * 10.0**k for k in decades for d in parts]
        if sum(low <= t <= high for t in ticks) >= _FEWEST_TICKS:
            break
    else:
        if high > low and high / low <= 1e4:
            ticks = _even(low, high)
    words = [f"{t:,.6g}".replace(",", "\u2009") if t >= 1 else f"{t:g}" for t in ticks]
    return {"type": "log", "tickvals": ticks, "ticktext": words}


def _even(low: float, high: float) -> list[float]:
    """Return round numbers at equal distances, at least three of them from `low` to `high`."""
    rough = (high - low) / (_FEWEST_TICKS + 1)
    decade = 10.0 ** math.floor(math.log10(rough))
    step = max(d * decade for d in (1, 2, 5) if d * decade <= rough * (1 + 1e-9))
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(k * step, 12) for k in range(first, last + 1) if k > 0]


# -- learning curves -----------------------------------------------------------------------

#: Metrics shown, by panel: the validation set's first, the training set's dashed.
_PANELS = (
    ("Energy, RMSE (meV/atom)", ("val_energy_rmse", "train_energy_rmse")),
    ("Forces, RMSE (meV/Å)", ("val_forces_rmse", "train_forces_rmse")),
)


def learning_curves(curves: Sequence[LearningCurve]) -> Picture | None:
    """RMSE of energies and forces against the epoch, members by colour."""
    names = {name for curve in curves for name in curve.metrics}
    panels = [(t, m) for t, m in _PANELS if names & set(m)]
    if not panels:
        return None
    figure = make_subplots(rows=1, cols=len(panels), horizontal_spacing=0.12)
    rows = []
    for k, curve in enumerate(curves):
        for column, (_, metrics) in enumerate(panels, start=1):
            for metric, dash in zip(metrics, ("solid", "dot"), strict=True):
                if metric not in curve.metrics:
                    continue
                epochs, values = curve.metrics[metric]
                part = "validation" if dash == "solid" else "training"
                figure.add_trace(
                    go.Scatter(
                        x=epochs,
                        y=values,
                        mode="lines+markers" if dash == "solid" else "lines",
                        name=curve.member,
                        legendgroup=f"{curve.member} {dash}",
                        showlegend=column == 1 and dash == "solid",
                        line={"color": COLOURS[k % len(COLOURS)], "dash": dash, "width": 2},
                        marker={"symbol": SYMBOLS[k % len(SYMBOLS)], "size": 7, "maxdisplayed": 10},
                        opacity=1 if dash == "solid" else 0.6,
                        hovertemplate=f"{curve.member}, {part}<br>epoch %{{x}}: %{{y:.4g}}"
                        "<extra></extra>",
                    ),
                    row=1,
                    col=column,
                )
                best = int(np.argmin(values))
                rows.append(
                    (
                        curve.member,
                        metric,
                        int(epochs[best]),
                        values[best],
                        int(epochs[-1]),
                        values[-1],
                    )
                )
    switches = _switches(curves)
    if switches:  # a line of the layout has no entry in the legend
        style_of = {"color": MUTED, "width": 1.5, "dash": "dash"}
        name = "energies weighed more"
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="lines", line=style_of, name=name))
    for column, (title, metrics) in enumerate(panels, start=1):
        for epoch in switches:
            figure.add_vline(
                x=epoch,
                line={"color": MUTED, "width": 1.5, "dash": "dash"},
                row=1,
                col=column,
            )
        seen = [v for c in curves for m in metrics if m in c.metrics for v in c.metrics[m][1]]
        axis = logarithmic(min(seen), max(seen)) if min(seen) > 0 else {}
        figure.update_xaxes(title_text="Epoch", row=1, col=column)
        figure.update_yaxes(title_text=title, row=1, col=column, **axis)
    return picture(
        "learning-curves",
        "Learning curves",
        "Root mean square errors of energies and forces, on validation and training frames, "
        f"against the epoch, for {counted(len(curves), 'potential')}; both axes of errors are "
        "logarithmic.",
        style(figure),
        ("potential", "metric (meV/atom, meV/Å)", "best epoch", "best", "last epoch", "last"),
        rows,
        {f"learning curve of {c.member}": c.uuid for c in curves},
    )


def _switches(curves: Sequence[LearningCurve]) -> list[int]:
    """Return the first epochs of the stages in which the loss weighs energies and forces anew."""
    found: set[int] = set()
    for curve in curves:
        if "stage" in curve.metrics:
            epochs, stages = curve.metrics["stage"]
            found |= {int(epoch) for epoch in epochs[1:][np.diff(stages) != 0]}
    return sorted(found)


# -- parity --------------------------------------------------------------------------------


#: Sets of frames on which a committee is compared with the reference.
SETS = {
    "test": "frames like those of the training set, but not part of it",
    "extrapolation": "clusters of sizes it was not trained on",
    "motifs": "large relaxed closed shells of both motifs",
}


def losses(
    curves: Mapping[str, Mapping[str, Any]], kinds: Mapping[str, str], axis: Mapping[str, Any]
) -> tuple[go.Figure, list[tuple[Any, ...]]] | None:
    """Return the losses of networks against the epoch, and a row for each; None without any.

    Parameters
    ----------
    curves
        By member, and by the name of a loss: one value per epoch.
    kinds
        Losses that are drawn, and how: ``solid`` or ``dot``.
    axis
        Of the losses.
    """
    figure, rows = go.Figure(), []
    for k, (member, own) in enumerate(curves.items()):
        for name, dash in kinds.items():
            values = np.asarray(own.get(name, ()), float)
            if not len(values):
                continue
            figure.add_trace(
                go.Scatter(
                    x=np.arange(1, len(values) + 1),
                    y=values,
                    name=member.replace("_", " "),
                    legendgroup=member,
                    showlegend=dash == "solid",
                    mode="lines",
                    opacity=1 if dash == "solid" else 0.6,
                    line={"color": COLOURS[k % len(COLOURS)], "dash": dash, "width": 1.8},
                    hovertemplate=f"{member}, {name}<br>epoch %{{x}}: %{{y:.3g}}<extra></extra>",
                )
            )
            best = int(np.argmin(values))
            rows.append((member, name, len(values), best + 1, float(values[best])))
    if not rows:
        return None
    figure.update_xaxes(title_text="Epoch")
    figure.update_yaxes(**axis)
    return figure, rows


def parity(training: TrainingPart) -> list[tuple[Picture, str]]:
    """Predicted against reference energies and forces, with a caption; one for each set."""
    return [(_parity(p), _of_set(p)) for p in training.parities]


def _of_set(p: Parity) -> str:
    what = f"These are {SETS[p.part]}. " if p.part in SETS else ""
    text = f"{what}Points on the dashed line are predicted exactly; energies are per atom, "
    text += "relative to isolated atoms."
    if len(p.force[0]) and np.std(p.force[0]) < np.std(p.force[1]) / 3:
        text += " The forces of the reference are nearly zero because it relaxed these clusters."
    return text


def _parity(p: Parity) -> Picture:
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.14)
    _cloud(figure, 1, *p.energy, p.config_types, "eV/atom")
    _cloud(figure, 2, *p.force, p.force_types, "eV/Å")
    for column, quantity, unit in ((1, "energy", "eV/atom"), (2, "force", "eV/Å")):
        figure.update_xaxes(title_text=f"Reference {quantity} ({unit})", row=1, col=column)
        figure.update_yaxes(title_text=f"Predicted {quantity} ({unit})", row=1, col=column)
    errors = {
        name: (error_of(pair), np.mean(np.abs(pair[1] - pair[0])) * MEV_PER_EV)
        for name, pair in (("energy", p.energy), ("force", p.force))
        if len(pair[0])
    }
    for column, (name, unit) in enumerate((("energy", "meV/atom"), ("force", "meV/Å")), start=1):
        if name in errors:
            rmse, mae = errors[name]
            figure.add_annotation(
                text=f"RMSE {rmse:.1f} {unit}<br>MAE {mae:.1f} {unit}",
                xref=f"x{column if column > 1 else ''} domain",
                yref=f"y{column if column > 1 else ''} domain",
                x=0.04,
                y=0.96,
                xanchor="left",
                yanchor="top",
                align="left",
                showarrow=False,
            )
    types = p.config_types or ("",) * len(p.energy[0])
    rows = [
        (kind, reference, learnt, (learnt - reference) * MEV_PER_EV)
        for kind, reference, learnt in zip(types, *p.energy, strict=True)
    ]
    return picture(
        f"parity-{p.part}".replace(" ", "-"),
        f"Parity, {p.part}",
        f"Predicted against reference energies of {len(p.energy[0])} {p.part} "
        f"frame{'s' if len(p.energy[0]) != 1 else ''} and of {len(p.force[0])} force components "
        f"({p.member}); the dashed line is perfect agreement.",
        style(figure, 440),
        ("configuration type", "reference (eV/atom)", "predicted (eV/atom)", "error (meV/atom)"),
        rows,
        {"parity": p.uuid},
    )


def error_of(pair: tuple[Floats, Floats]) -> float:
    """Root mean square difference of a pair, in meV for eV."""
    return float(np.sqrt(np.mean((pair[1] - pair[0]) ** 2))) * MEV_PER_EV


def _cloud(
    figure: go.Figure, column: int, x: Floats, y: Floats, kinds: Sequence[str], unit: str
) -> None:
    if not len(x):
        return
    ends = [float(min(x.min(), y.min())), float(max(x.max(), y.max()))]
    figure.add_trace(
        go.Scatter(
            x=ends,
            y=ends,
            mode="lines",
            showlegend=False,
            hoverinfo="skip",
            line={"color": MUTED, "dash": "dash", "width": 1},
        ),
        row=1,
        col=column,
    )
    groups = sorted(set(kinds)) or [""]
    named = np.array(kinds if kinds else [""] * len(x))
    for k, kind in enumerate(groups):
        own = np.flatnonzero(named == kind)
        own = own[:: max(1, -(-len(own) // max(1, MOST_POINTS // len(groups))))]
        energies = column == 1
        figure.add_trace(
            go.Scatter(
                x=x[own],
                y=y[own],
                mode="markers",
                name=kind or "components",
                legendgroup=kind,
                showlegend=bool(kind) and energies,
                marker={
                    "size": 7 if energies else 5,
                    "opacity": 0.7 if energies else 0.45,
                    "color": COLOURS[k % len(COLOURS)],
                    "symbol": SYMBOLS[(k + k // len(COLOURS)) % len(SYMBOLS)],
                },
                hovertemplate=f"{kind}<br>reference %{{x:.4f}}<br>predicted %{{y:.4f}} {unit}"
                "<extra></extra>",
            ),
            row=1,
            col=column,
        )

"""Pictures of a crossover: binding energies by motif, the difference curves, the two modes."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from aiida_nanoclusters.cli.report.content import (
    ClusterEnergies,
    CrossoverPart,
    Curve,
    Floats,
    Modes,
)
from aiida_nanoclusters.cli.report.figures import (
    COLOURS,
    LEARNT,
    MUTED,
    REFERENCE,
    SYMBOLS,
    Picture,
    logarithmic,
    picture,
    style,
)
from aiida_nanoclusters.science.units import MEV_PER_EV

#: How many times the height of the curves their band may be in view.
_REACH = 4.0
_TICKS = (13, 20, 30, 55, 100, 150, 300, 600, 1000, 2000, 5000, 20_000, 100_000)


def binding_by_motif(part: CrossoverPart, *, who: str, name: str) -> Picture | None:
    """Binding energies of closed shells against N^(-1/3), and their distance from a common line."""
    energies = part.energies
    if energies is None or not len(energies.sizes):
        return None
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.14)
    degree = min(1, len(set(energies.sizes)) - 1)
    line = np.polyfit(energies.sizes ** (-1 / 3), energies.binding_energies, degree)
    motifs = sorted(set(energies.motifs))
    for k, motif in enumerate(motifs):
        _draw_motif(figure, energies, motif, k, line)
        _draw_fit(figure, part, energies, motif, COLOURS[k % len(COLOURS)], line)
    _size_axis(figure, int(energies.sizes.min()), int(energies.sizes.max()))
    figure.update_yaxes(title_text="Binding energy (eV/atom)", row=1, col=1)
    figure.update_yaxes(title_text="… minus a common line (meV/atom)", row=1, col=2)
    rows = _energy_rows(energies)
    return picture(
        name,
        f"Binding energies by motif{who}",
        f"Binding energies of {len(rows)} relaxed closed shells against the inverse cube root of "
        f"their size: {', '.join(motifs)}.",
        style(figure),
        (
            "motif",
            "N",
            "binding energy (eV/atom)",
            "spread of the committee (meV/atom)",
            "mean coordination",
        ),
        rows,
        {"energies": energies.uuid},
    )


def _draw_motif(
    figure: go.Figure, energies: ClusterEnergies, motif: str, k: int, line: Floats
) -> None:
    """Draw the clusters of a motif in both panels; `k` is its number among the motifs."""
    own = np.array([m == motif for m in energies.motifs])
    x = energies.sizes ** (-1 / 3)
    beside = (energies.binding_energies - np.polyval(line, x)) * MEV_PER_EV
    panels = ((1, energies.binding_energies, "eV/atom"), (2, beside, "meV/atom"))
    for column, y, unit in panels:
        figure.add_trace(
            go.Scatter(
                x=x[own],
                y=y[own],
                mode="markers",
                name=motif,
                legendgroup=motif,
                showlegend=column == 1,
                marker={
                    "color": COLOURS[k % len(COLOURS)],
                    "symbol": SYMBOLS[k % len(SYMBOLS)],
                    "size": 8,
                },
                customdata=energies.sizes[own],
                hovertemplate=f"{motif}, N = %{{customdata}}<br>%{{y:.4f}} {unit}<extra></extra>",
            ),
            row=1,
            col=column,
        )


def _size_axis(figure: go.Figure, low: int, high: int) -> None:
    """Label the axis of N^(-1/3) by the number of atoms."""
    ticks = [n for n in _TICKS if low * 0.95 <= n <= high * 1.05] or [low, high]
    figure.update_xaxes(
        tickvals=[n ** (-1 / 3) for n in ticks],
        ticktext=[f"{n:,}".replace(",", "\u2009") for n in ticks],
        autorange="reversed",
        title_text="Number of atoms, spaced as N<sup>−1/3</sup>",
        tickangle=0,
    )


def _energy_rows(energies: ClusterEnergies) -> list[tuple[str, int, float, float, float]]:
    """Motif, size, binding energy, spread of the committee (meV/atom) and mean coordination."""
    spread = (
        energies.member_energies.std(axis=0, ddof=1) / energies.sizes * MEV_PER_EV
        if len(energies.member_energies) > 1
        else np.full(len(energies.sizes), np.nan)
    )
    columns = (energies.binding_energies, spread, energies.coordination)
    return [
        (motif, int(n), *values)
        for motif, n, *values in zip(energies.motifs, energies.sizes, *columns, strict=True)
    ]


def _draw_fit(
    figure: go.Figure,
    part: CrossoverPart,
    energies: ClusterEnergies,
    motif: str,
    colour: str,
    line: Floats,
) -> None:
    """Draw the fit E(N) behind the crossing as a line through the points of its motif."""
    fit = part.answer.get("fits", {}).get(motif)
    if fit is None or len(fit["sizes"]) < 2:
        return
    n = np.geomspace(min(fit["sizes"]), max(fit["sizes"]), 60)
    powers = np.cbrt(n)[:, None] ** np.array([3, 2, 1, 0])
    mean = energies.member_energies.mean(axis=0) / energies.sizes
    atom = float(np.mean(energies.binding_energies + mean))  # what equation 2 subtracts from
    binding = atom - powers @ np.array(fit["coefficients"]) / n
    x = n ** (-1 / 3)
    for column, y in ((1, binding), (2, (binding - np.polyval(line, x)) * MEV_PER_EV)):
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                mode="lines",
                line={"color": colour, "width": 1.3},
                legendgroup=motif,
                showlegend=False,
                hoverinfo="skip",
            ),
            row=1,
            col=column,
        )


# -- difference curves ---------------------------------------------------------------------


def sides(
    learnt: CrossoverPart | None, reference: CrossoverPart | None
) -> list[tuple[str, CrossoverPart]]:
    """Return what there is of a learnt, or a given, potential and of the reference, with names."""
    who = "trained" if learnt is None or learnt.learnt else "potential"
    return [(name, p) for name, p in ((who, learnt), ("reference", reference)) if p is not None]


def difference(learnt: CrossoverPart | None, reference: CrossoverPart | None) -> Picture | None:
    """Difference curves of trained potentials and reference, with bands and crossings."""
    drawn = [
        (who, part, part.curve, REFERENCE if part is reference else LEARNT)
        for who, part in sides(learnt, reference)
        if part.curve is not None
    ]
    if not drawn:
        return None
    figure = go.Figure()
    figure.add_hline(y=0, line={"color": MUTED, "width": 1})
    for who, _, curve, colour in drawn:
        _band(figure, who, curve, colour)
    for k, (who, part, curve, colour) in enumerate(drawn):
        _crossing(figure, who, part, curve, colour, k)
    low, high = _window([(part, curve) for _, part, curve, _ in drawn])
    ends = (
        float(min(c.n.min() for _, _, c, _ in drawn)),
        float(max(c.n.max() for _, _, c, _ in drawn)),
    )
    figure.update_xaxes(
        title_text="Number of atoms", range=np.log10(ends).tolist(), **logarithmic(*ends)
    )
    figure.update_yaxes(title_text="E(icosahedral) − E(crystal) (meV/atom)", range=[low, high])
    _say_which_is_lower(figure, "crystal", "icosahedral", xref="paper", yref="paper")
    grid = np.unique(np.geomspace(ends[0], ends[1], 24).round())
    columns, values = ["N"], [grid]
    for who, _, curve, _ in drawn:
        for title, column in (("", curve.median), (", low", curve.low), (", high", curve.high)):
            columns.append(f"{who}{title} (meV/atom)")
            values.append(np.interp(np.log(grid), np.log(curve.n), column) * MEV_PER_EV)
    return picture(
        "difference",
        "Energy difference icosahedral − crystalline",
        "Energy difference per atom between the best icosahedral and the best crystalline closed "
        f"shell against size, with confidence bands: {' and '.join(s[0] for s in drawn)}.",
        style(figure, 460),
        columns,
        [(int(row[0]), *(float(v) for v in row[1:])) for row in np.transpose(values)],
        {f"curves ({who})": curve.uuid for who, _, curve, _ in drawn},
    )


def _band(figure: go.Figure, who: str, curve: Curve, colour: str) -> None:
    name = {"trained": "trained potentials", "reference": "reference"}.get(who, who)
    edge = {"mode": "lines", "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip"}
    figure.add_trace(go.Scatter(x=curve.n, y=curve.low * MEV_PER_EV, legendgroup=who, **edge))
    figure.add_trace(
        go.Scatter(
            x=curve.n,
            y=curve.high * MEV_PER_EV,
            legendgroup=who,
            fill="tonexty",
            fillcolor=_faint(colour, 0.2),
            **edge,
        )
    )
    figure.add_trace(
        go.Scatter(
            x=curve.n,
            y=curve.median * MEV_PER_EV,
            mode="lines",
            name=name,
            legendgroup=who,
            line={"color": colour, "width": 2.5, "dash": "dash" if who == "reference" else "solid"},
            hovertemplate=f"{name}<br>N = %{{x:.0f}}: %{{y:.2f}} meV/atom<extra></extra>",
        )
    )


def _crossing(
    figure: go.Figure, who: str, part: CrossoverPart, curve: Curve, colour: str, k: int
) -> None:
    """Mark the crossing on the zero line, and its interval as a bar."""
    found = part.crossing
    if found is None or found.size is None:
        return
    low = found.low if found.low is not None else float(curve.n.min())
    high = found.high if found.high is not None else float(curve.n.max())
    figure.add_vrect(x0=low, x1=high, fillcolor=colour, opacity=0.09, line_width=0, layer="below")
    figure.add_trace(
        go.Scatter(
            x=[found.size],
            y=[0],
            mode="markers+text",
            showlegend=False,
            legendgroup=who,
            text=[f"<b>{found.shown(found.size)}</b>"],
            textposition="top left" if k == 0 else "bottom right",
            textfont={"color": colour},
            marker={"size": 11, "color": colour, "symbol": SYMBOLS[k]},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [high - found.size],
                "arrayminus": [found.size - low],
                "thickness": 3,
                "width": 8,
                "color": colour,
            },
            hovertemplate=f"{who}: N = {found.shown(found.size)}, {100 * found.confidence:.0f} % "
            f"interval {found.shown(low)} to {found.shown(high)}<extra></extra>",
        )
    )


def _window(sides: list[tuple[CrossoverPart, Curve]]) -> tuple[float, float]:
    """Range of the ordinate that is shown first (meV/atom): around the crossing of zero."""
    top, bottom = [0.0], [0.0]
    for part, curve in sides:
        size = part.crossing.size if part.crossing is not None else None
        near = curve.n >= (size / 6 if size else curve.n.max() / 40)
        reach = float(np.abs(curve.median[near]).max())  # a wide band must not flatten the curves
        top.append(min(float(curve.high[near].max()), _REACH * reach))
        bottom.append(float(curve.median[near].min()))
    room = 0.12 * (max(top) - min(bottom) or 0.001)
    return (min(bottom) - room) * MEV_PER_EV, (max(top) + room) * MEV_PER_EV


def _say_which_is_lower(
    figure: go.Figure, at_top: str, at_bottom: str, *, xref: str, yref: str
) -> None:
    """Write at the right which side is lower above zero and below it."""
    for who, at, anchor in ((at_top, 0.98, "top"), (at_bottom, 0.02, "bottom")):
        figure.add_annotation(
            text=f"{who} lower",
            xref=xref,
            yref=yref,
            x=0.99,
            y=at,
            xanchor="right",
            yanchor=anchor,
            showarrow=False,
            font={"color": MUTED},
        )


def _faint(colour: str, opacity: float) -> str:
    r, g, b = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({r},{g},{b},{opacity})"


# -- modes at equal size -------------------------------------------------------------------


def shells_words(part: CrossoverPart) -> str:
    """Explain where the comparison of the modes and that of closed shells name another winner."""
    curve, found = part.curve, part.modes
    if curve is None or found is None or not len(found.sizes):
        return ""
    sizes = np.asarray(found.sizes, float)
    inside = (sizes >= curve.n.min()) & (sizes <= curve.n.max())
    closed = np.interp(np.log(sizes), np.log(curve.n), curve.median)
    unlike = inside & (closed < 0) & (found.delta_e > 0)
    if not unlike.any():
        return ""
    own = sizes[unlike]
    ends = f"N = {own.min():.0f}" + (f" to {own.max():.0f}" if len(own) > 1 else "")
    crossing = part.crossing
    until = (
        ""
        if crossing is None or crossing.size is None
        else f" up to N = {crossing.shown(crossing.size)}"
    )
    cost = float(np.median(found.delta_e[unlike] - closed[unlike])) * MEV_PER_EV
    return (
        f"At {ends} Wulff polyhedra are lower here, while the crossover above has icosahedra "
        f"lower{until}. The two comparisons are of different clusters. The crossover compares "
        "closed shells with closed shells, each motif at its own sizes, by fits of E(N). Here the "
        "sizes are those of Wulff polyhedra, whose facets are complete, and the icosahedron of the "
        "same size has an outer shell that is only partly filled: its open shell, with its atoms "
        f"of few neighbours, costs {cost:.2g} meV/atom in the median. A cluster that may choose "
        "its size, or is near a closed icosahedral shell (147, 309, 561, ... atoms), follows the "
        "crossover; one held at a size of an open shell follows this picture."
    )


def modes(part: Modes, *, who: str, name: str) -> Picture | None:
    """Energy and coordination of cluster mode against Wulff mode (equations 3 and 4)."""
    if not len(part.sizes):
        return None
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.07)
    for row, (y, colour, title) in enumerate(
        (
            (part.delta_e * MEV_PER_EV, LEARNT, "ΔE (meV/atom)"),
            (part.delta_z, COLOURS[2], "ΔZ (neighbours/atom)"),
        ),
        start=1,
    ):
        figure.add_hline(y=0, line={"color": MUTED, "width": 1}, row=row, col=1)
        figure.add_trace(
            go.Scatter(
                x=part.sizes,
                y=y,
                mode="lines+markers",
                showlegend=False,
                line={"color": colour, "width": 2},
                marker={"size": 8, "symbol": SYMBOLS[row - 1]},
                hovertemplate=f"N = %{{x}}: %{{y:.4g}} {title}<extra></extra>",
            ),
            row=row,
            col=1,
        )
        reach = max(float(np.max(y)), 0.0) - min(float(np.min(y)), 0.0) or 1.0
        figure.update_yaxes(
            title_text=title,
            row=row,
            col=1,
            range=[
                min(float(np.min(y)), 0.0) - 0.15 * reach,
                max(float(np.max(y)), 0.0) + 0.15 * reach,
            ],
        )
    figure.update_yaxes(title_text="ΔZ (neighbours/atom)", row=2, col=1)
    figure.add_hrect(
        y0=0, y1=1e4, fillcolor="#d9b310", opacity=0.1, line_width=0, layer="below", row=1, col=1
    )
    figure.add_hrect(
        y0=-1e4, y1=0, fillcolor="#1a9a76", opacity=0.1, line_width=0, layer="below", row=1, col=1
    )
    _say_which_is_lower(figure, "Wulff mode", "cluster mode", xref="x domain", yref="y domain")
    figure.update_xaxes(**logarithmic(float(min(part.sizes)), float(max(part.sizes))))
    figure.update_xaxes(title_text="Number of atoms", row=2, col=1)
    return picture(
        name,
        f"Cluster mode against Wulff mode at equal size{who}",
        f"Energy difference and coordination difference per atom at {len(part.sizes)} sizes.",
        style(figure, 480),
        ("N", "ΔE (meV/atom)", "ΔZ (neighbours/atom)"),
        list(zip(part.sizes.tolist(), part.delta_e * MEV_PER_EV, part.delta_z, strict=True)),
        {"modes": part.uuid},
    )

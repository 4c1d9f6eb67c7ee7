"""Pictures of a result: those of its report, and of what no report is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from aiida_nanoclusters.cli.export.structures import images_of
from aiida_nanoclusters.cli.report.figures import COLOURS, SYMBOLS, Picture, picture, style
from aiida_nanoclusters.cli.report.palette import NONE
from aiida_nanoclusters.science.units import MEV_PER_EV

#: Series of one figure that can be told apart.
_MOST_GROUPS = 8

if TYPE_CHECKING:
    from ase import Atoms

    from aiida_nanoclusters.cli.export.results import Result
    from aiida_nanoclusters.cli.report.chart_content import ChartPart
    from aiida_nanoclusters.cli.report.content import StudyReport


def pictures_of(result: Result) -> list[Picture]:
    """Return every picture of a result, each name once.

    Raises
    ------
    ValueError
        If a part of a report cannot be read.
    """
    found = list(_of_report(result)) or list(_of_structures(result))
    return list({picture.name: picture for picture in found}.values())


def _of_report(result: Result) -> Iterator[Picture]:
    from aiida_nanoclusters.cli.report.collect import PARTS, collect
    from aiida_nanoclusters.cli.report.command import sections

    if getattr(result.node, "process_label", None) not in PARTS:
        return
    report: StudyReport = collect(result.node)  # type: ignore[arg-type]
    yield from within(sections(report))
    if report.chart is not None:
        yield from maps(report.chart)


def within(value: Any) -> Iterator[Picture]:
    """Yield the pictures that are anywhere in a mapping or a list."""
    if isinstance(value, Picture):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from within(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from within(inner)


def maps(part: ChartPart) -> Iterator[Picture]:
    """Yield the chart, which a page draws by its own script: frames by family, in each plane."""
    points = part.points.coordinates
    for x, y in combinations(range(points.shape[1] if len(points) else 0), 2):
        yield _plane(part, x, y)


def _plane(part: ChartPart, x: int, y: int) -> Picture:
    points, families = part.points.coordinates, part.points.family
    figure = go.Figure()
    for k, family in enumerate([*part.families, None]):
        own = families == (-1 if family is None else family.number)
        if not own.any():
            continue
        figure.add_trace(
            go.Scatter(
                x=points[own, x],
                y=points[own, y],
                mode="markers",
                name="no family" if family is None else family.label,
                marker={
                    "size": 4,
                    "color": NONE if family is None else part.colours[k],
                    "symbol": SYMBOLS[k % len(SYMBOLS)],
                },
            )
        )
    figure.update_xaxes(title_text=f"Coordinate {x + 1} of the chart")
    figure.update_yaxes(title_text=f"Coordinate {y + 1} of the chart")
    return picture(
        f"chart-{x + 1}{y + 1}",
        "Chart",
        f"{len(points)} of {part.n_frames} frames in the chart, by family.",
        style(figure, 460),
        (),
        (),
        part.uuids,
    )


# -- structures of which no report is made ---------------------------------------------------


def _of_structures(result: Result) -> Iterator[Picture]:
    """Yield energies of structures, or of labelled frames, where there are any."""
    images = [atoms for atoms in images_of(result) if atoms.calc is not None]
    images = [atoms for atoms in images if "energy" in atoms.calc.results]
    if not images:
        return
    sources = {str(a.info["result"]): str(a.info["uuid"]) for a in images}
    ranked = [atoms for atoms in images if "rank" in atoms.info]
    if ranked and any("motif" in atoms.info for atoms in ranked):
        yield _isomers(ranked, sources)
    yield _energies(images, sources)


def _isomers(images: list[Atoms], sources: Mapping[str, str]) -> Picture:
    """Energies above the lowest isomer, against size; of a single size against the rank."""
    sizes = np.array([len(atoms) for atoms in images])
    single = len(set(sizes.tolist())) == 1
    x = np.array([atoms.info["rank"] for atoms in images]) if single else sizes
    y = np.array([atoms.info["relative_energy"] for atoms in images])
    figure = go.Figure()
    groups = [str(atoms.info.get("motif", "not recognised")).split(",")[0] for atoms in images]
    _scatter(figure, x, y, groups)
    rows = [
        (len(a), a.info["rank"], e, g, a.info.get("point_group", ""), a.info.get("hits"))
        for a, e, g in zip(images, y.tolist(), groups, strict=True)
    ]
    figure.update_xaxes(title_text="Rank" if single else "Number of atoms", tickformat="d")
    figure.update_yaxes(title_text="Energy above the lowest (eV)", rangemode="tozero")
    return picture(
        "isomers",
        "Isomers",
        f"Energies of {len(images)} structures above the lowest of their composition, by motif.",
        style(figure),
        ("N", "rank", "energy above the lowest (eV)", "motif", "point group", "hits"),
        rows,
        sources,
    )


def _energies(images: list[Atoms], sources: Mapping[str, str]) -> Picture:
    """Energies per atom against size, by configuration type."""
    sizes = np.array([len(atoms) for atoms in images])
    energies = np.array([atoms.calc.results["energy"] for atoms in images]) / sizes
    groups = [str(atoms.info.get("config_type") or atoms.info["result"]) for atoms in images]
    figure = go.Figure()
    _scatter(figure, sizes, energies, groups)
    figure.update_xaxes(title_text="Number of atoms", tickformat="d")
    figure.update_yaxes(title_text="Energy (eV/atom)")
    rows = sorted(zip(sizes.tolist(), groups, energies.tolist(), strict=True))
    return picture(
        "energies",
        "Energies",
        f"Energies per atom of {len(images)} frames, by configuration type; the spread is "
        f"{np.ptp(energies) * MEV_PER_EV:.0f} meV/atom.",
        style(figure),
        ("N", "configuration type", "energy (eV/atom)"),
        rows,
        sources,
    )


def _scatter(figure: go.Figure, x: Any, y: Any, groups: Iterable[str]) -> None:
    """Draw points by group, the rare ones together."""
    counts = Counter(given := list(groups))
    most = _MOST_GROUPS if len(counts) <= _MOST_GROUPS else _MOST_GROUPS - 1
    kept = {name for name, _ in counts.most_common(most)}
    named = np.array([name if name in kept else "others" for name in given])
    for k, name in enumerate([*sorted(kept), *(["others"] if len(kept) < len(counts) else [])]):
        own = named == name
        figure.add_trace(
            go.Scatter(
                x=x[own],
                y=y[own],
                mode="markers",
                name=name,
                marker={
                    "size": 7,
                    "color": COLOURS[k % len(COLOURS)],
                    "symbol": SYMBOLS[k % len(SYMBOLS)],
                },
            )
        )

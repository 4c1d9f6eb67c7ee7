"""Assembly of a trajectory in a report: clusters and coordination in time, events, nuclei."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from aiida_nanoclusters.cli.report.content import Structure
from aiida_nanoclusters.cli.report.figures import show
from aiida_nanoclusters.science.nucleation.assembly_settings import AssemblySettings
from aiida_nanoclusters.science.nucleation.octahedra import CORNERS
from aiida_nanoclusters.science.structures.molecules import BOND, METALS

if TYPE_CHECKING:
    from aiida.orm import ProcessNode

#: Calculation function that analyses a trajectory, and its outputs.
PROCESS = "analyse_assembly"
#: Atoms of the largest nucleus that is drawn, with its ligands.
_LARGEST_DRAWN = 2000


@dataclass(frozen=True)
class AssemblyPart:
    """What became of the clusters of a trajectory.

    Attributes
    ----------
    report, series
        As of :class:`.science.nucleation.assembly_report.AssemblyReport`.
    nuclei
        Snapshots, in the order of ``report["nuclei"]``.
    uuids
        Of the nodes, by name; empty where nothing was recorded.
    """

    report: Mapping[str, Any]
    series: Mapping[str, Any]
    nuclei: tuple[Atoms, ...]
    uuids: Mapping[str, str]

    @property
    def metal(self) -> str:
        """Chemical symbol of the metal."""
        return str(self.report["metal"])

    @property
    def final(self) -> list[Mapping[str, Any]]:
        """Nuclei of the last frame."""
        return [nucleus for nucleus in self.report["nuclei"] if nucleus["last"] is None]

    def named(self, number: int) -> str:
        """Return the name of a cluster, such as ``#8 Ag6``."""
        return f"#{number} {self.formula(self.report['clusters'][number - 1]['size'])}"

    def formula(self, size: int) -> str:
        """Return the formula of the metal atoms of a cluster."""
        return f"{self.metal}{size if size > 1 else ''}"


def collect_assembly(process: ProcessNode) -> AssemblyPart | None:
    """Read the latest analysis of a trajectory: the process itself, or one that it called."""
    called = sorted(process.called, key=lambda node: node.ctime)
    done = [n for n in (*called, process) if n.process_label == PROCESS and n.is_finished_ok]
    if not done:
        return None
    outputs = done[-1].outputs
    series, nuclei = outputs.series, outputs.nuclei if "nuclei" in outputs else None
    return AssemblyPart(
        report=outputs.assembly.get_dict(),
        series={name: series.get_array(name) for name in series.get_arraynames()},
        nuclei=() if nuclei is None else tuple(nuclei.frames),
        uuids={
            "assembly": outputs.assembly.uuid,
            "series": series.uuid,
            **({} if nuclei is None else {"nuclei": nuclei.uuid}),
            "frames": done[-1].inputs.frames.uuid,
        },
    )


def when(row: Mapping[str, Any]) -> str:
    """Return the time of a row, or its frame where no time is known."""
    if row["time"] is None:
        return f"frame {row['frame']}"
    return f"{show(row['time'], 6)} ps"


def population(part: AssemblyPart, sizes: Sequence[Sequence[int]]) -> str:
    """Return the clusters at one time, such as ``2 × Ag6, 24 × Ag2``."""
    return ", ".join(f"{number} × {part.formula(size)}" for size, number in sizes)


def change(part: AssemblyPart, event: Mapping[str, Any]) -> str:
    """Return an event, such as ``#1 Ag2 + #2 Ag2 → #7 Ag4``."""
    before, after = (" + ".join(map(part.named, event[key])) for key in ("before", "after"))
    return f"{before} → {after}"


def coordination_words(part: AssemblyPart) -> str:
    """Return the plateaus of the mean coordination and when it changes."""
    steps = part.report["steps"]
    if not steps:
        first, last = part.report["coordination"]
        return f"{first:.2f} at the beginning, {last:.2f} at the end, no step"
    later = (f"{step['after']:.2f} from {when(step)}" for step in steps)
    return f"{steps[0]['before']:.2f}, then {', '.join(later)}"


def nucleus_words(part: AssemblyPart, nucleus: Mapping[str, Any]) -> str:
    """Return how long a nucleus lived and how close it is to an octahedron."""
    until = "the end" if nucleus["last"] is None else when(nucleus["last"])
    return f"from {when(nucleus['first'])} to {until}; {order_words(part, nucleus)}"


def order_words(part: AssemblyPart, nucleus: Mapping[str, Any]) -> str:
    """Return how close a nucleus is to an octahedron, and since when."""
    limit = AssemblySettings(**part.report["settings"]).octahedron
    if nucleus["size"] == CORNERS:
        ordered = nucleus["ordered"]
        text = "no octahedron" if ordered is None else f"octahedron from {when(ordered)}"
    elif nucleus["rmsd"] <= limit:
        text = "six of its atoms are an octahedron"
    else:
        text = "no six of its atoms are an octahedron, the closest"
    return f"{text}: {_match_words(nucleus)}"


def _match_words(nucleus: Mapping[str, Any]) -> str:
    broken = nucleus["broken"]
    edges = "no broken edge" if not broken else f"{broken} of 12 edges broken"
    return f"RMSD {nucleus['rmsd']:.2f} Å, edge {nucleus['edge']:.2f} Å, {edges}"


def is_octahedral(part: AssemblyPart, nucleus: Mapping[str, Any]) -> bool:
    """Whether a nucleus of six is an octahedron at its end, or a larger one holds one."""
    if nucleus["size"] == CORNERS:
        return nucleus["ordered"] is not None
    return bool(nucleus["rmsd"] <= AssemblySettings(**part.report["settings"]).octahedron)


def answer(part: AssemblyPart) -> tuple[str, str]:
    """Return what formed, in few words, and from what."""
    counts: dict[str, int] = {}
    for nucleus in part.final:
        six, good = nucleus["size"] == CORNERS, is_octahedral(part, nucleus)
        name = part.formula(nucleus["size"])
        kind = f"{name} octahedron" if six else f"{name} with an octahedron in it"
        kind = kind if good else f"disordered {name}"
        counts[kind] = counts.get(kind, 0) + 1
    words = ", ".join(
        f"{number} {kind if number == 1 or not kind.endswith('octahedron') else f'{kind[:-2]}a'}"
        for kind, number in counts.items()
    )
    report = part.report
    detail = f"From {population(part, report['sizes'][0]['sizes'])}"
    span = report["time"]
    detail += f" in {report['frames']} frames" if span is None else f" in {span[1] - span[0]:g} ps"
    ordered = [n["ordered"] for n in part.final if n["ordered"] is not None]
    if ordered:
        first = min(ordered, key=lambda row: row["frame"])
        detail += f"; the first octahedron from {when(first)}"
    return words or f"No cluster of six {part.metal} atoms or more", f"{detail}."


def assembly_words(part: AssemblyPart) -> str:
    """Sentences on how clusters were found and what became of them."""
    report, own = part.report, AssemblySettings(**part.report["settings"])
    text = (
        f"{report['metal_atoms']} {part.metal} atoms, followed for {report['frames']} frames. Two "
        f"of them are linked up to {own.metal_distance:g} Å"
    )
    if own.bridges:
        binding = " or ".join(f"{name} (up to {limit:g} Å)" for name, limit in own.bridges.items())
        text += f", or where {binding} binds both"
    text += f", once that has lasted for {own.lasting} frames. "
    number = len(report["events"])
    text += f"{number or 'No'} event{'s' if number != 1 else ''}. "
    return text + f"At the end: {population(part, report['sizes'][-1]['sizes'])}."


#: Columns of the table of nuclei.
NUCLEUS_COLUMNS = (
    *("nucleus", "from", "to", "octahedron from", "RMSD (Å)", "edge (Å)", "broken edges"),
    "its closest six atoms",
)


def nucleus_rows(part: AssemblyPart) -> list[tuple[Any, ...]]:
    """Nuclei as rows of a table; of more than six atoms their six that are closest."""
    return [
        (
            _unbroken(part.named(n["cluster"])),
            _unbroken(when(n["first"])),
            _unbroken("the end" if n["last"] is None else when(n["last"])),
            None if n["ordered"] is None else _unbroken(when(n["ordered"])),
            show(float(n["rmsd"]), 3),
            show(float(n["edge"]), 4),
            n["broken"],
            "" if n["size"] == CORNERS else _unbroken(" ".join(map(str, n["corners"]))),
        )
        for n in part.report["nuclei"]
    ]


def _unbroken(text: str) -> str:
    """Return a text whose words stay on one line of a narrow table."""
    return text.replace(" ", "\u00a0")


def structures_of(part: AssemblyPart) -> list[Structure]:
    """Snapshots of the nuclei, to be drawn with their ligands by element."""
    return [
        _structure(part, nucleus, atoms)
        for nucleus, atoms in zip(part.report["nuclei"], part.nuclei, strict=True)
        if len(atoms) <= _LARGEST_DRAWN
    ]


def _structure(part: AssemblyPart, nucleus: Mapping[str, Any], atoms: Atoms) -> Structure:
    own = AssemblySettings(**part.report["settings"])
    symbols = np.array(atoms.get_chemical_symbols())
    metal = symbols == own.metal
    radii = np.where(np.isin(symbols, list(METALS)), -np.inf, covalent_radii[atoms.numbers])
    limits = BOND * (radii[:, None] + radii)  # metals are bonded as the settings say
    limits[np.ix_(metal, metal)] = own.metal_distance
    for symbol, limit in own.bridges.items():
        limits[np.ix_(metal, symbols == symbol)] = limit
    apart = atoms.get_all_distances()
    first, second = np.nonzero(np.triu(np.maximum(limits, limits.T) >= apart, 1))
    return Structure(
        size=len(atoms),
        label=part.named(nucleus["cluster"]),
        positions=atoms.positions - atoms.positions.mean(axis=0),
        coordination=(apart[:, metal] <= own.metal_distance).sum(axis=1) - metal,
        energy=None,
        motif="",
        uuid=part.uuids.get("nuclei", ""),
        text=f"{nucleus_words(part, nucleus)}.",
        symbols=tuple(symbols.tolist()),
        bonds=tuple(zip(first.tolist(), second.tolist(), strict=True)),
    )

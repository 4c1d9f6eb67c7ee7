"""What the launch scripts print of what was found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiida_nanoclusters.cli.terminal import make_console
from aiida_nanoclusters.science.keys import FORMER_LOOP_KEYS, with_present_keys

if TYPE_CHECKING:
    from aiida.orm import ProcessNode


def print_structures(table: Any) -> None:
    """Print the lowest structures of an annealing or of a search."""
    from rich.table import Table

    grid = Table(box=None, pad_edge=False)
    for name in ("N", "energy (eV)", "group", "motif", "12-coordinated", "hits"):
        grid.add_column(name, justify="right")
    for row in with_present_keys(table["rows"]):
        runs = "" if row["runs"] is None else f"/{row['runs']}"
        hits = "" if row["hits"] is None else f"{row['hits']}{runs}"
        grid.add_row(
            str(row["size"]),
            f"{row['energy']:.4f}",
            str(row["point_group"] or ""),
            row["motif"],
            str(row["n_12_coordinated"]),
            hits,
        )
    make_console().print(grid)


def print_study(node: ProcessNode) -> None:
    """Print a study's answers, each with its UUID."""
    console = make_console()
    outputs = node.outputs
    if "size_scan" in outputs and "magic" in outputs.size_scan:
        magic = outputs.size_scan.magic
        console.print(magic_sizes(magic.get_dict()), markup=False)
        console.print(f"  {magic.uuid}")
    for name, title in (("crossover", "learnt"), ("reference_crossover", "reference")):
        if name in outputs and "answer" in outputs[name]:
            answer = outputs[name].answer
            console.print(f"{title}: {answer['sentence']}", markup=False)
            console.print(f"  {answer.uuid}")


def magic_sizes(found: Mapping[str, Any]) -> str:
    """Return the magic sizes, which sizes were not judged, and which only from one side."""
    from aiida_nanoclusters.science.stability.magic import one_sided, unjudged_sentence

    sizes = [int(m["size"]) for m in found["magic"]]
    text = f"magic sizes: {', '.join(map(str, sizes)) or 'none'}"
    lacking = [int(n) for n in found.get("not_judged", {})]
    if lacking:
        text += f"\n  {unjudged_sentence([*found['compared'], *lacking])}"
    for size in one_sided(sizes, found["compared"]):
        text += (
            f"\n  {size} is held against one neighbour only, at the edge of the scan: scan "
            f"{size - 2}-{size + 2} to be sure."
        )
    return text


def print_rounds(outputs: Any) -> None:
    """Print the rounds of an active learning, and where its sets and potentials are."""
    from rich.table import Table

    if "history" not in outputs:
        return
    console = make_console()
    history = with_present_keys(outputs.history.get_dict(), FORMER_LOOP_KEYS)
    grid = Table(box=None, pad_edge=False)
    sets = sorted({name for row in history["rows"] for name in row.get("errors", {})})
    heads = ("round", "labels", "members", "accurate below (eV/Å)", "uncertain")
    for name in (*heads, *(f"{s} meV/atom, meV/Å" for s in sets)):
        grid.add_column(name, justify="right")
    for row in history["rows"]:
        errors = [row.get("errors", {}).get(name, {}).get("overall", {}) for name in sets]
        grid.add_row(
            str(row["round"]),
            str(row["labels"]),
            str(row.get("members", "")),
            f"{row['accurate_below']:.3g}" if "accurate_below" in row else "",
            "" if row.get("uncertain") is None else f"{100 * row['uncertain']:.3g} %",
            *(f"{_two(e, 'energy_rmse')}, {_two(e, 'forces_rmse')}" if e else "" for e in errors),
        )
    console.print(grid)
    console.print(history["reason"], markup=False)
    console.print(f"  history {outputs.history.uuid}", markup=False)
    for name in ("training", "validation", "calibration"):
        if name in outputs:
            frames = outputs[name]
            console.print(f"  {name:11} {len(frames):6} frames  {frames.uuid}", markup=False)
    print_potentials(outputs)


def print_free_energy(outputs: Any) -> None:
    """Print what the runs of metadynamics covered, and what the free energy says."""
    from aiida_nanoclusters.science.sampling.metadynamics_basins import in_words

    if "report" not in outputs:
        return
    console = make_console()
    for name, run in outputs.report.get_dict().items():
        spans = ", ".join(f"{k} {a:.3g} to {b:.3g}" for k, (a, b) in run["ranges"].items())
        hills = f", {run['hills']} hills" if run["hills"] else ""
        text = f"{name}: {run['duration']:g} ps{hills}; {spans}"
        console.print(text, markup=False)
    if "answer" in outputs:
        for sentence in in_words(outputs.answer.get_dict()):
            console.print(sentence, markup=False)
    console.print(f"  free energy {outputs.free_energy.uuid}", markup=False)


def print_potentials(outputs: Any) -> None:
    """Print the packages of a training, which can be learnt on, and what LAMMPS can run."""
    console = make_console()
    for name in ("potentials", "compiled"):
        found = dict(outputs[name]) if name in outputs else {}
        for key, potential in sorted(found.items()):
            console.print(f"  {name:10} {key:8} {potential.uuid}", markup=False)


def _two(row: dict[str, Any], name: str) -> str:
    return "-" if row[name] is None else f"{row[name]:.1f}"

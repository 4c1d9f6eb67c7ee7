"""What the commands on ligands print: methods side by side, rankings, edits."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from aiida_nanoclusters.cli.terminal import echo, make_console

if TYPE_CHECKING:
    from aiida.orm import ProcessNode

#: Width of the tables, and rows of a ranking that are printed.
WIDTH, _SHOWN = 80, 15


def print_compatibility(node: ProcessNode) -> None:
    """Print pairs, methods and models of a CompatibilityWorkChain."""
    outputs = node.outputs
    if "pairs" in outputs:
        told = outputs.pairs.base.attributes
        count, positive = told.get("n_pairs"), told.get("n_positive")
        echo(
            f"{positive} compatible pairs of {told.get('n_cores')} cores and "
            f"{told.get('n_ligands')} ligands, {count - positive} negatives"
        )
        echo(f"  pairs {outputs.pairs.uuid}")
    for name in ("collection", "negatives"):
        if name in outputs:
            echo(f"  {name} {outputs[name].uuid}")
    for sentence in outputs.negatives["warnings"] if "negatives" in outputs else ():
        _warn(f"Warning: {sentence}")
    print_methods(node)
    for key in sorted(outputs.models) if "models" in outputs else ():
        echo(f"  model {key} {outputs.models[key].uuid}")


def print_methods(node: ProcessNode) -> None:
    """Print the methods by kind of split, and what the numbers are worth."""
    from rich.table import Table

    if "methods" not in node.outputs:
        return
    methods = node.outputs.methods.get_dict()
    grid = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    confidence = f"{100 * methods['confidence']:g} % interval"
    for name in ("held out", "method", "AUC", confidence, "accuracy", "F1", "tested"):
        grid.add_column(name, no_wrap=True)
    for row in methods["rows"]:
        interval = row["intervals"]["auc"]
        grid.add_row(
            row["split"],
            row["method"],
            _mean(row["metrics"]["auc"]),
            "-" if interval["low"] is None else f"{interval['low']:.2f} to {interval['high']:.2f}",
            _mean(row["metrics"]["accuracy"]),
            _mean(row["metrics"]["f1"]),
            " to ".join(str(n) for n in sorted({min(row["n_test"]), max(row["n_test"])})),
        )
    console = make_console(WIDTH)
    console.print(grid)
    console.print(methods["sentence"], markup=False)
    if methods.get("warning"):
        _warn(f"Warning: {methods['warning']}.")
    console.print(f"  methods {node.outputs.methods.uuid}", markup=False)


def _mean(summary: Mapping[str, Any]) -> str:
    if summary["mean"] is None:
        return "-"
    spread = "" if summary["deviation"] is None else f" ± {summary['deviation']:.2f}"
    return f"{summary['mean']:.2f}{spread}"


def print_ranking(node: ProcessNode) -> None:
    """Print the most probable sets of ligands of each core, and warn of what lies outside."""
    if "table" not in node.outputs:
        return
    table = node.outputs.table.get_dict()
    for core in table["cores"]:
        print_core(core, table["names"])
    warn_of_accuracy(node)
    warn_outside(table)
    print_stability(node)
    echo(f"  table {node.outputs.table.uuid}")
    echo(f"  probabilities {node.outputs.probabilities.uuid}")


def print_core(core: Mapping[str, Any], names: Mapping[str, str]) -> None:
    """Print the ranking of one core."""
    from rich.table import Table

    from aiida_nanoclusters.science.ligands.ligand_ranking import ligand_words

    mark = "  OUTSIDE" if core["outside"] else ""
    near = "; ".join(f"{k['name']} {_distance(k)}" for k in core["nearest"])
    console = make_console(WIDTH)
    known = "nearest known cores (from 1 on outside)"
    console.print(f"{core['formula']}{mark}; {known}: {near}", markup=False)
    grid = Table(box=None, pad_edge=False)
    for name in ("rank", "probability", "distance"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("ligands", overflow="fold")
    for row in core["rows"][:_SHOWN]:
        far = _distance(row["nearest"][0]) if row["nearest"] else "-"
        grid.add_row(
            str(row["rank"]),
            _probability(row),
            far + (" OUT" if row["outside"] else ""),
            _escaped(ligand_words(row["ligands"], names)),
        )
    console.print(grid)
    if core["n_sets"] > _SHOWN:
        console.print(f"{core['n_sets'] - _SHOWN} more sets", markup=False)


def warn_of_accuracy(node: ProcessNode) -> None:
    """Say how models that were trained like these did on what was held out."""
    from aiida_nanoclusters.queries.matching_models import training_of
    from aiida_nanoclusters.science.ligands.method_table import accuracy_words

    chain = training_of(node)
    rows = chain.outputs.methods["rows"] if chain and "methods" in chain.outputs else []
    words = accuracy_words(rows) or "these models were not measured on held-out pairs"
    sure = any(row["better_than_chance"] for row in rows) and "no better" not in words
    _warn(f"{words[:1].upper()}{words[1:]}." if sure else f"Warning: {words}.")


def warn_outside(table: Mapping[str, Any]) -> None:
    """Say in plain words what the models have not seen."""
    for core in table["cores"]:
        if core["new_elements"]:
            _warn(
                f"Warning: no training core had {', '.join(core['new_elements'])}: what the models "
                f"say of {core['formula']} is a guess."
            )
    if groups := table["cores"][0]["new_groups"]:
        _warn(
            f"Warning: no known cluster had a ligand of the kind {', '.join(groups)}: sets with "
            "one are ranked by guess."
        )
    outside = [core["formula"] for core in table["cores"] if core["outside"]]
    sets, count = len(table["ligand_sets"]), table["cores"][0]["n_outside"]
    if len(outside) == 1:
        _warn(f"Warning: {outside[0]} lies outside of what the models have seen.")
    elif outside:
        total = len(table["cores"])
        _warn(
            f"Warning: {len(outside)} of {total} cores lie outside (OUT) of what the models have "
            "seen."
        )
    if count:
        _warn(f"Warning: {count} of {sets} sets lie outside (OUT) of what the models have seen.")
    if outside or count:
        _warn(f"  ({table['criterion']}.)")


def _warn(text: str) -> None:
    """Print a warning in lines of the width of the tables."""
    for line in wrap(text, WIDTH, subsequent_indent="  "):
        echo(line, err=True)


def print_stability(node: ProcessNode) -> None:
    """Print what became of the bare cores."""
    if "stability" not in node.outputs:
        return
    found = node.outputs.stability.get_dict()
    echo(f"Bare cores, relaxed by {found['level_of_theory']}:")
    for row in found["rows"][:_SHOWN]:
        energy = "-" if row["energy_per_atom"] is None else f"{row['energy_per_atom']:.3f}"
        whole = "" if row["pieces"] == 1 else f", falls into {row['pieces']} pieces"
        echo(
            f"  {row['formula']:12} {energy} eV/atom, atoms moved by {row['displacement']:.2f} Å, "
            f"{100 * row['kept_bonds']:.0f} % of the neighbours kept{whole}"
        )
    echo(f"  stability {node.outputs.stability.uuid}")


def print_edits(node: ProcessNode) -> None:
    """Print the edits of a core by the probability of their best ligands."""
    from rich.table import Table

    from aiida_nanoclusters.science.ligands.ligand_ranking import ligand_words

    if "comparison" not in node.outputs:
        return
    rows, table = node.outputs.comparison["rows"], node.outputs.table.get_dict()
    grid = Table(box=None, pad_edge=False)
    for name in ("n", "probability", "change"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("edit", overflow="fold")
    grid.add_column("best ligands", overflow="fold")
    for row in rows[: _SHOWN + 1]:
        grid.add_row(
            str(row["multiplicity"]),
            _probability(row),
            "" if row["kind"] == "unedited" else _change(row),
            row["description"] + (" OUT" if row["outside"] else ""),
            _escaped(ligand_words(row["ligands"], table["names"])),
        )
    console = make_console(WIDTH)
    console.print(grid)
    if len(rows) > _SHOWN + 1:
        console.print(f"{len(rows) - _SHOWN - 1} more edits", markup=False)
    if node.outputs.comparison["warning"]:
        _warn(f"Warning: {node.outputs.comparison['warning']}.")
    warn_of_accuracy(node)
    warn_outside(table)
    print_stability(node)
    for name in ("comparison", "edits", "table"):
        console.print(f"  {name} {node.outputs[name].uuid}", markup=False)


def _probability(row: Mapping[str, Any]) -> str:
    spread = f" ± {row['spread']:.2f}" if row["spread"] else ""  # none of a single model
    return f"{row['probability']:.2f}{spread}"


def _change(row: Mapping[str, Any]) -> str:
    value = f"{round(row['change'], 2) + 0.0:+.2f}".replace("-", "−")  # no negative zero
    return value + (f" ± {row['change_spread']:.2f}" if row["spread"] else "")


def _distance(known: Mapping[str, Any]) -> str:
    return "-" if known["distance"] is None else f"{known['distance']:.2f}"


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)

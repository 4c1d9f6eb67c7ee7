"""aiida-nanoclusters compare: trainings beside each other, on frames that none of them learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.terminal import Fixable, echo
from aiida_nanoclusters.science.words import counted

if TYPE_CHECKING:
    from aiida.orm import ProcessNode

    from aiida_nanoclusters.data.frames import FramesData

TRAINING = "TrainWorkChain"
#: Name of the common set among the arguments of `compare_committee`.
PART = "test"
COLUMNS = (
    *("training", "members", "frames", "epochs", "meV/atom", "meV/Å", "motifs"),
    "best validation",
)


@dataclass
class Compared:
    """A training, and its errors on the common set: those of the mean of its members."""

    node: ProcessNode
    errors: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Beginning of its UUID."""
        return str(self.node.uuid)[:8]

    def learnt(self) -> list[FramesData]:
        """Sets that weights and epochs were chosen by."""
        return [self.node.inputs.training, self.node.inputs.validation]


@click.command("compare", cls=cli.LaunchCommand)
@click.argument("uuids", nargs=-1, required=True, metavar="UUID UUID ...")
@cli.uuid_option(
    "--test",
    "FramesData: labelled frames on which all are compared. Default: their test set where it is "
    "the same; else all test frames that none of them has learnt.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Page (.html) with the table and the learning curves. Default: none.",
)
@cli.lammps_option
@cli.options_option
@cli.here_option
def compare(uuids, test, out, lammps, options, here):
    """Compare trainings: errors on one common test set, learning curves, motif difference.

    UUID is that of a training, or of a study or an active learning, whose last training is taken.
    A committee that was tested on other frames is evaluated by LAMMPS.

    \b
    aiida-nanoclusters compare UUID UUID --out compared.html
    """
    found = {node.uuid: Compared(node) for node in map(_training, uuids)}
    if len(found) < 2:
        raise Fixable("this is one training: give the UUIDs of two or more")
    trainings = list(found.values())
    common = _common_set(trainings, test)
    for one in trainings:
        one.errors = _errors(one, common, lammps, options, here)
    rows = [_row(one) for one in trainings]
    echo(f"errors of the committees on {counted(len(common), 'frame')} of {common.uuid},")
    echo(f"which none of them learnt, labelled by {common.level_of_theory}")
    _print(rows)
    if len({_hashes(o.node.inputs.motifs) for o in trainings if "motifs" in o.node.inputs}) > 1:
        echo("motifs: measured on different closed shells")
    best = min(trainings, key=lambda one: one.errors["energy_rmse"] or float("inf"))
    echo(f"lowest error of the energy: {best.node.uuid}")
    if out is not None:
        _write_page(out, trainings, rows)


def _training(uuid: str) -> ProcessNode:
    """Return the training of that UUID, or the last one that the process of that UUID called."""
    from aiida.orm import WorkChainNode

    node = cli.get_node(uuid, WorkChainNode)
    below = [node, *node.called_descendants]
    found = [child for child in below if child.process_label == TRAINING]
    done = [child for child in found if "compiled" in child.outputs]
    if not done:
        raise Fixable(f"{uuid} has no compiled potentials: give a training that has finished")
    return max(done, key=lambda child: child.ctime)


def _common_set(trainings: Sequence[Compared], test: str | None) -> FramesData:
    """Return the frames on which all are compared."""
    from aiida.orm import List

    from aiida_nanoclusters.calculations.frames import select_frames
    from aiida_nanoclusters.data.frames import FramesData
    from aiida_nanoclusters.science.learning.comparison import unlearnt_frames

    learnt = {node.uuid: node for one in trainings for node in one.learnt()}
    if test is not None:
        node = cli.get_node(test, FramesData)
        sets = [known.frames for known in learnt.values()]
        if len(unlearnt_frames([node.frames], sets)) < len(node):
            raise Fixable(f"some frames of {test} were learnt by one of the trainings")
        return node
    tests = {one.node.inputs.test.uuid: one.node.inputs.test for one in trainings}
    parts = {f"part_{k:03d}": node for k, node in enumerate(tests.values())}
    chosen = unlearnt_frames(
        [node.frames for node in parts.values()], [node.frames for node in learnt.values()]
    )
    first = next(iter(parts.values()))
    if len(parts) == 1 and len(chosen) == len(first):
        return first
    if not chosen:
        raise Fixable("each test frame was learnt by one of them: name other frames by --test")
    try:
        return select_frames(cli.join_frames(parts), List(chosen))
    except Fixable as error:
        raise Fixable(
            f"the test sets do not fit together: name one of them, or other frames, by --test "
            f"({error.message})"
        ) from error


def _errors(
    one: Compared, common: FramesData, lammps: str, options: Any, here: bool
) -> dict[str, Any]:
    """Return the error row of a committee's mean on the common set."""
    own = one.node.inputs.test
    recorded = one.node.outputs.errors.get_dict() if "errors" in one.node.outputs else {}
    if PART in recorded.get("sets", {}) and _hashes(own) == _hashes(common):
        return dict(recorded["sets"][PART]["committee"]["overall"])
    from aiida_nanoclusters.calculations.learning.metrics import compare_committee
    from aiida_nanoclusters.workflows.base.evaluate import EvaluateBaseWorkChain
    from aiida_nanoclusters.workflows.parts.job_inputs import job

    code = cli.get_code(lammps, "lammps")
    builder = EvaluateBaseWorkChain.get_builder()
    builder.evaluate = {
        **job(code, cli.options_of(code, options), "evaluate"),
        "frames": common,
        "potentials": dict(one.node.outputs.compiled),
    }
    node = cli.launch(builder, here=here)
    if "labelled" not in node.outputs:
        raise Fixable(f"the potentials of {one.node.uuid} evaluated no frame: see {node.uuid}")
    labelled = {f"predicted_{PART}_{key}": own for key, own in node.outputs.labelled.items()}
    found = compare_committee(**{f"reference_{PART}": common}, **labelled)["errors"].get_dict()
    return dict(found["sets"][PART]["committee"]["overall"])


def _hashes(frames: FramesData) -> tuple[str, ...]:
    return (frames.level_of_theory, *frames.frames.content_hashes())


def _row(one: Compared) -> tuple[str, ...]:
    outputs, inputs = one.node.outputs, one.node.inputs
    errors = outputs.errors.get_dict() if "errors" in outputs else {}
    difference = errors.get("motif_difference")
    motifs = "–"
    if difference:
        spread = difference["spread"]
        motifs = f"{difference['mean']:+.1f}" + (f" ± {spread:.1f}" if spread is not None else "")
    return (
        one.name,
        str(len(outputs.compiled)),
        str(len(inputs.training)),
        str(inputs.settings["training"]["epochs"]),
        _number(one.errors["energy_rmse"]),
        _number(one.errors["forces_rmse"]),
        motifs,
        _best(outputs),
    )


def _best(outputs: Any) -> str:
    """Return the mean of the members' validation errors at their best epochs."""
    reports = [node.get_dict() for node in outputs.reports.values()] if "reports" in outputs else []
    parts = []
    for name in ("energy_rmse", "forces_rmse"):
        known = [r["best"][name] for r in reports if name in r.get("best", {})]
        parts.append(_number(sum(known) / len(known) if known else None))
    return " / ".join(parts)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _print(rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "training" else "right")
    for row in rows:
        table.add_row(*row)
    cli.make_console(80).print(table)
    echo("RMSE of the mean of the members; motifs: error of the difference icosahedron −")
    echo("truncated octahedron (meV/atom); best validation: RMSE in meV/atom / meV/Å")


def _write_page(out: Path, trainings: Sequence[Compared], rows: Sequence[Sequence[str]]) -> None:
    """Write the table and the learning curves as a page."""
    from dataclasses import replace

    from aiida_nanoclusters.cli.report.command import write_page
    from aiida_nanoclusters.cli.report.figures import learning_curves
    from aiida_nanoclusters.cli.report.training import read_curve

    curves = [
        replace(read_curve(key, node), member=f"{one.name} {key}")
        for one in trainings
        if "learning_curves" in one.node.outputs
        for key, node in one.node.outputs.learning_curves.items()
    ]
    picture = learning_curves(curves)
    drawn = "" if picture is None else picture.figure.to_html(full_html=False)
    head = "".join(f"<th>{escape(name)}</th>" for name in COLUMNS)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    style = "body{font:16px system-ui,sans-serif;margin:2rem}th,td{padding:.2rem .8rem}"
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Trainings compared'
        f"</title><style>{style}</style></head><body><h1>Trainings compared</h1>"
        f"<table><tr>{head}</tr>{body}</table><h2>Learning curves</h2>{drawn}</body></html>\n"
    )
    echo(f"{write_page(page, out)}")

"""aiida-nanoclusters analyse: whether a training set covers the atoms of a target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aiida_nanoclusters.cli.terminal import (
    Fixable,
    count_option,
    make_console,
    open_profile,
    profile_option,
)

if TYPE_CHECKING:
    from aiida.orm import ProcessNode

    from aiida_nanoclusters.data.frames import FramesData

#: Outputs with the training set of a process, and those with structures of a target, in order of
#: preference.
TRAINING = ("training", "dataset.training")
TARGET = (
    *("crossover.structures", "size_scan.structures", "trajectory"),
    *("structures", "minima", "frames"),
)


@click.command()
@click.argument("training")
@click.argument("target")
@profile_option
@count_option(
    "--most",
    4000,
    10,
    "Largest number of environments of each set on the map; larger sets are sampled at random.",
)
@count_option(
    "--least",
    1,
    1,
    "Number of training atoms with a coordination number from which on it counts as covered.",
)
@click.option("--seed", default=1, show_default=True, help="Random seed of the sampled atoms.")
def analyse(
    training: str, target: str, profile_name: str | None, most: int, least: int, seed: int
) -> None:
    """Compare the atomic environments of TARGET with those of a training set.

    TRAINING is the UUID (or pk) of a FramesData, or of a data set, training or study, whose
    training set is used. TARGET is the UUID of a FramesData or of a process that made structures
    or a trajectory, or a file. `report` then shows the comparison beside the training.
    """
    open_profile(profile_name)
    from aiida.orm import Dict, Int

    from aiida_nanoclusters.calculations.learning.coverage import (
        compare_environments,
        comparison_problem,
    )

    known, asked = frames_of(training, TRAINING), frames_of(target, TARGET)
    if problem := comparison_problem(known, asked):
        raise Fixable(problem)
    settings = Dict({"most": most, "least": least})
    found: Any = compare_environments(
        training=known, target=asked, seed=Int(seed), settings=settings
    )
    _print(found)


def frames_of(identifier: str, names: tuple[str, ...]) -> FramesData:
    """Return the frames that a UUID, a pk or a file names; of a process an output or input.

    Raises
    ------
    Fixable
        If there are none.
    """
    from pathlib import Path

    from aiida.orm import Node, ProcessNode

    from aiida_nanoclusters.cli.launch.options import get_frames, get_node

    node = None if Path(identifier).is_file() else get_node(identifier, Node)
    return _of_process(node, names) if isinstance(node, ProcessNode) else get_frames(identifier, "")


def _of_process(process: ProcessNode, names: tuple[str, ...]) -> FramesData:
    from aiida_nanoclusters.data.frames import FramesData

    links = [*process.base.links.get_outgoing().all(), *process.base.links.get_incoming().all()]
    found = {
        link.link_label.replace("__", "."): link.node
        for link in reversed(links)
        if isinstance(link.node, FramesData)
    }
    chosen = next((found[name] for name in names if name in found), None)
    if chosen is None:
        raise Fixable(
            f"{process.process_label} {process.uuid} has no {' nor '.join(names)}: give the UUID "
            "of the frames"
        )
    return chosen


def _print(found: Any) -> None:
    console = make_console()
    coverage = found["coverage"]
    missing = ", ".join(map(str, coverage["coordination_not_seen"]))
    console.print(
        f"coordination numbers: {100 * coverage['coordination']:.1f} % of the target's atoms are "
        f"covered{f'; not seen: {missing}' if missing else ''}",
        soft_wrap=True,
    )
    console.print(f"environments: {100 * coverage['environments']:.1f} % are covered")
    for row in coverage["target"]:
        console.print(
            f"  {row['composition']}: {100 * row['coverage']:.1f} % of {row['n_environments']}"
        )
    for name in ("coordination", "environments", "coverage"):
        console.print(f"{name} {found[name].uuid}")

"""Train a committee of Allegro models and say how far it is from its labels.

verdi run workchains/train.py --dataset UUID --protocol tutorial
verdi run workchains/train.py --training UUID --validation UUID --test UUID --seeds 1-4
verdi run workchains/train.py --dataset UUID --start-from UUID --protocol tutorial_warm
"""

import click

from aiida_nanoclusters.cli import launch as cli
from aiida_nanoclusters.cli import launch_results as results
from aiida_nanoclusters.cli.terminal import Fixable


@click.command()
@click.option("--dataset", metavar="UUID", help="A DatasetWorkChain, whose three sets are taken.")
@click.option("--training", metavar="UUID", help="FramesData, instead of the data set's.")
@click.option("--validation", metavar="UUID", help="FramesData, instead of the data set's.")
@click.option("--test", metavar="UUID", help="FramesData, instead of the data set's.")
@click.option("--unseen", metavar="UUID", help="Labelled FramesData of sizes not learnt.")
@click.option(
    "--motifs",
    metavar="UUID",
    help="FramesData: relaxed icosahedra and truncated octahedra, labelled by the reference.",
)
@click.option("--seeds", default="1-4", show_default=True, help="One for each member.")
@click.option(
    "--start-from",
    metavar="UUID",
    help="A TrainWorkChain: members of equal seeds begin from its potentials.",
)
@click.option("--epochs", type=int, help="Instead of the protocol's.")
@click.option("--learning-rate", type=float, help="At the beginning; instead of the protocol's.")
@cli.protocol_option("moderate")
@cli.nequip_option
@cli.lammps_option
@cli.device_option
@click.option("--jobs", default=2, show_default=True, help="Jobs at once.")
@cli.options_option
@cli.here_option
def main(dataset, unseen, motifs, seeds, start_from, epochs, learning_rate, protocol, nequip,
         lammps, device, jobs, options, here, **sets):  # fmt: skip
    """Train, package, compile and compare with labels that were not learnt."""
    from aiida.orm import Int, Str

    from aiida_nanoclusters.data.frames import FramesData
    from aiida_nanoclusters.workflows.train import TrainWorkChain

    nequip_code, lammps_code = cli.get_code(nequip), cli.get_code(lammps)
    asked = {"epochs": epochs, "learning_rate": learning_rate}
    changes = {key: value for key, value in asked.items() if value is not None}
    with cli.fixable():
        builder = TrainWorkChain.get_builder_from_protocol(
            nequip_code,
            lammps_code,
            protocol=protocol,
            overrides={"training": changes},
            options=cli.options_of(nequip_code, options),
            seeds=cli.parse_sizes(seeds),
        )
    if start_from:
        builder.start_from = _starts(start_from, builder.seeds)
    builder.options.evaluate = cli.options_of(lammps_code, options).at("evaluate")
    builder.max_concurrent, builder.device = Int(jobs), Str(device)
    for name, frames in {**(cli.get_sets(dataset) if dataset else {}), **_given(sets)}.items():
        builder[name] = frames
    for name, uuid in (("unseen", unseen), ("motifs", motifs)):
        if uuid:
            builder[name] = cli.get_node(uuid, FramesData)
    missing = [name for name in cli.SETS if name not in builder._inputs(prune=True)]
    if missing:
        raise Fixable(f"no {' or '.join(missing)} set: give --dataset UUID, or name each set")
    node = cli.launch(builder, here=here)
    _print_results(node)
    cli.finish(node, [f"aiida-nanoclusters report {node.uuid}", f"verdi node show {node.uuid}"])


def _starts(uuid, seeds):
    """Return what members begin from, by key; say who begins from random weights."""
    from aiida.orm import WorkChainNode

    from aiida_nanoclusters.workflows.train import member_keys

    outputs = cli.get_node(uuid, WorkChainNode).outputs
    outputs = outputs.train if "train" in outputs else outputs  # a study's
    known = dict(outputs.potentials) if "potentials" in outputs else {}
    members = member_keys(seeds)
    starts = {key: known[key] for key in members if key in known}
    if not starts:
        there = f"it has {', '.join(sorted(known))}" if known else "give a finished training"
        raise Fixable(f"{uuid} has no potential of {', '.join(members)}: {there}")
    if absent := [key for key in members if key not in starts]:
        click.echo(f"  {', '.join(absent)} begin from random weights: {uuid} has none of them")
    return starts


def _given(sets):
    from aiida_nanoclusters.data.frames import FramesData

    return {name: cli.get_node(uuid, FramesData) for name, uuid in sets.items() if uuid}


def _print_results(node):
    if "errors" in node.outputs:
        errors = node.outputs.errors.get_dict()
        for part, found in errors["sets"].items():
            row = found["committee"]["overall"]
            if not row["n_frames"]:
                click.echo(f"  {part:8} no frame was evaluated by every member")
                continue
            click.echo(
                f"  {part:8} {row['n_frames']:6} frames, RMSE of the mean "
                f"{row['energy_rmse']:.2f} meV/atom, {row['forces_rmse']:.2f} meV/Å"
            )
        if "motif_difference" in errors:
            found = errors["motif_difference"]
            click.echo(f"  icosahedron - truncated octahedron off by {found['mean']:.2f} meV/atom")
        click.echo(f"  errors {node.outputs.errors.uuid}")
        click.echo(f"  parity {node.outputs.parity.uuid}")
    results.print_potentials(node)


if __name__ == "__main__":
    main()

"""Grow a training set until a committee of potentials agrees on clusters larger than any it learnt.

verdi run workchains/active_learning.py --dataset UUID --potential-file Cu_mishin1.eam.alloy \
    --protocol tutorial
verdi run workchains/active_learning.py --dataset UUID --engine cp2k --label-protocol gfn1-xtb
verdi run workchains/active_learning.py --continue UUID --round 3 --potential-file ... --labels 500
"""

import click

from aiida_nanoclusters.cli import launch as cli
from aiida_nanoclusters.cli import launch_engine as engines
from aiida_nanoclusters.cli import launch_results as results
from aiida_nanoclusters.cli.terminal import Fixable


@click.command()
@cli.element_option
@click.option("--dataset", metavar="UUID", help="A DatasetWorkChain: the labels to begin with.")
@click.option(
    "--continue",
    "earlier",
    metavar="UUID",
    help="An ActiveLearningWorkChain to go on from, instead of --dataset.",
)
@click.option("--round", "number", type=int, help="Round to go on from; the last by default.")
@click.option("--unseen", metavar="UUID", help="Labelled FramesData of sizes not learnt.")
@cli.potential_options
@engines.engine_options("label-")
@cli.protocol_option("moderate")
@click.option("--recipe", metavar="FILE", help="YAML list of what is explored, instead.")
@click.option("--labels", type=int, help="In all, instead of the protocol's budget.")
@click.option("--labels-per-round", type=int, help="Instead of the protocol's.")
@click.option(
    "--choose-by",
    type=click.Choice(["medoids", "farthest", "chance"]),
    help="Instead of the protocol's; chance draws from all frames, not from those in doubt.",
)
@click.option("--low", type=float, help="eV/Å; frames below are good, instead of the protocol's.")
@click.option("--high", type=float, help="eV/Å; frames above are poor, instead of the protocol's.")
@click.option("--checks", type=int, help="Of the labels a round, drawn by chance and never learnt.")
@click.option(
    "--calibrate",
    metavar="ERROR",
    type=float,
    help="Find `low` anew each round by all checks, 23 or more: with 90 % confidence nine of ten "
    "frames like these and below it have no force that is wrong by more than ERROR (eV/Å).",
)
@click.option("--seed", default=1, show_default=True)
@cli.lammps_option
@cli.nequip_option
@cli.device_option
@click.option("--jobs", default=2, show_default=True, help="Jobs at once.")
@cli.options_option
@cli.here_option
def main(
    element,
    dataset,
    earlier,
    number,
    unseen,
    potentials,
    potential_file,
    kind,
    level,
    engine,
    label_protocol,
    label_code,
    protocol,
    recipe,
    labels,
    labels_per_round,
    choose_by,
    low,
    high,
    checks,
    calibrate,
    seed,
    lammps,
    nequip,
    device,
    jobs,
    options,
    here,
):
    """Train, explore, select, label, and again."""
    from aiida.orm import Int, Str

    from aiida_nanoclusters.data.frames import FramesData
    from aiida_nanoclusters.workflows.active_learning import ActiveLearningWorkChain

    if bool(dataset) == bool(earlier):
        raise Fixable("give either --dataset UUID to begin, or --continue UUID to go on")
    begun = cli.get_sets(dataset) if dataset else _go_on(earlier, number)
    if calibrate is not None and not checks and "checks" not in begun:
        raise Fixable("--calibrate needs labels drawn by chance: give --checks N as well")
    reference = label = None
    if engine == "potential":
        reference = cli.get_one_potential(potentials, potential_file, kind, level)
    else:
        label = engines.engine_inputs(engine, label_protocol, label_code, options)
    loop = {"budget": labels, "per_round": labels_per_round, "checks": checks}
    loop |= {"low": low, "high": high}
    overrides = {"settings": {"loop": {k: v for k, v in loop.items() if v is not None}}}
    if calibrate is not None:
        sure = {"error": calibrate, "share": 0.1, "confidence": 0.9}
        overrides["settings"]["calibration"] = sure
    if choose_by:
        overrides["settings"]["choice"] = {"by": choose_by}
    if choose_by == "chance":
        overrides["settings"]["choice"]["wanted"] = ["good", "decent", "poor"]
    if recipe:
        overrides["explore"] = {"recipe": cli.read_list(recipe, "entries", "{kind: cluster, ...}")}
    lammps_code, nequip_code = cli.get_code(lammps), cli.get_code(nequip)
    with cli.fixable():
        builder = ActiveLearningWorkChain.get_builder_from_protocol(
            lammps_code,
            nequip_code,
            element,
            *(begun.pop(name) for name in cli.SETS),
            reference=reference,
            protocol=protocol,
            overrides=overrides,
            lammps_options=cli.options_of(lammps_code, options),
            nequip_options=cli.options_of(nequip_code, options),
            max_concurrent=jobs,
            label=label,
        )
        builder.seed, builder.train.device = Int(seed), Str(device)
        for name, value in begun.items():
            builder[name] = value
        if unseen:
            builder.unseen = cli.get_node(unseen, FramesData)
    node = cli.launch(builder, here=here)
    results.print_rounds(node)
    cli.finish(node, [f"aiida-nanoclusters report {node.uuid}", f"verdi node show {node.uuid}"])


def _go_on(uuid, number):
    """Return what a round of an earlier run has left."""
    from aiida.orm import WorkChainNode

    node = cli.get_node(uuid, WorkChainNode)
    rounds = dict(node.outputs.rounds) if "rounds" in node.outputs else {}
    name = f"round_{number:03d}" if number is not None else max(rounds, default=None)
    if name not in rounds:
        known = ", ".join(sorted(rounds)) or "none"
        raise Fixable(f"{uuid} has labelled nothing in {name or 'any round'}; there are: {known}")
    left = dict(rounds[name])
    start_from = dict(left.pop("potentials", {}))
    sets = {"test": node.inputs.test}
    if "unseen" in node.inputs:
        sets["unseen"] = node.inputs.unseen
    return {**sets, **left, "start_from": start_from}


if __name__ == "__main__":
    main()

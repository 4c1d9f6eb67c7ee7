"""Train a committee of Allegro potentials and measure its errors."""

from pathlib import Path

import click

from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.launch import results
from aiida_nanoclusters.cli.terminal import Fixable, echo
from aiida_nanoclusters.science.words import counted

#: Names of options in earlier versions.
FORMER_OPTIONS = {"--unseen": "--extrapolation"}


#: Options that belong to a new training.
_OF_A_NEW_ONE = (
    *(*cli.SETS, "extrapolation", "motifs", "seeds", "start_from", "type_names", "predictions"),
    *("epochs", "learning_rate"),
)


def _set_option(name: str):
    return cli.uuid_option(f"--{name}", f"FramesData. Default: the {name} set of --dataset.")


@click.command("train", cls=cli.LaunchCommand, stem="train", former=FORMER_OPTIONS)
@cli.uuid_option("--dataset", "DatasetWorkChain whose three sets are taken.")
@_set_option("training")
@_set_option("validation")
@_set_option("test")
@cli.extrapolation_option
@cli.uuid_option(
    "--motifs",
    "FramesData: relaxed icosahedra and truncated octahedra, labelled by the reference engine.",
)
@click.option(
    "--seeds", help="Random seeds of the members. Default: those of the protocol, or 1-4."
)
@click.option(
    "--start-from",
    metavar="UUID|FILE",
    shell_complete=cli.complete_nodes("WorkChainNode"),
    help="TrainWorkChain with the initial weights, for members of equal seeds; or an Allegro "
    "package of any origin, a file .nequip.zip or a UUID, whose `model` settings are taken and "
    "whose elements are those of the training set. Default: random weights.",
)
@cli.type_option
@click.option(
    "--predictions",
    is_flag=True,
    help="Train on what another model predicts, too. Default: on labels only.",
)
@click.option(
    "--continue",
    "continued",
    metavar="UUID",
    shell_complete=cli.complete_nodes("WorkChainNode"),
    help="Training that was killed or failed, or the study or active learning that called it: its "
    "members go on from their checkpoints, with its inputs. Default: a new training.",
)
@click.option("--epochs", type=int, help="Training epochs. Default: those of the protocol.")
@click.option(
    "--learning-rate",
    type=float,
    help="Learning rate of the first epoch. Default: that of the protocol.",
)
@cli.protocol_options("train", "moderate")
@cli.nequip_option
@cli.lammps_option
@cli.device_option
@cli.jobs_option
@cli.options_option
@cli.here_option
def main(dataset, protocol, assignments, nequip, lammps, options, here, **given):
    """Train, package and compile a committee, and compare it with other labels.

    \b
    aiida-nanoclusters run train --dataset UUID --protocol tutorial
    aiida-nanoclusters run train --training UUID --validation UUID --test UUID --seeds 1-4
    aiida-nanoclusters run train --dataset UUID --start-from UUID --protocol tutorial_warm
    aiida-nanoclusters run train --dataset UUID --start-from model.nequip.zip --type Cu=Cu_a
    aiida-nanoclusters run train --continue UUID
    """
    if given["continued"]:
        _show(cli.launch(_continued(dataset, given), here=here))
        return
    from aiida.orm import Bool, Int, Str

    from aiida_nanoclusters.workflows.learning.train import TrainWorkChain
    from aiida_nanoclusters.workflows.learning.train_inputs import member_keys

    changed = cli.changes("train", protocol, assignments).own
    nequip_code, lammps_code = cli.get_code(nequip, "nequip"), cli.get_code(lammps, "lammps")
    own = {name: given[name] for name in ("epochs", "learning_rate") if given[name] is not None}
    package = _package(given["start_from"], given["type_names"])
    overrides = {"training": own, **_model_of(package)}
    with cli.fixable():
        builder = TrainWorkChain.get_builder_from_protocol(
            nequip_code,
            lammps_code,
            protocol=protocol,
            overrides=cli.merge(overrides, changed),
            options=cli.options_of(nequip_code, options),
            seeds=cli.parse_sizes(given["seeds"], "--seeds") if given["seeds"] else None,
        )
    if package is not None:
        builder.start_from = dict.fromkeys(member_keys(builder.seeds), package)
    elif given["start_from"]:
        builder.start_from = _starts(given["start_from"], builder.seeds)
    builder.options.evaluate = cli.options_of(lammps_code, options).at("evaluate")
    builder.max_concurrent, builder.device = Int(given["jobs"]), Str(given["device"])
    for name, frames in _frames(dataset, given).items():
        builder[name] = frames
    missing = [name for name in cli.SETS if name not in builder._inputs(prune=True)]
    if missing:
        raise Fixable(f"no {' or '.join(missing)} set: give --dataset UUID, or name each set")
    if given["predictions"]:
        builder.predictions = Bool(True)
    warn_of_small_sets(builder._inputs(prune=True))
    _show(cli.launch(builder, here=here))


def _show(node):
    _print_results(node)
    steps = [f"aiida-nanoclusters report {node.uuid}", f"verdi node show {node.uuid}"]
    again = [] if node.is_finished_ok else [f"aiida-nanoclusters run train --continue {node.uuid}"]
    cli.finish(node, [*again, *steps])


def _continued(dataset, given):
    """Return the builder that continues a training; its inputs are the only ones."""
    from aiida.orm import WorkChainNode

    from aiida_nanoclusters.cli.launch.continued import continue_training

    others = {"--dataset": dataset, **{f"--{name}": given[name] for name in _OF_A_NEW_ONE}}
    if named := [f"{name.replace('_', '-')}" for name, value in others.items() if value]:
        raise Fixable(
            f"{', '.join(named)}: --continue takes all inputs of the training that it continues; "
            "leave them out, or begin a new training with --start-from"
        )
    return continue_training(cli.get_node(given["continued"], WorkChainNode))


def warn_of_small_sets(sets):
    """Say where a validation or test set, by its name, is too small to mean anything."""
    from aiida_nanoclusters.science.learning.splitting import small_set_warning

    for name in ("validation", "test"):
        if name in sets and (text := small_set_warning(name, len(sets[name]))):
            echo(f"warning: {text}, or name another set by --{name}", err=True)


def _frames(dataset, given):
    """Return the sets of frames by port: those given, and the others of the data set."""
    from aiida_nanoclusters.data.frames import FramesData

    names = (*cli.SETS, "extrapolation", "motifs")
    named = {name: cli.get_node(given[name], FramesData) for name in names if given[name]}
    return {**(cli.get_sets(dataset) if dataset else {}), **named}


def _package(source, types):
    """Return the package that a file or a UUID is, or None where it is a training or nothing."""
    from aiida.orm import Data, WorkChainNode

    from aiida_nanoclusters.cli.launch.packages import get_package
    from aiida_nanoclusters.data.potential import PotentialData

    if source and Path(source).is_file():
        return get_package(source, None, types)
    if types:
        raise Fixable("--type belongs to a file that is given as --start-from")
    if not source:
        return None
    node = cli.get_node(source, WorkChainNode, Data, what="training or potential")
    if isinstance(node, Data) and not isinstance(node, PotentialData):
        raise Fixable(f"{source} is no training and no potential: give one of them")
    return node if isinstance(node, PotentialData) else None


def _model_of(package):
    """Return the settings of the model of a package of others; the ports refuse what is none."""
    from aiida_nanoclusters.calculations.learning.warm_start import is_from_elsewhere, package_model
    from aiida_nanoclusters.formats.nequip.warm_start import model_settings

    if package is None or package.kind != "allegro" or not is_from_elsewhere(package):
        return {}
    with cli.fixable():
        return {"model": model_settings(package_model(package))}


def _starts(uuid, seeds):
    """Return the packages of initial weights by member; print the members that have none."""
    from aiida.orm import WorkChainNode

    from aiida_nanoclusters.workflows.learning.train_inputs import member_keys

    outputs = cli.get_node(uuid, WorkChainNode).outputs
    outputs = outputs.train if "train" in outputs else outputs  # of a study
    known = dict(outputs.potentials) if "potentials" in outputs else {}
    members = member_keys(seeds)
    starts = {key: known[key] for key in members if key in known}
    if not starts:
        there = f"it has {', '.join(sorted(known))}" if known else "give a finished training"
        raise Fixable(f"{uuid} has no potential of {', '.join(members)}: {there}")
    if absent := [key for key in members if key not in starts]:
        echo(f"  {', '.join(absent)} start from random weights: {uuid} does not have them")
    return starts


def _print_results(node):
    if "errors" in node.outputs:
        errors = node.outputs.errors.get_dict()
        for part, found in errors["sets"].items():
            row = found["committee"]["overall"]
            if not row["n_frames"]:
                echo(f"  {part:8} no frame was evaluated by every member")
                continue
            echo(
                f"  {part:8} {counted(row['n_frames'], 'frame'):>13}, RMSE of the mean "
                f"{row['energy_rmse']:.2f} meV/atom, {row['forces_rmse']:.2f} meV/Å"
            )
        if "motif_difference" in errors:
            found = errors["motif_difference"]
            echo(f"  icosahedron - truncated octahedron off by {found['mean']:.2f} meV/atom")
        echo(f"  errors {node.outputs.errors.uuid}")
        echo(f"  parity {node.outputs.parity.uuid}")
    results.print_potentials(node.outputs)

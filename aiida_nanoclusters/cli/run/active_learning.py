"""Grow a training set by active learning."""

import click

from aiida_nanoclusters.cli.launch import engine_options as engines
from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.launch import results
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.science.learning.classes import CLASSES
from aiida_nanoclusters.science.learning.settings import RANDOM, WAYS, CalibrationSettings

#: Names of options in earlier versions.
FORMER_OPTIONS = {
    "--label-protocol": "--engine-protocol",
    "--label-code": "--engine-code",
    "--low": "--accurate-below",
    "--high": "--failed-above",
    "--checks": "--calibration",
    "--unseen": "--extrapolation",
}


def loop_options(command):
    """Options of the loop: budget, choice of frames, thresholds, calibration."""
    for option in (
        click.option(
            "--calibrate",
            metavar="ERROR",
            type=float,
            help="Determine --accurate-below each round from the calibration set of 23 frames or "
            "more: with 90 % confidence at least nine of ten accurate frames have no force error "
            "above ERROR (eV/Å). Default: --accurate-below stays.",
        ),
        click.option(
            "--calibration",
            type=int,
            help="Frames of each round that are drawn at random, labelled and never learnt, the "
            "calibration set. Default: number of the protocol.",
        ),
        click.option(
            "--failed-above",
            type=float,
            help="Largest force deviation of the committee (eV/Å) above which a frame has failed "
            "and is not labelled. Default: that of the protocol.",
        ),
        click.option(
            "--accurate-below",
            type=float,
            help="Largest force deviation of the committee (eV/Å) below which a frame is accurate "
            "and needs no label. Default: that of the protocol.",
        ),
        click.option(
            "--choose-by",
            type=click.Choice([*WAYS, "chance"]),
            help="How candidate frames are chosen, see docs/howto/learning/select.md; `random` "
            "draws from all frames, not only from candidates. Default: that of the protocol.",
        ),
        click.option(
            "--labels-per-round",
            type=int,
            help="Labels of a round (frames). Default: number of the protocol.",
        ),
        click.option(
            "--labels", type=int, help="Labels in all (frames). Default: budget of the protocol."
        ),
    ):
        command = option(command)
    return command


@click.command(
    "active-learning",
    cls=cli.LaunchCommand,
    stem="active_learning",
    former=FORMER_OPTIONS,
    alloys=True,
)
@cli.element_option
@cli.uuid_option("--dataset", "DatasetWorkChain: the labels to begin with.")
@click.option(
    "--continue",
    "earlier",
    metavar="UUID",
    help="ActiveLearningWorkChain to continue, in place of --dataset.",
)
@click.option("--round", "number", type=int, help="Round to continue from. Default: the last.")
@cli.extrapolation_option
@cli.alloy_potential_options
@engines.engine_options
@cli.protocol_options("active_learning", "moderate")
@click.option(
    "--recipe",
    metavar="FILE",
    help="YAML list of the configurations that are explored. Default: that of the protocol.",
)
@cli.structures_option
@loop_options
@cli.seed_option("choice of frames, exploration and trainings")
@cli.lammps_option
@cli.nequip_option
@cli.device_option
@cli.jobs_option
@cli.options_option
@cli.here_option
def main(element, dataset, earlier, potential, engine, options, here, **given):
    """Grow a training set by rounds of train, explore, select and label.

    The loop ends when the committee agrees on clusters larger than any it was trained on.

    \b
    aiida-nanoclusters run active-learning --dataset UUID --protocol tutorial \\
        --potential-file Cu_mishin1.eam.alloy
    aiida-nanoclusters run active-learning --dataset UUID --engine cp2k \\
        --engine-protocol gfn1-xtb
    aiida-nanoclusters run active-learning --continue UUID --round 3 --labels 500 \\
        --potential-file Cu_mishin1.eam.alloy
    """
    from aiida.orm import Int, Str

    from aiida_nanoclusters.data.frames import FramesData
    from aiida_nanoclusters.workflows.learning.active_learning import ActiveLearningWorkChain

    if bool(dataset) == bool(earlier):
        raise Fixable("give either --dataset UUID to begin, or --continue UUID")
    begun = cli.get_sets(dataset) if dataset else _last_round(earlier, given["number"])
    if given["calibrate"] is not None and not given["calibration"] and "calibration" not in begun:
        raise Fixable("--calibrate needs a calibration set: give --calibration N as well")
    reference = potential.one() if engine.by_potential else None
    label = None if engine.by_potential else engine.inputs(options)
    codes = cli.job_codes(given["lammps"], given["nequip"], options, given["jobs"])
    symbols = potential.symbols(element)
    overrides = _overrides(symbols, given)
    with cli.fixable():
        builder = ActiveLearningWorkChain.get_builder_from_protocol(
            codes,
            symbols,
            *(begun.pop(name) for name in cli.SETS),
            reference=reference,
            protocol=given["protocol"],
            overrides=overrides,
            label=label,
        )
        builder.seed, builder.train.device = Int(given["seed"]), Str(given["device"])
        for name, value in begun.items():
            builder[name] = value
        if given["extrapolation"]:
            builder.extrapolation = cli.get_node(given["extrapolation"], FramesData)
        if given["structures"]:
            builder.explore.structures = cli.get_frames(given["structures"], "")
    node = cli.launch(builder, here=here)
    results.print_rounds(node.outputs)
    cli.finish(node, [f"aiida-nanoclusters report {node.uuid}", f"verdi node show {node.uuid}"])


def _overrides(element, given):
    """Return what the options of the loop and `--set` change of the protocol."""
    loop = {
        "budget": given["labels"],
        "per_round": given["labels_per_round"],
        "calibration_frames": given["calibration"],
        "accurate_below": given["accurate_below"],
        "failed_above": given["failed_above"],
    }
    settings: dict = {"loop": {k: v for k, v in loop.items() if v is not None}}
    if given["calibrate"] is not None:
        with cli.fixable():
            calibration = CalibrationSettings.from_values(max_error=given["calibrate"])
        settings["calibration"] = calibration.model_dump()
    if given["choose_by"]:
        settings["choice"] = {"by": given["choose_by"]}
    if given["choose_by"] in ("chance", RANDOM):
        settings["choice"] = {"by": RANDOM, "classes": list(CLASSES)}
    overrides: dict = {"settings": settings}
    if given["recipe"]:
        entries = cli.read_list(given["recipe"], "entries", "{kind: cluster, ...}")
        overrides["explore"] = {"recipe": entries}
    changed = cli.changes("active_learning", given["protocol"], given["assignments"], element)
    return cli.merge(overrides, changed.own)


def _last_round(uuid, number):
    """Return the outputs of a round of an earlier run, by the ports that take them."""
    from aiida.orm import WorkChainNode

    from aiida_nanoclusters.workflows.learning.active_learning import ActiveLearningWorkChain

    node = cli.get_node(uuid, WorkChainNode)
    rounds = dict(node.outputs.rounds) if "rounds" in node.outputs else {}
    name = f"round_{number:03d}" if number is not None else max(rounds, default=None)
    if name not in rounds:
        known = ", ".join(sorted(rounds)) or "none"
        raise Fixable(f"{uuid} has labelled nothing in {name or 'any round'}; there are: {known}")
    outputs = dict(rounds[name])
    start_from = dict(outputs.pop("potentials", {}))
    recorded = ("test", "extrapolation", "unseen")  # the last two are names of one port
    sets = {name: node.inputs[name] for name in recorded if name in node.inputs}
    inputs = {**sets, **outputs, "start_from": start_from}
    return ActiveLearningWorkChain.with_present_names(inputs)

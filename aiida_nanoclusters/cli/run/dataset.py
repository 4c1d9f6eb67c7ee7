"""Sample and label a data set by a recipe, or split given labelled frames."""

import click

from aiida_nanoclusters.cli.launch import engine_options as engines
from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.launch.label_keys import label_key_options, reading
from aiida_nanoclusters.cli.terminal import echo

#: Names of options in earlier versions.
FORMER_OPTIONS = {"--label-protocol": "--engine-protocol", "--label-code": "--engine-code"}


@click.command("dataset", cls=cli.LaunchCommand, stem="dataset", former=FORMER_OPTIONS, alloys=True)
@cli.element_option
@cli.alloy_potential_options
@engines.engine_options
@engines.sample_option
@click.option("--dataset", help="Labelled frames, in place of a recipe: a file or a UUID.")
@click.option(
    "--recipe",
    metavar="FILE",
    help="YAML file with the list of entries. Default: the recipe of the protocol.",
)
@click.option(
    "--basin-hopping",
    metavar="PROTOCOL",
    help="Protocol of the search for the `minima` of a recipe. Default: none.",
)
@cli.structures_option
@cli.atom_energy_option
@label_key_options
@cli.protocol_options("dataset", "tutorial")
@cli.lammps_option
@cli.options_option
@cli.here_option
def main(element, potential, engine, protocol, assignments, lammps, options, here, **given):
    """Build, relax, vary, sample, label and split frames.

    \b
    aiida-nanoclusters run dataset --potential-file Cu_mishin1.eam.alloy --protocol tutorial
    aiida-nanoclusters run dataset --engine cp2k --engine-protocol gfn1-xtb --sample-by engine
    aiida-nanoclusters run dataset --engine cp2k --sample-by engine --recipe FILE
    aiida-nanoclusters run dataset --elements Cu,Ni --potential-file CuNi.eam.alloy
    aiida-nanoclusters run dataset --dataset frames.extxyz --level PBE --atom-energy Cu=0.0
    """
    from aiida_nanoclusters.science.learning.splitting import small_set_warning
    from aiida_nanoclusters.workflows.learning.dataset import DatasetWorkChain

    reference = labelled = label = None
    if given["dataset"] and (given["recipe"] or given["basin_hopping"]):
        raise cli.Fixable("give either --dataset, labelled frames, or a --recipe to sample them by")
    if given["dataset"]:
        labelled = cli.get_frames(
            given["dataset"], potential.level or "", given["atom_energy"], reading(given["keys"])
        )
    elif not engine.by_potential:
        label = engine.inputs(options)
    stages = engines.sampler(given["sample_by"], label)
    if labelled is None and stages is None:
        reference = potential.one()
    overrides = {"basin_hopping": given["basin_hopping"]} if given["basin_hopping"] else {}
    if given["recipe"]:
        overrides["recipe"] = cli.read_list(given["recipe"], "entries", "{kind: cluster, ...}")
    symbols = potential.symbols(element)
    if labelled is not None:
        symbols = potential.symbols_of(labelled, element)
    changed = cli.changes("dataset", protocol, assignments, symbols).own
    code = cli.get_code(lammps, "lammps")
    with cli.fixable():
        builder = DatasetWorkChain.get_builder_from_protocol(
            code,
            symbols,
            reference,
            labelled,
            protocol,
            cli.merge(overrides, changed),
            cli.options_of(code, options),
            label=label,
            stages=stages,
        )
        if given["structures"]:
            builder.structures = cli.get_frames(given["structures"], "")
    node = cli.launch(builder, here=here)
    for name in cli.SETS:
        if name in node.outputs:
            part = node.outputs[name]
            echo(f"  {name:10} {len(part):6} frames  {part.uuid}")
            if name != "training" and (text := small_set_warning(name, len(part))):
                echo(f"  warning: {text}")
    cli.finish(node, [f"aiida-nanoclusters run train --dataset {node.uuid}"])

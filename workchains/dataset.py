"""Make a training set by a recipe, or check and split one of your own.

verdi run workchains/dataset.py --potential-file Cu_mishin1.eam.alloy --protocol tutorial
verdi run workchains/dataset.py --engine cp2k --label-protocol gfn1-xtb --sample-by engine
verdi run workchains/dataset.py --engine cp2k --sample-by engine --recipe FILE
verdi run workchains/dataset.py --dataset frames.extxyz --level PBE --atom-energy Cu=0.0
"""

import click

from aiida_nanoclusters.cli import launch as cli
from aiida_nanoclusters.cli import launch_engine as engines


@click.command()
@cli.element_option
@cli.potential_options
@engines.engine_options("label-")
@engines.sample_option
@click.option("--dataset", help="Labelled frames of your own: a file or a UUID.")
@click.option("--recipe", metavar="FILE", help="YAML list of what it is made of, instead.")
@click.option(
    "--basin-hopping",
    help="Protocol that searches a recipe's `minima`: tutorial, moderate, first_principles.",
)
@click.option("--atom-energy", multiple=True, metavar="Cu=-0.2", help="Isolated atom, eV.")
@cli.protocol_option("tutorial")
@cli.lammps_option
@cli.options_option
@cli.here_option
def main(
    element,
    potentials,
    potential_file,
    kind,
    level,
    engine,
    label_protocol,
    label_code,
    sample_by,
    dataset,
    recipe,
    basin_hopping,
    atom_energy,
    protocol,
    lammps,
    options,
    here,
):
    """Build, relax, vary, sample, label and split."""
    from aiida_nanoclusters.workflows.dataset import DatasetWorkChain

    reference = labelled = label = None
    if dataset and (recipe or basin_hopping):
        raise cli.Fixable("give either --dataset, labelled frames, or a --recipe to make some")
    if dataset:
        labelled = cli.get_frames(dataset, level or "", atom_energy)
    elif engine != "potential":
        label = engines.engine_inputs(engine, label_protocol, label_code, options)
    stages = engines.sampler(sample_by, label)
    if labelled is None and stages is None:
        reference = cli.get_one_potential(potentials, potential_file, kind, level)
    overrides = {"basin_hopping": basin_hopping} if basin_hopping else {}
    if recipe:
        overrides["recipe"] = cli.read_list(recipe, "entries", "{kind: cluster, ...}")
    code = cli.get_code(lammps)
    with cli.fixable():
        builder = DatasetWorkChain.get_builder_from_protocol(
            code,
            element,
            reference,
            labelled,
            protocol,
            overrides,
            cli.options_of(code, options),
            label=label,
            stages=stages,
        )
    node = cli.launch(builder, here=here)
    for name in ("training", "validation", "test"):
        if name in node.outputs:
            part = node.outputs[name]
            click.echo(f"  {name:10} {len(part):6} frames  {part.uuid}")
    cli.finish(node, ["verdi run workchains/train.py --help"])


if __name__ == "__main__":
    main()

"""Make a training set by a recipe, or check and split one of your own.

verdi run workchains/dataset.py --potential-file Cu_mishin1.eam.alloy --protocol tutorial
verdi run workchains/dataset.py --dataset frames.extxyz --level PBE --atom-energy Cu=0.0
"""

import click

from aiida_nanoclusters.cli import launch as cli


@click.command()
@cli.element_option
@cli.potential_options
@click.option("--dataset", help="Labelled frames of your own: a file or a UUID.")
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
    dataset,
    atom_energy,
    protocol,
    lammps,
    options,
    here,
):
    """Build, relax, vary, sample, label and split."""
    from aiida_nanoclusters.workflows.dataset import DatasetWorkChain

    reference = labelled = None
    if dataset:
        labelled = cli.get_frames(dataset, level or "", atom_energy)
    else:
        (reference,) = cli.get_potentials(potentials, potential_file, kind, level).values()
    code = cli.get_code(lammps)
    with cli.fixable():
        builder = DatasetWorkChain.get_builder_from_protocol(
            code,
            element,
            reference,
            labelled,
            protocol,
            options=cli.options_of(code, options),
        )
    node = cli.launch(builder, here=here)
    for name in ("training", "validation", "test"):
        if name in node.outputs:
            part = node.outputs[name]
            click.echo(f"  {name:10} {len(part):6} frames  {part.uuid}")
    cli.finish(node, ["verdi run workchains/train.py --help"])


if __name__ == "__main__":
    main()

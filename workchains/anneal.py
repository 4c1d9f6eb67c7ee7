"""The lowest structures of given sizes, by simulated annealing.

verdi run workchains/anneal.py --sizes 13,55 --potential-file Cu_mishin1.eam.alloy
"""

import click

from aiida_nanoclusters.cli import launch as cli
from aiida_nanoclusters.cli import launch_results as results


@click.command()
@cli.element_option
@click.option("--sizes", required=True, help="Numbers of atoms, e.g. 13,38,54-56.")
@cli.potential_options
@cli.protocol_option("moderate")
@cli.lammps_option
@click.option("--seed", default=1, show_default=True)
@cli.options_option
@cli.here_option
def main(
    element, sizes, potentials, potential_file, kind, level, protocol, lammps, seed, options, here
):
    """Melt, cool slowly, quench and relax from several starts."""
    from aiida.orm import Int

    from aiida_nanoclusters.workflows.anneal import AnnealWorkChain

    potential = cli.get_one_potential(potentials, potential_file, kind, level)
    code = cli.get_code(lammps)
    with cli.fixable():
        builder = AnnealWorkChain.get_builder_from_protocol(
            code,
            potential,
            element,
            cli.parse_sizes(sizes),
            protocol,
            options=cli.options_of(code, options),
        )
    builder.seed = Int(seed)
    node = cli.launch(builder, here=here)
    if "table" in node.outputs:
        results.print_structures(node.outputs.table)
        click.echo(f"  structures {node.outputs.structures.uuid}")
    cli.finish(node, [f"verdi node show {node.uuid}"])


if __name__ == "__main__":
    main()

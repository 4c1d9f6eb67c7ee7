"""The lowest structures of given sizes, by simulated annealing."""

import click

from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.launch import results
from aiida_nanoclusters.cli.terminal import echo


@click.command("anneal", cls=cli.LaunchCommand, stem="anneal")
@cli.element_option
@cli.sizes_option(required=True)
@cli.potential_options
@cli.protocol_options("anneal", "moderate")
@cli.lammps_option
@cli.seed_option("starting structures and velocities")
@cli.options_option
@cli.here_option
def main(element, sizes, potential, protocol, assignments, lammps, seed, options, here):
    """Melt, cool slowly, quench and relax from several starts.

    \b
    aiida-nanoclusters run anneal --sizes 13,55 --potential-file Cu_mishin1.eam.alloy
    """
    from aiida.orm import Int

    from aiida_nanoclusters.workflows.sampling.anneal import AnnealWorkChain

    changed = cli.changes("anneal", protocol, assignments, element).own
    one = potential.one()
    code = cli.get_code(lammps, "lammps")
    with cli.fixable():
        builder = AnnealWorkChain.get_builder_from_protocol(
            code,
            one,
            element,
            cli.parse_sizes(sizes),
            protocol,
            changed,
            options=cli.options_of(code, options),
        )
    builder.seed = Int(seed)
    node = cli.launch(builder, here=here)
    if "table" in node.outputs:
        results.print_structures(node.outputs.table)
        echo(f"  structures {node.outputs.structures.uuid}")
    cli.finish(node, [f"verdi node show {node.uuid}"])

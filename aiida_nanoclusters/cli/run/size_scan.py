"""Which sizes are magic?"""

import click

from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.launch.results import magic_sizes
from aiida_nanoclusters.cli.terminal import echo


@click.command("size-scan", cls=cli.LaunchCommand, stem="size_scan")
@cli.element_option
@cli.sizes_option(required=False)
@cli.potential_options
@cli.protocol_options("size_scan", "moderate")
@cli.lammps_option
@cli.jobs_option
@cli.options_option
@cli.here_option
def main(element, sizes, potential, protocol, assignments, lammps, jobs, options, here):
    """Anneal many sizes, compare their energies, and say which are magic.

    \b
    aiida-nanoclusters run size-scan --sizes 7-20 --potential-file Cu_mishin1.eam.alloy
    """
    from aiida.orm import Int

    from aiida_nanoclusters.workflows.stability.size_scan import SizeScanWorkChain

    changed = cli.changes("size_scan", protocol, assignments, element)
    own = {"ranges": [[n, n] for n in cli.parse_sizes(sizes)]} if sizes else {}
    code = cli.get_code(lammps, "lammps")
    with cli.fixable():
        builder = SizeScanWorkChain.get_builder_from_protocol(
            code,
            potential.committee(),
            element,
            protocol,
            overrides=cli.merge(own, changed.own),
            options=cli.options_of(code, options),
            part_overrides=changed.parts,
        )
        builder.max_concurrent = Int(jobs)
    node = cli.launch(builder, here=here)
    if "magic" in node.outputs:
        magic = node.outputs.magic
        echo(f"{magic_sizes(magic.get_dict())}\n  magic {magic.uuid}")
        echo(f"  structures {node.outputs.structures.uuid}")
    cli.finish(node, [f"aiida-nanoclusters report {node.uuid}"])

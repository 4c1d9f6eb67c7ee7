"""Which sizes are magic?

verdi run workchains/size_scan.py --sizes 7-20 --potential-file Cu_mishin1.eam.alloy
"""

import click

from aiida_nanoclusters.cli import launch as cli


@click.command()
@cli.element_option
@click.option("--sizes", help="Numbers of atoms, e.g. 7-80,136-153, instead of the protocol's.")
@cli.potential_options
@cli.protocol_option("moderate")
@cli.lammps_option
@click.option("--jobs", default=2, show_default=True, help="Jobs at once.")
@cli.options_option
@cli.here_option
def main(
    element, sizes, potentials, potential_file, kind, level, protocol, lammps, jobs, options, here
):
    """Anneal many sizes, compare their energies, and say which are magic."""
    from aiida.orm import Int

    from aiida_nanoclusters.workflows.size_scan import SizeScanWorkChain

    code = cli.get_code(lammps)
    with cli.fixable():
        builder = SizeScanWorkChain.get_builder_from_protocol(
            code,
            cli.get_potentials(potentials, potential_file, kind, level),
            element,
            protocol,
            overrides={"ranges": [[n, n] for n in cli.parse_sizes(sizes)]} if sizes else None,
            options=cli.options_of(code, options),
        )
        builder.max_concurrent = Int(jobs)
    node = cli.launch(builder, here=here)
    if "magic" in node.outputs:
        magic = node.outputs.magic
        found = ", ".join(str(m["size"]) for m in magic["magic"]) or "none"
        click.echo(f"magic sizes: {found}\n  magic {magic.uuid}")
        click.echo(f"  structures {node.outputs.structures.uuid}")
    cli.finish(node, [f"aiida-nanoclusters report {node.uuid}"])


if __name__ == "__main__":
    main()

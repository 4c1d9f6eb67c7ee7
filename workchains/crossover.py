"""At what size does a cluster become a crystal?

verdi run workchains/crossover.py --potential-file Cu_mishin1.eam.alloy --protocol moderate
"""

import click

from aiida_nanoclusters.cli import launch as cli


@click.command()
@cli.element_option
@cli.potential_options
@cli.protocol_option("moderate")
@cli.lammps_option
@click.option(
    "--family", "families", multiple=True, help="Motif; several, instead of the protocol's."
)
@click.option("--width", type=float, help="Relative half-width of the interval to stop at.")
@click.option(
    "--no-modes", is_flag=True, help="Leave out cluster against Wulff mode at equal size."
)
@cli.options_option
@cli.here_option
def main(
    element,
    potentials,
    potential_file,
    kind,
    level,
    protocol,
    lammps,
    families,
    width,
    no_modes,
    options,
    here,
):
    """Relax closed shells at sizes chosen as it goes, until the crossing is known."""
    from aiida_nanoclusters.workflows.crossover import CrossoverWorkChain

    settings = {}
    if families:
        settings["families"] = list(families)
    if width:
        settings["width"] = width
    if no_modes:
        settings["mode_sizes"] = []
    code = cli.get_code(lammps)
    with cli.fixable():
        builder = CrossoverWorkChain.get_builder_from_protocol(
            code,
            cli.get_potentials(potentials, potential_file, kind, level),
            element,
            protocol,
            overrides={"settings": settings},
            options=cli.options_of(code, options),
        )
    node = cli.launch(builder, here=here)
    if "answer" in node.outputs:
        answer = node.outputs.answer
        click.echo(f"{answer['sentence']}\n  answer {answer.uuid}")
        click.echo(f"  {answer['clusters_relaxed']} clusters relaxed: {answer['reason']}")
    cli.finish(node, [f"aiida-nanoclusters report {node.uuid}"])


if __name__ == "__main__":
    main()

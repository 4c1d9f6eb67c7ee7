"""At what size does a cluster become a crystal?"""

import click

from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.terminal import echo
from aiida_nanoclusters.science.structures.motif_kinds import MOTIFS


def _complete_motifs(*_):
    return [name for name in MOTIFS if name.startswith(_[-1])]


@click.command("crossover", cls=cli.LaunchCommand, stem="crossover")
@cli.element_option
@cli.potential_options
@cli.protocol_options("crossover", "moderate")
@cli.lammps_option
@click.option(
    "--family",
    "families",
    multiple=True,
    metavar="MOTIF",
    shell_complete=_complete_motifs,
    help=f"Motif of closed shells to compare: {', '.join(MOTIFS)}; repeatable. Default: those of "
    "the protocol.",
)
@click.option(
    "--n-max",
    type=click.IntRange(min=2),
    help="Largest cluster that is relaxed (atoms). Default: that of the protocol.",
)
@click.option(
    "--width",
    type=float,
    help="Half-width of the interval, relative to the size, at which the search stops. Default: "
    "that of the protocol.",
)
@click.option(
    "--no-modes",
    is_flag=True,
    help="Leave out the comparison of incomplete icosahedra with Wulff polyhedra of equal size.",
)
@cli.options_option
@cli.here_option
def main(element, potential, protocol, assignments, lammps, options, here, **given):
    """Relax closed shells at sizes chosen by the search until the crossing is known.

    \b
    aiida-nanoclusters run crossover --potential-file Cu_mishin1.eam.alloy
    """
    from aiida_nanoclusters.workflows.stability.crossover import CrossoverWorkChain

    settings = {}
    if given["families"]:
        settings["families"] = list(given["families"])
    for name in ("width", "n_max"):
        if given[name] is not None:
            settings[name] = given[name]
    if given["no_modes"]:
        settings["mode_sizes"] = []
    changed = cli.changes("crossover", protocol, assignments, element).own
    code = cli.get_code(lammps, "lammps")
    with cli.fixable():
        builder = CrossoverWorkChain.get_builder_from_protocol(
            code,
            potential.committee(),
            element,
            protocol,
            overrides=cli.merge({"settings": settings}, changed),
            options=cli.options_of(code, options),
        )
    node = cli.launch(builder, here=here)
    if "answer" in node.outputs:
        answer = node.outputs.answer
        echo(f"{answer['sentence']}\n  answer {answer.uuid}")
        echo(f"  {answer['clusters_relaxed']} clusters relaxed: {answer['reason']}")
    cli.finish(node, [f"aiida-nanoclusters report {node.uuid}"])

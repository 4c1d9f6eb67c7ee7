"""The lowest structures of given sizes, from motifs and from each other."""

import click

from aiida_nanoclusters.cli.launch import engine_options as engines
from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.launch import results
from aiida_nanoclusters.cli.terminal import echo


@click.command("lowest-structures", cls=cli.LaunchCommand, stem="lowest_structures")
@cli.element_option
@cli.sizes_option(required=True)
@cli.protocol_options("lowest_structures", "moderate")
@engines.engine_options
@cli.potential_options
@cli.lammps_option
@click.option(
    "--known",
    multiple=True,
    metavar="SOURCE=UUID",
    help="Relaxed structures of the same potential to begin from too, and what found them, such as "
    "annealing=UUID or tempering=UUID; repeatable.",
)
@cli.seed_option("fillings and changes of structures")
@cli.jobs_option
@cli.options_option
@cli.here_option
def main(element, sizes, protocol, assignments, engine, potential, lammps, options, here, **given):
    """Search the lowest structures: motifs at every size, then changes and exchanges between sizes.

    \b
    aiida-nanoclusters run lowest-structures --sizes 7-80 --potential-file Cu_mishin1.eam.alloy
    """
    from aiida.orm import Int

    from aiida_nanoclusters.data.frames import FramesData
    from aiida_nanoclusters.workflows.labels.label import limit_jobs
    from aiida_nanoclusters.workflows.sampling.lowest_structures import LowestStructuresWorkChain

    changed = cli.changes("lowest_structures", protocol, assignments, element).own
    numbers = cli.parse_sizes(sizes)
    if engine.by_potential:
        one, code = potential.one(), cli.get_code(lammps, "lammps")
        with cli.fixable():
            builder = LowestStructuresWorkChain.get_builder_from_protocol(
                *(code, one, element, numbers, protocol, changed),
                options=cli.options_of(code, options),
            )
    else:
        inputs = engine.inputs(options, max(numbers))
        with cli.fixable():
            builder = LowestStructuresWorkChain.get_builder_for_engine(
                inputs, element, numbers, protocol, changed
            )
    known = {}
    for text in given["known"]:
        source, is_named, uuid = text.partition("=")
        if not is_named or not source.isidentifier():
            raise click.UsageError(f"--known {text}: write SOURCE=UUID, such as annealing=UUID")
        known[source] = cli.get_node(uuid, FramesData)
    if known:
        builder.known = known
    builder.seed = Int(given["seed"])
    limit_jobs(builder, given["jobs"])
    node = cli.launch(builder, here=here)
    if "table" in node.outputs:
        results.print_structures(node.outputs.table)
        echo(f"  table {node.outputs.table.uuid}")
        echo(f"  structures {node.outputs.structures.uuid}")
    cli.finish(node, [f"verdi node show {node.uuid}"])

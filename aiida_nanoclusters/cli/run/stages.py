"""aiida-nanoclusters run stages: relaxations and molecular dynamics of structures."""

import click

from aiida_nanoclusters.cli.launch import engine_options as engines
from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.run.label import FORMER_OPTIONS


@click.command("stages", cls=cli.LaunchCommand, former=FORMER_OPTIONS)
@click.argument("frames")
@engines.engine_options
@engines.level_options
@engines.stage_options
@cli.potential_options
@cli.lammps_option
@cli.seed_option("velocities of the first structure; the next ones count on", default=0)
@cli.jobs_option
@cli.options_option
@cli.here_option
def main(frames, engine, stages, potential, lammps, seed, jobs, options, here):
    """Relax FRAMES, a file that ASE reads or a UUID of frames, or sample their dynamics.

    \b
    aiida-nanoclusters run stages clusters.extxyz --relax --engine cp2k \\
        --engine-protocol gfn1-xtb
    aiida-nanoclusters run stages clusters.extxyz --engine vasp --temperature 300 \\
        --temperature 600 --duration 2 --timestep 0.002 --sample-every 0.05
    """
    from aiida.orm import List

    from aiida_nanoclusters.workflows.labels.label import limit_jobs
    from aiida_nanoclusters.workflows.sampling.stages import StagesWorkChain

    given = cli.get_frames(frames, "")
    if engine.by_potential:
        one, program = potential.one(), cli.get_code(lammps, "lammps")
        with cli.fixable():
            builder = StagesWorkChain.get_builder_for_potential(
                program, given, stages, one, options=cli.options_of(program, options)
            )
    else:
        inputs = engine.inputs(options, max(given.sizes))
        with cli.fixable():
            builder = StagesWorkChain.get_builder_for_engine(given, stages, inputs)
    builder.seeds = List([seed + i for i in range(len(given))])
    limit_jobs(builder, jobs)
    node = cli.launch(builder, here=here)
    engines.print_stages(node)
    cli.finish(node, [f"verdi node show {node.uuid}"])

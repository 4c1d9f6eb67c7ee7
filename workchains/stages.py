"""Relax structures, or run molecular dynamics on them, by a potential, CP2K or VASP.

verdi run workchains/stages.py clusters.extxyz --relax --engine cp2k --protocol gfn1-xtb
verdi run workchains/stages.py clusters.extxyz --engine vasp --temperature 300 --temperature 600 \
    --duration 2 --timestep 0.002 --sample-every 0.05
"""

import click

from aiida_nanoclusters.cli import launch as cli
from aiida_nanoclusters.cli import launch_engine as engines


@click.command()
@click.argument("frames")
@engines.engine_options()
@engines.stage_options
@cli.potential_options
@cli.lammps_option
@click.option("--seed", default=0, show_default=True, help="Of velocities; each structure's own.")
@click.option("--jobs", default=2, show_default=True, help="Jobs at once.")
@cli.options_option
@cli.here_option
def main(
    frames,
    engine,
    protocol,
    code,
    stages,
    potentials,
    potential_file,
    kind,
    level,
    lammps,
    seed,
    jobs,
    options,
    here,
):
    """Lead FRAMES, a file that ASE reads or the UUID of FramesData, through stages."""
    from aiida.orm import List

    from aiida_nanoclusters.workflows.label import limit_jobs
    from aiida_nanoclusters.workflows.stages import StagesWorkChain

    given = cli.get_frames(frames, "")
    if engine == "potential":
        potential = cli.get_one_potential(potentials, potential_file, kind, level)
        program = cli.get_code(lammps)
        with cli.fixable():
            builder = StagesWorkChain.get_builder_for_potential(
                program, given, stages, potential, options=cli.options_of(program, options)
            )
    else:
        inputs = engines.engine_inputs(engine, protocol, code, options, max(given.sizes))
        with cli.fixable():
            builder = StagesWorkChain.get_builder_for_engine(given, stages, inputs)
    builder.seeds = List([seed + i for i in range(len(given))])
    limit_jobs(builder, jobs)
    node = cli.launch(builder, here=here)
    engines.print_stages(node)
    cli.finish(node, [f"verdi node show {node.uuid}"])


if __name__ == "__main__":
    main()

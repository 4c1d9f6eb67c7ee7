"""Label frames by a reference engine: a potential, CP2K or VASP.

verdi run workchains/label.py frames.extxyz --potential-file Cu_mishin1.eam.alloy
verdi run workchains/label.py frames.extxyz --engine cp2k --protocol gfn1-xtb
"""

import click

from aiida_nanoclusters.cli import launch as cli
from aiida_nanoclusters.cli import launch_engine as engines


@click.command()
@click.argument("frames")
@engines.engine_options()
@cli.potential_options
@cli.lammps_option
@click.option("--batch-size", default=500, show_default=True, help="Most frames a job may carry.")
@click.option("--jobs", default=2, show_default=True, help="Jobs at once.")
@click.option("--anew", is_flag=True, help="Label again what this profile has labelled already.")
@cli.options_option
@cli.here_option
def main(
    frames,
    engine,
    protocol,
    code,
    potentials,
    potential_file,
    kind,
    level,
    lammps,
    batch_size,
    jobs,
    anew,
    options,
    here,
):
    """Label FRAMES, a file that ASE reads or the UUID of FramesData."""
    from aiida.orm import Bool, Int

    from aiida_nanoclusters.workflows.label import LabelWorkChain, limit_jobs

    given = cli.get_frames(frames, "")
    if engine == "potential":
        potential = cli.get_one_potential(potentials, potential_file, kind, level)
        program = cli.get_code(lammps)
        with cli.fixable():
            builder = LabelWorkChain.get_builder_for_potential(
                program, given, potential, options=cli.options_of(program, options)
            )
    else:
        inputs = engines.engine_inputs(engine, protocol, code, options, max(given.sizes))
        with cli.fixable():
            builder = LabelWorkChain.get_builder_for_engine(given, inputs)
    builder.batch_size, builder.reuse = Int(batch_size), Bool(not anew)
    limit_jobs(builder, jobs)
    node = cli.launch(builder, here=here)
    engines.print_labels(node)
    cli.finish(node, [f"verdi node show {node.uuid}"])


if __name__ == "__main__":
    main()

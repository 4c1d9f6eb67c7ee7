"""aiida-nanoclusters run label: energies and forces of frames by a reference engine."""

import click

from aiida_nanoclusters.cli.launch import engine_options as engines
from aiida_nanoclusters.cli.launch import options as cli

#: Names of options in earlier versions.
FORMER_OPTIONS = {"--protocol": "--engine-protocol", "--code": "--engine-code"}


@click.command("label", cls=cli.LaunchCommand, former=FORMER_OPTIONS)
@click.argument("frames")
@engines.engine_options
@engines.level_options
@cli.potential_options
@cli.lammps_option
@click.option(
    "--batch-size", default=500, show_default=True, help="Largest number of frames of one job."
)
@cli.jobs_option
@click.option(
    "--anew", is_flag=True, help="Compute all labels, also those that this profile already has."
)
@cli.options_option
@cli.here_option
def main(frames, engine, potential, lammps, jobs, options, here, **given):
    """Label FRAMES, a file that ASE reads or a UUID of frames, by a reference engine.

    \b
    aiida-nanoclusters run label frames.extxyz --potential-file Cu_mishin1.eam.alloy
    aiida-nanoclusters run label frames.extxyz --engine cp2k --engine-protocol gfn1-xtb
    """
    from aiida.orm import Bool, Int

    from aiida_nanoclusters.workflows.labels.label import LabelWorkChain, limit_jobs

    asked = cli.get_frames(frames, "")
    if engine.by_potential:
        one, program = potential.one(), cli.get_code(lammps, "lammps")
        with cli.fixable():
            builder = LabelWorkChain.get_builder_for_potential(
                program, asked, one, options=cli.options_of(program, options)
            )
    else:
        inputs = engine.inputs(options, max(asked.sizes))
        with cli.fixable():
            builder = LabelWorkChain.get_builder_for_engine(asked, inputs)
    builder.batch_size, builder.reuse = Int(given["batch_size"]), Bool(not given["anew"])
    limit_jobs(builder, jobs)
    node = cli.launch(builder, here=here)
    engines.print_labels(node)
    cli.finish(node, [f"verdi node show {node.uuid}"])

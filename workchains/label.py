"""Label frames by a reference engine.

verdi run workchains/label.py frames.extxyz --potential-file Cu_mishin1.eam.alloy
"""

import click

from aiida_nanoclusters.cli import launch as cli


@click.command()
@click.argument("frames")
@cli.potential_options
@cli.lammps_option
@click.option("--batch-size", default=500, show_default=True, help="Most frames a job may carry.")
@cli.here_option
def main(frames, potentials, potential_file, kind, level, lammps, batch_size, here):
    """Label FRAMES, a file that ASE reads or the UUID of FramesData."""
    from aiida.orm import Int

    from aiida_nanoclusters.workflows.label import LabelWorkChain

    (potential,) = cli.get_potentials(potentials, potential_file, kind, level).values()
    code = cli.get_code(lammps)
    with cli.fixable():
        builder = LabelWorkChain.get_builder_for_potential(
            code,
            cli.get_frames(frames, ""),
            potential,
            options=cli.options_of(code),
        )
        builder.batch_size = Int(batch_size)
    node = cli.launch(builder, here=here)
    if "report" in node.outputs:
        report = node.outputs.report
        click.echo(f"{report['n_labelled']} labelled, {report['n_failed']} failed")
    if "frames" in node.outputs:
        click.echo(f"  frames {node.outputs.frames.uuid}")
    cli.finish(node, [f"verdi node show {node.uuid}"])


if __name__ == "__main__":
    main()

"""At what temperature a cluster melts.

verdi run workchains/melting.py --size 147 --potential-file Cu_mishin1.eam.alloy
"""

import click

from aiida_nanoclusters.cli import launch as cli


@click.command()
@cli.element_option
@click.option("--size", type=int, help="Closed shell to build: number of atoms.")
@click.option("--motif", default="icosahedron", show_default=True, help="Its motif.")
@click.option("--frames", help="A cluster there is instead: UUID of FramesData, or a file.")
@click.option("--index", default=0, show_default=True, help="Which frame of --frames.")
@cli.potential_options
@cli.protocol_option("moderate")
@cli.lammps_option
@click.option("--seed", default=1, show_default=True)
@click.option("--jobs", default=2, show_default=True, help="Jobs at once.")
@cli.options_option
@cli.here_option
def main(
    element,
    size,
    motif,
    frames,
    index,
    potentials,
    potential_file,
    kind,
    level,
    protocol,
    lammps,
    seed,
    jobs,
    options,
    here,
):
    """Hold a cluster at a ladder of temperatures; tell energy, Lindemann index, melting point."""
    from aiida.orm import Int

    from aiida_nanoclusters.workflows.melting import MeltingWorkChain

    if (size is None) == (frames is None):
        raise cli.Fixable("give either --size N, a closed shell to build, or --frames UUID")
    potential = cli.get_one_potential(potentials, potential_file, kind, level)
    cluster = {"element": element, "motif": motif, "size": size}
    if frames is not None:
        cluster = pick_frame(cli.get_frames(frames, ""), index)
    code = cli.get_code(lammps)
    with cli.fixable():
        builder = MeltingWorkChain.get_builder_from_protocol(
            code,
            potential,
            cluster,
            protocol,
            options=cli.options_of(code, options),
        )
        builder.seed, builder.max_concurrent = Int(seed), Int(jobs)
    node = cli.launch(builder, here=here)
    if "melting" in node.outputs:
        melting = node.outputs.melting
        click.echo(f"{melting['cluster']} {melting['sentence']}")
        click.echo(f"  melting {melting.uuid}")
        click.echo(f"  curve {node.outputs.curve.uuid}")
    cli.finish(node, [f"aiida-nanoclusters report {node.uuid} --out melting.html"])


def pick_frame(frames, index):
    """Return one frame of a set as a node of its own."""
    from aiida.orm import List

    from aiida_nanoclusters.calculations.frames import select_frames

    if not 0 <= index < len(frames):
        raise cli.Fixable(f"no frame {index}: there are {len(frames)}, counted from 0")
    return frames if len(frames) == 1 else select_frames(frames, List([index]))


if __name__ == "__main__":
    main()

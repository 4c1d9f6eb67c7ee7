"""At what temperature does a cluster melt?"""

import click

from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.terminal import echo


@click.command("melting", cls=cli.LaunchCommand, stem="melting")
@cli.element_option
@click.option("--size", type=int, help="Number of atoms of the closed shell to build.")
@click.option("--motif", default="icosahedron", show_default=True, help="Motif of --size.")
@click.option(
    "--frames", help="Cluster that exists already: UUID of frames or a structure, or a file."
)
@click.option("--index", default=0, show_default=True, help="Which frame of --frames, from 0.")
@cli.potential_options
@cli.protocol_options("melting", "moderate")
@cli.lammps_option
@cli.seed_option("velocities")
@cli.jobs_option
@cli.options_option
@cli.here_option
def main(element, potential, protocol, assignments, lammps, options, here, **given):
    """Hold a cluster at a series of temperatures: energy, Lindemann index, melting point.

    \b
    aiida-nanoclusters run melting --size 147 --potential-file Cu_mishin1.eam.alloy
    """
    from aiida.orm import Int

    from aiida_nanoclusters.workflows.melting.melting import MeltingWorkChain

    size, frames = given["size"], given["frames"]
    if (size is None) == (frames is None):
        raise cli.Fixable("give either --size N, a closed shell to build, or --frames UUID")
    changed = cli.changes("melting", protocol, assignments, element).own
    one = potential.one()
    cluster = {"element": element, "motif": given["motif"], "size": size}
    if frames is not None:
        cluster = pick_frame(cli.get_frames(frames, ""), given["index"])
    code = cli.get_code(lammps, "lammps")
    with cli.fixable():
        builder = MeltingWorkChain.get_builder_from_protocol(
            code, one, cluster, protocol, changed, options=cli.options_of(code, options)
        )
        builder.seed, builder.max_concurrent = Int(given["seed"]), Int(given["jobs"])
    node = cli.launch(builder, here=here)
    if "melting" in node.outputs:
        melting = node.outputs.melting
        echo(f"{melting['cluster']} {melting['sentence']}")
        echo(f"  melting {melting.uuid}")
        echo(f"  curve {node.outputs.curve.uuid}")
    cli.finish(node, [f"aiida-nanoclusters report {node.uuid} --out melting.html"])


def pick_frame(frames, index):
    """Return one frame of a set as a node of its own."""
    from aiida.orm import List

    from aiida_nanoclusters.calculations.frames import select_frames

    if not 0 <= index < len(frames):
        raise cli.Fixable(f"no frame {index}: there are {len(frames)}, counted from 0")
    return frames if len(frames) == 1 else select_frames(frames, List([index]))

"""Which structures does a cluster have at which temperature? Parallel tempering."""

import click

from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.terminal import echo


@click.command("parallel-tempering", cls=cli.LaunchCommand, stem="parallel_tempering")
@cli.element_option
@click.option("--size", "--sizes", "sizes", help="Numbers of atoms, e.g. 38 or 38,55-57.")
@click.option(
    "--frames",
    help="Starts that exist already: UUID of frames or a structure, or a file. Replicas of a "
    "composition begin with its frames in turn.",
)
@cli.potential_options
@cli.protocol_options("parallel_tempering", "moderate")
@click.option(
    "--temperatures",
    metavar="300,350,...",
    help="Ladder of temperatures (K), one replica at each. Default: that of the protocol.",
)
@click.option(
    "--driver",
    type=click.Choice(["python", "partition"]),
    help="What runs the replicas: one Python process, or LAMMPS's `temper` with its ranks for each "
    "replica. Default: that of the protocol.",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    help="Worker processes of the driver `python`. Default: number of the protocol.",
)
@click.option(
    "--python",
    "python",
    default="nequip@localhost",
    show_default=True,
    shell_complete=cli.complete_codes,
    help="Code of a Python with the module `lammps`, for the driver `python`.",
)
@cli.lammps_option
@cli.seed_option("starts, velocities, random forces and swaps")
@cli.jobs_option
@cli.options_option
@cli.here_option
def main(element, potential, protocol, assignments, lammps, options, here, **given):
    """Sample clusters at a ladder of temperatures: frames, heat capacity, minima.

    \b
    aiida-nanoclusters run parallel-tempering --size 38 --potential-file Cu_mishin1.eam.alloy
    """
    from aiida.orm import Int

    from aiida_nanoclusters.workflows.parts.protocol import load_protocol
    from aiida_nanoclusters.workflows.sampling.parallel_tempering import (
        ParallelTemperingWorkChain,
    )

    if (given["sizes"] is None) == (given["frames"] is None):
        raise cli.Fixable("give either --size N, clusters to build, or --frames UUID")
    overrides = cli.merge(
        {"settings": _own_settings(given)},
        cli.changes("parallel_tempering", protocol, assignments, element).own,
    )
    one, lmp = potential.one(), cli.get_code(lammps, "lammps")
    with cli.fixable():
        values = load_protocol("parallel_tempering", protocol, overrides)["settings"]
    code = lmp if values["driver"] == "partition" else cli.get_code(given["python"], "nequip")
    frames = None if given["frames"] is None else cli.get_frames(given["frames"], "")
    sizes = [] if given["sizes"] is None else cli.parse_sizes(given["sizes"])
    with cli.fixable():
        builder = ParallelTemperingWorkChain.get_builder_from_protocol(
            code,
            one,
            lmp,
            element,
            sizes,
            protocol,
            overrides,
            cli.options_of(code, options),
            frames=frames,
            lammps_options=cli.options_of(lmp, options),
        )
    builder.seed, builder.max_concurrent = Int(given["seed"]), Int(given["jobs"])
    if builder.relax.get("potential"):
        builder.relax["max_concurrent"] = Int(given["jobs"])
    node = cli.launch(builder, here=here)
    print_results(node)
    cli.finish(node, [f"verdi node show {node.uuid}"])


def _own_settings(given):
    """Return the settings that options of this command name."""
    own = {name: given[name] for name in ("driver", "processes") if given[name] is not None}
    if given["temperatures"]:
        try:
            ladder = [float(text) for text in given["temperatures"].split(",")]
        except ValueError as error:
            raise cli.Fixable(
                f"--temperatures {given['temperatures']}: write them as 300,350 (K)"
            ) from error
        own |= {"temperatures": ladder, "ladder": None}
    return own


def print_results(node):
    """Print what was sampled of each composition."""
    if "report" not in node.outputs:
        return
    for name, report in node.outputs.report.get_dict().items():
        ladder, accepted = (
            report["temperatures"],
            [a for a in report["acceptance"] if a is not None],
        )
        if accepted:
            swaps = f"swaps accepted {min(accepted):.0%} to {max(accepted):.0%}"
        else:
            swaps = "no swap attempted"
        echo(
            f"{name:>10} {len(ladder)} replicas, {ladder[0]:g} to {ladder[-1]:g} K; {swaps}; "
            f"{sum(report['round_trips'])} round trips"
        )
        if report["evaporated"]:
            echo(f"{'':>10} {report['evaporated']} evaporations were taken back")
    for name in ("trajectory", "minima"):
        if name in node.outputs:
            frames = node.outputs[name]
            echo(f"  {name} {frames.uuid} ({len(frames)} frames)")

"""What lies between the structures of a cluster? Metadynamics along a chart or order parameters."""

import click

from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.launch import results
from aiida_nanoclusters.cli.run.melting import pick_frame

#: Width of a hill along each kind of variable that is named without one.
WIDTHS = {"chart": 0.1, "q4": 0.008, "q6": 0.02, "coordination": 0.1}


@click.command("metadynamics", cls=cli.LaunchCommand, stem="metadynamics")
@cli.element_option
@click.option("--size", type=int, help="Number of atoms of the closed shell to build.")
@click.option("--motif", default="truncated octahedron", show_default=True, help="Motif of --size.")
@click.option(
    "--frames", help="Cluster that exists already: UUID of frames or a structure, or a file."
)
@click.option("--index", default=0, show_default=True, help="Which frame of --frames, from 0.")
@click.option(
    "--variables",
    metavar="NAME[:WIDTH],...",
    help="One to three of chart1, chart2, chart3, q4, q6, coordination, each with the width of its "
    "hills. Default: those of the protocol.",
)
@click.option(
    "--collective-variables",
    metavar="FILE",
    help="YAML file with `collective_variables`, variables by roles of atoms in place of "
    "--variables, and perhaps `walls`, `coordination_walls` and `solvent`.",
)
@click.option(
    "--chart", help="UUID of the chart or of its work chain, for variables chart1 to chart3."
)
@cli.potential_options
@cli.protocol_options("metadynamics", "moderate")
@cli.lammps_option
@cli.seed_option("velocities and random forces")
@cli.jobs_option
@cli.options_option
@cli.here_option
def main(element, potential, protocol, assignments, lammps, options, here, **given):
    """Drive a cluster between its structures by a growing bias; free energy along variables.

    \b
    aiida-nanoclusters run metadynamics --size 38 --potential-file Cu_mishin1.eam.alloy
    """
    from aiida.orm import Int

    from aiida_nanoclusters.workflows.sampling.metadynamics import MetadynamicsWorkChain

    if (given["size"] is None) == (given["frames"] is None):
        raise cli.Fixable("give either --size N, a closed shell to build, or --frames UUID")
    own = _variables(given["variables"], given["collective_variables"])
    changed = cli.changes("metadynamics", protocol, assignments, element, own).own
    changed = cli.merge(own, changed)
    one, chart = potential.one(), get_chart(given["chart"])
    if given["frames"] is None:
        with cli.fixable():
            frames = build(element, given["motif"], given["size"])
    else:
        frames = pick_frame(cli.get_frames(given["frames"], ""), given["index"])
    code = cli.get_code(lammps, "lammps")
    with cli.fixable():
        builder = MetadynamicsWorkChain.get_builder_from_protocol(
            code,
            one,
            frames,
            protocol,
            changed,
            cli.options_of(code, options),
            chart=chart,
        )
        builder.seed, builder.max_concurrent = Int(given["seed"]), Int(given["jobs"])
    node = cli.launch(builder, here=here)
    results.print_free_energy(node.outputs)
    cli.finish(node, [f"aiida-nanoclusters report {node.uuid}"])


def build(element, motif, size):
    """Return a closed shell as a node."""
    from aiida.orm import Dict

    from aiida_nanoclusters.calculations.melting.melting import build_cluster
    from aiida_nanoclusters.workflows.melting.melting import validate_cluster

    wanted = Dict({"element": element, "motif": motif, "size": size})
    if problem := validate_cluster(wanted, None):
        raise ValueError(problem)
    return build_cluster(wanted)


def _variables(names, path):
    """Return what the options that name variables change of the protocol."""
    if names and path:
        raise cli.Fixable("give either --variables or --collective-variables")
    if names:
        return {"settings": {"variables": parse_variables(names)}}
    return {"settings": {**read_variables(path), "variables": []}} if path else {}


def parse_variables(text):
    """Return the settings of variables written as NAME[:WIDTH],..."""
    found = []
    for word in text.split(","):
        name, _, width = word.strip().partition(":")
        kind = "chart" if name in ("chart1", "chart2", "chart3") else name
        if kind not in WIDTHS or name == "chart":
            raise cli.Fixable(
                f"--variables: there is no {name!r}; choose of chart1, chart2, chart3, q4, q6, "
                "coordination"
            )
        try:
            variable = {"kind": kind, "width": float(width) if width else WIDTHS[kind]}
        except ValueError as error:
            raise cli.Fixable(f"--variables: {width!r} is no width, write q6:0.02") from error
        if kind == "chart":
            variable["coordinate"] = int(name[-1])
        found.append(variable)
    return found


def read_variables(path):
    """Return what a file of --collective-variables sets."""
    known = {"collective_variables", "walls", "coordination_walls", "solvent"}
    content = cli.read_yaml(path, "collective variables")
    if not isinstance(content, dict) or not {"collective_variables"} <= set(content) <= known:
        raise cli.Fixable(
            f"--collective-variables {path}: write `collective_variables: [{{name: ..., "
            "terms: [...]}]`, and perhaps `walls`, `coordination_walls` and `solvent`"
        )
    return content


def get_chart(uuid):
    """Return the chart node of --chart, or None."""
    if uuid is None:
        return None
    from aiida_nanoclusters.data.chart import ChartData

    return cli.get_node(uuid, ChartData, what="chart, which `run chart` makes")

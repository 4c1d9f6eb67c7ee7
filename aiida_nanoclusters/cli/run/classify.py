"""What is this structure? Files and trajectories in a chart."""

import click

from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.run.chart import (
    parse_bond_lengths,
    print_run,
    tempering_outputs,
    unboxed,
)
from aiida_nanoclusters.cli.terminal import Fixable, echo

#: Frames of which each is printed; of more only the families are.
_SHOWN = 20


@click.command("classify", cls=cli.LaunchCommand)
@click.argument("chart", shell_complete=cli.complete_nodes("WorkChainNode"))
@click.argument("sources", nargs=-1, metavar="FILE|UUID...")
@cli.uuid_option(
    "--tempering",
    "ParallelTemperingWorkChain whose minima are placed, for populations against temperature and "
    "the lowest path between two families.",
)
@click.option(
    "--between",
    metavar="0,3",
    help="Numbers of the two families of that path. Default: the two of largest population.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(min=0, min_open=True),
    metavar="K",
    help="Temperature (K) of that path. Default: where the two families compete most.",
)
@click.option(
    "--residence",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    metavar="PS",
    help="Time (ps) for which a trajectory must stay in a family for a transition to count.",
)
@click.option(
    "--relax",
    "force_tolerance",
    is_flag=False,
    flag_value=0.005,
    default=None,
    type=click.FloatRange(min=0, min_open=True),
    metavar="[FORCE]",
    help="Relax the structures first, to this largest force (eV/Å; without a number 0.005), by the "
    "potential. Default: they are placed as they are.",
)
@click.option(
    "--potential",
    metavar="UUID|FILE",
    help="Potential of --relax: UUID, a file of LAMMPS or the name of a known one.",
)
@click.option("--potential-kind", help="Kind of that file. Default: told by the file.")
@click.option(
    "--bond-length",
    "bond_lengths",
    multiple=True,
    metavar="Au=2.88",
    help="Bond length of an element (Å); repeatable. Default: that of the training of the chart, "
    "of other elements the neighbours' distance in the bulk metal.",
)
@cli.lammps_option
@cli.options_option
@cli.here_option
def main(chart, sources, force_tolerance, bond_lengths, lammps, options, here, **given):
    """Place the frames of FILES that ASE reads, or of UUIDs, in CHART, and warn of what is unlike.

    CHART is the UUID of the work chain that made it. Clusters in boxes with vacuum lose their box.

    \b
    aiida-nanoclusters run classify CHART cluster.xyz trajectory.extxyz
    aiida-nanoclusters run classify CHART hot.extxyz --relax --potential rgl-Au.eam.alloy
    aiida-nanoclusters run classify CHART --tempering UUID
    """
    from aiida.orm import Dict, WorkChainNode

    from aiida_nanoclusters.calculations.charts.transitions import is_trajectory
    from aiida_nanoclusters.workflows.charts.analysis import tempering_inputs
    from aiida_nanoclusters.workflows.charts.classify import ClassifyWorkChain

    outputs = cli.get_node(chart, WorkChainNode).outputs
    if not {"chart", "families"} <= set(outputs):
        raise Fixable(f"{chart} has no outputs `chart` and `families`: give a finished chart")
    known, families = outputs.chart, outputs.families
    run = _run_of(given["tempering"], sources)
    if run is not None:
        sources, parts = ("minimum",), {"part_00000": run.minima}
    else:
        parts = {f"part_{k:05d}": unboxed(cli.get_frames(s, "")) for k, s in enumerate(sources)}
    frames = cli.join_frames(parts)
    if force_tolerance is None and run is None and known.reproduces == "relaxed":
        echo(
            "The chart is of relaxed structures: --relax relaxes these first, if they are not.",
            err=True,
        )
    if force_tolerance is None:
        builder = ClassifyWorkChain.get_builder()
        builder.chart, builder.families, builder.frames = known, families, frames
    else:
        if given["potential"] is None:
            raise Fixable("--relax needs --potential UUID|FILE")
        potential = cli.find_potential(
            given["potential"], given["potential_kind"], ",".join(frames.elements)
        )
        code = cli.get_code(lammps, "lammps")
        stages = [{"kind": "relax", "force_tolerance": force_tolerance}]
        with cli.fixable():
            builder = ClassifyWorkChain.get_builder_for_potential(
                known, families, frames, code, potential, stages, cli.options_of(code, options)
            )
    lengths = parse_bond_lengths(bond_lengths)
    if lengths:
        builder.bond_lengths = Dict(lengths)
    if run is not None:
        builder.tempering = tempering_inputs(run)
        builder.free_energy_settings = Dict(_path_settings(given))
    elif "coordinates" in outputs and is_trajectory(frames.frames):
        builder.coordinates = outputs.coordinates
        builder.transition_settings = Dict({"residence": given["residence"]})
    node = cli.launch(builder, here=here)
    print_places(node, dict(zip(sources, map(len, parts.values()), strict=True)))
    print_analysis(node)
    cli.finish(
        node,
        [f"aiida-nanoclusters report {node.uuid} --out chart.html", f"verdi node show {node.uuid}"],
    )


def _run_of(tempering, sources):
    """Return the outputs of the run whose minima are placed; None where files are."""
    if (tempering is None) == (not sources):
        raise Fixable("give either FILES or UUIDs of frames, or --tempering UUID")
    return None if tempering is None else tempering_outputs(tempering)


def _path_settings(given):
    """Return the settings of the lowest path that options name."""
    from aiida_nanoclusters.science.charts.analysis_settings import FreeEnergySettings

    values = {}
    if given["temperature"] is not None:
        values["temperature"] = given["temperature"]
    if given["between"] is not None:
        try:
            values["between"] = [int(text) for text in given["between"].split(",")]
        except ValueError as error:
            raise Fixable(f"--between {given['between']}: write two numbers as 0,3") from error
    with cli.fixable():
        FreeEnergySettings.from_values(**values)
    return values


def print_analysis(node):
    """Print transitions with dwell times, and the lowest path between two families."""
    if "transitions" in node.outputs:
        found = node.outputs.transitions.get_dict()
        echo(f"{len(found['events'])} transitions between families")
        for dwell in found["dwells"]:
            name, exits = found["names"][dwell["family"]], dwell["exits"]
            mean = (
                f"{dwell['mean']:.4g} ± {dwell['error']:.2g}" if exits else f"> {dwell['low']:.3g}"
            )
            echo(f"  family {dwell['family']:3d} {exits:5d} exits, dwell time {mean} ps  {name}")
        echo(f"  transitions {node.outputs.transitions.uuid}")
    print_run(node)


def print_places(node, lengths):
    """Print the family of each frame, or of many frames the numbers, and what lies outside."""
    from aiida_nanoclusters.science import keys

    if "placements" not in node.outputs:
        return
    table, arrays = node.outputs.table.get_dict(), node.outputs.placements
    names = [row["name"] for row in table["families"]]
    origins = [f"{source} {k}" for source, count in lengths.items() for k in range(count)]
    if table["n_frames"] <= _SHOWN:
        for row, frame in enumerate(arrays.get_array(keys.PLACED_FRAMES)):
            family = int(arrays.get_array(keys.FAMILY)[row])
            where = ", ".join(f"{x:.3f}" for x in arrays.get_array(keys.CHART_COORDINATES)[row])
            outside = "  OUTSIDE" if arrays.get_array(keys.OUTSIDE)[row] else ""
            echo(f"{origins[int(frame)]}: family {family}, {names[family]} ({where}){outside}")
    else:
        for row in table["families"]:
            if row["count"]:
                outside = row["count"] - row["within"]
                told = f", {outside} of them outside" if outside else ""
                echo(f"  family {row['family']:3d} {row['count']:7d}  {row['name']}{told}")
    if table["n_outside"]:
        echo(
            f"Warning: {table['n_outside']} of {table['n_frames']} frames lie outside of what the "
            f"chart has seen, and their family may mean little: {table['criterion']}.",
            err=True,
        )
    echo(f"  placements {arrays.uuid}")
    echo(f"  table {node.outputs.table.uuid}")

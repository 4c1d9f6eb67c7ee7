"""Which structures are there, and which are alike? A chart of them."""

import click

from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.terminal import echo


@click.command("chart", cls=cli.LaunchCommand, stem="chart")
@click.option(
    "--frames",
    metavar="UUID|FILE",
    shell_complete=cli.complete_nodes("frames"),
    help="Relaxed clusters: UUID of frames or a structure, or a file. Default: the minima of "
    "--tempering.",
)
@cli.uuid_option(
    "--tempering",
    "ParallelTemperingWorkChain whose minima, and for a chart that biases whose frames, are taken.",
)
@click.option(
    "--sizes",
    help="Numbers of atoms of which --tempering is charted, e.g. 90. Default: all, in one chart.",
)
@click.option(
    "--seeds", help="Random seeds of the members of the committee. Default: those of the protocol."
)
@click.option(
    "--bond-length",
    "bond_lengths",
    multiple=True,
    metavar="Au=2.88",
    help="Bond length of an element (Å), in which distances are measured; repeatable. Default: the "
    "neighbours' distance in the bulk metal.",
)
@cli.protocol_options("chart", "moderate")
@cli.nequip_option
@cli.jobs_option
@cli.options_option
@cli.here_option
def main(
    frames, tempering, sizes, seeds, bond_lengths, protocol, assignments, nequip, options, **given
):
    """Train a chart of structures, and find and name the families in it.

    The code `--nequip` needs numpy, scipy and torch only.

    \b
    aiida-nanoclusters run chart --frames UUID --protocol trial
    aiida-nanoclusters run chart --tempering UUID --sizes 147
    aiida-nanoclusters run chart --tempering UUID --protocol biased
    """
    from aiida.orm import Int

    from aiida_nanoclusters.workflows.charts.analysis import tempering_inputs
    from aiida_nanoclusters.workflows.charts.chart import ChartWorkChain

    changed = cli.changes("chart", protocol, assignments).own
    run = _run_of(tempering, sizes)
    inputs = _frames_of(frames, run)
    code = cli.get_code(nequip, "nequip")
    with cli.fixable():
        builder = ChartWorkChain.get_builder_from_protocol(
            code,
            inputs.pop("frames"),
            protocol,
            changed,
            cli.options_of(code, options),
            bond_lengths=parse_bond_lengths(bond_lengths),
            seeds=None if seeds is None else cli.parse_sizes(seeds, "--seeds"),
            **inputs,
        )
    builder.max_concurrent = Int(given["jobs"])
    if run is not None:
        builder.tempering = tempering_inputs(run)
    node = cli.launch(builder, here=given["here"])
    print_families(node)
    print_run(node)
    if "chart" not in node.outputs:
        cli.finish(node, [f"verdi node show {node.uuid}"])
    cli.finish(
        node,
        [
            f"aiida-nanoclusters run classify {node.uuid} FILE",
            f"aiida-nanoclusters report {node.uuid} --out chart.html",
        ],
    )


def _run_of(tempering, sizes):
    """Return the outputs of a parallel tempering, of some sizes if these are given."""
    from aiida_nanoclusters.workflows.charts.analysis import select_sizes

    if tempering is None:
        if sizes is not None:
            raise cli.Fixable("--sizes chooses from --tempering: give both, or neither")
        return None
    outputs = tempering_outputs(tempering)
    if sizes is None:
        return outputs
    with cli.fixable():
        return select_sizes(outputs, cli.parse_sizes(sizes))


def tempering_outputs(uuid):
    """Return the outputs of a parallel tempering whose frames were relaxed; refuse any other."""
    from aiida.orm import WorkChainNode

    found = cli.get_node(uuid, WorkChainNode).outputs
    if absent := [n for n in ("minima", "minimum_of", "trajectory", "swaps") if n not in found]:
        raise cli.Fixable(
            f"{uuid} has no output {', '.join(absent)}: give a parallel tempering whose "
            "frames were relaxed (`relax_stages`)"
        )
    return found


def _frames_of(frames, run):
    """Return the minima, and of parallel tempering the sampled frames and their minima."""
    if (frames is None) == (run is None):
        raise cli.Fixable("give either --frames UUID, relaxed clusters, or --tempering UUID")
    if run is None:
        return {"frames": unboxed(cli.get_frames(frames, ""))}
    names = {"frames": "minima", "thermal": "trajectory", "minimum_of": "minimum_of"}
    return {port: run[name] for port, name in names.items()}


def unboxed(frames):
    """Return clusters without the boxes in which other programs had them."""
    from aiida_nanoclusters.calculations.charts.families import take_out_of_boxes

    if not frames.frames.pbc.any():
        return frames
    with cli.fixable():
        return take_out_of_boxes(frames)


def parse_bond_lengths(texts):
    """Return the bond lengths (Å) by element of ``Au=2.88``; None where there are none."""
    found = {}
    for text in texts:
        symbol, _, value = text.partition("=")
        try:
            found[symbol] = float(value)
        except ValueError as error:
            raise cli.Fixable(f"--bond-length {text}: write it as Au=2.88 (Å)") from error
    return found or None


def print_families(node):
    """Print the families of a chart, how stable they are, and the nodes."""
    from aiida_nanoclusters.calculations.charts.families import family_label
    from aiida_nanoclusters.science import keys
    from aiida_nanoclusters.science.charts.families import UNSTABLE, UNSTABLE_WORDS, sizes_alone

    if "families" not in node.outputs:
        return
    found, report = node.outputs.families.get_dict(), node.outputs.report.get_dict()
    plateau, between = found["plateau"], found.get("between_seeds", ())
    if plateau is not None:
        where = f"plateau {plateau[0]:.3f} to {plateau[1]:.3f}"
    elif any(value is not None for value in between):
        where = "the finest that the seeds agree on"
    else:
        where = "no plateau"
    rows = found["families"]
    echo(f"{len(rows)} families, bandwidth {found['bandwidth']:.3f} ({where})")
    for k, row in enumerate(rows):
        echo(f"  {k:3d} {row['count']:7d}  {family_label(row)} ({row['name_share']:.0%})")
    alone = sizes_alone(
        node.inputs.frames.frames.sizes, node.outputs.coordinates.get_array(keys.FAMILY)
    )
    if alone:
        numbers = ", ".join(map(str, alone))
        echo(
            f"  all frames of {numbers} atoms are one family of their own: sizes are farther apart "
            "than structures. Chart one size at a time (--sizes) to tell its structures apart."
        )
    seeds = [row["agreement"] for row in found["agreement"]["seeds"]]
    if seeds:
        echo(
            f"  agreement between seeds {min(seeds):.2f} to {max(seeds):.2f} (adjusted Rand index)"
        )
        if min(seeds) < UNSTABLE:
            echo(f"  {UNSTABLE_WORDS}")
    echo(f"  agreement with common neighbours {found['agreement']['packing']:.2f}")
    loss = report["validation_losses"][report["chosen"]]
    echo(f"  kept {report['chosen']}, validation loss {loss:.3g}")
    for name in ("chart", "families", "coordinates", "representatives"):
        echo(f"  {name} {node.outputs[name].uuid}")


def print_run(node):
    """Print where populations against temperature are, and the lowest path between families."""
    for composition in node.outputs.populations if "populations" in node.outputs else ():
        echo(f"  populations of {composition} {node.outputs.populations[composition].uuid}")
    for composition in node.outputs.path if "path" in node.outputs else ():
        found = node.outputs.path[composition].get_dict()
        names, where = " and ".join(found["names"]), f"{found['temperature']:.0f} K"
        if not found["connected"]:
            echo(f"  no path between {names} at {where}: {found['reason']}")
            continue
        error = found["barrier_error"]
        spread = "unknown error" if error is None else f"± {1000 * error:.0f}"
        echo(
            f"  lowest path between {names} at {where}: {1000 * found['barrier']:.0f} meV "
            f"({spread}) above the first"
        )

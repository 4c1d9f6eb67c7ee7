"""Which ligands go with which core? Models learnt from known clusters, and what they are worth."""

import click

from aiida_nanoclusters.cli.launch import ligands as given
from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.launch.ligand_results import print_compatibility
from aiida_nanoclusters.cli.terminal import Fixable

labelled_option = click.option(
    "--labelled",
    metavar="UUID|FILE",
    shell_complete=cli.complete_nodes("frames"),
    help="Clusters with energies, on whose formation energies the core encoder is pretrained. "
    "Default: it is not pretrained.",
)
seeds_option = click.option(
    "--seeds", help="Random seeds of the members, e.g. 1-5. Default: those of the protocol."
)


@click.command("compatibility", cls=cli.LaunchCommand, stem="compatibility")
@click.argument("sources", nargs=-1, required=True, metavar="FILE|FOLDER|UUID...")
@labelled_option
@cli.uuid_option("--encoder", "CoreEncoderData that was pretrained before, in place of --labelled.")
@seeds_option
@click.option(
    "--splits",
    metavar="published,core,ligand",
    help="What is held out to measure the methods on, one or more of random, published, core, "
    "ligand; `none` trains the models only. Default: those of the protocol.",
)
@cli.protocol_options("compatibility", "moderate")
@cli.nequip_option
@cli.jobs_option
@cli.options_option
@cli.here_option
def main(sources, protocol, assignments, nequip, options, **rest):
    """Learn from whole clusters which ligands go with which core.

    SOURCES are files (.xyz, .extxyz, .cif, .mol2) or folders of clusters with their ligands, or one
    UUID: of FramesData of whole clusters, or of PairsData. The code `--nequip` needs numpy, scipy,
    torch and torch_geometric only.

    \b
    aiida-nanoclusters run compatibility clusters/ --protocol trial
    aiida-nanoclusters run compatibility clusters/ --labelled gas_phase.extxyz --seeds 1-5
    aiida-nanoclusters run compatibility UUID --splits core
    """
    given.require_packages()
    changed = cli.changes("compatibility", protocol, assignments).own
    builder = compatibility_builder(sources, protocol, changed, nequip, options, rest)
    node = cli.launch(builder, here=rest["here"])
    print_compatibility(node)
    cli.finish(
        node,
        [
            f"aiida-nanoclusters run match-ligands CORE --ligands FILE --compatibility {node.uuid}",
            f"aiida-nanoclusters report {node.uuid} --out compatibility.html",
        ],
    )


def compatibility_builder(sources, protocol, changed, nequip, options, rest):
    """Return the builder of the options of this command.

    Raises
    ------
    Fixable
        If a file, a node or a number cannot be used.
    """
    from aiida.orm import Int

    from aiida_nanoclusters.data.core_encoder import CoreEncoderData
    from aiida_nanoclusters.workflows.ligands.compatibility import CompatibilityWorkChain
    from aiida_nanoclusters.workflows.parts.protocol import load_protocol

    code = cli.get_code(nequip, "nequip")
    with cli.fixable():
        settings = load_protocol("compatibility", protocol, changed)["pairs"]
    labelled, encoder = rest.get("labelled"), rest.get("encoder")
    inputs = {
        **given.get_clusters(sources, settings),
        "labelled": None if labelled is None else cli.get_frames(labelled, ""),
        "encoder": None if encoder is None else cli.get_node(encoder, CoreEncoderData),
        "seeds": None if rest.get("seeds") is None else cli.parse_sizes(rest["seeds"], "--seeds"),
        "splits": parse_splits(rest.get("splits")),
    }
    with cli.fixable():
        builder = CompatibilityWorkChain.get_builder_from_protocol(
            code, protocol=protocol, overrides=changed, options=cli.options_of(code, options),
            **inputs,
        )  # fmt: skip
        builder.max_concurrent = Int(rest["jobs"])
    return builder


def parse_splits(text):
    """Return the kinds of splits of ``published,core``; None where there is no text.

    Raises
    ------
    Fixable
        If one is unknown.
    """
    from aiida_nanoclusters.science.ligands.pair_settings import SPLIT_KINDS

    if text is None:
        return None
    kinds = [] if text == "none" else [kind.strip() for kind in text.split(",")]
    if unknown := [kind for kind in kinds if kind not in SPLIT_KINDS]:
        raise Fixable(f"--splits {unknown[0]}: choose among {', '.join(SPLIT_KINDS)}, or none")
    return kinds

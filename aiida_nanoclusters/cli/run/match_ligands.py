"""Which ligands suit this core? Sets of candidates ranked by trained models."""

import click

from aiida_nanoclusters.cli.launch import ligands as given
from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.launch.ligand_results import print_compatibility, print_ranking
from aiida_nanoclusters.cli.run.compatibility import (
    compatibility_builder,
    labelled_option,
    seeds_option,
)
from aiida_nanoclusters.cli.terminal import Fixable, echo


@click.command("match-ligands", cls=cli.LaunchCommand, stem="match_ligands")
@click.argument("core", metavar="CORE")
@given.ligands_option
@given.model_option
@given.compatibility_option
@given.training_options
@labelled_option
@seeds_option
@given.relaxation_options
@cli.protocol_options("match_ligands", "moderate")
@cli.nequip_option
@cli.jobs_option
@cli.options_option
@cli.here_option
def main(core, ligands, models, compatibility, clusters, training_protocol, **rest):
    """Rank sets of the candidate LIGANDS for CORE, and warn of what the models have not seen.

    CORE is a file or a UUID of cores; the ligands of a whole cluster are cut off. With `--clusters`
    a committee is trained first, and what it is worth is told; it can be used again by its UUID.

    \b
    aiida-nanoclusters run match-ligands core.xyz --ligands candidates.smi --clusters known/
    aiida-nanoclusters run match-ligands core.xyz --ligands candidates.smi --compatibility UUID
    """
    from aiida_nanoclusters.workflows.ligands.match_ligands import MatchLigandsWorkChain

    given.require_packages()
    changed = cli.changes("match_ligands", rest["protocol"], rest["assignments"]).own
    lines = given.read_candidates(ligands)
    cores = given.get_core(core, {})
    committee = committee_of(models, compatibility, clusters, training_protocol, rest)
    relaxation = given.relaxation_of(rest, cores)
    with cli.fixable():
        builder = MatchLigandsWorkChain.get_builder_from_protocol(
            cores, lines, committee, rest["protocol"], changed, **relaxation
        )
    node = cli.launch(builder, here=rest["here"])
    print_ranking(node)
    cli.finish(
        node,
        [
            f"aiida-nanoclusters explain {node.uuid}",
            f"aiida-nanoclusters report {node.uuid} --out ligands.html",
        ],
    )


def committee_of(models, compatibility, clusters, training_protocol, rest):
    """Return the models that are named, or those of a training on known clusters.

    Raises
    ------
    Fixable
        If several ways are named, or the training failed.
    """
    if not clusters:
        return given.get_models(models, compatibility)
    if models or compatibility:
        raise Fixable("give either --clusters, --model or --compatibility")
    builder = compatibility_builder(
        clusters, training_protocol, {}, rest["nequip"], rest["options"], rest
    )
    trained = cli.launch(builder, here=rest["here"])
    print_compatibility(trained)
    if "models" not in trained.outputs:
        cli.finish(trained, [f"verdi node show {trained.uuid}"])
    echo(f"  again without training: --compatibility {trained.uuid}")
    echo()
    return dict(trained.outputs.models)

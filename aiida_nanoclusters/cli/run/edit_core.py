"""What if one atom of a core were removed, added or replaced? Ligands for each edit."""

import click

from aiida_nanoclusters.cli.launch import ligands as given
from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.launch.ligand_results import print_edits
from aiida_nanoclusters.cli.run.compatibility import labelled_option, seeds_option
from aiida_nanoclusters.cli.run.match_ligands import committee_of
from aiida_nanoclusters.cli.terminal import Fixable


@click.command("edit-core", cls=cli.LaunchCommand, stem="match_ligands")
@click.argument("core", metavar="CORE")
@given.ligands_option
@given.model_option
@given.compatibility_option
@given.training_options
@click.option(
    "--kinds",
    metavar="remove,add,replace",
    help="Kinds of edits. Default: those of the protocol.",
)
@click.option(
    "--add",
    metavar="Cu,Ag",
    help="Elements of added atoms. Default: the metals of the core.",
)
@click.option(
    "--replace",
    metavar="Cu,Ag,Au",
    help="Elements by which atoms are replaced. Default: those of the protocol.",
)
@labelled_option
@seeds_option
@given.relaxation_options
@cli.protocol_options("match_ligands", "moderate")
@cli.nequip_option
@cli.jobs_option
@cli.options_option
@cli.here_option
def main(core, ligands, models, compatibility, clusters, training_protocol, **rest):
    """Edit single atoms of CORE, and rank sets of the candidate LIGANDS for each result.

    Atoms that the symmetry of the core makes equal are edited once. CORE is a file or a UUID; the
    ligands of a whole cluster are cut off.

    \b
    aiida-nanoclusters run edit-core core.xyz --ligands candidates.smi --compatibility UUID
    aiida-nanoclusters run edit-core core.xyz --ligands candidates.smi --model UUID --kinds remove
    """
    from aiida_nanoclusters.workflows.ligands.edit_core import EditCoreWorkChain

    given.require_packages()
    changed = cli.changes("match_ligands", rest["protocol"], rest["assignments"]).own
    changed = cli.merge(changed, {"edits": _edits(rest)})
    lines = given.read_candidates(ligands)
    cores = given.get_core(core, {})
    if len(cores) != 1:
        raise Fixable(f"{core} holds {len(cores)} cores: give one, whose atoms are edited")
    committee = committee_of(models, compatibility, clusters, training_protocol, rest)
    with cli.fixable():
        builder = EditCoreWorkChain.get_builder_from_protocol(
            cores, lines, committee, rest["protocol"], changed, **given.relaxation_of(rest, cores)
        )
    node = cli.launch(builder, here=rest["here"])
    print_edits(node)
    cli.finish(
        node,
        [
            f"aiida-nanoclusters explain {node.uuid}",
            f"aiida-nanoclusters report {node.uuid} --out edits.html",
        ],
    )


def _edits(rest):
    """Return the settings of edits that options name."""
    return {
        name: [part.strip() for part in rest[name].split(",")]
        for name in ("kinds", "add", "replace")
        if rest[name] is not None
    }

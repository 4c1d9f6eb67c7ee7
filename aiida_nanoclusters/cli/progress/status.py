"""aiida-nanoclusters status: how far a study is."""

from __future__ import annotations

import click

from aiida_nanoclusters.cli.progress import daemon_runs, render, watch
from aiida_nanoclusters.cli.stages import latest_study, read_progress
from aiida_nanoclusters.cli.terminal import Fixable, make_console, open_profile, profile_option


@click.command()
@click.argument("uuid", required=False)
@profile_option
@click.option("--watch", "live", is_flag=True, help="Keep the table up to date until it ends.")
def status(uuid: str | None, profile_name: str | None, live: bool) -> None:
    """Show what a study is doing, stage by stage, and its last error.

    UUID is that of any work chain (or its pk); without it the study launched last is shown. Exit
    code 1 if it has failed.
    """
    open_profile(profile_name)
    from aiida.common.exceptions import MultipleObjectsError, NotExistent
    from aiida.orm import ProcessNode, load_node

    try:
        node = load_node(uuid) if uuid else latest_study()
    except (NotExistent, MultipleObjectsError, ValueError) as error:
        raise Fixable(f"no process `{uuid}`: `verdi process list -a` shows all") from error
    if node is None:
        raise Fixable(
            "no study yet: `verdi run workchains/study.py --protocol tutorial` starts one"
        )
    if not isinstance(node, ProcessNode):
        raise Fixable(f"`{uuid}` is no process but data: `verdi node show {uuid}` shows it")
    console = make_console()
    if live:
        watch(node, console)
    else:
        assert node.pk is not None
        progress = read_progress(node.pk)
        console.print(render(progress, daemon=progress.root.terminated or daemon_runs()))
    if node.is_terminated and not node.is_finished_ok:
        raise SystemExit(1)

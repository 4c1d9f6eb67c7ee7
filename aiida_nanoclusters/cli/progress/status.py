"""aiida-nanoclusters status: how far a study is."""

from __future__ import annotations

import click

from aiida_nanoclusters.cli.progress.counts import latest_study, read_progress
from aiida_nanoclusters.cli.progress.live_table import daemon_runs, render, watch
from aiida_nanoclusters.cli.terminal import Fixable, make_console, open_profile, profile_option


@click.command()
@click.argument("uuid", required=False)
@profile_option
@click.option("--watch", "live", is_flag=True, help="Update the table until the study ends.")
def status(uuid: str | None, profile_name: str | None, live: bool) -> None:
    """Show the processes of a study, counted by kind, and its last error.

    UUID (or pk) is that of any work chain. Default: the study launched last. Exit code 1 if it has
    failed.
    """
    open_profile(profile_name)
    from aiida.common.exceptions import MultipleObjectsError, NotExistent
    from aiida.orm import ProcessNode, load_node

    try:
        node = load_node(uuid) if uuid else latest_study()
    except (NotExistent, MultipleObjectsError, ValueError) as error:
        raise Fixable(f"no process `{uuid}`: `verdi process list -a` shows all") from error
    if node is None:
        raise Fixable("no study yet: `aiida-nanoclusters run study --protocol tutorial` starts one")
    if not isinstance(node, ProcessNode):
        raise Fixable(f"`{uuid}` is data, not a process: `verdi node show {uuid}` shows it")
    console = make_console()
    if live:
        watch(node, console)
    else:
        assert node.pk is not None
        progress = read_progress(node.pk)
        console.print(render(progress, daemon=progress.root.terminated or daemon_runs()))
    if node.is_terminated and not node.is_finished_ok:
        raise SystemExit(1)

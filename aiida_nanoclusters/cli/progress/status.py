"""aiida-nanoclusters status: how far a study is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
from rich.console import Group
from rich.text import Text

from aiida_nanoclusters.cli.progress.counts import read_progress
from aiida_nanoclusters.cli.progress.live_table import daemon_runs, render, watch
from aiida_nanoclusters.cli.progress.studies import Launched, latest_study, launched
from aiida_nanoclusters.cli.terminal import Fixable, make_console, open_profile, profile_option
from aiida_nanoclusters.formats.plain_text import excerpt

#: Columns where the output is no terminal.
WIDTH = 80
#: Work chains in the list.
MOST = 12


@click.command()
@click.argument("uuid", required=False)
@profile_option
@click.option("--watch", "live", is_flag=True, help="Update the table until the study ends.")
def status(uuid: str | None, profile_name: str | None, live: bool) -> None:
    """Show the processes of a study, counted by kind, and its last error.

    UUID (or pk) is that of any work chain. Default: the study launched last, or where there is none
    the work chain launched last, and a list of what was launched. Exit code 1 if it has failed.
    """
    open_profile(profile_name)
    from aiida.common.exceptions import MultipleObjectsError, NotExistent
    from aiida.orm import ProcessNode, load_node

    try:
        found = [] if uuid else launched()
        node = load_node(uuid or latest_study(found).uuid) if uuid or found else None
    except (NotExistent, MultipleObjectsError, ValueError) as error:
        raise Fixable(f"no process `{uuid}`: `verdi process list -a` shows all") from error
    if node is None:
        raise Fixable("no study yet: `aiida-nanoclusters run study --protocol tutorial` starts one")
    if not isinstance(node, ProcessNode):
        raise Fixable(f"`{uuid}` is data, not a process: `verdi node show {uuid}` shows it")
    console = make_console(WIDTH)
    if live:
        uuid = node.uuid
        watch(node, console)
        node = load_node(uuid)  # that in memory is lost where the database was restarted
    else:
        assert node.pk is not None
        progress = read_progress(node.pk)
        console.print(render(progress, daemon=progress.root.terminated or daemon_runs()))
        if len(found) > 1:
            console.print(Group("", *list_studies(found, node.uuid)), soft_wrap=True)
    if node.is_terminated and not node.is_finished_ok:
        raise SystemExit(1)


def list_studies(found: Sequence[Launched], shown: str) -> Iterator[Text]:
    """Yield the lines of what was launched, the latest first; that shown above has a star."""
    yield Text("launched, the latest first", "bold")
    for one in found[:MOST]:
        mark = "*" if one.uuid == shown else " "
        name = one.name.removesuffix("WorkChain")
        when = one.started.astimezone().strftime("%Y-%m-%d")
        label = f"\n    “{excerpt(one.label)}”" if one.label else ""
        yield Text(f"{mark} {one.uuid}  {name:<18} {one.outcome:<8} {when}{label}".rstrip())
    if len(found) > MOST:
        yield Text(f"  and {len(found) - MOST} more: verdi process list -a", "dim")

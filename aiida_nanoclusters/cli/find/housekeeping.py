"""aiida-nanoclusters disk and delete: the room that a study takes, and how it is given back."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from aiida_nanoclusters.cli.find.find import database
from aiida_nanoclusters.cli.terminal import Fixable, echo, profile_option
from aiida_nanoclusters.formats.plain_text import excerpt, said_by
from aiida_nanoclusters.science.words import counted

if TYPE_CHECKING:
    from aiida.orm import ProcessNode

    from aiida_nanoclusters.queries.storage import Folder, Holdings

#: Folders that one command is asked about.
_AT_ONCE = 100
#: Dependent processes that are named.
_MOST = 10


@click.command()
@click.argument("uuid")
@profile_option
def disk(uuid: str, profile_name: str | None) -> None:
    """Show the room that a study takes: files in the profile, and folders of its jobs.

    UUID is that of any process: a study, or one of its parts.
    """
    node, held = _holdings(uuid, profile_name)
    echo(f"{node.process_label} {node.uuid}")
    for line in _amounts(held):
        echo(f"  {line}")
    if held.folders:
        echo("the folders of a job only: verdi calcjob cleanworkdir UUID")
    echo("all of it:")
    echo(f"  aiida-nanoclusters delete {node.uuid} --dry-run")


@click.command()
@click.argument("uuid")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
@click.option(
    "--with-dependents",
    is_flag=True,
    help="Also delete what was computed from its results. Default: refuse where there is any.",
)
@click.option(
    "--keep-folders", is_flag=True, help="Leave the folders of its jobs on their computers."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@profile_option
def delete(
    uuid: str,
    dry_run: bool,
    with_dependents: bool,
    keep_folders: bool,
    yes: bool,
    profile_name: str | None,
) -> None:
    """Delete a study, for instance a failed one, with all that it called and made.

    The folders of its jobs are removed from their computers first. Data that it was given stay, and
    so do folders that results of another process, taken from the cache, share. It cannot be undone.
    """
    node, held = _holdings(uuid, profile_name)
    from aiida_nanoclusters.queries.storage import outermost, running

    if active := running({*held.own, *held.others}):
        raise Fixable(
            f"{active[0]} has not ended: wait, or end it (verdi process kill {active[0]})"
        )
    others = outermost(held.others)
    _refuse_part(node)
    echo(f"{node.process_label} {node.uuid} ({_state(node)})")
    for line in _amounts(held):
        echo(f"  {line}")
    if held.others:
        echo(f"  and {counted(len(held.others), 'node')} computed from its results:")
        for other in others[:_MOST]:
            echo(f"    {other.process_label} {other.uuid}")
        if len(others) > _MOST:
            echo(f"    and {len(others) - _MOST} more")
    if dry_run:
        echo("nothing was deleted")
        return
    if held.others and not with_dependents:
        raise Fixable(
            "other results rest on it: keep it, or add --with-dependents to delete them as well"
        )
    if not yes:
        click.confirm("delete all of this for good?", abort=True)
    _delete(held, keep_folders=keep_folders)


def _holdings(uuid: str, profile_name: str | None) -> tuple[ProcessNode, Holdings]:
    with database(profile_name):
        from aiida.orm import ProcessNode

        from aiida_nanoclusters.queries import find_node
        from aiida_nanoclusters.queries.storage import holdings

        node = find_node(uuid, [ProcessNode], "process")
        assert isinstance(node, ProcessNode)
        return node, holdings(node)


def _refuse_part(node: ProcessNode) -> None:
    """Refuse a part of a study: AiiDA would delete the whole.

    Raises
    ------
    Fixable
        Naming the process that called it.
    """
    caller = node.caller
    while caller is not None and caller.caller is not None:
        caller = caller.caller
    if caller is not None:
        raise Fixable(
            f"it was called by {caller.process_label} {caller.uuid}, which cannot stay without "
            "it: delete that"
        )


def _state(node: ProcessNode) -> str:
    if node.is_finished:
        return "failed" if node.exit_status else "finished"
    return "state unknown" if node.process_state is None else str(node.process_state.value)


def _amounts(held: Holdings) -> Iterator[str]:
    """Yield what a process holds, a line for the profile and one for each computer."""
    yield (
        f"profile: {counted(held.n_processes, 'process', 'processes')}, "
        f"{counted(len(held.own) - held.n_processes, 'result')}, {counted(held.n_files, 'file')}, "
        f"{amount(held.n_bytes)}"
    )
    by_computer: dict[str, list[Folder]] = {}
    for folder in held.folders:
        by_computer.setdefault(folder.computer, []).append(folder)
    for label, folders in sorted(by_computer.items()):
        paths = {folder.path for folder in folders}
        shared = sum(folder.shared for folder in folders)
        said = f"{excerpt(label)}: {counted(len(paths), 'folder')} of jobs, {_room(label, paths)}"
        yield said + (f"; {shared} shared with other processes, which stay" if shared else "")


def amount(n_bytes: float) -> str:
    """Return a number of bytes with its unit.

    Examples
    --------
    >>> amount(2_300_000)
    '2.3 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} TB"


def _room(label: str, paths: set[str]) -> str:
    """Return the room that folders take on a computer, or why that cannot be said."""
    from aiida.orm import Computer

    total, listed = 0, sorted(paths)
    try:
        with Computer.collection.get(label=label).get_transport() as transport:
            for k in range(0, len(listed), _AT_ONCE):
                names = " ".join(shlex.quote(path) for path in listed[k : k + _AT_ONCE])
                # Folders that are gone are named on standard error, and count nothing.
                _, out, _ = transport.exec_command_wait(f"du -sk {names}")
                total += sum(int(line.split()[0]) for line in out.splitlines() if line.strip())
    except Exception as error:  # a transport plugin may raise anything, which is the answer
        return f"size unknown ({said_by(error, 80)})"
    return amount(1024 * total)


def _delete(held: Holdings, *, keep_folders: bool) -> None:
    from aiida.orm import load_node
    from aiida.tools import delete_nodes

    removed = 0
    for folder in held.folders if not keep_folders else ():
        if folder.shared:
            continue
        try:
            load_node(folder.pk)._clean()
        except Exception as error:  # a transport plugin may raise anything; nodes still name it
            raise Fixable(
                f"cannot remove {folder.path} on {folder.computer} ({said_by(error)}): no node was "
                "deleted; try again, or leave the folders where they are by --keep-folders"
            ) from error
        removed += 1
    gone, _ = delete_nodes({*held.own, *held.others}, dry_run=False)
    echo(
        f"deleted: {counted(len(gone), 'node')}, {counted(removed, 'folder')} of jobs. The room of "
        "their files in the profile is given back by: verdi storage maintain"
    )

"""A builder is looked at, submitted and watched; how it ended."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

from rich.markup import escape

from aiida_nanoclusters.cli.launch.messages import fixable
from aiida_nanoclusters.cli.terminal import Fixable, make_console
from aiida_nanoclusters.formats.plain_text import said_by

if TYPE_CHECKING:
    from aiida.engine import ProcessBuilder
    from aiida.orm import ProcessNode


def launch(builder: ProcessBuilder, *, here: bool) -> ProcessNode:
    """Run a builder here, or hand it to the daemon and show how it gets on.

    Ports, then computers and codes are looked at first. Exits with status 1 if the process fails,
    so that scripts can tell.

    Raises
    ------
    Fixable
        If an input is refused, a job could not run, or nothing takes the process.
    """
    from aiida.common.exceptions import InvalidOperation
    from aiida.engine import run_get_node, submit
    from aiida.engine.utils import instantiate_process
    from aiida.manage import get_manager
    from aiida.orm import load_node

    from aiida_nanoclusters.cli.launch.daemon import refresh_daemon
    from aiida_nanoclusters.cli.launch.preflight import check_launch
    from aiida_nanoclusters.cli.progress.live_table import watch

    console = make_console()
    check_ports(builder)
    check_launch(builder._inputs(prune=True), console)
    if not here:
        refresh_daemon(console)
    try:
        with fixable():
            made = instantiate_process(get_manager().get_runner(), builder) if here else None
            node: ProcessNode = made.node if made else submit(builder)
    except InvalidOperation as error:
        raise Fixable(
            "the daemon is not running: start it by `verdi daemon start`, or add --here"
        ) from error
    except ConnectionError as error:
        raise Fixable(
            f"AiiDA's broker does not answer ({said_by(error, 120)}): start it by `verdi daemon "
            "start`; with --here the process runs here all the same"
        ) from error
    uuid = node.uuid
    console.print(f"{node.process_label} {uuid}")
    if made:
        run_get_node(made)
        return node
    if not watch(node, console):
        sys.exit(0)
    # That in memory is lost where the database was restarted.
    ended: Any = load_node(uuid)
    node = ended
    return node


def check_ports(builder: ProcessBuilder) -> None:
    """Refuse inputs that the ports of a process refuse, before any computer is asked.

    Raises
    ------
    Fixable
        Naming the option and the fix.
    """
    ports = builder.process_class.spec().inputs
    with fixable():
        if error := ports.validate(ports.pre_process(builder._inputs(prune=True))):
            raise ValueError(str(error))


def finish(node: ProcessNode, next_steps: list[str]) -> NoReturn:
    """Say how it ended and where to look next, then exit."""
    console = make_console()
    if node.is_finished_ok:
        console.print("[green]finished[/green]")
    else:
        reason = escape(reason_of_end(node))
        console.print(f"[red]failed[/red]: {reason}")
        console.print(f"  verdi process report {node.pk}", markup=False)
    for step in next_steps:
        console.print(f"  {step}", markup=False)
    sys.exit(0 if node.is_finished_ok else 1)


def reason_of_end(node: ProcessNode) -> str:
    """Return why a process did not finish: its message, or the words of its state."""
    if node.exit_message:
        return str(node.exit_message)
    state = "" if node.process_state is None else node.process_state.value
    return {
        "killed": "it was killed: launch it again, jobs that finished are taken from the cache",
        "excepted": "it met an error of a program, see its report",
        "finished": f"exit code {node.exit_status}",
    }.get(state, f"it is {state or 'not started'}")

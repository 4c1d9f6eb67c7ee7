"""What a launch script has `doctor` look at before anything is submitted."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from aiida_nanoclusters.cli.machine.checks import check_computer
from aiida_nanoclusters.cli.machine.code_checks import (
    CALCULATOR_STYLE,
    PAIR_STYLE,
    STYLES,
    Check,
    check_code,
    check_model,
    program_of,
    style_item,
)
from aiida_nanoclusters.cli.terminal import Fixable

if TYPE_CHECKING:
    from aiida.orm import Computer


def check_launch(inputs: Mapping[str, Any], console: Console) -> None:
    """Look at the computers and codes that these inputs of a process name.

    What is only doubtful is printed. A computer that cannot be reached does not hinder: AiiDA tries
    again, and pauses what it cannot submit.

    Parameters
    ----------
    inputs
        Of a process, nested as its namespaces are.
    console
        Where to print.

    Raises
    ------
    Fixable
        If a job could not run; the message names the fix.
    """
    from aiida.orm import InstalledCode

    from aiida_nanoclusters.data.potential import PotentialData

    values = list(_values(inputs))
    codes = {value.uuid: value for value in values if isinstance(value, InstalledCode)}
    potentials = {value.uuid: value for value in values if isinstance(value, PotentialData)}
    learns = any(program_of(code) == "nequip" for code in codes.values())
    kinds = {potential.kind for potential in potentials.values()}
    needed = {PAIR_STYLE} if learns or kinds & {"allegro", "allegro-compiled"} else set()
    needed |= {CALCULATOR_STYLE} if "calculator" in kinds else set()
    styles = {style_item(kind, name) for kind, name, *_ in STYLES}
    reached: dict[str, bool] = {}
    for code in codes.values():
        computer = code.computer
        if computer.label not in reached:
            reached[computer.label] = _reach(computer, console)
            if reached[computer.label]:
                _judge(check_computer(f"computer {computer.label}", computer), console)
        if reached[computer.label]:
            checks = check_code(f"code {code.full_label}", code, computer, Path("PROFILE_FOLDER"))
            looked_at = (check for check in checks if check.item not in styles - needed)
            _judge(looked_at, console, needed)
            if program_of(code) == "lammps":
                for potential in potentials.values():
                    _judge(check_model(potential, computer), console)


def _values(inputs: Mapping[str, Any]) -> Iterator[Any]:
    for value in inputs.values():
        if isinstance(value, Mapping):
            yield from _values(value)
        else:
            yield value


def _reach(computer: Computer, console: Console) -> bool:
    """Whether a connection opens; one that nobody has configured or enabled never will."""
    from aiida.orm import User

    if not computer.is_configured:
        raise Fixable(
            f"computer {computer.label} is not configured: run `aiida-nanoclusters setup` with its "
            f"profile folder, or `verdi computer configure {computer.transport_type} "
            f"{computer.label}`"
        )
    user = User.collection.get_default()
    if user is not None and not computer.is_user_enabled(user):
        raise Fixable(
            f"computer {computer.label} is disabled: `verdi computer enable {computer.label}`, or "
            "name a code of another computer"
        )
    try:
        with computer.get_transport():
            return True
    except Exception as error:  # a transport plugin may raise anything; the user is told
        console.print(
            f"[yellow]computer {computer.label} cannot be reached now[/yellow] "
            f"({type(error).__name__}): its jobs wait. Look closer: verdi computer test "
            f"{computer.label}"
        )
        return False


def _judge(checks: Iterator[Check], console: Console, needed: Collection[str] = ()) -> None:
    """Print what is doubtful; what is wrong, or missing though `needed`, ends the launch."""
    for check in checks:
        if check.verdict == "error" or (check.item in needed and check.verdict != "ok"):
            raise Fixable(f"{check.item}: {check.text}. {check.fix}")
        if check.verdict == "warning":
            console.print(
                f"[yellow]{check.item}[/yellow]: {escape(check.text)}. {escape(check.fix)}"
            )

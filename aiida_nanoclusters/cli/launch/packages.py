"""Packages of nequip (``.nequip.zip``), of this package or of others, where a command takes one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiida_nanoclusters.cli.terminal import Fixable

if TYPE_CHECKING:
    from aiida_nanoclusters.data.potential import PotentialData

#: Ends of the names of a packaged and of a compiled model.
PACKAGE, COMPILED = ".nequip.zip", ".nequip.pt2"

type_option: Callable[..., Any] = click.option(
    "--type",
    "type_names",
    multiple=True,
    metavar="Cu=TYPE",
    help="Element, and its atom type in a model of nequip whose types are no chemical symbols; "
    "repeatable. Default: types are symbols.",
)


def parse_types(texts: Sequence[str]) -> dict[str, str]:
    """Return the atom type of each element of ``Cu=Cu_a``.

    Raises
    ------
    Fixable
        If a text is written otherwise.
    """
    found = {}
    for text in texts:
        symbol, equals, name = text.partition("=")
        if not (symbol and equals and name):
            raise Fixable(f"--type {text}: write it as Cu=TYPE")
        if symbol in found:
            raise Fixable(f"--type {text}: {symbol} has a type already: give each element once")
        found[symbol] = name
    return found


def get_package(path: str, level: str | None, types: Sequence[str] = ()) -> PotentialData:
    """Make a potential of a package, whose code runs, or find the stored one that equals it.

    It is of the kind ``allegro``, or ``calculator`` where the model passes messages.

    Raises
    ------
    Fixable
        If there is no such file, or it cannot be used; the message names the fix.
    """
    from aiida_nanoclusters.cli.launch.nodes import stored
    from aiida_nanoclusters.data.potential import PotentialData

    named, level = parse_types(types), level or Path(path).name
    try:
        node = PotentialData.from_package(path, level_of_theory=level, types=named)
    except ValueError as error:
        raise Fixable(str(error)) from error
    return stored(node)


def runnable_package(path: str, level: str | None, types: Sequence[str] = ()) -> PotentialData:
    """Return the potential of a package that runs in LAMMPS as it is.

    Raises
    ------
    Fixable
        As :func:`get_package`, and if it must be compiled before.
    """
    node = get_package(path, level, types)
    if not node.runs_in_lammps:
        options = "".join(f" --type {text}" for text in types)
        options += f" --level {level}" if level else ""
        raise Fixable(
            f"{path} is an Allegro package, which LAMMPS runs once it is compiled: "
            f"aiida-nanoclusters run compile {path}{options}; then give --potential UUID"
        )
    return node

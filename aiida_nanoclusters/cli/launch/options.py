"""What the launch commands share: options, loading of nodes, submission and results."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import click

from aiida_nanoclusters.cli.launch.codes import NoCode as NoCode
from aiida_nanoclusters.cli.launch.codes import get_code as get_code
from aiida_nanoclusters.cli.launch.completion import complete_codes as complete_codes
from aiida_nanoclusters.cli.launch.completion import complete_nodes as complete_nodes
from aiida_nanoclusters.cli.launch.messages import fixable as fixable
from aiida_nanoclusters.cli.launch.nodes import SETS as SETS
from aiida_nanoclusters.cli.launch.nodes import CalculatorChoice as CalculatorChoice
from aiida_nanoclusters.cli.launch.nodes import find_potential as find_potential
from aiida_nanoclusters.cli.launch.nodes import get_calculator as get_calculator
from aiida_nanoclusters.cli.launch.nodes import get_frames as get_frames
from aiida_nanoclusters.cli.launch.nodes import get_node as get_node
from aiida_nanoclusters.cli.launch.nodes import get_potential as get_potential
from aiida_nanoclusters.cli.launch.nodes import get_potentials as get_potentials
from aiida_nanoclusters.cli.launch.nodes import get_sets as get_sets
from aiida_nanoclusters.cli.launch.nodes import join_frames as join_frames
from aiida_nanoclusters.cli.launch.nodes import parse_atom_energy as parse_atom_energy
from aiida_nanoclusters.cli.launch.nodes import read_list as read_list
from aiida_nanoclusters.cli.launch.nodes import read_yaml as read_yaml
from aiida_nanoclusters.cli.launch.nodes import shipped_potentials as shipped_potentials
from aiida_nanoclusters.cli.launch.packages import type_option as type_option
from aiida_nanoclusters.cli.launch.potentials import PotentialChoice as PotentialChoice
from aiida_nanoclusters.cli.launch.potentials import (
    alloy_potential_options as alloy_potential_options,
)
from aiida_nanoclusters.cli.launch.potentials import calculator_options as calculator_options
from aiida_nanoclusters.cli.launch.potentials import element_among as element_among
from aiida_nanoclusters.cli.launch.potentials import potential_options as potential_options
from aiida_nanoclusters.cli.launch.protocol_options import LaunchCommand as LaunchCommand
from aiida_nanoclusters.cli.launch.protocol_options import changes as changes
from aiida_nanoclusters.cli.launch.protocol_options import protocol_options as protocol_options
from aiida_nanoclusters.cli.launch.resources import job_codes as job_codes
from aiida_nanoclusters.cli.launch.resources import options_of as options_of
from aiida_nanoclusters.cli.launch.resources import options_option as options_option
from aiida_nanoclusters.cli.launch.submission import finish as finish
from aiida_nanoclusters.cli.launch.submission import launch as launch
from aiida_nanoclusters.cli.terminal import Fixable as Fixable
from aiida_nanoclusters.cli.terminal import choice_option
from aiida_nanoclusters.cli.terminal import make_console as make_console

Command = Callable[..., Any]
#: Largest seed that LAMMPS takes; no cluster has more atoms.
LARGEST_SEED = 2**31 - 1
#: Most numbers that a range of sizes or seeds names.
MOST_SIZES = 100_000
_RANGE = re.compile(r"(\d{1,12})(?:-(\d{1,12}))?", re.ASCII)


def one_element(ctx: click.Context, _: click.Parameter, value: str) -> str:
    """Return the symbol of a metal; several of them, or a formula, are asked about elsewhere.

    Raises
    ------
    Fixable
        If it is not one symbol.
    """
    from ase.data import atomic_numbers

    if len(re.findall("[A-Z]", value)) > 1 or re.search(r"[,;\s\d]", value):
        raise Fixable(
            f"--element {value}: `run {ctx.info_name}` asks about one metal, give its symbol. For "
            "clusters of several elements: run basin-hopping --composition Ag13Cu42 or --mix "
            "Ag,Cu. Their labels: run dataset --elements Ag,Cu and run active-learning --elements "
            "Ag,Cu; run label, stages and train take frames of any composition"
        )
    if atomic_numbers.get(value, 0) < 1:
        known = value.capitalize() if value.capitalize() in atomic_numbers else "Cu"
        raise Fixable(f"--element {value}: give a chemical symbol, such as {known}")
    return value


element_option = click.option(
    "--element",
    default="Cu",
    show_default=True,
    callback=one_element,
    help="Chemical symbol of the metal. Where it is not given, a potential of one element says it.",
)


def _code_option(program: str, what: str) -> Callable[[Command], Command]:
    """Option that names the code of a program."""
    return click.option(
        f"--{program}",
        program,
        default=f"{program}@localhost",
        show_default=True,
        shell_complete=complete_codes,
        help=f"Code of {what}; `verdi code list` shows the codes of the profile.",
    )


lammps_option = _code_option("lammps", "LAMMPS")
nequip_option = _code_option("nequip", "a Python with nequip")
here_option = click.option(
    "--here", is_flag=True, help="Run in this process instead of the daemon."
)
device_option = choice_option(
    "--device",
    ("cpu", "cuda"),
    "cpu",
    "Processor that models are compiled for, the one on which LAMMPS runs them.",
)
jobs_option = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Largest number of jobs at a time.",
)
atom_energy_option = click.option(
    "--atom-energy",
    multiple=True,
    metavar="Cu=-0.2",
    help="Energy of an isolated atom (eV) at the level of theory of the labels; once for each "
    "element. Default: as in the files.",
)


def sizes_option(*, required: bool) -> Callable[[Command], Command]:
    """Option that names numbers of atoms."""
    default = "" if required else " Default: those of the protocol."
    return click.option(
        "--sizes", required=required, help=f"Numbers of atoms, e.g. 7-80,136-153.{default}"
    )


def seed_option(what: str, default: int = 1) -> Callable[[Command], Command]:
    """Option that seeds random numbers."""
    return click.option(
        "--seed",
        type=click.IntRange(min=0, max=LARGEST_SEED),
        default=default,
        show_default=True,
        help=f"Random seed of {what}.",
    )


def uuid_option(name: str, help: str) -> Callable[[Command], Command]:
    """Option that names a stored node; sets of frames or work chains are completed."""
    kinds = ("frames",) if help.startswith("FramesData") else ("WorkChainNode",)
    return click.option(name, metavar="UUID", shell_complete=complete_nodes(*kinds), help=help)


extrapolation_option = click.option(
    "--extrapolation",
    metavar="UUID",
    shell_complete=complete_nodes("frames"),
    help="Extrapolation set: labelled FramesData of sizes that are not in the training set.",
)


structures_option = click.option(
    "--structures",
    metavar="FILE|UUID",
    help="Structures of the entries of kind `given` of the recipe, such as packed solutions. "
    "Default: none.",
)


def parse_sizes(text: str, option: str = "--sizes") -> list[int]:
    """Return the sizes of ``7-9,55``: 7, 8, 9, 55.

    Parameters
    ----------
    text
        Numbers and ranges of numbers.
    option
        Where they were given.

    Raises
    ------
    Fixable
        If the text is not of that form, or names more or larger numbers than can be meant.
    """
    numbers: set[int] = set()
    for part in text.split(","):
        found = _RANGE.fullmatch(part.strip())
        if found is None:
            raise Fixable(f"{option} {text[:60]}: write them as 7-9,55")
        first, last = int(found[1]), int(found[2] or found[1])
        if option == "--sizes" and first < 1:
            raise Fixable(f"{option} {text[:60]}: give whole numbers of atoms, from 1")
        if last < first:
            raise Fixable(f"{option} {text[:60]}: {part} names none, write {last}-{first}")
        if last > LARGEST_SEED or last - first >= MOST_SIZES:
            raise Fixable(
                f"{option} {text[:60]}: give numbers up to {LARGEST_SEED}, at most {MOST_SIZES}"
            )
        numbers.update(range(first, last + 1))
    return sorted(numbers)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `over` laid over it, mapping by mapping."""
    from aiida_nanoclusters.workflows.parts.protocol import merge as merged

    return merged(base, over)


def training_overrides(seeds: str | None, epochs: int | None) -> dict[str, Any]:
    """Return the changes to the protocol of the training within a study."""
    overrides: dict[str, Any] = {}
    if seeds:
        overrides["seeds"] = parse_sizes(seeds, "--seeds")
    if epochs is not None:
        overrides["training"] = {"epochs": epochs}
    return {"training": overrides}

"""What the launch commands share: options, loading of nodes, submission and results."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, NoReturn

import click
from rich.markup import escape

from aiida_nanoclusters.cli.launch.completion import complete_codes as complete_codes
from aiida_nanoclusters.cli.launch.completion import complete_nodes as complete_nodes
from aiida_nanoclusters.cli.launch.nodes import SETS as SETS
from aiida_nanoclusters.cli.launch.nodes import CalculatorChoice as CalculatorChoice
from aiida_nanoclusters.cli.launch.nodes import NoCode as NoCode
from aiida_nanoclusters.cli.launch.nodes import find_potential as find_potential
from aiida_nanoclusters.cli.launch.nodes import get_calculator as get_calculator
from aiida_nanoclusters.cli.launch.nodes import get_code as get_code
from aiida_nanoclusters.cli.launch.nodes import get_frames as get_frames
from aiida_nanoclusters.cli.launch.nodes import get_node as get_node
from aiida_nanoclusters.cli.launch.nodes import get_potential as get_potential
from aiida_nanoclusters.cli.launch.nodes import get_potentials as get_potentials
from aiida_nanoclusters.cli.launch.nodes import get_sets as get_sets
from aiida_nanoclusters.cli.launch.nodes import parse_atom_energy as parse_atom_energy
from aiida_nanoclusters.cli.launch.nodes import read_list as read_list
from aiida_nanoclusters.cli.launch.nodes import read_yaml as read_yaml
from aiida_nanoclusters.cli.launch.nodes import shipped_potentials as shipped_potentials
from aiida_nanoclusters.cli.launch.packages import type_option as type_option
from aiida_nanoclusters.cli.launch.protocol_options import LaunchCommand as LaunchCommand
from aiida_nanoclusters.cli.launch.protocol_options import changes as changes
from aiida_nanoclusters.cli.launch.protocol_options import protocol_options as protocol_options
from aiida_nanoclusters.cli.launch.protocol_options import symbols_of_options
from aiida_nanoclusters.cli.launch.resources import job_codes as job_codes  # for the scripts
from aiida_nanoclusters.cli.launch.resources import options_of as options_of
from aiida_nanoclusters.cli.launch.resources import options_option as options_option
from aiida_nanoclusters.cli.terminal import Fixable, choice_option, make_console
from aiida_nanoclusters.formats.plain_text import said_by

if TYPE_CHECKING:
    from aiida.engine import ProcessBuilder
    from aiida.orm import ProcessNode

    from aiida_nanoclusters.data.potential import PotentialData

Command = Callable[..., Any]


def one_element(ctx: click.Context, _: click.Parameter, value: str) -> str:
    """Return the symbol of a metal; several of them, or a formula, are asked about elsewhere.

    Raises
    ------
    Fixable
        If it is not one symbol.
    """
    if len(re.findall("[A-Z]", value)) > 1 or re.search(r"[,;\s\d]", value):
        raise Fixable(
            f"--element {value}: `run {ctx.info_name}` asks about one metal, give its symbol. For "
            "clusters of several elements: run basin-hopping --composition Ag13Cu42 or --mix "
            "Ag,Cu. Their labels: run dataset --elements Ag,Cu and run active-learning --elements "
            "Ag,Cu; run label, stages and train take frames of any composition"
        )
    return value


element_option = click.option(
    "--element",
    default="Cu",
    show_default=True,
    callback=one_element,
    help="Chemical symbol of the metal.",
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
    "--jobs", default=2, show_default=True, help="Largest number of jobs at a time."
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
        "--seed", default=default, show_default=True, help=f"Random seed of {what}."
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


@dataclass(frozen=True)
class PotentialChoice:
    """What the options of :func:`potential_options` name."""

    uuids: tuple[str, ...]
    path: str | None
    kind: str
    level: str | None
    calculator: CalculatorChoice | None
    types: tuple[str, ...] = ()
    elements: str | None = None

    def symbols(self, element: str) -> str | list[str]:
        """Return the elements of the structures: those of `--elements`, or `--element`.

        Raises
        ------
        Fixable
            If they are no different chemical symbols.
        """
        return symbols_of_options(self.elements, element)

    @property
    def is_given(self) -> bool:
        """Whether any of the options was given."""
        return bool(self.uuids or self.path or self.calculator)

    def committee(self) -> dict[str, PotentialData]:
        """Return the potentials by name.

        Raises
        ------
        Fixable
            If none or several kinds of source are given, or a node is of another kind.
        """
        if (bool(self.uuids), bool(self.path), bool(self.calculator)).count(True) != 1:
            raise Fixable(
                "give either --potential UUID (once or more), --potential-file FILE or "
                "--calculator PATH"
            )
        if self.calculator is not None:
            return {"potential": get_calculator(self.calculator, self.level)}
        if self.types and not self.path:
            raise Fixable("--type belongs to --potential-file: a stored potential has its own")
        if self.path:
            return {"potential": get_potential(self.path, self.kind, self.level, self.types)}
        return get_potentials(self.uuids)

    def one(self) -> PotentialData:
        """Return the one potential.

        Raises
        ------
        Fixable
            As :meth:`committee`, and if several are given.
        """
        if len(self.uuids) > 1:
            raise Fixable(f"{len(self.uuids)} times --potential: give one, this takes no committee")
        (potential,) = self.committee().values()
        return potential


def calculator_options(
    command: Command, *, alloys: bool = False, elements: str | None = None
) -> Command:
    """Options that name an ASE calculator; the command gets a :class:`CalculatorChoice` or None.

    A command that takes `alloys` gets `elements` as well: those of its structures, by default
    these.
    """
    default = elements

    @wraps(command)
    def with_calculator(
        *args: Any,
        calculator: str | None,
        arguments: tuple[str, ...],
        checkpoint: str | None,
        dispersion: str | None,
        elements: str | None,
        **given: Any,
    ) -> Any:
        named = None
        if calculator:
            symbols = elements or given.get("mix") or given.get("element") or given.get("types")
            named = CalculatorChoice.of(calculator, arguments, checkpoint, dispersion, symbols)
        elif arguments or checkpoint or dispersion:
            raise Fixable("--arg, --checkpoint and --dispersion belong to --calculator")
        elif elements and not alloys:
            metal = "; --element names the metal" if "element" in given else ""
            raise Fixable(f"--elements belongs to --calculator{metal}")
        if alloys:
            given["elements"] = elements
        return command(*args, calculator=named, **given)

    for option in (
        click.option(
            "--elements",
            metavar="Ag,Au",
            default=default,
            show_default=default is not None,
            help="Elements for which --calculator is used. Default: --element."
            if not alloys
            else "Elements of the structures."
            if default
            else "Elements of an alloy, in place of --element.",
        ),
        click.option(
            "--dispersion",
            metavar="FUNCTIONAL",
            help="D3(BJ) correction that is added to --calculator, e.g. PBE (extra dispersion). "
            "Default: none.",
        ),
        click.option(
            "--checkpoint",
            metavar="NAME=FILE",
            help="Argument of --calculator that takes a file of weights, and the file, which is "
            "kept with the potential. Default: none.",
        ),
        click.option(
            "--arg",
            "arguments",
            multiple=True,
            metavar="NAME=VALUE",
            help="Argument of --calculator; VALUE is JSON or a text; repeatable.",
        ),
        click.option(
            "--calculator",
            metavar="PACKAGE.MODULE:NAME",
            help="ASE calculator by its import path, such as "
            "sevenn.calculator:SevenNetCalculator, or sevennet, chgnet, gfn1-xtb, gfn2-xtb; its "
            "code is run.",
        ),
    ):
        with_calculator = option(with_calculator)
    return with_calculator


def potential_options(
    command: Command, *, alloys: bool = False, elements: str | None = None
) -> Command:
    """Options that name potentials; the command gets a :class:`PotentialChoice`.

    That of a command which takes `alloys` knows the elements of the structures, by default these.
    """
    default = elements

    @wraps(command)
    def with_potential(
        *args: Any,
        potentials: tuple[str, ...],
        potential_file: str | None,
        kind: str,
        level: str | None,
        type_names: tuple[str, ...],
        calculator: CalculatorChoice | None,
        elements: str | None = None,
        **given: Any,
    ) -> Any:
        choice = PotentialChoice(
            potentials, potential_file, kind, level, calculator, type_names, elements
        )
        return command(*args, potential=choice, **given)

    command_with_potential = calculator_options(with_potential, alloys=alloys, elements=default)
    for option in (
        type_option,
        click.option(
            "--level",
            help="Level of theory of the energies of --potential-file or --calculator. Default: "
            "name of the file, or the calculator with its arguments.",
        ),
        click.option(
            "--kind",
            default="eam/alloy",
            show_default=True,
            help="Kind of --potential-file: eam/alloy, eam/fs or eam. Models of nequip are told by "
            "their names: .nequip.zip, .nequip.pt2.",
        ),
        click.option(
            "--potential-file",
            help="Potential file; a bare name is also looked for among those LAMMPS ships, and "
            "rgl-Au.eam.alloy, rgl-Ag.eam.alloy and rgl-Cu.eam.alloy are made: RGL (Gupta) metals.",
        ),
        click.option(
            "--potential",
            "potentials",
            multiple=True,
            metavar="UUID",
            shell_complete=complete_nodes("potential"),
            help="PotentialData that LAMMPS can run, or an EAM potential of aiida-lammps; several "
            "are a committee.",
        ),
    ):
        command_with_potential = option(command_with_potential)
    return command_with_potential


alloy_potential_options = partial(potential_options, alloys=True)

structures_option = click.option(
    "--structures",
    metavar="FILE|UUID",
    help="Structures of the entries of kind `given` of the recipe, such as packed solutions. "
    "Default: none.",
)


@contextmanager
def fixable() -> Iterator[None]:
    """Tell what is wrong with an input in one line, where a protocol or a port refuses it."""
    try:
        yield
    except ValueError as error:
        raise Fixable(" ".join(str(error).split())) from error


def launch(builder: ProcessBuilder, *, here: bool) -> ProcessNode:
    """Run a builder here, or hand it to the daemon and show how it gets on.

    Computers and codes are looked at first. Exits with status 1 if the process fails, so that
    scripts can tell.
    """
    from aiida.common.exceptions import InvalidOperation
    from aiida.engine import run_get_node, submit
    from aiida.engine.utils import instantiate_process
    from aiida.manage import get_manager

    from aiida_nanoclusters.cli.launch.daemon import refresh_daemon
    from aiida_nanoclusters.cli.launch.preflight import check_launch
    from aiida_nanoclusters.cli.progress.live_table import watch

    console = make_console()
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
    console.print(f"{node.process_label} {node.uuid}")
    if made:
        run_get_node(made)
    elif not watch(node, console):
        sys.exit(0)
    return node


def finish(node: ProcessNode, next_steps: list[str]) -> NoReturn:
    """Say how it ended and where to look next, then exit."""
    console = make_console()
    if node.is_finished_ok:
        console.print("[green]finished[/green]")
    else:
        reason = escape(str(node.exit_message or node.process_state))
        console.print(f"[red]failed[/red]: {reason}")
        console.print(f"  verdi process report {node.pk}", markup=False)
    for step in next_steps:
        console.print(f"  {step}", markup=False)
    sys.exit(0 if node.is_finished_ok else 1)


def parse_sizes(text: str) -> list[int]:
    """Return the sizes of ``7-9,55``: 7, 8, 9, 55.

    Raises
    ------
    Fixable
        If the text is not of that form.
    """
    sizes: list[int] = []
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            sizes += range(int(first), int(last or first) + 1)
    except ValueError as error:
        raise Fixable(f"sizes {text!r}: write them as 7-9,55") from error
    if not sizes:
        raise Fixable(f"sizes {text!r} name no size: write them as 7-9,55")
    return sorted(set(sizes))


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `over` laid over it, mapping by mapping."""
    from aiida_nanoclusters.workflows.parts.protocol import merge as merged

    return merged(base, over)


def training_overrides(seeds: str | None, epochs: int | None) -> dict[str, Any]:
    """Return the changes to the protocol of the training within a study."""
    overrides: dict[str, Any] = {}
    if seeds:
        overrides["seeds"] = parse_sizes(seeds)
    if epochs:
        overrides["training"] = {"epochs": epochs}
    return {"training": overrides}

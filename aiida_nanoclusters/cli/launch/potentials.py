"""Options that name potentials, and the element that a potential of one element says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from aiida_nanoclusters.cli.launch.completion import complete_nodes
from aiida_nanoclusters.cli.launch.nodes import (
    CalculatorChoice,
    get_calculator,
    get_potential,
    get_potentials,
    read_potential,
)
from aiida_nanoclusters.cli.launch.packages import PACKAGE, type_option
from aiida_nanoclusters.cli.launch.protocol_options import symbols_of_options
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.science.elements import ELEMENTS

if TYPE_CHECKING:
    from aiida_nanoclusters.data.frames import FramesData
    from aiida_nanoclusters.data.potential import PotentialData

Command = Callable[..., Any]
#: Options that name structures: where one is given, `--element` is of no account.
_STRUCTURES = ("compositions", "mix", "frames", "dataset")


@dataclass(frozen=True)
class PotentialChoice:
    """What the options of :func:`potential_options` name."""

    uuids: tuple[str, ...]
    path: str | None
    kind: str | None
    level: str | None
    calculator: CalculatorChoice | None
    types: tuple[str, ...] = ()
    elements: str | None = None
    _made: dict[str, PotentialData] = field(default_factory=dict, compare=False)

    def symbols(self, element: str) -> str | list[str]:
        """Return the elements of the structures: those of `--elements`, or `--element`.

        Raises
        ------
        Fixable
            If they are no different chemical symbols.
        """
        return symbols_of_options(self.elements, element)

    def symbols_of(self, frames: FramesData, element: str) -> str | list[str]:
        """Return the elements of frames that are given, of those of the options where they say.

        Raises
        ------
        Fixable
            If `--element` or `--elements` name others.
        """
        asked = self.symbols(element)
        named = [asked] if isinstance(asked, str) else asked
        other = [symbol for symbol in frames.elements if symbol not in named]
        if not other:
            return asked
        if self.elements or _is_given("element"):
            option = "--elements" if self.elements else "--element"
            raise Fixable(
                f"{option} {','.join(named)}: the frames hold {', '.join(frames.elements)}: leave "
                "the option out, or give frames of these elements"
            )
        # One that the table of elements lacks cannot be asked about; it was not asked about.
        if len(frames.elements) == 1:
            return frames.elements[0] if frames.elements[0] in ELEMENTS else element
        return list(frames.elements)

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
        if not self._made:
            self._made.update(self._committee())
        return dict(self._made)

    def _committee(self) -> dict[str, PotentialData]:
        if (bool(self.uuids), bool(self.path), bool(self.calculator)).count(True) != 1:
            raise Fixable(
                "give either --potential UUID (once or more), --potential-file FILE or "
                "--calculator PATH"
            )
        if self.calculator is not None:
            return {"potential": get_calculator(self.calculator, self.level)}
        if self.types and not self.path:
            raise Fixable("--type belongs to --potential-file: a stored potential has its own")
        if self.path is None and (self.level or self.kind):
            given = "--level" if self.level else "--kind"
            raise Fixable(f"{given} belongs to --potential-file: a stored potential has its own")
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
        kind: str | None,
        level: str | None,
        type_names: tuple[str, ...],
        calculator: CalculatorChoice | None,
        elements: str | None = None,
        **given: Any,
    ) -> Any:
        choice = PotentialChoice(
            potentials, potential_file, kind, level, calculator, type_names, elements
        )
        if "element" in given:
            given["element"] = element_asked_about(choice, given)
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
            help="Kind of --potential-file: eam/alloy, eam/fs or eam. Default: told by the file. "
            "Models of nequip are told by their names: .nequip.zip, .nequip.pt2.",
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


def _is_given(option: str) -> bool:
    """Whether an option of the running command was given, and not left at its default."""
    source = click.get_current_context().get_parameter_source(option)
    return source is not ParameterSource.DEFAULT


def element_asked_about(choice: PotentialChoice, given: Mapping[str, Any]) -> str:
    """Return the element of `--element`; where it is not given, that of a potential of one element.

    Raises
    ------
    Fixable
        If the potential knows several elements, or another than that which is given.
    """
    element = str(given["element"])
    by_potential = choice.is_given and choice.calculator is None
    if not by_potential or any(given.get(name) for name in _STRUCTURES):
        return element
    known = _elements_of_all(choice.committee())
    if choice.elements:
        asked = choice.symbols(element)
        if any(symbol not in known for symbol in ([asked] if isinstance(asked, str) else asked)):
            raise Fixable(
                f"--elements {choice.elements}: the potential knows {', '.join(known)}: choose of "
                "these, or a potential of these elements"
            )
        return element
    return element_among(known, element, "the potential knows")


def element_of_potential(given: Mapping[str, Any]) -> str | None:
    """Return the element of the potential that options name, where it knows one alone.

    Nothing is stored, and packages, whose code would run, are not asked.
    """
    path, uuids = given.get("potential_file"), given.get("potentials")
    if path and not path.endswith(PACKAGE):
        types = given.get("type_names") or ()
        found = {path: read_potential(path, given.get("kind"), None, types)}
    elif uuids:
        found = get_potentials(uuids)
    else:
        return None
    known = _elements_of_all(found)
    return known[0] if len(known) == 1 else None


def _elements_of_all(potentials: Mapping[str, PotentialData]) -> list[str]:
    """Return the elements that every one of the potentials knows."""
    first, *others = (potential.elements for potential in potentials.values())
    return [symbol for symbol in first if all(symbol in known for known in others)]


def element_among(known: Sequence[str], element: str, what: str) -> str:
    """Return the element of `--element`; where it is not given, the one that is known.

    Parameters
    ----------
    known
        Elements of a potential, or of frames.
    element
        Value of `--element`, perhaps its default.
    what
        Words before a list of those that are known.

    Raises
    ------
    Fixable
        If it is given and none of these, or is not given and there are several.
    """
    told = f"{what} {', '.join(known) or 'no element'}"
    if _is_given("element"):
        if element not in known:
            raise Fixable(f"--element {element}: {told}: choose of these, or another file or node")
        return element
    if len(known) == 1:
        return known[0]
    raise Fixable(f"{told}: give --element, that of the clusters")

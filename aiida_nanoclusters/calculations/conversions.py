"""Nodes of AiiDA and of other plugins, as frames, labels and potentials.

A conversion that is not possible ends with exit code 400 and the reason as its message: a node of
others may hold anything.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from functools import wraps
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from aiida.engine import ExitCode, calcfunction
from aiida.orm import (
    Bool,
    Data,
    Dict,
    FolderData,
    List,
    SinglefileData,
    Str,
    StructureData,
    TrajectoryData,
)
from ase import Atoms
from ase.data import atomic_numbers

from aiida_nanoclusters.calculations.lammps_job import server_script, validate_potential
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.formats.calculators.description import SERVER_FILE
from aiida_nanoclusters.formats.input_text import chemical_symbols, finite
from aiida_nanoclusters.formats.label_files import (
    GAP,
    Source,
    config_type,
    find_files,
    read_source,
)
from aiida_nanoclusters.formats.lammps.own_script import INCLUDE_FILE
from aiida_nanoclusters.formats.output_files import inside
from aiida_nanoclusters.formats.plain_text import excerpt, reason_of, said_by
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.sanity import check_frames, impossible
from aiida_nanoclusters.science.structures.isolation import out_of_box

#: Beginning of the type of the nodes that aiida-lammps keeps potentials in.
LAMMPS_POTENTIAL = "data.lammps.potential."
#: Atoms of all steps of a trajectory together, and bytes of the files of a calculation.
MOST_ATOMS, MOST_BYTES = 20_000_000, 8 << 30
#: Large files of VASP and CP2K without labels.
_NO_LABELS = re.compile(
    r"(WAVECAR|WAVEDER|CHGCAR|CHG|LOCPOT|AECCAR\d|PROCAR|.*\.(wfn|cube|dcd))(\..*)?"
)


def _refusing(convert: Callable[..., Any]) -> Callable[..., Any]:
    """Let a conversion that is not possible end with its reason as the exit message."""

    @wraps(convert)
    def converted(*args: Data, **kwargs: Data) -> Any:
        try:
            return convert(*args, **kwargs)
        except ValueError as error:
            return ExitCode(400, said_by(error, 500))
        except Exception as error:  # of attributes that are not what the type of the node says
            return ExitCode(400, f"the node cannot be read ({reason_of(error)})")

    return converted


@calcfunction
@_refusing
def structure_to_frames(structure: StructureData) -> FramesData:
    """Return a structure as one frame without labels."""
    return _unlabelled([structure.get_ase()], structure)


@calcfunction
@_refusing
def trajectory_to_frames(
    trajectory: TrajectoryData,
    structure: StructureData | None = None,
    fractional: Bool | None = None,
) -> FramesData:
    """Return the steps of a trajectory as frames without labels; their times, if any, in `info`.

    `structure` is that of the calculation: its kinds say the elements, and its cell holds where the
    trajectory has none. `fractional`: positions are in units of the cell, as those of aiida-vasp.
    """
    positions, cells = trajectory.get_positions(), trajectory.get_cells()
    symbols = _symbols(trajectory.symbols, structure)
    if positions.ndim != 3 or positions.shape[1:] != (len(symbols), 3) or not symbols:
        raise ValueError(f"positions of the shape {positions.shape} for {len(symbols)} atoms")
    if positions.shape[0] * len(symbols) > MOST_ATOMS:
        raise ValueError(
            f"{positions.shape[0]} steps of {len(symbols)} atoms are too many: store fewer of them"
        )
    pbc = trajectory.base.attributes.get("pbc", cells is not None)
    if cells is None and structure is not None:
        cells = np.broadcast_to(np.array(structure.cell), (len(positions), 3, 3))
        pbc = structure.pbc
    if cells is None and fractional:
        raise ValueError("positions in units of a cell that the trajectory has not")
    images = []
    for step, given in enumerate(positions):
        cell = None if cells is None else cells[step]
        images.append(Atoms(symbols, given @ cell if fractional else given, cell=cell, pbc=pbc))
    times = trajectory.get_times()
    if times is not None and times.shape == (len(images),) and np.isfinite(times).all():
        for atoms, time in zip(images, times.tolist(), strict=True):
            atoms.info["time"] = time
    return _unlabelled(images, trajectory)


def _symbols(names: list[str], structure: StructureData | None) -> list[str]:
    """Return the chemical symbols of kinds: as the structure has them, or as in Cu1 and Cu_surf."""
    kinds = {} if structure is None else {kind.name: kind.symbol for kind in structure.kinds}
    found = []
    for name in names:
        symbol = kinds.get(name) or re.sub(r"(\d.*|_.*)?$", "", str(name))
        if atomic_numbers.get(symbol, 0) < 1:
            raise ValueError(f"`{excerpt(str(name))}` names no element: give the StructureData")
        found.append(symbol)
    return found


@calcfunction
@_refusing
def outputs_to_labels(
    retrieved: FolderData,
    level_of_theory: Str | None = None,
    atom_energies: Dict | None = None,
) -> FramesData:
    """Return the labels in the retrieved files of a calculation of CP2K or VASP.

    The files are read as by `import-labels`: steps that did not converge are no labels. The level
    of theory that is not given is that of the files.
    """
    sources = label_sources(retrieved)
    images = []
    for source in sources:
        for atoms in source.frames:
            atoms.info["source"] = str(source.path)
            section = str(atoms.info.get("parent", "")).partition("#")[2]
            parent = f"{retrieved.uuid}/{source.path}"
            atoms.info["parent"] = f"{parent}#{section}" if section else parent
            images.append(atoms)
    if not images:
        reasons = [f"{source.path}: {source.problem}" for source in sources]
        reasons += [str(left_out) for source in sources for left_out in source.left_out]
        found = "; ".join(reasons[:3]) or (
            "no vasprun.xml, OUTCAR or output of CP2K: let the calculation retrieve them, in "
            "aiida-vasp by ALWAYS_STORE"
        )
        raise ValueError(f"no labels in the retrieved files ({found})")
    if atom_energies is not None:
        for symbol, energy in atom_energies.get_dict().items():
            chemical_symbols([symbol])
            finite(energy, f"the energy of the isolated {symbol} atom")
    levels = {level for source in sources for level in source.levels}
    if level_of_theory is None and (len(levels) != 1 or "" in levels):
        raise ValueError("the files do not name one level of theory: give --level")
    frames = Frames.from_atoms(
        images,
        level_of_theory=level_of_theory.value if level_of_theory else min(levels),
        atom_energies=None if atom_energies is None else atom_energies.get_dict(),
    )
    check_frames(frames)
    return FramesData(frames)


def label_sources(retrieved: FolderData) -> list[Source]:
    """Return what the retrieved files of a calculation hold, also the steps that are no labels.

    Paths are those in the folder.
    """
    with TemporaryDirectory() as folder:
        _write_files(retrieved, Path(folder))
        sources = [read_source(path, kind, GAP) for path, kind in find_files([Path(folder)])]
    for source in sources:
        source.path = source.path.relative_to(folder)
    return sources


@calcfunction
@_refusing
def lammps_to_potential(potential: Data) -> PotentialData:
    """Return the EAM potential in a node of aiida-lammps (`lammps.potential`).

    Its elements are those that the file names; its level of theory is the name of the file.
    """
    known: Mapping[str, Any] = potential.base.attributes.all
    keys = ("pair_style", "default_units", "filename")
    style, units, name = (str(known.get(key)) for key in keys)
    if style not in ("eam", "eam/alloy", "eam/fs"):
        raise ValueError(f"pair style {style} cannot be taken over: give eam, eam/alloy or eam/fs")
    if units != "metal":
        raise ValueError(f"the potential is in {units} units: give one in metal units")
    with TemporaryDirectory() as folder:
        _write_files(potential, Path(folder))
        made = PotentialData.from_file(inside(folder, name), style, level_of_theory=name)
    wanted = known.get("species")
    if not isinstance(wanted, list) or not set(map(str, wanted)) <= set(made.elements):
        raise ValueError(f"the file is of {', '.join(made.elements)}, which its `species` are not")
    return made


@calcfunction
@_refusing
def potential_to_files(potential: PotentialData, elements: List) -> dict[str, SinglefileData]:
    """Return the files by which any input of LAMMPS uses a potential.

    Its own files keep their names; `potential.lmp` has `pair_style` and `pair_coeff` for the atom
    types 1, 2, ... in the order of `elements`. Refused are potentials that LAMMPS cannot run, and
    imported ones that may not run.
    """
    problem = validate_potential(potential, None)
    if problem:
        raise ValueError(problem)
    contents = {
        name: potential.base.repository.get_object_content(name, mode="rb")
        for name in potential.file_names
    }
    lines = potential.interaction.lammps_lines(elements.get_list())
    contents[INCLUDE_FILE] = "\n".join([*lines, ""]).encode()
    if potential.kind == "calculator":
        contents[SERVER_FILE] = server_script().encode()
    return {
        f"file_{k}": SinglefileData(BytesIO(content), filename=name)
        for k, (name, content) in enumerate(contents.items())
    }


def _unlabelled(images: list[Atoms], node: Data) -> FramesData:
    """Return frames whose directions with vacuum are not periodic, as those of labels are not."""
    free = []
    for step, atoms in enumerate(images):
        problem = impossible(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)
        if problem or not len(atoms):
            raise ValueError(f"step {step}: {problem or 'no atoms'}")
        free.append(out_of_box(atoms, GAP))
        origin = {"config_type": config_type(free[-1]), "parent": node.uuid}
        free[-1].info = {**atoms.info, **origin}
    frames = Frames.from_atoms(free)
    check_frames(frames)
    return FramesData(frames)


def _write_files(node: Data, folder: Path) -> None:
    """Write the files of a node that may hold labels; a name that leads elsewhere is refused."""
    left = MOST_BYTES
    for root, _, names in node.base.repository.walk():
        for name in names:
            if _NO_LABELS.fullmatch(name):
                continue
            try:
                path = inside(folder, (root / name).as_posix())
            except ValueError as error:
                raise ValueError(f"`{excerpt(name)}` is no name of a file") from error
            left -= node.base.repository.get_object_size(str(root / name))
            if left < 0:
                raise ValueError(f"the files have more than {MOST_BYTES >> 30} GB")
            path.parent.mkdir(parents=True, exist_ok=True)
            with node.base.repository.open(root / name, "rb") as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)

"""Frames from extended XYZ and all other formats of ASE, and to extended XYZ."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.extxyz import key_val_str_to_dict
from ase.io.formats import filetype, ioformats
from ase.utils import string2index

from aiida_nanoclusters.formats.limits import (
    check_count,
    check_depth,
    check_xml,
    unpacked,
    whole_number,
)
from aiida_nanoclusters.formats.output_files import written_beside
from aiida_nanoclusters.formats.plain_text import one_line, said_by
from aiida_nanoclusters.formats.vasp.outcar import read_steps
from aiida_nanoclusters.science.frames import Frames

#: Formats of ASE that are read: text, or binary of which nothing runs. Its reader of Python files
#: runs them, others connect to databases.
READABLE = frozenset(
    """aims aims-output castep-cell cif cp2k-restart cube dftb espresso-in espresso-out extxyz
    gaussian-out gen gromacs lammps-data lammps-dump-text orca-output proteindatabank siesta-xv
    struct_out traj turbomole vasp vasp-out vasp-xdatcar vasp-xml xsf xyz""".split()
)
_POSCAR_COUNTS = re.compile(r"\A(?:[^\n]*\n){5,6}?[ \t]*([+\d][+\d_ \t]*)\r?\n")
#: Formats whose reader makes as many atoms as the head says, and where it says that.
_COUNTED = {
    "vasp": _POSCAR_COUNTS,
    "vasp-xdatcar": _POSCAR_COUNTS,
    "lammps-data": re.compile(r"^\s*(\d+)\s+atoms\b", re.MULTILINE),
}
#: Bytes of the longest first line and of the longest other line of a frame.
_LONGEST_HEAD, _LONGEST_LINE = 80, 4_000_000
_MOST_COLUMNS = 1000

#: Names of labels in files of other programs, which ASE leaves in `info` and `arrays`.
_ENERGY_KEYS = ("REF_energy", "dft_energy", "DFT_energy", "total_energy", "Energy")
_FORCES_KEYS = ("REF_forces", "dft_forces", "DFT_forces", "Forces", "force")
_STRESS_KEYS = ("REF_stress", "dft_stress", "DFT_stress")


def read_extxyz(
    path: str | Path,
    *,
    level_of_theory: str = "",
    atom_energies: Mapping[str, float] | None = None,
    index: str = ":",
) -> Frames:
    """Read configurations with their labels, with ASE.

    Parameters
    ----------
    path
        Extended XYZ, or another format of :data:`READABLE`; may be compressed (.gz, .xz, .bz2). An
        ``@`` is part of the name, not ASE's choice of frames.
    level_of_theory
        Level of theory of the labels. Default: the `level_of_theory` in `info` that all frames
        share.
    atom_energies
        Isolated-atom energies in eV.
    index
        ASE's slice of frames to read.

    Raises
    ------
    ValueError
        If the file is missing, unknown, empty, or says that more is in it than is.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no file of frames at {path}")
    try:
        with unpacked(path) as plain:
            images = _read_images(plain, index)
        images = [_adopt_labels(a) for a in images]
        levels = {str(a.info.pop("level_of_theory", "")) for a in images}
        if not level_of_theory and len(levels) == 1:
            level_of_theory = levels.pop()
        return Frames.from_atoms(
            images, level_of_theory=level_of_theory, atom_energies=atom_energies
        )
    except Exception as error:  # what the readers of ASE raise on files that are wrong is any
        raise ValueError(f"{path.name} cannot be read as frames: {said_by(error, 300)}") from error


def _read_images(path: Path, index: str) -> list[Atoms]:
    """Read a file that is not compressed; ASE gets it opened, so that it reads no other one."""
    with path.open("rb") as handle:
        name = filetype(handle)
    if name not in READABLE:
        raise ValueError(f"ASE takes it for `{name}`, which is not read here: give extended XYZ")
    options: dict[str, Any] = {"format": name, "do_not_split_by_at_sign": True}
    if name in ("extxyz", "xyz"):
        check_extxyz(path)
        options |= {"format": "extxyz", "properties_parser": read_comment}
    elif name == "vasp-xml":
        check_xml(path)
    elif name == "vasp-out":
        chosen: Any = read_steps(path)[string2index(index)]  # type: ignore[index]
        return chosen if isinstance(chosen, list) else [chosen]
    elif name in _COUNTED:
        check_counts(path, _COUNTED[name])
    if name == "vasp":  # its reader opens a POTCAR beside it
        with TemporaryDirectory() as folder:
            alone = Path(shutil.copyfile(path, Path(folder) / path.name))
            return _read_with(alone, index, options)
    return _read_with(path, index, options)


def _read_with(path: Path, index: str, options: dict[str, Any]) -> list[Atoms]:
    """Read a file by ASE."""
    form = ioformats[str(options["format"])]
    if not form.acceptsfd:
        found = ase.io.read(str(path.absolute()), index=index, **options)
    elif form.isbinary:
        with path.open("rb") as content:
            found = ase.io.read(content, index=index, **options)
    else:
        # Lines end where `check_extxyz` saw them end.
        with path.open(encoding="utf-8", newline="\n") as text:
            found = ase.io.read(text, index=index, **options)
    return found if isinstance(found, list) else [found]


def check_extxyz(path: Path) -> None:
    """Hold the number of atoms of every frame against the lines that are there.

    Raises
    ------
    ValueError
        If a number is wrong, a line too long, or a frame not complete.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        while (head := handle.readline(_LONGEST_HEAD)).strip():
            if head.lstrip().startswith(b"VEC"):  # a vector of the cell, after a frame
                continue
            count = whole_number(head.decode("latin-1"), "number of atoms")
            check_count(count, size - handle.tell(), 2, "atoms")
            for row in range(count + 1):
                line = handle.readline(_LONGEST_LINE)
                if not line:
                    raise ValueError(f"it ends after {row} of the {count + 1} lines of a frame")
                if len(line) == _LONGEST_LINE:
                    raise ValueError(f"it has a line of more than {_LONGEST_LINE // 10**6} MB")


def read_comment(line: str) -> dict[str, Any]:
    """Return what the comment of a frame says, as ASE reads it, within limits."""
    found: dict[str, Any] = key_val_str_to_dict(line)
    check_depth(found)
    for count in str(found.get("Properties", "")).split(":")[2::3]:
        if whole_number(count, "number of columns") > _MOST_COLUMNS:
            raise ValueError(f"it has {count} columns of one property")
    return found


def check_counts(path: Path, pattern: re.Pattern[str]) -> None:
    """Hold the numbers of atoms that the head of a file gives against its size.

    Raises
    ------
    ValueError
        If there cannot be as many atoms.
    """
    with path.open(encoding="utf-8", errors="replace") as handle:
        head = handle.read(_LONGEST_LINE)
    size = path.stat().st_size
    for found in pattern.finditer(head):
        for word in found[1].split():
            check_count(whole_number(word, "number of atoms"), size, 1, "atoms")


def write_extxyz(frames: Frames, path: str | Path) -> None:
    """Write configurations with labels, charge and origin as extended XYZ, to full precision.

    A file that is there is replaced once the new one is complete.
    """
    with written_beside(path) as handle:
        for atoms in frames:
            if frames.level_of_theory:
                atoms.info["level_of_theory"] = frames.level_of_theory
            # A key without a value would be read back as true; a line end would end the comment.
            atoms.info = {
                key: one_line(value) if isinstance(value, str) else value
                for key, value in atoms.info.items()
                if value is not None
            }
            handle.write(_exact(atoms))


def _exact(atoms: Atoms) -> str:
    """Return one frame as ASE writes it, but numbers with more than 8 decimals."""
    text = io.StringIO()
    ase.io.write(text, atoms, format="extxyz")
    head = text.getvalue().split("\n", 2)[:2]
    named = (name for name in atoms.arrays if name not in ("numbers", "positions"))
    columns = [atoms.positions, *(atoms.arrays[name].reshape(len(atoms), -1) for name in named)]
    if atoms.calc is not None and "forces" in atoms.calc.results:
        columns.append(atoms.calc.results["forces"])
    rows = zip(atoms.get_chemical_symbols(), np.hstack(columns).tolist(), strict=True)
    lines = (f"{symbol:<2} {' '.join(map(repr, values))}" for symbol, values in rows)
    return "\n".join([*head, *lines, ""])


def _adopt_labels(atoms: Atoms) -> Atoms:
    """Move labels that have names of other programs to a calculator, where ASE found none."""
    found = {}
    for name, keys, store in (
        ("energy", _ENERGY_KEYS, atoms.info),
        ("stress", _STRESS_KEYS, atoms.info),
        ("forces", _FORCES_KEYS, atoms.arrays),
    ):
        key = next((k for k in keys if k in store), None)
        if key is not None:
            found[name] = store.pop(key)
    if found and atoms.calc is None:
        if np.shape(found.get("stress", ())) in ((3, 3), (9,)):
            tensor = np.reshape(found["stress"], (3, 3))
            found["stress"] = tensor[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        atoms.calc = SinglePointCalculator(atoms, **found)
    return atoms

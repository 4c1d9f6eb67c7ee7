"""Files that ASE reads, but extended XYZ: which of them are safe, and how they are read."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ase.io
from ase import Atoms
from ase.io.formats import ioformats

from aiida_nanoclusters.formats.limits import check_count, check_xml, whole_number
from aiida_nanoclusters.formats.vasp.outcar import read_steps

#: Formats of ASE that are read: text, or binary of which nothing runs. Its reader of Python files
#: runs them, others connect to databases.
READABLE = frozenset(
    """aims aims-output castep-cell cif cp2k-restart cube dftb espresso-in espresso-out extxyz
    gaussian-out gen gromacs lammps-data lammps-dump-text orca-output proteindatabank siesta-xv
    struct_out traj turbomole vasp vasp-out vasp-xdatcar vasp-xml xsf xyz""".split()
)
#: Formats among them that hold energies and forces.
LABELLED = frozenset("aims-output espresso-out gaussian-out orca-output traj".split())
#: Words of a program for a self-consistent field that did not converge, which ASE does not look at.
_FAILED = {
    "aims-output": ("scf cycle not converged", "self-consistency cycle not converged"),
    "espresso-out": ("convergence not achieved",),
    "gaussian-out": ("convergence failure",),
    "orca-output": ("scf not converged",),
}
_POSCAR_COUNTS = re.compile(r"\A(?:[^\n]*\n){5,6}?[ \t]*([+\d][+\d_ \t]*)\r?\n")
#: Formats whose reader makes as many atoms as the head says, and where it says that.
_COUNTED = {
    "vasp": _POSCAR_COUNTS,
    "vasp-xdatcar": _POSCAR_COUNTS,
    "lammps-data": re.compile(r"^\s*(\d+)\s+atoms\b", re.MULTILINE),
}
_LONGEST_HEAD = 4_000_000


def read_images(path: Path, name: str) -> list[Atoms]:
    """Read all frames of a file in a format of :data:`READABLE`, which is not compressed.

    ASE gets it opened, so that it reads no other file.
    """
    if name == "vasp-out":
        return read_steps(path)
    if name == "vasp-xml":
        check_xml(path)
    elif name in _COUNTED:
        check_counts(path, _COUNTED[name])
    if name == "vasp":  # its reader opens a POTCAR beside it
        with TemporaryDirectory() as folder:
            return _read_with(Path(shutil.copyfile(path, Path(folder) / path.name)), name)
    return _read_with(path, name)


def _read_with(path: Path, name: str) -> list[Atoms]:
    """Read a file by ASE."""
    form = ioformats[name]
    options: dict[str, Any] = {"format": name, "index": ":", "do_not_split_by_at_sign": True}
    if not form.acceptsfd:
        found = ase.io.read(str(path.absolute()), **options)
    elif form.isbinary:
        with path.open("rb") as content:
            found = ase.io.read(content, **options)
    else:
        with path.open(encoding="utf-8", newline="\n") as text:
            found = ase.io.read(text, **options)
    return found if isinstance(found, list) else [found]


def not_converged(path: Path, name: str) -> str | None:
    """Return the line by which a program says that a self-consistent field did not converge.

    ASE does not tell which step it belongs to, so that no step of the file is a label.
    """
    words = _FAILED.get(name)
    if words is None:
        return None
    with path.open(encoding="utf-8", errors="replace") as handle:
        for number, line in enumerate(handle, 1):
            if any(word in line.lower() for word in words):
                return f"line {number}: `{line.strip()[:80]}`: give its good steps as extended XYZ"
    return None


def check_counts(path: Path, pattern: re.Pattern[str]) -> None:
    """Hold the numbers of atoms that the head of a file gives against its size.

    Raises
    ------
    ValueError
        If there cannot be as many atoms.
    """
    with path.open(encoding="utf-8", errors="replace") as handle:
        head = handle.read(_LONGEST_HEAD)
    size = path.stat().st_size
    for found in pattern.finditer(head):
        for word in found[1].split():
            check_count(whole_number(word, "number of atoms"), size, 1, "atoms")

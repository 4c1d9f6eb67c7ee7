"""Extended XYZ, and whatever else ASE reads, to Frames and back."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.formats import UnknownFileTypeError

from aiida_nanoclusters.science.frames import Frames

#: Names other programs give to energies and forces which ASE leaves in `info` and `arrays`.
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
    """Read configurations with their labels, by ASE.

    Parameters
    ----------
    path
        Extended XYZ, or any file that :func:`ase.io.read` knows.
    level_of_theory
        Of the labels; where empty, a `level_of_theory` that all frames carry is taken.
    atom_energies
        Isolated-atom energies in eV.
    index
        ASE's slice of frames to read.

    Raises
    ------
    ValueError
        If the file is missing, unknown or empty.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no file of frames at {path}")
    try:
        images = ase.io.read(path, index=index)
    except (UnknownFileTypeError, OSError, KeyError, IndexError, ValueError) as error:
        raise ValueError(f"{path.name} cannot be read as frames: {error}") from error
    images = [_adopt_labels(a) for a in (images if isinstance(images, list) else [images])]
    levels = {a.info.pop("level_of_theory", "") for a in images}
    if not level_of_theory and len(levels) == 1:
        level_of_theory = levels.pop()
    return Frames.from_atoms(images, level_of_theory=level_of_theory, atom_energies=atom_energies)


def write_extxyz(frames: Frames, path: str | Path) -> None:
    """Write configurations with labels, charge and origin as extended XYZ, every digit of them."""
    with Path(path).open("w", encoding="utf-8") as handle:
        for atoms in frames:
            if frames.level_of_theory:
                atoms.info["level_of_theory"] = frames.level_of_theory
            # A key without a value would be read as true.
            atoms.info = {key: value for key, value in atoms.info.items() if value is not None}
            handle.write(_exact(atoms))


def _exact(atoms: Atoms) -> str:
    """One frame as ASE writes it, but for the 8 decimals it leaves of positions and forces."""
    text = io.StringIO()
    ase.io.write(text, atoms, format="extxyz")
    head = text.getvalue().split("\n", 2)[:2]
    columns = [atoms.positions]
    if atoms.calc is not None and "forces" in atoms.calc.results:
        columns.append(atoms.calc.results["forces"])
    rows = zip(atoms.get_chemical_symbols(), np.hstack(columns).tolist(), strict=True)
    lines = (f"{symbol:<2} {' '.join(map(repr, values))}" for symbol, values in rows)
    return "\n".join([*head, *lines, ""])


def _adopt_labels(atoms: Atoms) -> Atoms:
    """Put labels under other programs' names onto a calculator, where ASE found none."""
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

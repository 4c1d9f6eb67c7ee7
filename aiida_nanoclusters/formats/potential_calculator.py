"""An ASE calculator of a potential file, without AiiDA."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from ase.calculators.calculator import Calculator
from ase.data import atomic_numbers

from aiida_nanoclusters.formats.lammps.calculator import LammpsCalculator
from aiida_nanoclusters.formats.lammps.potential_files import read_eam
from aiida_nanoclusters.formats.lammps.potential_lines import FILENAMES, Interaction
from aiida_nanoclusters.formats.nequip.calculator import package_calculator
from aiida_nanoclusters.formats.nequip.model import (
    compiled_problem,
    read_compiled_metadata,
    read_package_types,
)

_PACKAGE, _COMPILED = ".nequip.zip", ".nequip.pt2"


def calculator(
    path: str | Path, *, device: str = "cpu", plugin: str | Path | None = None
) -> Calculator:
    """Return an ASE calculator of a potential file: EAM, a package of nequip or a compiled one.

    Files of `aiida-nanoclusters export UUID --potential DIR` are such ones. Code in a package or in
    a compiled model is run: take those of people you trust.

    Parameters
    ----------
    path
        ``*.nequip.zip``, ``*.nequip.pt2``, or an EAM file of LAMMPS.
    device
        Where a package is evaluated, ``cpu`` or ``cuda``.
    plugin
        Folder of the LAMMPS plugin that compiled models need. Default: ``LAMMPS_PLUGIN_PATH``.

    Returns
    -------
    ase.calculators.calculator.Calculator
        Energy in eV, forces in eV/Å, stress of crystals in eV/Å³.

    Raises
    ------
    ValueError
        If there is no such file, or it is of none of these kinds; the message names the fix.
    CalculatorSetupError
        If the program that evaluates it is missing; the message names the fix.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no potential file at {path}")
    if path.name.endswith(_PACKAGE):
        types = {name: name for name in read_package_types(path) if name in atomic_numbers}
        return package_calculator(path, types, device=device)
    if path.name.endswith(_COMPILED):
        meta = read_compiled_metadata(path)
        if problem := compiled_problem(meta):
            raise ValueError(f"{path.name} {problem}")
        symbols = tuple(name for name in meta["type_names"] if name in atomic_numbers)
        compiled = Interaction("allegro-compiled", symbols, float(meta["r_max"]))
        return LammpsCalculator(compiled, path, plugin=plugin)
    found = read_eam(path)
    folder: TemporaryDirectory[str] = TemporaryDirectory(prefix="nanoclusters-potential-")
    copy = Path(folder.name) / FILENAMES[found.kind]
    copy.write_bytes(found.content)
    return LammpsCalculator(
        Interaction(found.kind, tuple(found.symbols), found.cutoff), copy, keep=folder
    )

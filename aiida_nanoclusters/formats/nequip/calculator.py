"""The ASE calculator of nequip for a packaged model, and what a model says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, CalculatorSetupError

from aiida_nanoclusters.formats.plain_text import said_by

#: What jobs import to evaluate a package, and its arguments for the file and for the types.
IMPORT_PATH = "nequip.integrations.ase:NequIPCalculator._from_saved_model"
FILE_ARGUMENT, TYPES_ARGUMENT = "model_path", "chemical_species_to_atom_type_map"
#: Parts of a model: the one without which it is not Allegro, those that pass messages.
_ALLEGRO, _MESSAGES = "Allegro_Module", {"ConvNetLayer", "InteractionBlock"}


@dataclass(frozen=True)
class PackagedModel:
    """What a model says of itself when it is loaded.

    Attributes
    ----------
    cutoff
        Å.
    is_local
        Whether it is Allegro: energies of atoms depend on their own neighbours alone.
    atom_energies
        Energy of the isolated atom of each element, eV.
    """

    cutoff: float
    is_local: bool
    atom_energies: dict[str, float]


def package_calculator(
    package: str | Path,
    types: Mapping[str, str],
    *,
    device: str = "cpu",
    keep: TemporaryDirectory[str] | None = None,
) -> Calculator:
    """Return nequip's calculator of a package (``.nequip.zip``); code in the package is run.

    Parameters
    ----------
    package
        The file.
    types
        Atom type of the model for each chemical symbol.
    device
        ``cpu`` or ``cuda``.
    keep
        Temporary folder that is kept as long as the calculator exists.

    Raises
    ------
    CalculatorSetupError
        If nequip is not installed; the message names the fix.
    """
    try:
        from nequip.integrations.ase import NequIPCalculator
    except ImportError as error:
        raise CalculatorSetupError(
            f"nequip cannot be loaded ({error}): install it with "
            "`pip install nequip nequip-allegro`"
        ) from error
    calculator = NequIPCalculator._from_saved_model(
        str(package), device=device, chemical_species_to_atom_type_map=dict(types)
    )
    calculator.package_folder = keep
    return cast("Calculator", calculator)


def load_package(package: str | Path, types: Mapping[str, str]) -> PackagedModel:
    """Return what a packaged model says of itself; code in the package is run.

    Parameters
    ----------
    package
        The file.
    types
        Atom type of the model for each chemical symbol.

    Raises
    ------
    ValueError
        If it cannot be loaded here, or gives no finite energies and forces; the message names the
        fix.
    """
    try:
        calculator: Any = package_calculator(package, types)
    except CalculatorSetupError as error:
        raise ValueError(str(error)) from error
    except Exception as error:  # whatever the code in a package of someone else raises
        raise ValueError(
            f"{Path(package).name} cannot be loaded ({type(error).__name__}: {said_by(error)}): "
            "package it again by the nequip that is installed here"
        ) from error
    parts = {type(part).__name__ for part in calculator.model.modules()}
    energies = {symbol: _energy_of_atom(calculator, symbol) for symbol in types}
    return PackagedModel(
        cutoff=float(calculator.model.metadata["r_max"]),
        is_local=_ALLEGRO in parts and not parts & _MESSAGES,
        atom_energies=energies,
    )


def _energy_of_atom(calculator: Any, symbol: str) -> float:
    energy = float("nan")
    for count in (2, 1):  # a pair first: forces are seen there
        atoms = Atoms([symbol] * count, [[0.0, 0.0, 2.6 * k] for k in range(count)])
        atoms.calc = calculator
        try:
            energy = float(atoms.get_potential_energy())
            finite = np.isfinite(atoms.get_forces()).all() and np.isfinite(energy)
        except Exception as error:  # whatever the code in a package of someone else raises
            raise ValueError(
                f"the model gives no energy and forces of {symbol} ({type(error).__name__}: "
                f"{said_by(error)}): take one with the outputs energy and forces"
            ) from error
        if not finite:
            raise ValueError(
                f"the model gives no finite energy and forces of {symbol}: choose another one"
            )
    return energy

"""Description of an ASE calculator as a potential: the file by which it is made again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import CalculatorSetupError

from aiida_nanoclusters.formats.calculators.calculator_server import (
    box,
    evaluate,
    make_calculator,
    torch_as_it_starts,
)
from aiida_nanoclusters.formats.input_text import identifier
from aiida_nanoclusters.formats.lammps.potential_lines import FILENAMES
from aiida_nanoclusters.formats.limits import load_json
from aiida_nanoclusters.formats.plain_text import excerpt, said_by

DESCRIPTION_FILE = FILENAMES["calculator"]
SERVER_FILE = "calculator_server.py"
#: Å within which atoms of separate images could interact, where nothing else is said.
RANGE = 6.0
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_SUFFIX = re.compile(r"(\.[A-Za-z0-9_]{1,20}){0,2}", re.ASCII)


def describe(
    calculator: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    checkpoint: tuple[str, Path] | None = None,
    dispersion: str | None = None,
) -> dict[str, Any]:
    """Return the description of a calculator; nothing is imported.

    Parameters
    ----------
    calculator
        Import path ``package.module:Name`` of a class, or of a function that returns one.
    arguments
        Keyword arguments that JSON can hold.
    checkpoint
        Argument that takes a path, and the file.
    dispersion
        Functional of the D3(BJ) correction that is added, e.g. ``PBE``.

    Raises
    ------
    ValueError
        If the path is none, an argument cannot be written as JSON, or there is no such file.
    """
    if len(calculator) > 200 or not _PATH.fullmatch(calculator):
        raise ValueError(
            f"`{excerpt(calculator)}` is no import path: write it as package.module:Name, such as "
            "sevenn.calculator:SevenNetCalculator"
        )
    given = dict(arguments or {})
    for name in given:
        identifier(name, "the name of an argument")
    try:
        json.dumps(given, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the arguments of {calculator} hold more than numbers, texts, lists and tables "
            f"({said_by(error)}): give what JSON can hold"
        ) from error
    described: dict[str, Any] = {"calculator": calculator, "arguments": given}
    described["checkpoint"] = described["dispersion"] = None
    if checkpoint is not None:
        argument, path = checkpoint
        if not path.is_file():
            raise ValueError(f"no checkpoint at {path}")
        suffix = "".join(path.suffixes[-2:])
        name = f"checkpoint-{_hash_of(path)[:16]}{suffix if _SUFFIX.fullmatch(suffix) else ''}"
        described["checkpoint"] = {"argument": identifier(argument, "an argument"), "file": name}
    if dispersion is not None:
        described["dispersion"] = identifier(dispersion, "the functional of D3")
    return described


def read_description(content: str | bytes) -> dict[str, Any]:
    """Return what a description file holds, if it is one that :func:`describe` could have made.

    Raises
    ------
    ValueError
        If it is not.
    """
    held = load_json(content)
    keys = ("calculator", "arguments", "checkpoint", "dispersion")
    if not isinstance(held, dict) or set(held) != set(keys):
        raise ValueError(f"`{DESCRIPTION_FILE}` is no description of a calculator")
    if not isinstance(held["calculator"], str) or not isinstance(held["arguments"], dict):
        raise ValueError(f"`{DESCRIPTION_FILE}` names no calculator with its arguments")
    again = describe(held["calculator"], held["arguments"], dispersion=held["dispersion"])
    file = held["checkpoint"]
    if file is not None:
        if not isinstance(file, dict) or set(file) != {"argument", "file"}:
            raise ValueError(f"`{DESCRIPTION_FILE}` names no checkpoint with its argument")
        identifier(file["argument"], "an argument")
        if not re.fullmatch(r"checkpoint-[0-9a-f]{16}" + _SUFFIX.pattern, str(file["file"])):
            raise ValueError(f"`{DESCRIPTION_FILE}` names a checkpoint of another form")
        again["checkpoint"] = file
    return again


def summary(described: Mapping[str, Any]) -> str:
    """Return a calculator in one line, e.g. ``SevenNetCalculator(model=7net-0) + D3(BJ)``."""
    shown = ", ".join(f"{key}={value}" for key, value in described["arguments"].items())
    if described["checkpoint"]:
        file = described["checkpoint"]
        shown = ", ".join(filter(None, [shown, f"{file['argument']}={file['file']}"]))
    name = str(described["calculator"]).rpartition(":")[2]
    correction = " + D3(BJ)" if described["dispersion"] else ""
    return excerpt(f"{name}({shown}){correction}", 200)


def isolated_atom_energies(
    described: Mapping[str, Any], elements: Sequence[str], folder: str | Path = "."
) -> dict[str, float]:
    """Return the energy (eV) of an isolated atom of each element; the calculator is run here.

    Raises
    ------
    ValueError
        If there is no such calculator here, it does not know an element, or it returns no finite
        energy and forces; the message names the fix.
    """
    with torch_as_it_starts():  # as in a job, which is a process of its own
        try:
            calculator = make_calculator(described, folder)
        except CalculatorSetupError as error:
            raise ValueError(str(error)) from error
        return {symbol: _energy_of_atom(described, calculator, symbol) for symbol in elements}


def _energy_of_atom(described: Mapping[str, Any], calculator: Any, symbol: str) -> float:
    name, energy = described["calculator"], float("nan")
    for count in (2, 1):  # a pair first: forces are seen there
        atoms = Atoms([symbol] * count, [[0.0, 0.0, 2.6 * k] for k in range(count)])
        atoms.set_cell(box(np.zeros((3, 3)), atoms.positions, atoms.pbc))
        atoms.calc = calculator
        try:
            energy, forces, _ = evaluate(atoms)
        except Exception as error:  # whatever a calculator of someone else raises
            raise ValueError(
                f"`{name}` cannot evaluate {symbol}{count if count > 1 else ''} "
                f"({type(error).__name__}: {said_by(error)}): choose one that knows the element"
            ) from error
        if not np.isfinite(energy) or not np.isfinite(forces).all():
            raise ValueError(
                f"`{name}` returns no finite energy and forces of {symbol}"
                f"{count if count > 1 else ''}: choose one that knows the element"
            )
    return energy


def _hash_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

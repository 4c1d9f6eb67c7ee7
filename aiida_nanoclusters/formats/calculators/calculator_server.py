"""Hold an ASE calculator and answer the LAMMPS pair style `calculator`; copied into its jobs.

LAMMPS starts ``python calculator_server.py calculator.json Cu Ag`` with the element of each atom
type, and asks through standard input and output. All integers are of 8 bytes, all floats of 8:

- first answer: 0, or the length of a message (UTF-8) that says why there is no calculator;
- question: number of atoms N, time step, whether the virial is wanted, periodicity (3), type of
  each atom from 0 (N); cell (3, 3) in Å, one vector after the other, positions (N, 3) in Å;
- answer: 0, energy (eV), virial (6) in eV in the order xx yy zz xy xz yz, forces (N, 3) in eV/Å; or
  the length of a message, and the message.

A calculation that does not converge is the failure of its structure alone: its numbers are NaN.
Partial charges, where a file asks for them, go into a file of their own.
Imports only what comes with ASE, because it runs where this package is not installed.
"""

from __future__ import annotations

import importlib
import json
import os
import struct
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, CalculatorError, CalculatorSetupError
from ase.calculators.mixing import SumCalculator

#: Å between the images of a cluster, where a calculator takes its box for periodic.
VACUUM = 15.0
#: Periodicity of each frame of an evaluation, whose boxes are all periodic in LAMMPS.
PERIODICITY_FILE = "periodicity.json"
#: Kind of partial charges that are kept of each frame; there only where they are wanted.
CHARGES_FILE = "partial_charges.json"
#: Calculators whose property `charges` is known, and what kind of charges it holds.
CHARGES = {"tblite.ase:TBLite": "mulliken"}
#: Programs and versions by which the numbers were made.
VERSIONS_FILE = "calculator_versions.json"
_VOIGT = (0, 1, 2, 5, 4, 3)  # of ASE's stress, in the order of LAMMPS
_ALWAYS = ("ase", "numpy", "torch")


def make_calculator(described: Mapping[str, Any], folder: str | Path = ".") -> Calculator:
    """Return the calculator that a potential of kind ``calculator`` describes; its code is run.

    Parameters
    ----------
    described
        ``calculator``: import path ``package.module:Name`` of a class, or of a function that
        returns a calculator. ``arguments``: its keyword arguments. ``checkpoint``: None, or the
        ``argument`` that takes the path of a file, and the name of the ``file`` in the folder.
        ``dispersion``: None, or the functional of the D3(BJ) correction that is added.
    folder
        Of the checkpoint.

    Raises
    ------
    CalculatorSetupError
        If a package is missing, or what is named is no calculator with energy and forces; the
        message names the fix.
    """
    path = str(described["calculator"])
    module, _, name = path.partition(":")
    if not module or not name:
        raise CalculatorSetupError(f"`{path}`: write the calculator as package.module:Name")
    try:
        factory: Any = importlib.import_module(module)
        for part in name.split("."):
            factory = getattr(factory, part)
    except (ImportError, AttributeError) as error:
        raise CalculatorSetupError(
            f"`{path}` cannot be imported ({error}): install the package where the job runs, or "
            "correct the path"
        ) from error
    arguments = dict(described.get("arguments") or {})
    checkpoint = described.get("checkpoint")
    if checkpoint:
        arguments[checkpoint["argument"]] = str(Path(folder) / checkpoint["file"])
    try:
        with torch_as_it_starts():
            calculator = factory(**arguments)
    except Exception as error:
        raise CalculatorSetupError(
            f"`{path}` cannot be made with the arguments {arguments}: {_said(error)}"
        ) from error
    if not hasattr(calculator, "get_potential_energy") or not hasattr(calculator, "get_forces"):
        raise CalculatorSetupError(
            f"`{path}` gives a {type(calculator).__name__}, which is no ASE calculator: name a "
            "class with get_potential_energy and get_forces"
        )
    known = getattr(calculator, "implemented_properties", ("energy", "forces"))
    for wanted in ("energy", "forces"):
        if wanted not in known:
            raise CalculatorSetupError(f"`{path}` gives no {wanted}: choose another calculator")
    functional = described.get("dispersion")
    if functional:
        try:
            from dftd3.ase import DFTD3
        except ImportError as error:
            raise CalculatorSetupError(
                f"the D3 correction cannot be loaded ({error}): pip install dftd3"
            ) from error
        calculator = SumCalculator([calculator, DFTD3(method=functional, damping="d3bj")])
    return calculator


@contextmanager
def torch_as_it_starts() -> Iterator[None]:
    """Let a model be made under torch's own precision, whatever other models of the process set.

    nequip's leave float64 as the default, under which e.g. SevenNet's cannot be read.
    """
    torch = sys.modules.get("torch")
    before = torch.get_default_dtype() if torch else None
    if torch is None or before == torch.float32:
        yield
        return
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def evaluate(atoms: Atoms, *, stress: bool = False) -> tuple[float, Any, Any]:
    """Return energy (eV), forces (N, 3) in eV/Å, and the stress (6,) in eV/Å³ or NaN.

    The energy is the one of which the forces are the derivative: with smeared occupations the free
    energy. Results that are not finite, or that the calculator says have not converged, are NaN.
    """
    calculator = atoms.calc
    assert calculator is not None
    known = getattr(calculator, "implemented_properties", ())
    try:
        name = "free_energy" if "free_energy" in known else "energy"
        energy = (
            float(calculator.get_property(name, atoms)) if known else atoms.get_potential_energy()
        )
        forces = np.array(atoms.get_forces(apply_constraint=False), dtype=float)
        if forces.shape != (len(atoms), 3):
            raise ValueError(f"forces of the shape {forces.shape} for {len(atoms)} atoms")
        tensor = np.full(6, np.nan)
        if stress and "stress" in known:
            tensor = np.array(atoms.get_stress(apply_constraint=False), dtype=float)
    except CalculatorSetupError:
        raise
    except CalculatorError as error:  # also that of a field that did not converge
        print(f"not evaluated: {_said(error)}", file=sys.stderr, flush=True)
        return np.nan, np.full((len(atoms), 3), np.nan), np.full(6, np.nan)
    return energy, forces, tensor


def versions_of(described: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions of Python and of the packages that a calculator is made of."""
    module = str(described["calculator"]).partition(":")[0].partition(".")[0]
    names = {*_ALWAYS, *metadata.packages_distributions().get(module, ())}
    if described.get("dispersion"):
        names.add("dftd3")
    found = {"python": sys.version.split()[0]}
    for name in sorted(names):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def serve(
    described: Mapping[str, Any],
    elements: Sequence[str],
    questions: BinaryIO,
    answers: BinaryIO,
    described_in: str = "calculator.json",
) -> None:
    """Answer until there are no more questions."""
    try:
        calculator = make_calculator(described)
        Path(VERSIONS_FILE).write_text(json.dumps(versions_of(described)), encoding="utf-8")
    except Exception as error:
        _refuse(answers, error)
        return
    _put(answers, struct.pack("q", 0))
    periodicity = None
    if Path(PERIODICITY_FILE).exists():
        periodicity = json.loads(Path(PERIODICITY_FILE).read_text(encoding="utf-8"))
    charges = open_charges(described, described_in)
    atoms = Atoms()
    while True:
        head = questions.read(6 * 8)
        if len(head) < 6 * 8:
            return
        count, step, virial, *periodic = struct.unpack("6q", head)
        types = np.frombuffer(questions.read(8 * count), dtype=np.int64)
        cell = np.frombuffer(questions.read(8 * 9)).reshape(3, 3)
        positions = np.frombuffer(questions.read(8 * 3 * count)).reshape(-1, 3)
        if periodicity is not None:
            periodic = periodicity[step]
        symbols = [elements[k] for k in types]
        try:
            if len(atoms) != count or atoms.get_chemical_symbols() != symbols:
                atoms = Atoms(symbols, calculator=calculator)
            atoms.set_cell(box(cell, positions, periodic))
            atoms.pbc = periodic
            atoms.positions = positions
            crystal = all(periodic)
            energy, forces, stress = evaluate(atoms, stress=bool(virial) and crystal)
            work = -stress[list(_VOIGT)] * atoms.get_volume() if crystal else np.zeros(6)
            if charges is not None:
                write_charges(charges, step, atoms)
        except Exception as error:
            traceback.print_exc()
            _refuse(answers, error)
            continue
        numbers = np.concatenate([[energy], work, forces.ravel()])
        _put(answers, struct.pack("q", 0) + numbers.astype(float).tobytes())


def charges_file(described_in: str) -> str:
    """Return the name of the file of partial charges by the calculator of a description file."""
    return f"{described_in}.charges"


def open_charges(described: Mapping[str, Any], described_in: str) -> TextIO | None:
    """Return the file for partial charges, or None where none are wanted, or none of that kind."""
    wanted = Path(CHARGES_FILE)
    if not wanted.exists():
        return None
    if json.loads(wanted.read_text(encoding="utf-8")) != CHARGES.get(described["calculator"]):
        return None
    return Path(charges_file(described_in)).open("w", encoding="utf-8")


def write_charges(handle: TextIO, step: int, atoms: Atoms) -> None:
    """Write the partial charges of a frame as one line: its number, and the charges in e."""
    corrected = getattr(atoms.calc, "mixer", None)  # by D3, which comes last
    calculator: Any = corrected.calcs[0] if corrected else atoms.calc
    values = calculator.results.get("charges", ())
    if len(values) == len(atoms):
        handle.write(" ".join([str(step), *(repr(float(q)) for q in values)]) + "\n")
        handle.flush()


def box(cell: Any, positions: Any, periodic: Sequence[Any]) -> Any:
    """Return a cell with vacuum along the directions that are not periodic.

    Some calculators want one, and CHGNet takes it for periodic; that of LAMMPS may be shrunk onto
    the atoms. It grows in steps, so that it does not change with every move.
    """
    found = np.array(cell, dtype=float)
    for k in range(3):
        if not periodic[k]:
            length = np.linalg.norm(found[k])
            along = found[k] / length if length > 0 else np.eye(3)[k]
            needed = np.ptp(positions @ along) + VACUUM
            found[k] = along * np.ceil(needed / VACUUM) * VACUUM
    return found


def _refuse(answers: BinaryIO, error: Exception) -> None:
    text = _said(error).encode()
    _put(answers, struct.pack("q", len(text)) + text)


def _said(error: Exception) -> str:
    """Return an exception as one line."""
    text = " ".join(str(error).split())[:400]
    if isinstance(error, CalculatorSetupError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _put(answers: BinaryIO, content: bytes) -> None:
    answers.write(content)
    answers.flush()


def main(arguments: Sequence[str]) -> None:
    """Serve the calculator that a file describes for the elements that follow it."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the calculator prints must not come between the answers
    described = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    serve(described, arguments[1:], os.fdopen(0, "rb"), answers, Path(arguments[0]).name)


if __name__ == "__main__":
    main(sys.argv[1:])

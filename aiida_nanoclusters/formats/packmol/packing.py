"""Solutes in a box, with or without solvent, packed by packmol; molecules from SMILES by RDKit.

packmol: L. Martínez, R. Andrade, E. G. Birgin, J. M. Martínez, J. Comput. Chem. 30, 2157 (2009).
Both come with `pip install "aiida-nanoclusters[solution]"`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_masses
from ase.io import read, write
from ase.neighborlist import neighbor_list
from ase.units import _amu

from aiida_nanoclusters.science.nucleation.settings import SolutionSettings

#: SMILES and density (g/cm^3 at 298 K) of common solvents (CRC Handbook of Chemistry and Physics).
SOLVENTS = {
    "methanol": ("CO", 0.786),
    "ethanol": ("CCO", 0.785),
    "water": ("O", 0.997),
    "acetonitrile": ("CC#N", 0.776),
    "toluene": ("Cc1ccccc1", 0.862),
    "dichloromethane": ("ClCCl", 1.317),
}
_CUBIC_CM = 1e24  # Å^3
_ATOM_VOLUME = 18.6  # Å^3
#: Largest share of a box that atoms of that volume take; 0.55 in methanol, 0.7 in toluene.
_DENSEST = 0.9
_FIX = 'pip install "aiida-nanoclusters[solution]"'
_MOST_SECONDS = 600
#: Å by which distances within a molecule may change when it is packed: digits of packmol's output.
_RIGID = 1e-3

#: One solute that stays as it is, or solutes with the numbers of their copies, placed anywhere.
Solutes = Atoms | Sequence[tuple[Atoms, int]]


def molecule_of(smiles: str, seed: int = 1) -> Atoms:
    """Return a molecule with hydrogen atoms, embedded and relaxed by MMFF94 or UFF.

    Raises
    ------
    ValueError
        If RDKit is missing, or cannot read or embed the SMILES.
    """
    try:
        # typed incompletely: its stubs lack what its compiled modules have
        chem, embedding = import_module("rdkit.Chem"), import_module("rdkit.Chem.AllChem")
        import_module("rdkit.RDLogger").DisableLog("rdApp.*")
    except ImportError as error:
        raise ValueError(f"SMILES need RDKit: {_FIX}") from error
    made = chem.MolFromSmiles(smiles)
    if made is None:
        raise ValueError(f"`{smiles}` is no SMILES that RDKit reads")
    made = chem.AddHs(made)
    if embedding.EmbedMolecule(made, randomSeed=seed) != 0:
        raise ValueError(f"`{smiles}` cannot be embedded: give its structure as a file")
    if embedding.MMFFHasAllMoleculeParams(made):
        embedding.MMFFOptimizeMolecule(made)
    else:
        embedding.UFFOptimizeMolecule(made)
    symbols = [atom.GetSymbol() for atom in made.GetAtoms()]
    return Atoms(symbols, positions=made.GetConformer().GetPositions())


def count_for_density(solvent: Atoms, density: float, length: float, solute: Solutes) -> int:
    """Return how many solvent molecules fill a cube to a density beside solutes.

    Each atom of the solutes but hydrogen takes 18.6 Å^3, the mean in organic crystals (A. Kempster
    and H. Lipson, Acta Cryst. B 28, 3674 (1972)); an equilibration at pressure corrects the rest.

    Parameters
    ----------
    solvent
        A solvent molecule.
    density
        Of the pure solvent, g/cm^3.
    length
        Of the cube, Å.
    solute
        As of :func:`pack_solution`.
    """
    grams = density / _amu / 1000 / _CUBIC_CM  # atomic masses per Å^3
    mass = atomic_masses[solvent.numbers].sum()
    heavy = sum(number * _heavy(one) for one, number in _copies(solute))
    return round(grams * max(length**3 - heavy * _ATOM_VOLUME, 0.0) / mass)


def pack_solution(
    solute: Solutes,
    solvent: Atoms | None = None,
    count: int = 0,
    length: float = 20.0,
    *,
    seed: int = 1,
    tolerance: float = 2.0,
    margin: float = 0.0,
) -> Atoms:
    """Return solutes in a periodic cube, with molecules of solvent or without.

    Parameters
    ----------
    solute
        One solute: it stays as it is, moved to the middle. Or pairs of a solute and the number of
        its copies, such as ``[(dimer, 30)]``, which packmol places and turns. The atoms of solutes
        come first, copy after copy.
    solvent
        One molecule.
    count
        Of solvent molecules.
    length
        Of the cube, Å.
    seed
        Of the places.
    tolerance
        Smallest distance between atoms of different molecules, Å.
    margin
        Å by which the distances in the result may lie below `tolerance`.

    Raises
    ------
    ValueError
        If packmol is missing or finds no packing, if a solute does not fit, or if contacts or
        molecules of the result are not as asked for.
    """
    length = float(length)
    parts = _copies(solute)
    if count and solvent is None:
        raise ValueError(f"{count} solvent molecules without a `solvent`: give one molecule of it")
    if count and solvent is not None:
        parts.append((solvent, count))
    _check_parts(parts, length, tolerance)
    fixed = isinstance(solute, Atoms)
    if fixed:
        placed = parts[0][0].copy()
        placed.positions += 0.5 * length - placed.get_center_of_mass()
        parts[0] = (placed, 1)
    found = parts[0][0].copy() if fixed and len(parts) == 1 else None
    if found is None:
        found = _packed(parts, fixed, length, seed, tolerance)
    found.set_cell([length] * 3)
    found.pbc = True
    _check(found, parts, fixed, tolerance - margin)
    return found


def pack_units(settings: SolutionSettings, seed: int = 1) -> Atoms:
    """Return units of a solute in a solvent, both from SMILES.

    Parameters
    ----------
    settings
        Of the solution.
    seed
        Of the places.

    Raises
    ------
    ValueError
        If the density of the solvent is not known, or as :func:`molecule_of` and
        :func:`pack_solution`.
    """
    smiles, density = SOLVENTS.get(settings.solvent, (settings.solvent, settings.density))
    density = settings.density or density
    unit, solvent = molecule_of(settings.unit), molecule_of(smiles)
    solutes = [(unit, settings.units)]
    count = settings.molecules
    if count is None:
        if density is None:
            raise ValueError(
                f"the density of `{settings.solvent}` is not known: give `density` (g/cm^3) or the "
                f"number of `molecules`; known: {', '.join(SOLVENTS)}"
            )
        count = count_for_density(solvent, density, settings.length, solutes)
    return pack_solution(
        solutes, solvent, count, settings.length, seed=seed, tolerance=settings.tolerance
    )


def _copies(solute: Solutes) -> list[tuple[Atoms, int]]:
    return [(solute, 1)] if isinstance(solute, Atoms) else [(one, n) for one, n in solute]


def _heavy(atoms: Atoms) -> int:
    return int((atoms.numbers > 1).sum())


def _check_parts(parts: Sequence[tuple[Atoms, int]], length: float, tolerance: float) -> None:
    """Refuse what cannot be packed, before packmol tries for minutes."""
    if not parts or any(n < 1 or not len(one) for one, n in parts):
        raise ValueError("give solutes as pairs of a structure with atoms and a number of copies")
    for one, _ in parts:
        if np.ptp(one.positions, axis=0).max(initial=0.0) + tolerance > length:
            raise ValueError(
                f"the solute does not fit into a cube of {length:g} Å with images {tolerance:g} Å "
                "apart: give a longer one"
            )
    if sum(n * _heavy(one) for one, n in parts) * _ATOM_VOLUME > _DENSEST * length**3:
        raise ValueError(
            f"{sum(n for _, n in parts)} molecules are too many for a cube of {length:g} Å: give "
            "fewer molecules or a longer cube"
        )


def _packed(
    parts: Sequence[tuple[Atoms, int]], fixed: bool, length: float, seed: int, tolerance: float
) -> Atoms:
    """Return what packmol makes of the parts; the first one stays in its place if it is `fixed`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for k, (one, _) in enumerate(parts):
            write(folder / f"{k}.xyz", one, format="xyz")
        output = _run(_input([n for _, n in parts], fixed, length, seed, tolerance), folder)
        packed = folder / "packed.xyz"
        if not packed.exists() or "Success!" not in output:
            reason = re.search(r"ERROR: *(.*)", output)
            said = f" ({reason[1].strip()})" if reason else ""
            raise ValueError(
                f"packmol found no packing of {sum(n for _, n in parts)} molecules in {length:g} Å"
                f"{said}: give fewer molecules or a longer cube"
            )
        found = read(packed, format="xyz")
    assert isinstance(found, Atoms)
    if fixed:
        found.positions[: len(parts[0][0])] = parts[0][0].positions
    return found


def _input(numbers: Sequence[int], fixed: bool, length: float, seed: int, tolerance: float) -> str:
    box = f"0. 0. 0. {length!r} {length!r} {length!r}"
    lines = [
        f"tolerance {tolerance!r}", "filetype xyz", "output packed.xyz", f"seed {seed}",
        f"pbc {box}",
    ]  # fmt: skip
    for k, number in enumerate(numbers):
        place = "fixed 0. 0. 0. 0. 0. 0." if fixed and k == 0 else f"inside box {box}"
        lines += [f"structure {k}.xyz", f"  number {number}", f"  {place}", "end structure"]
    return "\n".join([*lines, ""])


def _run(text: str, folder: Path) -> str:
    beside = Path(sys.executable).with_name("packmol")
    program = str(beside) if beside.exists() else shutil.which("packmol")
    if program is None:
        raise ValueError(f"packmol is not installed: {_FIX}")
    (folder / "packmol.inp").write_text(text, encoding="utf-8")
    try:
        with (folder / "packmol.inp").open() as given:  # packmol goes back in its input
            done = subprocess.run(
                [program], stdin=given, cwd=folder, capture_output=True, text=True,
                timeout=_MOST_SECONDS, check=False,
            )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"packmol has not ended after {_MOST_SECONDS} s: give fewer") from error
    return done.stdout


def _check(found: Atoms, parts: Sequence[tuple[Atoms, int]], fixed: bool, tolerance: float) -> None:
    """Hold a packing to what was asked for, as seen through the boundaries."""
    molecules = [one for one, number in parts for _ in range(number)]
    if len(found) != sum(map(len, molecules)):
        raise ValueError(f"packmol gave {len(found)} atoms: give fewer molecules")
    owner = np.repeat(np.arange(len(molecules)), [len(one) for one in molecules])
    first, second, lengths = neighbor_list("ijd", found, tolerance)
    close = owner[first] != owner[second]
    if close.any():
        raise ValueError(
            f"atoms of different molecules are {lengths[close].min():.2f} Å apart, less than "
            f"{tolerance:g} Å: packmol older than 20.15 does not know periodic cells, {_FIX}"
        )
    begin = 0
    for number, one in enumerate(molecules):
        own = found[begin : begin + len(one)]
        begin += len(one)
        changed = abs(own.get_all_distances() - one.get_all_distances()) > _RIGID
        if changed.any() or (own.numbers != one.numbers).any():
            raise ValueError(f"molecule {number} is not as it was given after it was packed")

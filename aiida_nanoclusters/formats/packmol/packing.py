"""A solute in a box of solvent, packed by packmol; molecules from SMILES by RDKit.

packmol: L. Martínez, R. Andrade, E. G. Birgin, J. M. Martínez, J. Comput. Chem. 30, 2157 (2009).
Both come with `pip install "aiida-nanoclusters[solution]"`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_masses
from ase.io import read, write
from ase.neighborlist import neighbor_list
from ase.units import _amu

from aiida_nanoclusters.science.structures.molecules import find_molecules

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


def count_for_density(solvent: Atoms, density: float, length: float, solute: Atoms) -> int:
    """Return how many solvent molecules fill a cube to a density beside a solute.

    Each atom of the solute but hydrogen takes 18.6 Å^3, the mean in organic crystals (A. Kempster
    and H. Lipson, Acta Cryst. B 28, 3674 (1972)); an equilibration at pressure corrects the rest.

    Parameters
    ----------
    solvent, solute
        A solvent molecule, and the solute.
    density
        Of the pure solvent, g/cm^3.
    length
        Of the cube, Å.
    """
    grams = density / _amu / 1000 / _CUBIC_CM  # atomic masses per Å^3
    mass = atomic_masses[solvent.numbers].sum()
    heavy = int((solute.numbers > 1).sum())
    return round(grams * max(length**3 - heavy * _ATOM_VOLUME, 0.0) / mass)


def pack_solution(
    solute: Atoms,
    solvent: Atoms,
    count: int,
    length: float,
    *,
    seed: int = 1,
    tolerance: float = 2.0,
    margin: float = 0.0,
) -> Atoms:
    """Return a solute in the middle of a periodic cube of solvent molecules.

    Parameters
    ----------
    solute
        Stays as it is, moved to the middle; its atoms come first.
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
        If packmol is missing or finds no packing, if the solute does not fit, or if contacts or
        molecules of the result are not as asked for.
    """
    if np.ptp(solute.positions, axis=0).max(initial=0.0) + tolerance > length:
        raise ValueError(
            f"the solute does not fit into a cube of {length:g} Å with images {tolerance:g} Å "
            "apart: give a longer one"
        )
    length = float(length)
    heavy = int((solute.numbers > 1).sum()) + count * int((solvent.numbers > 1).sum())
    if heavy * _ATOM_VOLUME > _DENSEST * length**3:
        raise ValueError(
            f"{count} molecules are too many for a cube of {length:g} Å: give fewer molecules or a "
            "longer cube"
        )
    placed = solute.copy()
    placed.positions += 0.5 * length - placed.get_center_of_mass()
    placed.set_cell([length] * 3)
    placed.pbc = True
    if not count:
        return placed
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "solute.xyz", placed, format="xyz")
        write(folder / "solvent.xyz", solvent, format="xyz")
        text = _input(count, length, seed, tolerance)
        output = _run(text, folder)
        packed = folder / "packed.xyz"
        if not packed.exists() or "Success!" not in output:
            reason = re.search(r"ERROR: *(.*)", output)
            said = f" ({reason[1].strip()})" if reason else ""
            raise ValueError(
                f"packmol found no packing of {count} molecules in {length:g} Å{said}: give fewer "
                "molecules or a longer cube"
            )
        found = read(packed, format="xyz")
    assert isinstance(found, Atoms)
    found.positions[: len(solute)] = placed.positions
    found.set_cell([length] * 3)
    found.pbc = True
    _check(found, placed, solvent, count, tolerance - margin)
    return found


def _input(count: int, length: float, seed: int, tolerance: float) -> str:
    box = f"0. 0. 0. {length!r} {length!r} {length!r}"
    return "\n".join(
        (
            f"tolerance {tolerance!r}", "filetype xyz", "output packed.xyz", f"seed {seed}",
            f"pbc {box}",
            "structure solute.xyz", "  number 1", "  fixed 0. 0. 0. 0. 0. 0.", "end structure",
            "structure solvent.xyz", f"  number {count}", f"  inside box {box}", "end structure",
            "",
        )
    )  # fmt: skip


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


def _check(found: Atoms, solute: Atoms, solvent: Atoms, count: int, tolerance: float) -> None:
    """Hold a packing to what was asked for, as seen through the boundaries."""
    if len(found) != len(solute) + count * len(solvent):
        raise ValueError(f"packmol gave {len(found)} atoms: give fewer molecules")
    owner = np.full(len(found), -1)
    owner[len(solute) :] = np.repeat(np.arange(count), len(solvent))
    first, second, lengths = neighbor_list("ijd", found, tolerance)
    close = owner[first] != owner[second]
    if close.any():
        raise ValueError(
            f"atoms of different molecules are {lengths[close].min():.2f} Å apart, less than "
            f"{tolerance:g} Å: packmol older than 20.15 does not know periodic cells, {_FIX}"
        )
    whole = find_molecules(solvent, solvent=()).formulas()
    for number in range(count):
        own = slice(len(solute) + number * len(solvent), len(solute) + (number + 1) * len(solvent))
        if find_molecules(found[own], solvent=()).formulas() != whole:
            raise ValueError(f"solvent molecule {number} came apart while it was packed")

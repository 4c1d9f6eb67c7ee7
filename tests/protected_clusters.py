"""Small clusters with ligands of known kind at right distances, for tests."""

import numpy as np
import pytest
from ase import Atoms

pytest.importorskip("rdkit", reason='pip install "aiida-nanoclusters[ligands]"')

from rdkit import Chem, RDLogger
from rdkit.Chem import AllChem

RDLogger.DisableLog("rdApp.*")

# As a person would draw them, on metal atoms by number.
PPH3 = "[Au:1][P+](c1ccccc1)(c1ccccc1)c1ccccc1"
DPPM = "[Au:1]1[Au:2][P+](c2ccccc2)(c2ccccc2)C[P+]1(c1ccccc1)c1ccccc1"
PHENYLALKYNYL = "[Au:1]C#Cc1ccccc1"
PET = "[Au:1][S+]([Au:2])CCc1ccccc1"
SELENOLATE = "[Au:1][Se+]([Au:2])c1ccccc1"
ACETATE = "[Au:1]1[Au:2]OC(C)=[O+]1"
ACETATE_BY_ONE = "[Au:1]OC(C)=O"
CARBENE = "[Au:1]C1=[N+](C)C=CN1C"
PYRIDINE = "[Au:1][n+]1ccccc1"
AMINE = "[Au:1][NH2+]CC"
DITHIOPHOSPHATE = "[Au:1]1[Au:2]SP(OCC)(OCC)=[S+]1"
THIOCYANATE = "[Au:1]SC#N"


def tetrahedron(symbol: str = "Au", edge: float = 2.8) -> Atoms:
    """Four metal atoms."""
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(8)
    return Atoms(f"{symbol}4", corners * edge)


def octahedron(symbol: str = "Ag", edge: float = 2.9) -> Atoms:
    """Six metal atoms."""
    corners = np.concatenate([np.eye(3), -np.eye(3)]) / np.sqrt(2)
    return Atoms(f"{symbol}6", corners * edge)


def with_ligand(cluster: Atoms, smiles: str, *metals: int, length: float | None = None) -> Atoms:
    """Return a cluster with a ligand on one or two of its metal atoms, outwards, without clashes.

    Parameters
    ----------
    smiles
        The ligand with the metal atoms that it binds, which are laid on those of the cluster.
    metals
        Indices of the metal atoms of the cluster.
    length
        Distance (Å) of metal and binding atom. Default: the sum of their covalent radii.
    """
    symbols, positions, own, donors = _embedded(smiles)
    targets = cluster.positions[list(metals)]
    middle = targets.mean(axis=0)
    outward = middle - cluster.positions[cluster.numbers > 20].mean(axis=0)
    if not outward.any():  # of two atoms
        outward = np.array([0.0, 0.0, 1.0])
    outward /= np.linalg.norm(outward)
    if length is None:
        from ase.data import covalent_radii

        pair = Atoms([cluster.symbols[metals[0]], symbols[donors[0]]])
        length = float(covalent_radii[pair.numbers].sum())
    along = np.zeros(3) if len(metals) == 1 else targets[1] - targets[0]
    here = positions[donors].mean(axis=0)
    axis = here - positions[own].mean(axis=0)
    across = np.zeros(3) if len(metals) == 1 else positions[own[1]] - positions[own[0]]
    turned = (positions - here) @ _frame(axis, across) @ _frame(outward, along).T
    apart = np.ptp(turned[donors] @ along) / max(np.linalg.norm(along), 1e-9)
    half = max(0.5 * np.linalg.norm(along) - 0.5 * apart, 0.0)
    place = middle + np.sqrt(length**2 - half**2) * outward
    kept = [k for k in range(len(symbols)) if k not in own]
    best, widest = None, -1.0
    for angle in np.arange(0, 360, 10) if len(metals) == 1 else (0,):
        ligand = Atoms([symbols[k] for k in kept], turned[kept])
        ligand.rotate(angle, outward, center=(0, 0, 0))
        ligand.positions += place
        others = cluster.positions[cluster.numbers < 20]
        gaps = np.linalg.norm(ligand.positions[:, None] - others[None], axis=2)
        if gaps.min(initial=99.0) > widest:
            best, widest = ligand, gaps.min(initial=99.0)
    assert widest > 1.6, f"{smiles} clashes with other ligands: {widest:.2f} Å"
    return cluster + best


def _embedded(smiles):
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(molecule, randomSeed=7) == 0
    own = sorted((a.GetAtomMapNum(), a.GetIdx()) for a in molecule.GetAtoms() if a.GetAtomMapNum())
    own = [index for _, index in own]
    donors = []
    for metal in own:
        for atom in molecule.GetAtomWithIdx(metal).GetNeighbors():
            if not atom.GetAtomMapNum() and atom.GetIdx() not in donors:
                donors.append(atom.GetIdx())
    symbols = [atom.GetSymbol() for atom in molecule.GetAtoms()]
    return symbols, molecule.GetConformer().GetPositions(), own, donors


def _frame(first, second):
    """Orthonormal axes as columns: the first along a vector, the second nearest to another."""
    one = first / np.linalg.norm(first)
    other = second - (second @ one) * one
    if np.linalg.norm(other) < 1e-6:
        other = np.cross(one, np.eye(3)[np.argmin(np.abs(one))])
    other /= np.linalg.norm(other)
    return np.column_stack([one, other, np.cross(one, other)])

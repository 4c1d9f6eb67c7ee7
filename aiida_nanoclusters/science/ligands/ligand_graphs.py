"""Ligands as arrays: substructure counts with descriptors, molecular graphs, or Uni-Mol vectors.

RDKit reads the SMILES here, before a training job is submitted: the job's Python need not have it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.science.ligands.encoder_settings import LigandEncoderSettings

Arrays = dict[str, NDArray[Any]]
Whole = NDArray[np.int64]

#: Elements that an atom of a ligand is told apart by; all others share one place.
_ELEMENTS = ("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "As", "Se", "Br", "Te", "I")
_DEGREES, _HYDROGENS = 5, 5  # the largest that are told apart
_HYBRIDISATIONS = ("S", "SP", "SP2", "SP3")
_BONDS = ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")
#: Longest SMILES, and most heavy atoms of a ligand.
_LONGEST, _MOST_ATOMS = 2000, 400


def membership(ligand_sets: Sequence[tuple[str, ...]]) -> tuple[list[str], Whole, Whole]:
    """Return the distinct ligands of some sets, and which belong to which.

    Returns
    -------
    smiles
        Distinct ligands, sorted.
    members
        Ligand of each membership, shape (M,); set ``i`` has those of
        ``offsets[i]:offsets[i + 1]``.
    offsets
        Shape (S + 1,).

    Raises
    ------
    ValueError
        If a set is empty.
    """
    if any(not s for s in ligand_sets):
        raise ValueError("an empty ligand set: give one ligand or more")
    smiles = sorted({ligand for ligands in ligand_sets for ligand in ligands})
    place = {ligand: k for k, ligand in enumerate(smiles)}
    # A ligand that is named twice counts once: the ratio does not matter.
    chosen = [sorted({place[ligand] for ligand in ligands}) for ligands in ligand_sets]
    counts = np.array([len(c) for c in chosen])
    members = np.array([k for c in chosen for k in c], dtype=np.int64)
    return smiles, members, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def ligand_inputs(smiles: Sequence[str], settings: LigandEncoderSettings) -> Arrays:
    """Return the arrays of ligands that the ligand encoder takes.

    Parameters
    ----------
    smiles
        Ligands, at least one.
    settings
        Which encoder, and its fingerprint.

    Returns
    -------
    dict
        ``features`` (L, inputs), float32; or the arrays of a `GraphSet` for ``graph``.

    Raises
    ------
    ValueError
        If a SMILES is none, or is too long.
    ImportError
        If RDKit or Uni-Mol is missing.
    """
    if settings.kind == "unimol":
        from aiida_nanoclusters.science.ligands.unimol import unimol_features

        return {"features": unimol_features(smiles)}
    molecules = [_read(s) for s in smiles]
    if settings.kind == "graph":
        return _graphs(molecules)
    rows = [
        np.concatenate([_counts(m, settings), [f(m) for f in _descriptors()]]) for m in molecules
    ]
    return {"features": np.array(rows, dtype=np.float32)}


def _chem() -> Any:
    try:
        from rdkit import Chem
    except ModuleNotFoundError as error:
        raise ImportError(
            "ligands need RDKit: pip install 'aiida-nanoclusters[ligands]'"
        ) from error
    return Chem


def _read(smiles: str) -> Any:
    chem = _chem()
    if len(smiles) > _LONGEST:
        raise ValueError(f"the SMILES `{smiles[:40]}...` has more than {_LONGEST} characters")
    from rdkit import rdBase

    with rdBase.BlockLogs():
        molecule = chem.MolFromSmiles(smiles)
    if molecule is None or not molecule.GetNumAtoms():
        raise ValueError(f"`{smiles}` is no SMILES of a ligand")
    if molecule.GetNumAtoms() > _MOST_ATOMS:
        raise ValueError(f"the ligand `{smiles[:40]}...` has more than {_MOST_ATOMS} atoms")
    return molecule


# -- fingerprint -------------------------------------------------------------------------------


def _counts(molecule: Any, settings: LigandEncoderSettings) -> NDArray[np.float64]:
    """Return log(1 + n) of the circular substructures (Morgan), shape (bits,)."""
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(
        radius=settings.radius, fpSize=settings.bits
    )
    return np.log1p(generator.GetCountFingerprintAsNumPy(molecule).astype(np.float64))


def _descriptors() -> list[Callable[[Any], float]]:
    """Return what is computed of a ligand beside its substructures."""
    from rdkit.Chem import Descriptors, rdMolDescriptors

    named: Any = Descriptors  # its functions are made when it is imported
    return [
        lambda m: sum(a.GetSymbol() == "C" for a in m.GetAtoms()),
        lambda m: m.GetNumHeavyAtoms(),
        named.MolWt,
        named.MolLogP,
        rdMolDescriptors.CalcTPSA,
        rdMolDescriptors.CalcNumRotatableBonds,
        rdMolDescriptors.CalcNumAromaticRings,
        rdMolDescriptors.CalcFractionCSP3,
        rdMolDescriptors.CalcNumHBD,
        rdMolDescriptors.CalcNumHBA,
        named.NumRadicalElectrons,
    ]


# -- graphs ------------------------------------------------------------------------------------


def _graphs(molecules: Sequence[Any]) -> Arrays:
    """Return the molecular graphs, hydrogens within their atoms, as the arrays of a `GraphSet`."""
    nodes, edges, values, offsets, edge_offsets = [], [], [], [0], [0]
    for molecule in molecules:
        nodes += [_atom_features(atom) for atom in molecule.GetAtoms()]
        for bond in molecule.GetBonds():
            ends = (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
            edges += [ends, ends[::-1]]
            values += [_bond_features(bond)] * 2
        offsets.append(len(nodes))
        edge_offsets.append(len(edges))
    return {
        "nodes": np.array(nodes, dtype=np.float32),
        "offsets": np.array(offsets, dtype=np.int64),
        "edges": np.array(edges, dtype=np.int32).reshape(-1, 2).T.copy(),
        "values": np.array(values, dtype=np.float32).reshape(-1, len(_BONDS) + 2),
        "edge_offsets": np.array(edge_offsets, dtype=np.int64),
    }


def _one_of(value: Any, known: Sequence[Any]) -> list[float]:
    """Return ones and zeros; the last place stands for all that is not known."""
    row = [float(value == k) for k in known]
    return [*row, float(not any(row))]


def _atom_features(atom: Any) -> list[float]:
    return [
        *_one_of(atom.GetSymbol(), _ELEMENTS),
        *_one_of(min(atom.GetDegree(), _DEGREES), range(_DEGREES)),
        *_one_of(min(atom.GetTotalNumHs(), _HYDROGENS), range(_HYDROGENS)),
        *_one_of(str(atom.GetHybridization()), _HYBRIDISATIONS),
        float(atom.GetIsAromatic()),
        float(atom.IsInRing()),
        float(atom.GetFormalCharge()),
        float(atom.GetNumRadicalElectrons()),
    ]


def _bond_features(bond: Any) -> list[float]:
    kinds = [float(str(bond.GetBondType()) == kind) for kind in _BONDS]
    return [*kinds, float(bond.GetIsConjugated()), float(bond.IsInRing())]

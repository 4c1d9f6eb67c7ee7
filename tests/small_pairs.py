"""Small sets of pairs that are made by hand, for tests."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.cluster import Icosahedron, Octahedron

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.ligands.pairs import Pair, PairSet
from aiida_nanoclusters.science.ligands.protected_cluster import BoundLigand, ProtectedCluster

METHYL, ETHYL, BUTYL, HEXYL = "C[S]", "CC[S]", "CCCC[S]", "CCCCCC[S]"
OCTYL, DECYL, DODECYL = "CCCCCCCC[S]", "CCCCCCCCCC[S]", "CCCCCCCCCCCC[S]"
PPH3, PME3 = "c1ccc(P(c2ccccc2)c2ccccc2)cc1", "CP(C)C"
ALKYNYL, ACETATE = "[C]#Cc1ccccc1", "CC(=O)[O]"
#: Functional group and number of carbon atoms.
LIGANDS = {
    METHYL: ("thiolate", 1),
    ETHYL: ("thiolate", 2),
    BUTYL: ("thiolate", 4),
    HEXYL: ("thiolate", 6),
    OCTYL: ("thiolate", 8),
    DECYL: ("thiolate", 10),
    DODECYL: ("thiolate", 12),
    PPH3: ("phosphine", 18),
    PME3: ("phosphine", 3),
    ALKYNYL: ("alkynyl", 8),
    ACETATE: ("carboxylate", 2),
}
GROUPS = {smiles: group for smiles, (group, _) in LIGANDS.items()}


def cores() -> list[Atoms]:
    """Five cores: of 13, 13, 55, 38 and 38 atoms, the last of silver as the fourth is of gold."""
    return [
        Icosahedron("Au", 2),
        Octahedron("Au", 3, 1),
        Icosahedron("Au", 3),
        Octahedron("Au", 4, 1),
        Octahedron("Ag", 4, 1),
    ]


def cluster(core: Atoms, *ligands: str, count: int = 6, charge: int | None = None):
    """Return a protected cluster of a core and ligands that are known here."""
    bound = tuple(
        BoundLigand(smiles, *LIGANDS[smiles], count=count, sites={"S:2": count})
        for smiles in sorted(ligands)
    )
    formula = core.get_chemical_formula()
    return ProtectedCluster(core=core, ligands=bound, charge=charge, formula=formula, removed=())


def pair_set(
    rows: list[tuple[int, tuple[str, ...], int]], images: list[Atoms] | None = None
) -> PairSet:
    """Return pairs of core, ligands and label, of the cores above unless others are given."""
    pairs = tuple(
        Pair(core, tuple(sorted(ligands)), label, f"row {k}")
        for k, (core, ligands, label) in enumerate(rows)
    )
    frames = Frames.from_atoms(cores() if images is None else images)
    return PairSet(frames.with_origin(config_types=["core"] * len(frames)), pairs, GROUPS)


def many_pairs(count: int = 240, n_cores: int = 40, most: int = 1, seed: int = 0) -> PairSet:
    """Return random pairs with both labels of distinct cores, several of each nuclearity."""
    random = np.random.default_rng(seed)
    images = []
    for k in range(n_cores):
        atoms = Octahedron(["Au", "Ag"][k % 2], 4, 1)[: 12 + (k // 2) % 8]
        atoms.positions += 0.7 * np.random.default_rng(k // 4).normal(size=(len(atoms), 3))
        images.append(atoms)
    assert most > 1 or count < 0.9 * n_cores * len(LIGANDS), "there are not so many pairs"
    rows: dict[tuple[int, tuple[str, ...]], int] = {}
    while len(rows) < count:
        size = int(random.integers(1, most + 1))
        chosen = random.choice(np.array(sorted(LIGANDS)), size=size, replace=False)
        rows[int(random.integers(n_cores)), tuple(sorted(map(str, chosen)))] = int(
            random.integers(2)
        )
    return pair_set([(*key, label) for key, label in rows.items()], images)

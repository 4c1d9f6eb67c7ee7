"""Labelled pairs as the baselines take them, and their fixed features.

Carried to the machine of a job of the baselines.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from ..training_loop import Job, load_arrays
from .descriptors import describe_cores
from .training_files import CORES_FILE, LIGANDS_FILE, PAIRS_FILE

Whole = NDArray[np.int64]
Rows = NDArray[np.float32]

#: Cores that are described at once.
_BLOCK = 50


@dataclass(frozen=True)
class PairData:
    """Labelled pairs as the baselines take them.

    Attributes
    ----------
    cores
        Clusters.
    core
        Core of each pair, shape (P,).
    ligands
        Mean of the fingerprints of the ligands of each pair and their number, shape (P, L + 1).
    labels
        1 compatible, 0 not; shape (P,).
    subset
        0 training, 1 validation, 2 test; shape (P,).
    """

    cores: list[Atoms]
    core: Whole
    ligands: Rows
    labels: NDArray[np.int8]
    subset: NDArray[np.int8]

    def rows(self, number: int) -> Whole:
        """Return the pairs of a subset."""
        return np.flatnonzero(self.subset == number)


def read_pairs(folder: Path) -> PairData:
    """Return the pairs of a job."""
    atoms, pairs = load_arrays(folder / CORES_FILE), load_arrays(folder / PAIRS_FILE)
    bounds = list(zip(atoms["offsets"][:-1], atoms["offsets"][1:], strict=True))
    offsets = pairs["member_offsets"]
    members = load_arrays(folder / LIGANDS_FILE)["features"][pairs["members"]]
    counts = np.diff(offsets)
    means = np.add.reduceat(members, offsets[:-1], axis=0) / counts[:, None]
    return PairData(
        [Atoms(atoms["numbers"][a:b], atoms["positions"][a:b]) for a, b in bounds],
        pairs["core"],
        np.column_stack([means, counts])[pairs["ligand_set"]].astype(np.float32),
        pairs["label"],
        pairs["subset"],
    )


def pair_features(data: PairData, kind: str, job: Job) -> Rows:
    """Return the descriptor of the core and the fingerprint of the ligands of each pair, (P, D).

    What is zero in all cores that are trained on is left out.
    """
    from scipy.sparse import csr_matrix, vstack

    blocks = [
        csr_matrix(describe_cores(data.cores[i : i + _BLOCK], kind, job["about"]["elements"], job))
        for i in range(0, len(data.cores), _BLOCK)
    ]
    described = vstack(blocks).tocsr()
    known = described[np.unique(data.core[data.rows(0)])]
    used = np.flatnonzero(known.getnnz(axis=0))
    cores = described[:, used].toarray().astype(np.float32)
    return np.hstack([cores[data.core], data.ligands])

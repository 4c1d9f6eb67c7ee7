"""What a training job of the matching model reads: cores, ligands and pairs as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.science.ligands.core_arrays import core_arrays
from aiida_nanoclusters.science.ligands.encoder_settings import TRAINING, MatchingSettings
from aiida_nanoclusters.science.ligands.ligand_graphs import ligand_inputs, membership

if TYPE_CHECKING:
    from aiida_nanoclusters.science.ligands.pairs import PairSet

Arrays = dict[str, NDArray[Any]]


def matching_arrays(
    pairs: PairSet, subset: NDArray[Any], settings: MatchingSettings
) -> tuple[dict[str, Any], dict[str, Arrays]]:
    """Return what a job says in words, and its arrays.

    Parameters
    ----------
    pairs
        Labelled pairs.
    subset
        0 training, 1 validation, 2 test, -1 none for each pair, shape (P,).
    settings
        Of the training; the ligands are made into arrays as its encoder takes them.

    Returns
    -------
    about
        ``about``, part of the head of the model, and ``names`` of cores and ligand sets.
    arrays
        ``cores``, ``ligands`` and ``pairs``, each by name.

    Raises
    ------
    ValueError, ImportError
        If a SMILES is none, a core is periodic, or a program is missing.
    """
    sets = sorted({tuple(sorted(set(pair.ligands))) for pair in pairs.pairs})
    set_of = {ligands: k for k, ligands in enumerate(sets)}
    smiles, members, offsets = membership(sets)
    cores = list(pairs.cores)
    numbers, positions, bounds = core_arrays(cores, settings.core.cutoff)
    core = np.array([pair.core for pair in pairs.pairs], dtype=np.int64)
    trained = sorted(set(core[np.asarray(subset) == TRAINING].tolist()))
    elements = {e for k in trained for e in cores[k].get_chemical_symbols()}
    parents = [str(parent) for parent in pairs.cores.parents]
    about: dict[str, Any] = {
        "about": {"elements": sorted(elements)},
        "names": {
            "core": [
                {"name": parents[k] or f"core {k}", "formula": atoms.get_chemical_formula("metal")}
                for k, atoms in enumerate(cores)
            ],
            "ligand": [list(ligands) for ligands in sets],
        },
    }
    arrays: dict[str, Arrays] = {
        "cores": {"numbers": numbers, "positions": positions, "offsets": bounds},
        "ligands": ligand_inputs(smiles, settings.ligand),
        "pairs": {
            "core": core,
            "ligand_set": np.array(
                [set_of[tuple(sorted(set(pair.ligands)))] for pair in pairs.pairs], dtype=np.int64
            ),
            "members": members,
            "member_offsets": offsets,
            "label": np.array([pair.label for pair in pairs.pairs], dtype=np.int8),
            "subset": np.asarray(subset, dtype=np.int8),
        },
    }
    return about, arrays

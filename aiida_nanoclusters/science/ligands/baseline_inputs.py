"""What a job of the baselines reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from aiida_nanoclusters.science.ligands.baseline_settings import BaselineSettings
from aiida_nanoclusters.science.ligands.training_arrays import matching_arrays
from aiida_nanoclusters.science.ligands.training_files import (
    CORES_FILE,
    LIGANDS_FILE,
    PAIRS_FILE,
)

if TYPE_CHECKING:
    from aiida_nanoclusters.science.ligands.pairs import PairSet


def baseline_inputs(
    pairs: PairSet,
    subset: NDArray[Any],
    settings: BaselineSettings,
    seeds: Sequence[int],
    max_seconds: float | None = None,
) -> tuple[dict[str, Any], dict[str, dict[str, NDArray[Any]]]]:
    """Return the job of the baselines, and the arrays of its files by their names.

    Parameters
    ----------
    pairs
        Labelled pairs.
    subset
        0 training, 1 validation, 2 test for each pair, shape (P,).
    settings
        Of the methods.
    seeds
        Random seeds; each method is trained once with each.
    max_seconds
        After which no further training begins. Default: none.

    Raises
    ------
    ValueError, ImportError
        If a SMILES is none, a core is periodic, or a program is missing.
    """
    about, arrays = matching_arrays(pairs, subset, settings.of_arrays())
    job = {
        **settings.of_training(),
        "about": about["about"],
        "seeds": list(seeds),
        "seed": seeds[0],
        "max_seconds": max_seconds,
    }
    names = {"cores": CORES_FILE, "ligands": LIGANDS_FILE, "pairs": PAIRS_FILE}
    return job, {names[key]: values for key, values in arrays.items()}

"""Vectors of ligands by a pretrained Uni-Mol (G. Zhou et al., ICLR 2023), as in the CoLiM paper.

Its weights are the user's own: nothing is downloaded. They are a program's input that only
`unimol_tools` reads; this package keeps the vectors alone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Environment variable that names the folder of the weights.
WEIGHTS = "UNIMOL_WEIGHT_DIR"
_OTHERWISE = "or choose `ligand.kind: fingerprint` or `graph`"


def unimol_problem() -> str | None:
    """Return why Uni-Mol cannot be used here, with the fix, or None."""
    from importlib.util import find_spec

    if find_spec("unimol_tools") is None:
        return f"`ligand.kind: unimol` needs Uni-Mol: pip install unimol_tools, {_OTHERWISE}"
    folder = os.environ.get(WEIGHTS, "")
    if not folder or not any(Path(folder).rglob("*.pt")):
        return (
            f"`ligand.kind: unimol` needs weights: set {WEIGHTS} to a folder that has them "
            f"(*.pt), {_OTHERWISE}"
        )
    return None


def unimol_features(smiles: Sequence[str]) -> NDArray[np.float32]:
    """Return the vector of each ligand, shape (L, 512).

    Raises
    ------
    ImportError
        If `unimol_tools` or its weights are missing; the message names the other encoders.
    ValueError
        If it returns anything else than one vector of each ligand.
    """
    problem = unimol_problem()
    if problem:
        raise ImportError(problem)
    from unimol_tools import UniMolRepr

    found: Any = UniMolRepr(data_type="molecule", remove_hs=False).get_repr(list(smiles))
    rows = found["cls_repr"] if isinstance(found, dict) else found
    vectors = np.asarray(rows, dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != len(smiles) or not np.isfinite(vectors).all():
        raise ValueError(f"Uni-Mol gave vectors of shape {vectors.shape} for {len(smiles)} ligands")
    return vectors

"""Bare cores beside what they relax to."""

from __future__ import annotations

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.ligands.core_stability import compare_relaxed


@calcfunction
def core_stability(cores: FramesData, relaxed: FramesData, report: Dict) -> Dict:
    """Compare cores with what they relax to without ligands.

    Parameters
    ----------
    cores
        As they were given.
    relaxed, report
        Outputs of the StagesWorkChain that relaxed them; the report says which were.

    Returns
    -------
    Dict
        ``rows``: of each core that was relaxed ``index``, ``formula``, ``energy_per_atom`` (eV),
        and what :func:`.compare_relaxed` finds; ``level_of_theory``.
    """
    before, after = cores.frames, relaxed.frames
    finished = [r["index"] for r in report["structures"] if r["state"] == "finished"]
    rows = []
    for place, index in enumerate(finished):
        energy = float(after.energies[place]) / int(after.sizes[place])
        rows.append(
            {
                "index": int(index),
                "formula": after[place].get_chemical_formula("metal"),
                "energy_per_atom": energy if np.isfinite(energy) else None,
                **compare_relaxed(before[index], after[place]),
            }
        )
    return Dict({"rows": rows, "level_of_theory": after.level_of_theory})

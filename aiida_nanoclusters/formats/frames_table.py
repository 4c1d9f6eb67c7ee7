"""Frames, and pairs of cores and ligands, as tables: one row for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_nanoclusters.formats.publication.csv_tables import Table, table_of_rows
from aiida_nanoclusters.science.frames import Frames

if TYPE_CHECKING:
    from aiida_nanoclusters.science.ligands.pairs import PairSet


def frames_table(frames: Frames) -> Table:
    """Return columns named as in :mod:`aiida_nanoclusters.science.columns`.

    ``binding_energy`` is NaN where the energy of an isolated atom is not known; ``energy`` and
    ``max_force`` are NaN where a frame has no label.
    """
    zero = _isolated_atoms(frames)
    squares = (frames.forces**2).sum(axis=1)
    starts = frames.offsets[:-1]
    largest: Any = np.sqrt(np.maximum.reduceat(squares, starts)) if len(frames) else []
    table: dict[str, list[Any]] = {
        "frame": list(range(len(frames))),
        "formula": [frames.formula_of(k) for k in range(len(frames))],
        "size": frames.sizes.tolist(),
        "energy": frames.energies.tolist(),
        "energy_per_atom": (frames.energies / frames.sizes).tolist(),
        "binding_energy": ((zero - frames.energies) / frames.sizes).tolist(),
        "max_force": np.asarray(largest, float).tolist(),
        "charge": frames.charges.tolist(),
        "config_type": frames.config_types.tolist(),
        "parent": frames.parents.tolist(),
        "level_of_theory": [frames.level_of_theory] * len(frames),
    }
    return table


def pairs_table(pairs: PairSet) -> Table:
    """Return core, ligands, compatibility (1 or 0) and origin of each pair."""
    return table_of_rows(
        [
            {
                "core": pairs.name_of(pair.core),
                "ligands": " ".join(pair.ligands),
                "compatible": pair.label,
                "origin": pair.origin,
                "counts": " ".join(map(str, pair.counts)),
            }
            for pair in pairs.pairs
        ]
    )


def _isolated_atoms(frames: Frames) -> Any:
    if set(frames.elements) - set(frames.atom_energies):
        return np.full(len(frames), np.nan)
    return frames.reference_energies

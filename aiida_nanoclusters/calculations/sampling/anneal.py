"""Starting structures of annealing runs, and their results."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict, Float, Int, List, Str
from ase import Atoms

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.sampling import ranking
from aiida_nanoclusters.science.structures.motif_starts import motif_clusters
from aiida_nanoclusters.science.structures.starts import starting_clusters


@calcfunction
def make_starts(element: Str, sizes: List, count: Int, distance: Float, seed: Int) -> FramesData:
    """Build `count` distinct starts of each size; `distance` is the bond length (Å)."""
    return _starts(starting_clusters, element, sizes, count, distance, seed)


@calcfunction
def make_motif_starts(
    element: Str, sizes: List, count: Int, distance: Float, seed: Int
) -> FramesData:
    """Build `count` starts of different motifs of each size; `distance` is the bond length (Å)."""
    return _starts(motif_clusters, element, sizes, count, distance, seed)


def _starts(
    make: Callable[..., list[Atoms]],
    element: Str,
    sizes: List,
    count: Int,
    distance: Float,
    seed: Int,
) -> FramesData:
    images = []
    for size in sizes.get_list():
        starts = make(element.value, size, distance.value, seed.value, count.value)
        for k, atoms in enumerate(starts):
            atoms.info.update(config_type="cluster", parent=f"{element.value}{size}-{k:03d}")
            images.append(atoms)
    return FramesData(Frames.from_atoms(images))


@calcfunction
def rank_structures(keep: Int, **ended: FramesData) -> dict:
    """Find the lowest distinct isomers of each size among all runs.

    Parameters
    ----------
    keep
        Number of isomers of each size.
    ended
        Relaxed structures: ``annealed_<k>`` of annealing runs; ``built``, starts that were only
        relaxed; ``reference``, kept ones relaxed again.

    Returns
    -------
    dict
        ``structures``: up to `keep` of each size, sizes ascending, the lowest first.
        ``table``: a row for each of them - size, energy, point group, coordination, motif, and
        in how many of its size's annealing runs the lowest one was found.
    """
    sets = [(key.split("_")[0], ended[key].frames) for key in sorted(ended)]
    frames = Frames.concatenate([part for _, part in sets])
    origins = np.repeat([origin for origin, _ in sets], [len(part) for _, part in sets])
    ranked = ranking.lowest_structures(frames, keep.value)
    rates = ranking.success_rates(frames, ranked, origins == "annealed")
    rows = []
    for members in ranked:
        for rank, index in enumerate(members):
            size = int(frames.sizes[index])
            hits, runs = rates[size]
            rows.append(
                {
                    "size": size,
                    "rank": rank,
                    "energy": float(frames.energies[index]),
                    "parent": str(frames.parents[index]),
                    "origin": str(origins[index]),
                    "hits": hits if runs and rank == 0 else None,
                    "runs": runs,
                    **ranking.describe(frames[index]),
                }
            )
    chosen = [index for members in ranked for index in members]
    return {
        "structures": FramesData(frames.select(chosen)),
        "table": Dict({"columns": _COLUMNS, "rows": rows}),
    }


_COLUMNS = {
    "size": "number of atoms",
    "rank": "0 is the lowest",
    "energy": "eV, total",
    "parent": "starting structure",
    "origin": "annealed; built: a start that was only relaxed; "
    "reference: relaxed by the reference potential",
    "hits": "annealing runs that ended in the lowest structure",
    "runs": "annealing runs of this size",
    "point_group": "Schoenflies",
    "coordination": "atoms by number of neighbours",
    "n_12_coordinated": "atoms with 12 neighbours",
    "motif": "from common neighbour analysis",
    "motif_reason": "rule by which it was recognised",
}

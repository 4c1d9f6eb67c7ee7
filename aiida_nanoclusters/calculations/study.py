"""What ties the parts of a study together."""

from __future__ import annotations

from aiida.engine import calcfunction
from aiida.orm import Dict, Float, Str

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.clusters import motif_family
from aiida_nanoclusters.science.elements import element as element_data
from aiida_nanoclusters.science.starts import starting_clusters


@calcfunction
def build_probes(element: Str, probes: Dict) -> dict[str, FramesData]:
    """Build clusters no potential was trained on, by which potential and reference are compared.

    Parameters
    ----------
    element
        Chemical symbol.
    probes
        ``motifs``: sizes of closed shells by motif. ``unseen``: sizes of compact clusters.

    Returns
    -------
    dict
        ``motifs`` and ``unseen``; a key is missing where no sizes are given.
    """
    symbol = element.value
    distance = element_data(symbol).nearest_neighbour
    groups: dict[str, list] = {}
    for motif, sizes in probes["motifs"].items():
        for size in sizes:
            (member,) = motif_family(motif, size, size, shape="regular")
            atoms = member.build(symbol, distance)
            atoms.info.update(config_type=motif, parent=f"{motif} {size}")
            groups.setdefault("motifs", []).append(atoms)
    for size in probes["unseen"]:
        (atoms,) = starting_clusters(symbol, size, distance, size, 1)
        atoms.info.update(config_type="unseen size", parent=f"unseen {size}")
        groups.setdefault("unseen", []).append(atoms)
    return {name: FramesData(images) for name, images in groups.items()}


@calcfunction
def motif_systematic(errors: Dict) -> Float:
    """Root mean square over the committee of the motif-difference error, meV/atom.

    It enters the interval of the crossover as the standard deviation of a shift common to all
    sizes: how far the difference between icosahedra and octahedra is known to be off.
    """
    members = errors["motif_difference"]["members"].values()
    values = [member["difference"] for member in members]
    return Float((sum(v**2 for v in values) / len(values)) ** 0.5)

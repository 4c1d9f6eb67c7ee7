"""Steps of a study between its parts."""

from __future__ import annotations

from aiida.engine import calcfunction
from aiida.orm import Dict, Float, Str

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.elements import element as element_data
from aiida_nanoclusters.science.stability.settings import ComparedSizes
from aiida_nanoclusters.science.structures.motifs import motif_family
from aiida_nanoclusters.science.structures.starts import starting_clusters


@calcfunction
def build_compared_clusters(element: Str, sizes: Dict) -> dict[str, FramesData]:
    """Build clusters at which the committee is compared with the reference potential.

    Parameters
    ----------
    element
        Chemical symbol.
    sizes
        As of :class:`.science.stability.settings.ComparedSizes`.

    Returns
    -------
    dict
        ``motifs`` and ``extrapolation``; a key is missing where no sizes are given.
    """
    symbol = element.value
    given = ComparedSizes.from_values(**sizes.get_dict())
    distance = element_data(symbol).nearest_neighbour
    groups: dict[str, list] = {}
    for motif, motif_sizes in given.motifs.items():
        for size in motif_sizes:
            (member,) = motif_family(motif, size, size, shape="regular")
            atoms = member.build(symbol, distance)
            atoms.info.update(config_type=motif, parent=f"{motif} {size}")
            groups.setdefault("motifs", []).append(atoms)
    for size in given.extrapolation:
        (atoms,) = starting_clusters(symbol, size, distance, size, 1)
        atoms.info.update(config_type="extrapolation", parent=f"extrapolation {size}")
        groups.setdefault("extrapolation", []).append(atoms)
    return {name: FramesData(images) for name, images in groups.items()}


@calcfunction
def motif_systematic(errors: Dict) -> Float:
    """Root mean square over the committee of the motif-difference error, meV/atom.

    It enters the interval of the crossover as the standard deviation of a shift common to all
    sizes, the systematic error of the energy difference between icosahedra and octahedra.
    """
    members = errors["motif_difference"]["members"].values()
    values = [member["difference"] for member in members]
    return Float((sum(v**2 for v in values) / len(values)) ** 0.5)

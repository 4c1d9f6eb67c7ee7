"""Copper: no size is left above a structure that someone would build of it."""

from itertools import combinations

import numpy as np
import pytest
from ase import Atoms
from ase.cluster import Decahedron, Icosahedron, Octahedron

from aiida_nanoclusters.science.sampling.lowest_settings import LowestSettings
from aiida_nanoclusters.science.sampling.lowest_structures import LowestSearch
from aiida_nanoclusters.science.structures.defects import DEFECTIVE, defective_cluster
from aiida_nanoclusters.science.structures.icosahedra import incomplete_icosahedron
from aiida_nanoclusters.science.structures.starts import crystal_cut
from tests.lammps_relaxer import LammpsRelaxer

SIZES = range(7, 81)
#: Of recipes, but those that need complete vertices, and chance.
KINDS = [kind for kind in DEFECTIVE if "rosettes" not in kind and kind != "disordered"]


def built(sizes) -> list[Atoms]:
    """Clusters by other builders than those of the search: of ASE, of recipes, of starts."""
    found = [Icosahedron("Cu", shells) for shells in (2, 3)]
    found += [Octahedron("Cu", n, cut) for n in range(2, 8) for cut in range((n + 1) // 2)]
    found += [Decahedron("Cu", p, q, r) for p in range(2, 6) for q in range(1, 7) for r in range(3)]
    for size in sizes:
        found.append(incomplete_icosahedron("Cu", size))
        found += [crystal_cut("Cu", size, 2.55, seed) for seed in range(3)]
        for kind in KINDS if size >= 30 else ():
            found += [defective_cluster("Cu", kind, size, seed) for seed in range(2)]
    return [atoms for atoms in found if len(atoms) in sizes]


@pytest.fixture(scope="module")
def relax(eam_file):
    relaxer = LammpsRelaxer(eam_file, "Cu")
    yield relaxer
    relaxer.close()


def searched(relax, sizes, rounds) -> dict[int, float]:
    """Lowest energy (eV) by size."""
    search = LowestSearch("Cu", sizes, LowestSettings(rounds=rounds))
    while not search.is_finished:
        search.update({key: relax(atoms) for key, atoms in search.next().items()})
    return {row["size"]: row["lowest"] for row in search.table()}


def test_an_icosahedron_lacks_the_right_vertices(relax):
    """Equally many bonds for any choice: all of them are relaxed for comparison."""
    whole, sizes = Icosahedron("Cu", 3), (52, 53)
    vertices = np.argsort(np.linalg.norm(whole.positions - whole.positions.mean(0), axis=1))[-12:]
    lowest = searched(relax, sizes, rounds=16)
    for size in sizes:
        choices = combinations(vertices.tolist(), 55 - size)
        energies = []
        for choice in choices:
            atoms = whole.copy()
            del atoms[list(choice)]
            energies.append(relax(atoms).get_potential_energy())
        assert lowest[size] < min(energies) + 1e-3


def test_pairs_need_not_rank_the_lowest_filling_first(relax):
    """Third by pairs, first by the potential: 45 atoms on the sites of an icosahedron of 55."""
    rest = defective_cluster("Cu", "decahedron", 45, 0)  # relaxes to it
    lowest = searched(relax, (45,), rounds=1)[45]
    assert lowest == pytest.approx(relax(rest).get_potential_energy(), abs=1e-3)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nothing_that_is_built_lies_lower(relax):
    lowest, above = searched(relax, SIZES, rounds=20), {}
    for atoms in built(SIZES):
        size, energy = len(atoms), relax(atoms).get_potential_energy()
        if energy < lowest[size] - 1e-3:
            above[size] = min(energy - lowest[size], above.get(size, 0.0))
    assert not above

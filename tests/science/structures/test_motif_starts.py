import numpy as np
from scipy.spatial.distance import pdist

from aiida_nanoclusters.science.recognition.packing_family import name_family
from aiida_nanoclusters.science.structures.motif_starts import motif_clusters


def test_each_start_has_another_motif():
    starts = motif_clusters("Au", 90, 2.88, 1, 6)
    motifs = [atoms.info["motif"].split(",")[0] for atoms in starts]
    assert len(set(motifs)) == 6
    assert {"fcc", "twin", "decahedron"} <= set(motifs)
    assert all(len(atoms) == 90 and pdist(atoms.positions).min() > 2.3 for atoms in starts)
    names = {name_family(atoms).name for atoms in starts}
    assert {"fcc", "twin", "decahedral"} <= names


def test_equal_seeds_give_equal_starts():
    first, second = (motif_clusters("Au", 30, 2.88, 4, 3) for _ in range(2))
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(first, second, strict=True))


def test_further_starts_are_random():
    starts = motif_clusters("Cu", 5, 2.55, 1, 40)
    assert len(starts) == 40
    assert all(len(atoms) == 5 and pdist(atoms.positions).min() > 1.9 for atoms in starts)
    assert "motif" not in starts[-1].info

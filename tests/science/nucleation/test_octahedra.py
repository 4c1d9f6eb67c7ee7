"""Octahedra that are known, turned, damaged, and hidden among other atoms."""

import numpy as np
import pytest
from ase import Atoms
from scipy.spatial.transform import Rotation

from aiida_nanoclusters.science.nucleation.assembly import follow_assembly
from aiida_nanoclusters.science.nucleation.octahedra import best_octahedron, match_octahedron
from tests.science.nucleation.known_assembly import CORNERS, EDGE
from tests.science.structures.test_molecules import start


def test_octahedra_however_they_lie():
    rng = np.random.default_rng(1)
    for seed in range(5):
        turn = Rotation.random(random_state=seed).as_matrix()
        order = rng.permutation(6)
        places = (CORNERS @ turn.T)[order] + [0.2, 10, 10]
        atoms = Atoms("Ag6", positions=places, cell=[20, 20, 20], pbc=True)
        atoms.wrap()
        found = match_octahedron(atoms, range(6))
        assert found.rmsd == pytest.approx(0, abs=1e-6)
        assert found.edge == pytest.approx(EDGE) and found.broken == 0
    moved = atoms.copy()
    moved.positions[0] += 1.5 * (CORNERS @ turn.T)[order][0] / np.linalg.norm(CORNERS[0])
    worse = match_octahedron(moved, range(6))
    assert worse.broken == 4 and 0.3 < worse.rmsd < 1.0
    with pytest.raises(ValueError, match="six are"):
        match_octahedron(atoms, range(5))


def test_the_published_octahedron(shared_data):
    atoms = start(shared_data, "dimer_octahedral")
    found = follow_assembly([atoms])
    (cluster, *others) = found.clusters[0]
    assert len(cluster) == 6 and not others
    match = match_octahedron(atoms, cluster)
    assert match.rmsd < 0.6 and 2.8 < match.edge < 3.4


def hidden(rng, others, noise):
    """A turned octahedron, shaken, among atoms that keep 2.6 Å to all others."""
    turn = Rotation.random(random_state=int(rng.integers(1000))).as_matrix()
    places = list(CORNERS @ turn.T + rng.normal(0, noise, (6, 3)))
    while len(places) < 6 + others:
        new = rng.uniform(-7, 7, 3)
        if np.linalg.norm(np.array(places) - new, axis=1).min() > 2.6:
            places.append(new)
    order = rng.permutation(len(places))
    return np.array(places)[order], {int(np.flatnonzero(order == k)[0]) for k in range(6)}


@pytest.mark.parametrize("others", [0, 2, 6, 7, 30])
def test_the_octahedron_among_others(others):
    """Both ways to choose the sets: of up to twelve atoms and of more."""
    rng = np.random.default_rng(others)
    for _ in range(5):
        places, corners = hidden(rng, others, 0.1)
        found, match = best_octahedron(places)
        assert set(found) == corners
        alone = match_octahedron(Atoms("Ag6", places[list(found)]), range(6))
        assert match.rmsd == pytest.approx(alone.rmsd) and match.broken == alone.broken
        assert match.rmsd < 0.25 and match.broken <= 1 and abs(match.edge - EDGE) < 0.2


def test_what_is_no_octahedron():
    """A trigonal prism of the same edge has nine of the twelve edges."""
    triangle = (
        EDGE / np.sqrt(3) * np.array([[np.cos(a), np.sin(a), 0] for a in np.arange(3) * 2.0944])
    )
    up = np.array([0, 0, EDGE / 2])
    prism = np.concatenate([triangle - up, triangle + up])
    _, match = best_octahedron(prism)
    assert match.broken == 3 and match.rmsd > 0.5
    with pytest.raises(ValueError, match="six at least"):
        best_octahedron(prism[:5])

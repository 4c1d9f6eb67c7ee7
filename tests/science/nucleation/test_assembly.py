"""A trajectory whose answer is known: three dimers become one octahedron, others do not."""

import numpy as np
import pytest
from ase import Atoms
from scipy.spatial.transform import Rotation

from aiida_nanoclusters.science.nucleation.assembly import (
    LinkSettings,
    follow_assembly,
    match_octahedron,
)
from tests.science.structures.test_molecules import start

EDGE = 2.97
CORNERS = EDGE / np.sqrt(2) * np.concatenate([np.eye(3), -np.eye(3)])


def dimer(centre, along):
    """Two silver atoms, their ligands' sulphur and nitrogen between them."""
    along = np.array(along, float) / np.linalg.norm(along)
    across = np.cross(along, [0.3, 0.5, 0.8])
    across /= np.linalg.norm(across)
    half = 0.5 * EDGE * along
    places = [half, -half, 2.0 * across + 0.3 * half, -2.0 * across - 0.3 * half]
    return Atoms("Ag2SN", positions=np.array(places) + centre)


def box(dimers):
    atoms = Atoms(cell=[50, 50, 50], pbc=True)
    for one in dimers:
        atoms += one
    return atoms


HOMES = [(5, 5, 5), (25, 5, 5), (5, 25, 5), (25, 25, 25), (45, 45, 45), (5, 45, 25)]


@pytest.fixture
def trajectory():
    """Dimers 0 and 1 meet in frame 10, dimer 2 joins in frame 20; 3 and 4 touch for one frame."""
    frames = []
    for number in range(40):
        atoms = box([dimer(home, (1, 0.2, 0.1)) for home in HOMES])
        silver = [4 * d + k for d in range(3) for k in range(2)]
        centre = np.array([49.5, 5, 5])  # across the boundary
        if number >= 10:
            atoms.positions[silver[:4]] = centre + CORNERS[[0, 1, 3, 4]]
        if number >= 20:
            atoms.positions[silver[4:]] = centre + CORNERS[[2, 5]]
        if number == 30:
            atoms.positions[16:20] += atoms.positions[12] + [0, 0, 3.0] - atoms.positions[16]
        atoms.wrap()
        frames.append(atoms)
    return frames


def silver_of(*dimers):
    return frozenset(4 * d + k for d in dimers for k in range(2))


def test_who_met_when(trajectory):
    found = follow_assembly(trajectory)
    sizes = found.sizes()
    assert sizes[0] == [2] * 6 and sizes[10] == [4, 2, 2, 2, 2] and sizes[39] == [6, 2, 2, 2]
    assert [(event.frame, event.kind) for event in found.events] == [(10, "meet"), (20, "meet")]
    assert found.events[0].before == (silver_of(0), silver_of(1))
    assert found.events[1].after == (silver_of(0, 1, 2),)
    assert sizes[30] == [6, 2, 2, 2]  # dimers 3 and 4 touched for one frame only
    brief = follow_assembly(trajectory, LinkSettings(lasting=1))
    assert [(e.frame, e.kind) for e in brief.events][2:] == [(30, "meet"), (31, "part")]


def test_coordination_rises_in_steps(trajectory):
    found = follow_assembly(trajectory).coordination
    # dimers: one neighbour each; four corners in a square: two; an octahedron: four
    assert found[5] == pytest.approx(1.0)
    assert found[15] == pytest.approx((4 * 2 + 8 * 1) / 12)
    assert found[25] == pytest.approx((6 * 4 + 6 * 1) / 12)


def test_atoms_that_go_from_one_cluster_to_another_are_an_exchange():
    frames = []
    for number in range(10):
        atoms = Atoms("Ag4", positions=np.zeros((4, 3)), cell=[40, 40, 40], pbc=True)
        pairs = [(0, 1), (2, 3)] if number < 5 else [(0, 2), (1, 3)]
        for place, pair in enumerate(pairs):
            for k, atom in enumerate(pair):
                atoms.positions[atom] = [10 + 15 * place, 10, 10 + 2.9 * k]
        frames.append(atoms)
    (event,) = follow_assembly(frames).events
    assert (event.frame, event.kind) == (5, "exchange")
    assert set(event.after) == {frozenset({0, 2}), frozenset({1, 3})}


def test_a_change_lasts_whatever_another_atom_does():
    """Two trios become one for good, while a seventh atom touches them in every second frame."""
    frames = []
    for number in range(20):
        atoms = Atoms("Ag7", positions=np.zeros((7, 3)), cell=[60, 60, 60], pbc=True)
        for k in range(3):
            atoms.positions[k] = [10 + 2.9 * k, 10, 10]
            atoms.positions[3 + k] = [10 + 2.9 * (k + 3) + (0 if number >= 8 else 9), 10, 10]
        atoms.positions[6] = [10, 10, 12.9 if number % 2 else 25]
        frames.append(atoms)
    found = follow_assembly(frames)
    (event,) = found.events
    assert (event.frame, event.kind) == (8, "meet") and found.sizes()[-1] == [6, 1]


def test_what_only_the_last_frame_has_did_not_last():
    apart = Atoms("Ag2", positions=[[0, 0, 0], [6.0, 0, 0]])
    close = Atoms("Ag2", positions=[[0, 0, 0], [2.9, 0, 0]])
    assert follow_assembly([apart] * 4 + [close]).events == ()
    assert len(follow_assembly([apart] * 4 + [close] * 3).events) == 1


def test_a_ligand_atom_links_what_it_binds():
    far = Atoms("AgAgS", positions=[[0, 0, 0], [4.6, 0, 0], [2.3, 0.6, 0]])
    assert follow_assembly([far]).sizes() == [[2]]
    assert follow_assembly([far], LinkSettings(bridges={})).sizes() == [[1, 1]]


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


def test_what_is_no_trajectory():
    with pytest.raises(ValueError, match="empty"):
        follow_assembly([])
    with pytest.raises(ValueError, match="no Ag in the frames"):
        follow_assembly([Atoms("Cu")])
    with pytest.raises(ValueError, match="other atoms"):
        follow_assembly([Atoms("Ag"), Atoms("Ag2", positions=[[0, 0, 0], [3, 0, 0]])])
    with pytest.raises(ValueError, match="other elements"):
        LinkSettings(bridges={"Ag": 3.0})

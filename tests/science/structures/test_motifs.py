import csv
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.recognition.neighbours import point_group
from aiida_nanoclusters.science.structures.motif_kinds import MOTIFS, Motif, is_multiply_twinned
from aiida_nanoclusters.science.structures.motifs import (
    incomplete_icosahedron,
    mackay_icosahedron,
    mackay_sizes,
    marks_decahedron,
    marks_decahedron_counts,
    motif_family,
    truncated_octahedron,
    truncated_octahedron_size,
    wulff_cluster,
    wulff_sizes,
)

REGULAR = (38, 201, 586, 1289, 2406, 4033, 6266, 9201, 12934, 17561)
COPPER = {(1, 1, 1): 1.34, (1, 0, 0): 1.53, (1, 1, 0): 1.63}


def bonds(atoms, cutoff=1.2):
    return len(cKDTree(atoms.positions).query_pairs(cutoff))


def bond_lengths(atoms, cutoff=1.2):
    i, j = cKDTree(atoms.positions).query_pairs(cutoff, output_type="ndarray").T
    return np.linalg.norm(atoms.positions[i] - atoms.positions[j], axis=1)


def test_mackay_sizes():
    assert mackay_sizes(600) == (13, 55, 147, 309, 561)
    assert mackay_sizes(17885)[-1] == 17885
    assert mackay_sizes(12) == ()


@pytest.mark.parametrize("shells", range(5))
def test_mackay_icosahedron(shells):
    atoms = mackay_icosahedron("Cu", shells, 1.0)
    assert len(atoms) == (1, *mackay_sizes(600))[shells]
    if shells:
        # Tangential over radial bond: the edge of an icosahedron over its circumradius.
        lengths = bond_lengths(atoms)
        stretch = 1 / np.sin(2 * np.pi / 5)
        assert lengths.max() / lengths.min() == pytest.approx(stretch)
        assert (lengths.max() + lengths.min()) / 2 == pytest.approx(1.0)


def test_inner_shells_come_first():
    large, small = mackay_icosahedron("Cu", 3, 1.0), mackay_icosahedron("Cu", 2, 1.0)
    np.testing.assert_allclose(large.positions[:55], small.positions, atol=1e-12)


@pytest.mark.parametrize(
    "atoms",
    [
        mackay_icosahedron("Cu", 2),
        truncated_octahedron("Cu", 4, 1),
        marks_decahedron("Cu", 2, 2, 1),
        wulff_cluster("Cu", COPPER, 200),
        incomplete_icosahedron("Cu", 100),
    ],
    ids=lambda atoms: str(len(atoms)),
)
def test_clusters_are_bare(atoms):
    assert not atoms.get_tags().any()
    assert not atoms.pbc.any()
    assert not atoms.cell.array.any()
    np.testing.assert_allclose(atoms.positions.mean(axis=0), 0, atol=1e-12)
    lengths = bond_lengths(atoms, 1.2 * element("Cu").nearest_neighbour)
    middle = (lengths.min() + lengths.max()) / 2
    assert middle == pytest.approx(element("Cu").nearest_neighbour)


@pytest.mark.parametrize("n", [1, 2, 5, 12, 13, 14, 20, 54, 55, 56, 100, 146, 147, 148, 200, 308])
def test_incomplete_icosahedron_keeps_inner_shells(n):
    atoms = incomplete_icosahedron("Cu", n, 1.0)
    assert len(atoms) == n
    closed = max((size for size in (1, *mackay_sizes(n))), default=1)
    core = mackay_icosahedron("Cu", (1, *mackay_sizes(n)).index(closed), 1.0)
    shifted = atoms.positions - atoms.positions[0]
    np.testing.assert_allclose(shifted[:closed], core.positions - core.positions[0], atol=1e-9)


def test_first_atoms_taken_off_are_vertices():
    # A vertex has 6 bonds; every other atom at the surface more.
    full = bonds(mackay_icosahedron("Cu", 3, 1.0))
    assert full == 696
    for missing in range(1, 8):
        assert bonds(incomplete_icosahedron("Cu", 147 - missing, 1.0)) == full - 6 * missing


def test_incomplete_icosahedron_beats_random_fillings():
    rng = np.random.default_rng(3)
    full = mackay_icosahedron("Cu", 3, 1.0)
    for n in (70, 100, 130):
        kept = [bonds(full[np.r_[0:55, 55 + rng.permutation(92)[: n - 55]]]) for _ in range(20)]
        assert bonds(incomplete_icosahedron("Cu", n, 1.0)) > max(kept)


def test_adding_an_atom_never_costs_bonds():
    counts = [bonds(incomplete_icosahedron("Cu", n, 1.0)) for n in range(55, 148)]
    assert counts[0] == 234
    assert counts[-1] == 696
    assert all(after > before for before, after in pairwise(counts))


def test_incomplete_icosahedron_does_not_depend_on_scale():
    one, two = incomplete_icosahedron("Cu", 110, 1.0), incomplete_icosahedron("Au", 110, 2.9)
    np.testing.assert_allclose(two.positions, 2.9 * one.positions, atol=1e-9)


def relaxed_lennard_jones(atoms):
    """Energy (epsilon) of the nearest minimum, from distances in units of sigma."""
    i, j = np.triu_indices(len(atoms), 1)

    def energy_and_gradient(flat):
        positions = flat.reshape(-1, 3)
        apart = positions[i] - positions[j]
        square = (apart**2).sum(axis=1)
        sixth = square**-3
        pull = ((24 * sixth - 48 * sixth**2) / square)[:, None] * apart
        gradient = np.zeros_like(positions)
        np.add.at(gradient, i, pull)
        np.add.at(gradient, j, -pull)
        return 4 * (sixth**2 - sixth).sum(), gradient.ravel()

    start = atoms.positions.ravel()
    return minimize(
        energy_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": 3000}
    ).fun


@pytest.mark.parametrize(
    "atoms",
    [
        truncated_octahedron("Ar", 4, 1, 1.12),
        marks_decahedron("Ar", 2, 2, 1, 1.12),
        *(incomplete_icosahedron("Ar", n, 1.12) for n in (13, 55, 82, 90, 116, 135, 146, 147)),
    ],
    ids=lambda atoms: str(len(atoms)),
)
def test_known_global_minima_of_lennard_jones(atoms, shared_data):
    with (shared_data / "global_minima" / "lj.csv").open() as file:
        known = {int(row["N"]): row for row in csv.DictReader(file)}
    expected = float(known[len(atoms)]["E_recomputed_from_CCD_coordinates"])
    assert relaxed_lennard_jones(atoms) == pytest.approx(expected, abs=1e-3)


def test_umbrella_above_a_closed_shell():
    # A vertex, its five edges of the new shell, five facets: nothing reaches the equator.
    atoms = incomplete_icosahedron("Cu", 55 + 16, 1.0)
    cap = atoms.positions[55:] - atoms.positions[0]
    directions = cap / np.linalg.norm(cap, axis=1)[:, None]
    pole = directions.mean(axis=0) / np.linalg.norm(directions.mean(axis=0))
    assert (directions @ pole).min() > 0.5


def test_truncated_octahedron_sizes():
    assert [truncated_octahedron_size(3 * k + 1, k) for k in range(1, 11)] == list(REGULAR)
    for length in range(1, 10):
        for cut in range((length - 1) // 2 + 1):
            atoms = truncated_octahedron("Cu", length, cut, 1.0)
            assert len(atoms) == truncated_octahedron_size(length, cut)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_regular_truncated_octahedron(order):
    atoms = truncated_octahedron("Cu", 3 * order + 1, order, 1.0)
    assert len(atoms) == REGULAR[order - 1]
    np.testing.assert_allclose(bond_lengths(atoms), 1.0)


def baletto_ferrando(m, n, p):
    """Size of a Marks decahedron, Rev. Mod. Phys. 77, 371 (2005)."""
    six = 30 * p**3 - 135 * p**2 + 207 * p - 102
    six += 5 * m**3 + (30 * p - 45) * m**2 + (60 * (p**2 - 3 * p) + 136) * m
    six += n * (15 * m**2 + (60 * p - 75) * m + 3 * (10 * p**2 - 30 * p) + 66)
    return six / 6 - 1


@pytest.mark.parametrize("p", [1, 2, 3, 4])
@pytest.mark.parametrize("q", [1, 2, 3])
@pytest.mark.parametrize("r", [0, 1, 2])
def test_marks_decahedron_counts(p, q, r):
    size, contacts = marks_decahedron_counts(p, q, r)
    atoms = marks_decahedron("Cu", p, q, r, 1.0)
    assert size == len(atoms) == baletto_ferrando(p, q, r + 1)
    assert contacts == bonds(atoms)


def test_known_marks_decahedra():
    named = {(2, 2, 1): 75, (2, 3, 1): 101, (3, 2, 1): 146, (3, 3, 1): 192, (4, 3, 1): 318}
    for pqr, size in named.items():
        assert marks_decahedron_counts(*pqr)[0] == size
    assert marks_decahedron_counts(2, 2, 1)[1] == 319  # contacts of the Lennard-Jones minimum LJ75


def test_wulff_with_broken_bond_energies_gives_regular_truncated_octahedra():
    energies = {(1, 1, 1): 1.0, (1, 0, 0): 2 / np.sqrt(3)}
    assert set(REGULAR) <= set(wulff_sizes(energies, 1, 18000))
    for size in REGULAR[:4]:
        wulff = wulff_cluster("Cu", energies, size)
        assert len(wulff) == size
        ideal = truncated_octahedron("Cu", *_regular(size))
        distances, _ = cKDTree(wulff.positions).query(ideal.positions)
        assert distances.max() < 1e-6


def _regular(size):
    order = REGULAR.index(size) + 1
    return 3 * order + 1, order


def test_wulff_with_one_facet_gives_the_polyhedra_of_that_facet():
    octahedra = {truncated_octahedron_size(length, 0) for length in range(1, 12)}
    assert set(wulff_sizes({(1, 1, 1): 1.0}, 1, 891)) == octahedra
    # k^3 conventional cells with all their corners and faces: (k + 1)^3 + 3 k^2 (k + 1) atoms.
    cubes = {(k + 1) ** 3 + 3 * k**2 * (k + 1) for k in range(1, 6)}
    assert {14, 63, 172} < cubes
    assert cubes <= set(wulff_sizes({(1, 0, 0): 1.0}, 1, 700))


def test_wulff_takes_the_nearest_size():
    sizes = np.array(wulff_sizes(COPPER, 1, 3000))
    for wanted in (1, 30, 147, 500, 1000, 1999):
        got = len(wulff_cluster("Cu", COPPER, wanted))
        assert abs(got - wanted) == np.abs(sizes - wanted).min()
    scaled = {facet: 7 * energy for facet, energy in COPPER.items()}
    np.testing.assert_array_equal(
        wulff_cluster("Cu", COPPER, 500).positions, wulff_cluster("Cu", scaled, 500).positions
    )


def test_wulff_shape_follows_the_energies():
    # Wulff's theorem: distances of the facets from the centre go as their energies.
    atoms = wulff_cluster("Cu", {(1, 1, 1): 1.0, (1, 0, 0): 0.9}, 20_000)
    d100 = atoms.positions[:, 0].max()
    d111 = (atoms.positions @ np.ones(3)).max() / np.sqrt(3)
    assert d100 / d111 == pytest.approx(0.9, abs=0.08)


def test_families_are_what_they_build():
    for name in MOTIFS:
        members = motif_family(name, 13, 330)
        sizes = [member.size for member in members]
        assert sizes == sorted(set(sizes))
        assert 13 <= sizes[0] and sizes[-1] <= 330
        for member in members[:: max(1, len(members) // 8)]:
            atoms = member.build("Ag", 2.9)
            assert len(atoms) == member.size
            lengths = bond_lengths(atoms, 1.2 * 2.9)
            assert (lengths.min() + lengths.max()) / 2 == pytest.approx(2.9)


def test_family_sizes():
    def sizes(*args, **kwargs):
        return [member.size for member in motif_family(*args, **kwargs)]

    assert sizes("icosahedron", 13, 17885)[-3:] == [12431, 14993, 17885]
    assert len(sizes("icosahedron", 13, 17885)) == 17
    assert tuple(sizes("truncated octahedron", 13, 17885, shape="regular")) == REGULAR
    best = sizes("truncated octahedron", 13, 600)
    assert best == [19, 38, 79, 116, 140, 201, 260, 314, 405, 459, 586]
    assert {75, 101, 146, 192, 238, 318} <= set(sizes("Marks decahedron", 13, 330))
    assert sizes("Marks decahedron", 10_000, 17885)
    assert sizes("incomplete icosahedron", 20, 25) == [20, 21, 22, 23, 24, 25]
    assert set(REGULAR) <= set(sizes("Wulff", 13, 17885))
    assert motif_family("icosahedron", 56, 146) == []


def test_offered_decahedra_have_few_broken_bonds():
    # Elongated and flat ones are left out: the Ino decahedra 54 and 55, for instance.
    sizes = {member.size for member in motif_family("Marks decahedron", 13, 330)}
    assert not sizes & {54, 55, 111, 147, 181, 309}


def test_ino_decahedra_have_square_faces_and_the_sizes_of_icosahedra():
    # S. Ino, J. Phys. Soc. Jpn. 27, 941 (1969).
    members = motif_family("Ino decahedron", 13, 17885)
    assert tuple(member.size for member in members) == mackay_sizes(17885)
    assert [member.size for member in members][:5] == [13, 55, 147, 309, 561]
    for k, member in enumerate(members[:5], start=2):
        atoms = member.build("Cu", 1.0)
        assert bonds(atoms) == marks_decahedron_counts(k, k, 0)[1]
        assert point_group(atoms) == "D5h"
        # The (100) faces are squares of k by k atoms: the atoms farthest from the axis on one side.
        beside = np.linalg.norm(atoms.positions[:, :2], axis=1)
        ring = atoms.positions[beside > beside.max() - 1e-6]
        assert len(ring) == 5 * k and len(set(ring[:, 2].round(6))) == k
        height = np.ptp(ring[:, 2])
        around = np.linalg.norm((ring - ring[0])[:, :2], axis=1)
        edge = around[around > 1e-6].min()
        assert edge == pytest.approx(height, rel=0.03)  # the strain of the five crystals


def test_a_motif_is_one_row_with_its_family_and_builder(monkeypatch):
    row = Motif("box", False, "decahedra:ino_decahedra", "decahedra:marks_decahedron", ("crate",))
    monkeypatch.setitem(MOTIFS, "box", row)
    (member,) = motif_family("box", 50, 60)
    assert len(member.build("Cu", 1.0)) == member.size == 55
    assert not is_multiply_twinned("Crate")
    with pytest.raises(TypeError, match="family_function"):
        Motif("only a name", True)


def test_names_and_aliases_of_motifs_are_unique():
    names = [name for m in MOTIFS.values() for name in (m.name.lower(), *m.aliases)]
    assert len(set(names)) == len(names)
    assert all(alias == alias.lower() for m in MOTIFS.values() for alias in m.aliases)


def test_members_can_be_kept_in_sets():
    members = motif_family("Wulff", 13, 100, surface_energies=COPPER)
    assert len(set(members)) == len(members) > 3
    assert all(len(member.build("Cu")) == member.size for member in members)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mackay_icosahedron("Cu", -1), "shells"),
        (lambda: mackay_icosahedron("Cu", 2, -1.0), "distance"),
        (lambda: mackay_icosahedron("Xx", 2), "no data for element"),
        (lambda: incomplete_icosahedron("Cu", 0), "n must be"),
        (lambda: truncated_octahedron("Cu", 4, 2), "cut"),
        (lambda: marks_decahedron("Cu", 2, 0, 1), "q >= 1"),
        (lambda: wulff_cluster("Cu", {}, 50), "empty"),
        (lambda: wulff_cluster("Cu", {(1, 1, 1): -1.0}, 50), "positive"),
        (lambda: wulff_cluster("Ru", COPPER, 50), "lattice_constant"),
        (lambda: wulff_cluster("Cu", COPPER, 0), "size"),
        (lambda: motif_family("cube", 13, 100), "icosahedron"),
        (lambda: motif_family("Wulff", 13, 100, shape="worst"), "regular"),
    ],
)
def test_errors_name_the_fix(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""Distances and angles of structures that can be counted, and densities that are known."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from scipy.stats import gaussian_kde, norm

from aiida_nanoclusters.science.nucleation.distributions import (
    StructureSettings,
    distribution,
    distributions,
)
from aiida_nanoclusters.science.nucleation.frame_blocks import frame_weights
from aiida_nanoclusters.science.nucleation.geometry import (
    GeometrySettings,
    Samples,
    ligand_geometries,
    measure,
)
from tests.science.nucleation.test_frame_blocks import correlated
from tests.science.structures.test_molecules import start

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "nucleation" / "solutions.md"
PAIRS = GeometrySettings(name="Ag-Ag", groups=[["Ag"], ["Ag"]], bonds=[3.6])
CORNERS = 3.0 / np.sqrt(2) * np.concatenate([np.eye(3), -np.eye(3)])


def density_of(values, frames, weights=None, geometry=PAIRS, **settings):
    own = StructureSettings(geometries=[geometry], **settings)
    count = int(frames.max()) + 1
    return distribution(Samples(values, frames), geometry, frame_weights(weights, count), own)


# -- what is measured ----------------------------------------------------------------------------


def test_distances_and_angles_of_an_octahedron():
    atoms = Atoms("Ag6", positions=CORNERS)
    (pairs, angles), count = measure([atoms, atoms], ligand("Ag-Ag", "Ag-Ag-Ag"))
    assert count == 2 and np.bincount(pairs.frames).tolist() == [12, 12]
    assert pairs.values == pytest.approx(3.0)
    found = Counter(np.round(angles.values[angles.frames == 1], 6))
    assert found == {60.0: 24, 90.0: 12}  # at each corner four neighbours, two opposite pairs


def ligand(*names):
    return [one for one in ligand_geometries() if one.name in names]


def test_an_atom_and_its_own_periodic_images():
    atoms = Atoms("Ag", cell=[3.0, 3.0, 3.0], pbc=True)
    (pairs, angles), _ = measure([atoms], ligand("Ag-Ag", "Ag-Ag-Ag"))
    assert pairs.values == pytest.approx([3.0] * 3)
    assert Counter(np.round(angles.values, 6)) == {90.0: 12, 180.0: 3}


def test_groups_that_share_atoms_count_each_pair_once():
    atoms = Atoms("Ag3", positions=[[0, 0, 0], [3, 0, 0], [0, 3, 0]])
    one = GeometrySettings(name="own", groups=[["Ag1"], ["Ag"]], bonds=[3.5])
    all_ = GeometrySettings(name="all", groups=[["Ag"], ["Ag"]], bonds=[5.0])
    angle = GeometrySettings(name="angle", groups=[["Ag"], ["Ag1"], ["Ag2"]], bonds=[3.5, 3.5])
    (own, every, angles), _ = measure([atoms], [one, all_, angle])
    assert own.values.tolist() == [3.0, 3.0] and len(every.values) == 3
    assert angles.values == pytest.approx([90.0])


def brute_force(atoms, molecules_of, bonds):
    """Values by ASE's own distances and angles, atom by atom."""
    groups = molecules_of
    if len(groups) == 2:
        pairs = {frozenset((i, j)) for i in groups[0] for j in groups[1] if i != j}
        lengths = [atoms.get_distance(*pair, mic=True) for pair in pairs]
        return sorted(length for length in lengths if length < bonds[0])
    triples = set()
    for vertex in groups[1]:
        near = [
            {i for i in group if i != vertex and atoms.get_distance(i, vertex, mic=True) < reach}
            for group, reach in zip((groups[0], groups[2]), bonds, strict=True)
        ]
        triples |= {(frozenset((i, j)), vertex) for i in near[0] for j in near[1] if i != j}
    return sorted(atoms.get_angle(min(e), v, max(e), mic=True) for e, v in triples)


@pytest.mark.parametrize("name", ["monomer_dimer", "dimer_octahedral"])
def test_published_starts_against_values_atom_by_atom(shared_data, name):
    atoms = start(shared_data, name)
    atoms.positions += [9.0, 8.0, 11.0]  # across the boundaries
    atoms.wrap()
    symbols = np.array(atoms.get_chemical_symbols())
    samples, _ = measure([atoms], ligand_geometries())
    for geometry, found in zip(ligand_geometries(), samples, strict=True):
        groups = [np.flatnonzero(symbols == s).tolist() for s in geometry.name.split("-")]
        expected = brute_force(atoms, groups, geometry.bonds)
        assert np.sort(found.values) == pytest.approx(expected, abs=1e-6)


def test_the_published_octahedron_is_near_the_published_maxima(shared_data):
    found = distributions([start(shared_data, "dimer_octahedral")])
    numbers = {name: round(one.per_frame) for name, one in found.items()}
    assert numbers == {
        "Ag-Ag": 12, "Ag-S": 12, "Ag-N": 6, "Ag-Ag-Ag": 36, "S-Ag-S": 6, "N-Ag-Ag": 24, "N-Ag-S": 12
    }  # fmt: skip
    for name, place in {"Ag-Ag": 2.97, "Ag-S": 2.54, "Ag-N": 2.28}.items():
        mean = found[name].density @ found[name].grid / found[name].density.sum()
        assert mean == pytest.approx(place, abs=0.15)
    assert found["Ag-Ag-Ag"].maxima[0].place == pytest.approx(59, abs=3)
    assert [m.place for m in found["N-Ag-Ag"].maxima] == pytest.approx([81, 138], abs=5)
    assert all(np.isnan(one.error).all() for one in found.values())  # one frame has no error


# -- the density ---------------------------------------------------------------------------------


def test_density_is_that_of_scipy():
    rng = np.random.default_rng(1)
    frames = np.repeat(np.arange(50), 4)
    values, weights = rng.normal(2.7, 0.15, size=200), rng.random(50)
    found = density_of(values, frames, weights)
    own = weights[frames]
    spread = np.sqrt(np.cov(values, aweights=own))
    expected = gaussian_kde(values, bw_method=0.05 / spread, weights=own)(found.grid)
    assert found.density == pytest.approx(expected, abs=2e-3 * expected.max())


@pytest.mark.parametrize("geometry", [PAIRS, ligand("N-Ag-S")[0]], ids=["distance", "angle"])
def test_density_has_the_integral_one_also_at_the_ends_of_the_range(geometry):
    rng = np.random.default_rng(2)
    values = rng.uniform(0, geometry.span, size=5000)
    found = density_of(values, np.arange(5000), geometry=geometry)
    spacing = found.grid[1] - found.grid[0]
    assert found.density.sum() * spacing == pytest.approx(1.0)
    # reflected at both ends, so that it stays flat there
    edge = found.density[[0, -1]]
    assert edge == pytest.approx(1 / geometry.span, abs=5 * found.error[[0, -1]].max())


def test_maxima_of_two_gaussians_and_their_heights():
    rng = np.random.default_rng(3)
    geometry = ligand("N-Ag-Ag")[0]
    values = np.where(rng.random(20000) < 0.6, rng.normal(81, 6, 20000), rng.normal(138, 8, 20000))
    found = density_of(values, np.repeat(np.arange(2000), 10), geometry=geometry)
    high, low = found.maxima
    assert abs(high.place - 81) < 4 * high.error and abs(low.place - 138) < 4 * low.error
    assert high.error < 1 and low.error < 1.5
    # each Gaussian is as wide as it and the kernel together
    assert high.density == pytest.approx(0.6 * norm.pdf(0, scale=np.hypot(6, 3)), rel=0.05)
    assert low.density == pytest.approx(0.4 * norm.pdf(0, scale=np.hypot(8, 3)), rel=0.05)
    assert len(density_of(values, np.arange(20000), geometry=geometry, prominence=0.7).maxima) == 1


def test_bonds_that_end_within_a_rise_make_no_maximum():
    values = np.concatenate([np.linspace(3.0, 3.59, 500), np.full(20, 2.5)])
    found = density_of(values, np.arange(520))
    assert [round(one.place, 1) for one in found.maxima if one.place > 3.5] == []
    straight = density_of(np.full(100, 179.9), np.arange(100), geometry=ligand("N-Ag-S")[0])
    assert straight.maxima[0].place > 179


def test_weights_turn_one_gaussian_into_another():
    """Samples about 2.8 weighted by the ratio of two densities are those about 2.9."""
    rng = np.random.default_rng(4)
    values = rng.normal(2.8, 0.12, size=8000)
    weights = norm.pdf(values, 2.9, 0.08) / norm.pdf(values, 2.8, 0.12)
    found = density_of(values, np.arange(8000), weights)
    exact = norm.pdf(found.grid, 2.9, np.hypot(0.08, 0.05))
    inside = np.abs(found.grid - 2.9) < 0.2
    off = np.abs(found.density - exact)[inside] / found.error[inside]
    assert np.mean(off < 2) > 0.8 and off.max() < 5
    assert abs(found.maxima[0].place - 2.9) < 4 * found.maxima[0].error


def test_errors_cover_density_and_maximum_in_the_stated_share():
    density, place = [], []
    for seed in range(120):
        values = 2.9 + 0.12 * correlated(seed, 2000, 0.9)
        found = density_of(values, np.arange(2000), seed=seed)
        exact = norm.pdf(found.grid, 2.9, np.hypot(0.12, 0.05))
        some = np.searchsorted(found.grid, [2.7, 2.8, 2.9, 3.0, 3.1])
        density.append((np.abs(found.density - exact) < found.error)[some])
        place.append(abs(found.maxima[0].place - 2.9) < found.maxima[0].error)
    assert 0.57 < np.mean(density) < 0.78  # 68 %, with the spread of the trials
    assert 0.53 < np.mean(place) < 0.82


def test_frames_from_end_to_end():
    rng = np.random.default_rng(5)
    box = [12.0, 12.0, 12.0]
    frames = []
    for length in rng.normal(2.9, 0.1, size=400):
        atoms = Atoms("Ag2", positions=[[0.2, 6, 6], [0.2 - length, 6, 6]], cell=box, pbc=True)
        atoms.wrap()
        frames.append(atoms)
    found = distributions(frames, StructureSettings(geometries=[PAIRS]))["Ag-Ag"]
    (maximum,) = found.maxima
    assert abs(maximum.place - 2.9) < 4 * maximum.error < 0.1
    assert found.blocks == 20 and found.per_frame == pytest.approx(1.0)


def test_a_bond_that_is_nowhere_has_no_density():
    atoms = Atoms("Ag2", positions=[[0, 0, 0], [9, 0, 0]])
    found = distributions([atoms] * 5, StructureSettings(geometries=[PAIRS]))["Ag-Ag"]
    assert found.per_frame == 0 and found.maxima == ()
    assert np.isnan(found.density).all() and np.isnan(found.error).all()


def test_frames_and_settings_that_do_not_fit():
    silver = Atoms("Ag2", positions=[[0, 0, 0], [2.9, 0, 0]])
    own = StructureSettings(geometries=[PAIRS])
    with pytest.raises(ValueError, match="empty"):
        distributions([], own)
    with pytest.raises(ValueError, match="frame 1 holds other atoms"):
        distributions([silver, Atoms("Au2", positions=silver.positions)], own)
    lost, flat = silver.copy(), silver.copy()
    lost.positions[1, 2], flat.pbc = np.nan, True
    for wrong, fix in ((lost, "not finite numbers"), (flat, "without a cell vector")):
        with pytest.raises(ValueError, match=f"frame 1 .*{fix}"):
            distributions([silver, wrong], own)
    with pytest.raises(ValueError, match=r"no atom is `S_ligand`"):
        distributions([silver])
    with pytest.raises(ValueError, match="give one for each"):
        distributions([silver], own, weights=[1.0, 1.0])
    groups = [["Ag"], ["Ag"]]
    for fix, wrong in {
        "empty group": {"groups": [["Ag"], []], "bonds": [3.0]},
        "give 1 positive": {"groups": groups, "bonds": [3.0, 3.0]},
        "positive `bonds`": {"groups": groups, "bonds": [-3.0]},
        "wider than a quarter": {"groups": groups, "bonds": [3.0], "bandwidth": 1.0},
    }.items():
        assert fix in (GeometrySettings.problem({"name": "Ag-Ag", **wrong}) or "")
    assert "name of its own" in (StructureSettings.problem({"geometries": [PAIRS, PAIRS]}) or "")


def test_names_of_elements():
    names = [one.elements for one in ligand_geometries()]
    assert names[3:] == ["Ag-Ag-Ag", "S-Ag-S", "Ag-Ag-N", "N-Ag-S"]
    mixed = GeometrySettings(name="M-S", groups=[["Ag", "Au"], ["S"]], bonds=[3.0])
    assert mixed.elements is None
    assert [one.name for one in ligand_geometries("Au")][:2] == ["Au-Au", "Au-S"]


@pytest.mark.skipif(not PAGE.is_file(), reason="the page lies in a checkout only")
def test_the_example_of_the_page_runs(capsys):
    section = PAGE.read_text().split("## Structure in solution")[1].split("\n## ")[0]
    blocks = section.split("```python\n")[1:]
    names: dict = {}
    for block in blocks:
        exec(block.split("```")[0], names)
    assert "Ag-Ag: 2.9" in capsys.readouterr().out

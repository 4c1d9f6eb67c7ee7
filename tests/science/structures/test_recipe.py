import sys
from pathlib import Path

import numpy as np
import pytest

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.structures.recipe import (
    build_entry,
    convergence_test_entries,
    distort,
    entry_of,
    largest_convergence_test,
    thin,
)
from aiida_nanoclusters.science.structures.recipe_checks import recipe_problem
from aiida_nanoclusters.science.structures.settings import ENTRIES, Entry

DOCS = Path(__file__).parents[3] / "docs"
BOND = 2.556
FCC = {"kind": "bulk", "lattices": ["fcc"], "repeat": 1}


def build(entry, index=0):
    return build_entry(entry, index, "Cu", BOND, seed=1)


def test_dimer_curve_spans_what_is_asked() -> None:
    frames = build({"kind": "dimer", "nearest": 0.8, "farthest": 2.0, "count": 7})
    lengths = [atoms.get_distance(0, 1) for atoms in frames]
    assert np.allclose(lengths, BOND * np.linspace(0.8, 2.0, 7))


@pytest.mark.parametrize(("lattice", "neighbours"), [("fcc", 12), ("hcp", 12), ("bcc", 8)])
def test_crystals_have_the_bond_length(lattice, neighbours) -> None:
    (atoms,) = build({"kind": "bulk", "lattices": [lattice], "repeat": 3})
    distances = atoms.get_distances(0, range(1, len(atoms)), mic=True)
    assert np.isclose(distances.min(), BOND)
    assert np.isclose(distances, BOND).sum() == neighbours


def test_every_frame_has_its_origin() -> None:
    frames = Frames.concatenate(
        [
            build({"kind": "motif", "motif": "icosahedron", "sizes": [13, 55]}, 0),
            build({"kind": "slab", "facets": [111], "layers": 6, "repeat": 1, "vacuum": 12.0}, 1),
        ]
    )
    assert list(frames.sizes) == [13, 55, 6]
    assert list(frames.config_types) == ["icosahedron", "icosahedron", "slab"]
    assert len(set(frames.parents)) == 3
    assert list(entry_of(frames)) == [0, 0, 1]


def test_distort_counts_and_keeps_the_original() -> None:
    frames = build({"kind": "bulk", "lattices": ["fcc"], "repeat": 1})
    how = {"strains": [-0.02, 0.02], "random_strains": [0.01], "rattles": [0.05], "copies": 3}
    varied = distort(frames, how, seed=2)
    # (as it is + 2 strains + 3 random strains) x (unrattled + 3 rattled)
    assert len(varied) == 6 * 4
    assert np.array_equal(varied[0].positions, frames[0].positions)
    volumes = np.array([a.get_volume() for a in varied]) / frames[0].get_volume()
    assert np.allclose(volumes[[0, 4, 8]], [1.0, 0.98**3, 1.02**3])
    assert set(varied.parents) == set(frames.parents)


def test_uniaxial_strain_keeps_the_volume_to_first_order() -> None:
    frames = build({"kind": "bulk", "lattices": ["fcc"], "repeat": 1})
    varied = distort(frames, {"uniaxial": [0.03]}, seed=2)
    assert len(varied) == 3
    for atoms in varied:
        assert abs(atoms.get_volume() / frames[0].get_volume() - 1.0) < 2 * 0.03**2
    along_z = varied[2].cell.array / frames[0].cell.array.max()
    assert np.allclose(np.diag(along_z), [0.985, 0.985, 1.03])


def test_rattle_has_the_amplitude_asked_for() -> None:
    frames = build({"kind": "motif", "motif": "icosahedron", "sizes": [561]})
    moved = distort(frames, {"rattles": [0.1]}, seed=5)[1].positions - frames[0].positions
    assert abs(moved.std() - 0.1) < 0.005


def test_stackings_are_crystals_or_slabs() -> None:
    entry = {"kind": "stacking", "sequences": ["ABCABCBACB"], "repeat": 1, "vacuum": 0}
    (crystal,) = build(entry)
    (slab,) = build({**entry, "vacuum": 12.0})
    spacing = BOND * np.sqrt(2 / 3)
    assert np.isclose(crystal.cell[2, 2], 10 * spacing)
    assert np.isclose(slab.cell[2, 2], 9 * spacing + 12.0)
    heights = np.sort(slab.positions[:, 2])
    assert np.allclose(np.diff(heights), spacing)
    assert np.isclose(heights[0], 6.0) and np.isclose(slab.cell[2, 2] - heights[-1], 6.0)


def test_thin_keeps_small_classes_whole() -> None:
    frames = Frames.concatenate(
        [
            build({"kind": "dimer", "nearest": 0.8, "farthest": 2.0, "count": 5}),
            distort(
                build({"kind": "bulk", "lattices": ["fcc"], "repeat": 1}),
                {"rattles": [0.1], "copies": 99},
                seed=1,
            ),
        ]
    )
    thinned = thin(frames, 30, seed=1)
    assert len(thinned) == 30
    assert (thinned.config_types == "dimer").sum() == 5
    assert thin(frames, 30, 1).content_hashes() == thinned.content_hashes()
    assert thin(frames, None, 1) is frames


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ([], "empty"),
        ([{"kind": "blob"}], "unknown kind 'blob': choose from atom"),
        (
            [{"kind": "atom", "distort": {"wobble": 1}}],
            "unknown setting `distort.wobble`: choose among strains",
        ),
        ([{"kind": "atom", "sample": {}, "distort": {}}], None),
        (
            [{"kind": "atom", "sample": {"pressures": [1.0]}}],
            "`sample.temperatures` is missing: give Temperatures",
        ),
        ([{"kind": "atom"}], None),
        (["atom"], "entry 0: write it as {kind: ...}"),
        ([{"kind": "cluster", "sizes": range(10, 12), "structures": 1}], None),
        ([{"kind": "cluster", "sizes": [13], "structures": 0}], "`structures` is 0"),
        (
            [{"kind": "minima", "sizes": [13], "structures": "3"}],
            "`structures` is '3': input should be",
        ),
        ([{**FCC, "lattices": "fcc"}], "`lattices` is 'fcc': input should be a valid list"),
        ([{**FCC, "lattices": []}], "`lattices` is []: list should have at least 1"),
        ([{**FCC, "repeat": 0}], "`repeat` is 0"),
        ([{**FCC, "repeat": [2, 2]}], "entry 0 (bulk): `repeat` is [2, 2]"),
        ([{"kind": "motif", "motif": "icosahedron", "sizes": [1]}], "the nearest are 13, 55"),
        ([{"kind": "atom", "distort": {"strains": 0.02}}], "`distort.strains` is 0.02: input"),
        (
            [{"kind": "atom", "distort": {"strains": ["1e-2"]}}],
            "strains.0` is '1e-2': input should be",
        ),
        ([{"kind": "atom", "distort": {"copies": 0}}], "`distort.copies` is 0"),
        ([{"kind": "atom", "distort": True}], "`distort` is True: input should be"),
        ([{"kind": "atom", "sample": {"temperatures": [300]}}], "no motion"),
        ([{**FCC, "sample": {"temperatures": [0]}}], "greater than 0 K"),
        (
            [{"kind": "atom", "distort": {"strains": None}}],
            "`distort.strains` is None: input should be",
        ),
        ([{**FCC, "sample": {"temperatures": [300], "pressures": None}}], None),
        (
            [{**FCC, "sample": {"temperatures": [300]}, "convergence_test": True}],
            "structures are clusters",
        ),
        (
            [{"kind": "cluster", "sizes": 13, "structures": 1}],
            "`sizes` is 13: input should be a valid list",
        ),
        ([{"kind": "cluster", "sizes": [13]}], "`structures` is missing: give Structures of"),
        (
            [{"kind": "cluster", "sizes": [13], "structures": 1, "wobble": [1]}],
            "unknown setting `wobble`",
        ),
        ([{"kind": "cluster", "sizes": [13], "structures": 1}], None),
        (
            [{"kind": "motif", "motif": "icosahedron", "sizes": [100]}],
            "no icosahedron of 100 atoms: give sizes of its closed shells, the nearest are 13, 55",
        ),
        ([{"kind": "atom", "sample": {"temperatures": ["0.8Tm"]}}], "such as `0.8 Tm`"),
        ([{**FCC, "lattices": ["fcc", "bct"]}], "unknown lattice 'bct'"),
        ([{**FCC, "lattices": ["fcc", "bcc", "hcp", "dhcp"]}], None),
        (
            [{"kind": "slab", "facets": [111, 100], "layers": 3, "repeat": 1, "vacuum": 9.0}],
            None,
        ),
        ([{"kind": "stacking", "sequences": ["AB", "ABC"], "repeat": 1, "vacuum": 9}], None),
        ([{"kind": "minima", "sizes": [10], "relax": True}], "relaxed already"),
        ([{"kind": "minima", "sizes": [10], "count": 3}], "unknown setting `count`"),
        (
            [
                {
                    "kind": "minima",
                    "sizes": [10],
                    "convergence_test": True,
                    "sample": {"temperatures": [300]},
                }
            ],
            "convergence-test structures are clusters: give a `cluster`",
        ),
    ],
)
def test_recipes_are_checked(recipe, message) -> None:
    problem = recipe_problem(recipe)
    assert (problem is None) if message is None else (message in problem)


def test_the_largest_convergence_test_is_that_of_the_recipe() -> None:
    cluster = {"kind": "cluster", "sizes": [309], "structures": 1}
    motif = {"kind": "motif", "motif": "icosahedron", "sizes": [55, 147]}
    for name in ("convergence_test", "probe"):  # its name now and in earlier versions
        recipe = [cluster, {**motif, name: True}]
        assert largest_convergence_test(recipe) == 147
        assert convergence_test_entries(recipe) == [1]
    assert largest_convergence_test([{"kind": "atom"}]) is None


def test_the_page_of_recipes_shows_every_setting(monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", [str(DOCS), *sys.path])
    from recipe_tables import recipe_tables

    page = recipe_tables()
    for kind, model in ENTRIES.items():
        own = page.partition(f"\n## `{kind}`\n")[2].partition("\n## ")[0]
        shared = page.partition("\n## `atom`\n")[0]
        for row in model.table():
            if row.name != "kind":
                assert row.description.endswith("."), row.name
                section = shared if row.name in Entry.model_fields else own
                assert f"`{row.name}` | {row.description} | {row.unit} |" in section


def test_wrong_arguments_name_the_entry() -> None:
    with pytest.raises(ValueError, match=r"entry 3 \(dimer\)"):
        build({"kind": "dimer", "nearest": 1.0}, 3)
    with pytest.raises(ValueError, match="no icosahedron of 54 atoms"):
        build({"kind": "motif", "motif": "icosahedron", "sizes": [54]})

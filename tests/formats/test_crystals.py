"""Crystal structures: symmetry, disorder, and the grammar of their files."""

import os

import ase
import ase.io
import numpy as np
import pytest
from ase.spacegroup import Spacegroup

from aiida_nanoclusters.formats.cluster_files import read_cluster_file
from aiida_nanoclusters.formats.crystal_symmetry import operations, read_operation
from aiida_nanoclusters.formats.star_text import number, read_blocks
from aiida_nanoclusters.science.ligands.core_split import NotACluster, split_cluster
from aiida_nanoclusters.science.ligands.split_settings import SplitSettings
from tests import protected_clusters as made
from tests.protected_clusters import tetrahedron, with_ligand

CELL = np.array([24.0, 25.0, 26.0])
INVERSION = ["x,y,z", "-x,-y,-z"]


def cif(rows, symmetry=("x, y, z",), extra=""):
    """A file as refinement programs write it; rows are label, symbol, position (Å), and more."""
    lines = ["data_test", "_audit_creation_method 'by hand'", extra]
    lines += [f"_cell_length_{k} {x}(2)" for k, x in zip("abc", CELL, strict=True)]
    lines += [f"_cell_angle_{k} 90.00" for k in ("alpha", "beta", "gamma")]
    lines += ["loop_", "_space_group_symop_operation_xyz", *(f"'{s}'" for s in symmetry)]
    lines += ["loop_", "_atom_site_label", "_atom_site_type_symbol"]
    lines += [f"_atom_site_fract_{k}" for k in "xyz"]
    lines += ["_atom_site_occupancy", "_atom_site_disorder_assembly", "_atom_site_disorder_group"]
    for label, symbol, position, *more in rows:
        occupancy, group = [*more, *(1, ".")[len(more) :]]
        x, y, z = np.asarray(position) / CELL
        lines.append(f"{label} {symbol} {x:.6f}(3) {y:.6f} {z:.6f} {occupancy} . {group}")
    return "\n".join([*lines, "#END"])


def rows_of(atoms, occupancy=1, group="."):
    return [
        (f"{atom.symbol}{k}'", atom.symbol, atom.position, occupancy, group)
        for k, atom in enumerate(atoms)
    ]


@pytest.fixture(scope="module")
def cluster():
    atoms = tetrahedron()
    for k in range(3):
        atoms = with_ligand(atoms, made.ACETATE_BY_ONE, k)
    return with_ligand(atoms, made.PPH3, 3)


FORMULA = "Au4(C2H3O2)3(C18H15P)"


@pytest.fixture
def read(tmp_path):
    def read(rows, settings=None, **options):
        path = tmp_path / "crystal.cif"
        path.write_text(cif(rows, **options))
        ((atoms, _, _),) = read_cluster_file(path, settings or SplitSettings())
        return atoms

    return read


def formulas(atoms):
    return [found.formula for found in split_cluster(atoms)]


def test_a_cluster_in_a_cell(read, cluster):
    atoms = read(rows_of(cluster))
    assert len(atoms) == len(cluster) and atoms.pbc.all()
    assert formulas(atoms) == [FORMULA]


def test_symmetry_makes_the_other_half_of_a_cluster(read):
    """A cluster with a centre of inversion, of which the file has one half."""
    half = tetrahedron("Ag", 2.9)[:2]
    half.positions += [0.6, 0.4, 1.2] - half.positions.mean(axis=0)
    whole = half + half
    whole.positions[2:] *= -1
    for k in range(2):
        whole = with_ligand(whole, made.PHENYLALKYNYL, k)
    ligands = whole[4:]
    mirrored = ligands.copy()
    mirrored.positions *= -1
    expected = split_cluster(whole + mirrored)[0]
    atoms = read(rows_of(half + ligands), symmetry=INVERSION)
    assert len(atoms) == 2 * len(half + ligands)
    (found,) = split_cluster(atoms)
    assert found.formula == expected.formula == "Ag4(C8H5)4"
    assert found.ligands == expected.ligands
    ours, theirs = (np.sort(a.core.get_all_distances(), axis=None) for a in (found, expected))
    assert np.allclose(ours, theirs, atol=1e-3)


def test_copies_by_symmetry_are_duplicates(read, cluster):
    moved = cluster.copy()
    moved.positions += [6, 6.25, 6.5]
    atoms = read(rows_of(moved), symmetry=INVERSION)
    assert len(atoms) == 2 * len(cluster)
    assert formulas(atoms) == [FORMULA]


def test_atoms_on_special_positions_are_there_once(read):
    atoms = read([("Au1", "Au", [0, 0, 0]), ("Au2", "Au", [12, 0.02, 0])], symmetry=INVERSION)
    assert len(atoms) == 2


def test_minor_alternatives_are_left_out(read, cluster):
    """Three acetates in two positions each, of which the file gives the occupancies."""
    minor = cluster.copy()
    minor.rotate(12, (1, 2, 3))
    organic = [k for k in range(4, len(cluster))]
    rows = rows_of(cluster[:4]) + rows_of(cluster[organic], 0.6, 1)
    atoms = read(rows + rows_of(minor[organic], 0.4, 2))
    assert formulas(atoms) == [FORMULA]
    assert f"{len(organic)} atoms of less occupied alternatives" in atoms.info["disorder"]
    found = np.sort(split_cluster(atoms)[0].core.get_all_distances(), axis=None)
    assert np.allclose(found, np.sort(cluster[:4].get_all_distances(), axis=None), atol=1e-3)
    # the other way round the second alternative is taken, also where others have the first
    rows = rows_of(cluster[:4]) + rows_of(cluster[organic], 0.3, 1)
    atoms = read(rows + rows_of(minor[organic], 0.7, 2))
    assert formulas(atoms) == [FORMULA]


def test_each_disordered_part_has_its_own_alternative(read, cluster):
    water = ase.build.molecule("H2O")
    water.positions += [12, 12, 12]
    other = water.copy()
    other.positions += 0.4
    methanol = ase.build.molecule("CH3OH")
    methanol.positions += [12, 12, 20]
    turned = methanol.copy()
    turned.positions += 0.4
    rows = rows_of(cluster) + rows_of(water, 0.7, 1) + rows_of(other, 0.3, 2)
    rows += rows_of(methanol, 0.2, 1) + rows_of(turned, 0.8, 2)
    atoms = read(rows)
    (found,) = split_cluster(atoms)
    assert found.removed == ("CH4O", "H2O")
    assert len(atoms) == len(cluster) + 9
    assert np.abs(atoms.positions - turned.positions[0]).sum(axis=1).min() < 1e-3


def test_a_ligand_across_a_centre_is_taken_once(read, cluster):
    """A solvent and a methyl group that symmetry lays on themselves (PART -1)."""
    benzene = ase.build.molecule("C6H6")
    benzene.positions += [12.3, 12.7, 13.2]
    moved = cluster.copy()
    moved.positions += [6, 6, 6]
    atoms = read(
        rows_of(moved) + rows_of(benzene, 0.5, -1),
        symmetry=["x,y,z", "1-x,1-y,1-z"],
        settings=SplitSettings(),
    )
    (found,) = split_cluster(atoms)
    assert found.formula == FORMULA and found.removed == ("C6H6",)
    assert "symmetry lays on others" in atoms.info["disorder"]


def test_shared_sites_are_refused_or_taken_as_the_more_occupied(read, cluster):
    rows = rows_of(cluster)
    rows[0] = ("Au0", "Au", cluster.positions[0], 0.6, ".")
    rows.append(("Ag0", "Ag", cluster.positions[0], 0.4, "."))
    with pytest.raises(NotACluster, match="Ag/Au share sites") as caught:
        read(rows)
    assert caught.value.reason == "disorder"
    atoms = read(rows, settings=SplitSettings(mixed_sites="major"))
    assert formulas(atoms) == [FORMULA]
    rows[-1] = ("Ag0", "Ag", cluster.positions[0] + [0.1, 0, 0], 0.7, 2)
    rows[0] = ("Au0", "Au", cluster.positions[0], 0.3, 1)
    with pytest.raises(NotACluster, match="share sites"):
        read(rows)
    atoms = read(rows, settings=SplitSettings(mixed_sites="major"))
    assert formulas(atoms) == ["AgAu3(C2H3O2)3(C18H15P)"]


def test_rare_atoms_are_left_out_and_vacant_metals_named(read, cluster):
    rows = rows_of(cluster)
    rows[0] = ("Au0", "Au", cluster.positions[0], 0.9, ".")
    atoms = read([*rows, ("O9", "O", [12, 12, 12], 0.25, ".")])
    assert "1 atoms of occupancy below 0.5" in atoms.info["disorder"]
    assert "1 metal sites are not fully occupied" in atoms.info["disorder"]
    assert split_cluster(atoms)[0].removed == ()


def test_a_crystal_without_hydrogen_is_refused_by_name(read, cluster):
    bare = cluster[[k for k in range(len(cluster)) if cluster.symbols[k] != "H"]]
    with pytest.raises(NotACluster, match="lacks hydrogen") as caught:
        split_cluster(read(rows_of(bare)))
    assert caught.value.reason == "hydrogens_missing"


def test_a_reason_tells_what_was_done_about_disorder(read, cluster):
    rows = rows_of(cluster)
    carbon = next(k for k in range(4, len(cluster)) if cluster.symbols[k] == "C")
    rows[carbon] = (*rows[carbon][:3], 0.3, ".")
    with pytest.raises(NotACluster, match=r"disorder: 1 atoms of occupancy below 0\.5"):
        split_cluster(read(rows))


def test_symmetry_of_the_space_group_where_operations_are_missing(tmp_path):
    path = tmp_path / "copper.cif"
    lines = [f"_cell_length_{k} 3.61" for k in "abc"]
    lines += [f"_cell_angle_{k} 90" for k in ("alpha", "beta", "gamma")]
    sites = "loop_ _atom_site_label _atom_site_fract_x _atom_site_fract_y _atom_site_fract_z"
    for group in ("_symmetry_Int_Tables_number 225", "_symmetry_space_group_name_H-M 'F m -3 m'"):
        path.write_text("\n".join(["data_cu", *lines, group, sites, "Cu1 0 0 0"]))
        ((atoms, _, _),) = read_cluster_file(path)
        assert atoms.get_chemical_formula() == "Cu4"
    path.write_text("\n".join(["data_cu", *lines, group.replace("F m", "Q m"), sites, "Cu1 0 0 0"]))
    with pytest.raises(ValueError, match="give the symmetry operations"):
        read_cluster_file(path)


def test_minerals_are_as_ase_reads_them():
    folder = os.path.join(os.path.dirname(ase.__file__), "test", "testdata", "minerals")
    if not os.path.isdir(folder):
        pytest.skip("this ASE is installed without its test data")
    names = sorted(n for n in os.listdir(folder) if n.endswith(".cif"))
    for name in names:
        theirs = ase.io.read(os.path.join(folder, name))
        ((ours, _, _),) = read_cluster_file(
            os.path.join(folder, name), SplitSettings(mixed_sites="major")
        )
        assert ours.symbols.formula.count() == theirs.symbols.formula.count(), name
        assert np.isclose(ours.cell.volume, theirs.cell.volume)


@pytest.mark.parametrize("group", [2, 14, 61, 148, 205, 225])
def test_operations_by_their_texts_and_by_the_group(group):
    space = Spacegroup(group)
    texts = [
        ",".join(
            "".join(
                f"{'+' if c > 0 else '-'}{axis}" for c, axis in zip(row, "xyz", strict=True) if c
            )
            + f"{t:+.6f}"
            for row, t in zip(rotation, translation, strict=True)
        )
        for rotation, translation in zip(*space.get_op(), strict=True)
    ]
    assert np.allclose(operations(texts, "", ""), operations([], "", str(group)), atol=1e-5)


def test_operations():
    assert np.allclose(
        read_operation("-x+1/2, Y ,1/2-z"), [[-1, 0, 0, 0.5], [0, 1, 0, 0], [0, 0, -1, 0.5]]
    )
    assert np.allclose(read_operation("x-y,x,z+.25")[0], [1, -1, 0, 0])
    for wrong in (
        "x,y",
        "x,y,z,x",
        "x,y,q",
        "x,x,z",
        "x,y,1/0+z",
        "",
        "__import__('os')",
        "2x,y,z",
    ):
        with pytest.raises(ValueError, match="no symmetry operation"):
            read_operation(wrong)
    with pytest.raises(ValueError, match="more than any space group"):
        operations(["x,y,z"] * 193, "", "")


def test_grammar():
    text = """# comment
data_one
_name 'O'Neil & co'  # comment
_hkl
;
 1 0 0 loop_ data_ _x
 'unbalanced
;
_open ?
loop_
_a _b
1 "two words" 3.5(2)
;
text
;
data_two
_A.B 'x' save_ """
    first, second = read_blocks(text)
    assert first.name == "one" and second.name == "two"
    assert first.values["_name"] == "O'Neil & co"
    assert "unbalanced" in first.values["_hkl"]
    assert first.columns == {"_a": ["1", "3.5(2)"], "_b": ["two words", "text"]}
    assert first.value("_open") == "" and first.value("_open", "_name") == "O'Neil & co"
    assert first.column("_c", "_name") == ["O'Neil & co"] and first.column("_c") == []
    assert second.values == {"_a.b": "x"}
    broken = ("x", "data_a\nloop_\n_a _b\n1 2 3", "data_a\n_a", "data_a 5")
    for wrong in broken:
        with pytest.raises(ValueError, match=r"data block|values|no value|no name"):
            read_blocks(wrong)


def test_quotes_that_are_not_closed_cost_no_time():
    text = "data_a\n_x " + " 'a" * 200_000
    assert read_blocks(text)[0].values["_x"].startswith("a 'a")
    with pytest.raises(ValueError, match="belongs to no name"):
        read_blocks("data_a\n" + ";\n" * 100_001)


def test_numbers():
    assert [number(t) for t in ("1", "-.5", "1.25(3)", "2.(1)", "1e-3")] == [1, -0.5, 1.25, 2, 1e-3]
    for wrong in ("nan", "inf", "1,5", "", "1e999999", "0x10", "1_0", "?"):
        with pytest.raises(ValueError, match="no number"):
            number(wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("_cell_length_a", "_cell_length_q"), "`_cell_length_a` is missing"),
        (("24.0(2)", "0"), "its cell is none"),
        (("24.0(2)", "1e300"), "its cell is none"),
        (("_cell_angle_beta 90.00", "_cell_angle_beta 180"), "no volume|cannot be read"),
        (("'x, y, z'", "'exit()'"), "no symmetry operation"),
        ((" Au ", " Qq "), "no chemical symbol"),
        (("0.060000(3)", "abc"), "no number"),
    ],
)
def test_crystals_that_are_wrong_are_refused(tmp_path, change, message):
    path = tmp_path / "a.cif"
    path.write_text(cif([("??", "Au", [0.06 * 24, 0, 0])]).replace(*change))
    with pytest.raises(ValueError, match=message):
        read_cluster_file(path)


def test_too_many_atoms_are_refused(tmp_path):
    path = tmp_path / "a.cif"
    path.write_text(cif(rows_of(tetrahedron()), symmetry=["x,y,z"] * 100))
    with pytest.raises(NotACluster, match="raise `most_atoms`"):
        read_cluster_file(path, SplitSettings(most_atoms=20))


def test_heaps_of_atoms_are_refused(tmp_path):
    path = tmp_path / "a.cif"
    path.write_text(cif([("Au1", "Au", CELL * k) for k in range(3000)]))
    with pytest.raises(ValueError, match="within 1 Å"):
        read_cluster_file(path)


def test_labels_and_types_of_atoms(read):
    rows = [
        ("AU1", "?", [1, 1, 1]),
        ("CA1", "?", [5, 1, 1]),
        ("D1", "D", [9, 1, 1]),
        ("x", "Ag1+", [13, 1, 1]),
        ("Cl2", "?", [17, 1, 1]),
        ("X", "CU", [21, 1, 1]),
    ]
    assert read(rows).get_chemical_symbols() == ["Au", "C", "H", "Ag", "Cl", "Cu"]


def test_names_in_an_old_encoding(tmp_path, cluster):
    path = tmp_path / "a.cif"
    path.write_bytes(cif(rows_of(cluster), extra="_author 'Müller'").encode("latin-1"))
    ((atoms, _, _),) = read_cluster_file(path)
    assert formulas(atoms) == [FORMULA]

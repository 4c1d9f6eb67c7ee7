"""Files of protected clusters, of each kind, and what is refused of them."""

import gzip

import ase.io
import numpy as np
import pytest

from aiida_nanoclusters.formats.cluster_files import (
    find_cluster_files,
    read_charges,
    read_cluster_file,
    read_clusters,
)
from aiida_nanoclusters.science.ligands.core_split import split_cluster
from tests import protected_clusters as made
from tests.protected_clusters import tetrahedron, with_ligand


@pytest.fixture(scope="module")
def cluster():
    atoms = tetrahedron()
    for k in range(4):
        atoms = with_ligand(atoms, made.ACETATE_BY_ONE, k)
    return atoms


def mol2(*molecules):
    lines = []
    for atoms in molecules:
        lines += ["# made by hand", "@<TRIPOS>MOLECULE", "ABCDEF", f"{len(atoms)} 1 1", "SMALL", ""]
        lines.append("@<TRIPOS>ATOM")
        kinds = {"C": "C.3", "O": "O.co2", "H": "H", "Au": "Au", "Cl": "CL"}
        for k, atom in enumerate(atoms):
            x, y, z = atom.position
            kind = kinds.get(atom.symbol, atom.symbol)
            lines.append(f"{k + 1} {atom.symbol}{k} {x:.4f} {y:.4f} {z:.4f} {kind} 1 RES1 0.0")
        lines += ["@<TRIPOS>BOND", "1 1 2 1", "@<TRIPOS>CRYSIN", "10 10 10 90 90 90 1 1"]
    return "\n".join(lines)


def split(path):
    ((atoms, origin, charge),) = read_cluster_file(path)
    (found,) = split_cluster(atoms, charge)
    return found, origin


def test_all_kinds_hold_the_same_cluster(tmp_path, cluster):
    ase.io.write(tmp_path / "a.xyz", cluster, format="xyz")
    ase.io.write(tmp_path / "b.extxyz", cluster, format="extxyz")
    (tmp_path / "c.mol2").write_text(mol2(cluster))
    boxed = cluster.copy()
    boxed.cell, boxed.pbc = [25, 26, 27], True
    ase.io.write(tmp_path / "d.cif", boxed, format="cif")
    with gzip.open(tmp_path / "e.mol2.gz", "wt") as handle:
        handle.write(mol2(cluster))
    (tmp_path / "notes.txt").write_text("no cluster")
    files = list(find_cluster_files([tmp_path]))
    assert [path.name for path in files] == ["a.xyz", "b.extxyz", "c.mol2", "d.cif", "e.mol2.gz"]
    for path in files:
        found, origin = split(path)
        assert found.formula == "Au4(C2H3O2)4"
        assert found.ligand_set == ("CC([O])=O",)
        assert origin == path.name
        assert not found.core.pbc.any()


def test_several_structures_of_a_file_are_numbered(tmp_path, cluster):
    (tmp_path / "two.mol2").write_text(mol2(cluster, cluster))
    names = [origin for _, origin, _ in read_cluster_file(tmp_path / "two.mol2")]
    assert names == ["two.mol2#1", "two.mol2#2"]


def test_charges(tmp_path, cluster):
    for name, told in (("a", -1), ("b", None), ("c", 3)):
        atoms = cluster.copy()
        if told is not None:
            atoms.info["charge"] = told
        ase.io.write(tmp_path / f"{name}.extxyz", atoms)
    (tmp_path / "charges.csv").write_text("file, charge\na.extxyz, +2\nother.xyz, 0\n")
    entries, left_out = read_clusters([tmp_path])
    assert [(o, q) for _, o, q in entries] == [("a.extxyz", 2), ("b.extxyz", None), ("c.extxyz", 3)]
    assert left_out == []


@pytest.mark.parametrize("text", ["name,charge\na,1", "file,charge\na,one", "file,charge\na,1.5"])
def test_a_table_of_charges_that_is_wrong_is_refused(tmp_path, text):
    (tmp_path / "charges.csv").write_text(text)
    with pytest.raises(ValueError, match=r"charges\.csv"):
        read_charges(tmp_path / "charges.csv")
    assert read_charges(tmp_path / "none.csv") == {}


def test_folders_name_what_they_leave_out(tmp_path, cluster):
    (tmp_path / "deep").mkdir()
    ase.io.write(tmp_path / "deep" / "good.xyz", cluster)
    (tmp_path / "deep" / "bad.xyz").write_text("999999999\n\nAu 0 0 0\n")
    (tmp_path / "empty.cif").write_text("data_a\n_cell_length_a 3\n")
    (tmp_path / "loop").symlink_to(tmp_path)
    entries, left_out = read_clusters([tmp_path])
    assert [origin for _, origin, _ in entries] == ["deep/good.xyz"]
    assert [row["origin"] for row in left_out] == ["deep/bad.xyz", "empty.cif"]
    assert {row["reason"] for row in left_out} == {"unreadable"}
    assert "atoms" in left_out[0]["message"] and "no structure" in left_out[1]["message"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.pdb", "ATOM", "of no kind that is read here"),
        ("a.xyz", "", "cannot be read|has no structure"),
        ("a.xyz", "2\n\nAu 0 0 0\n", "cannot be read"),
        ("a.mol2", "@<TRIPOS>ATOM\n1 C1 0 0 0 C.3\n", "no atom of a molecule"),
        ("a.mol2", "@<TRIPOS>MOLECULE\nx\n@<TRIPOS>ATOM\n1 C1 0 0\n", "no atom of a molecule"),
        ("a.mol2", "@<TRIPOS>MOLECULE\nx\n@<TRIPOS>ATOM\n1 C1 0 nan 0 C.3\n", "no number"),
        ("a.mol2", "@<TRIPOS>MOLECULE\nx\n@<TRIPOS>ATOM\n1 ? 0 0 0 Du\n", "no chemical symbol"),
        ("a.mol2", "", "has no structure"),
    ],
)
def test_files_that_are_wrong_are_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_cluster_file(tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="no file at"):
        read_cluster_file(tmp_path / "none.xyz")


def test_the_cell_of_mol2_is_not_applied(tmp_path, cluster):
    """Programs write whole molecules, with the cell beside them."""
    (tmp_path / "a.mol2").write_text(mol2(cluster))
    ((atoms, _, _),) = read_cluster_file(tmp_path / "a.mol2")
    assert not atoms.pbc.any()
    assert np.allclose(atoms.positions, cluster.positions, atol=1e-4)

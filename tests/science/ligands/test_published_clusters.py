"""All clusters of a published database, against the formulas and ligands of its table."""

import sqlite3

import pytest

from aiida_nanoclusters.formats.cluster_files import read_cluster_file, read_clusters
from aiida_nanoclusters.science.ligands.core_split import canonical_ligand, split_cluster

pytest.importorskip("rdkit", reason='pip install "aiida-nanoclusters[ligands]"')

#: Ligands by the names of the table.
LIGANDS = {
    "CYCLOHEX": "SC1CCCCC1",
    "cyclohex": "SC1CCCCC1",
    "TBBT": "CC(C)(C)c1ccc(S)cc1",
    "SAdm": "SC12CC3CC(CC(C3)C1)C2",
    "PET": "SCCc1ccccc1",
    "o-MBT": "Cc1ccccc1S",
    "p-MBA": "OC(=O)c1ccc(S)cc1",
    "sch3": "CS",
    "methylthiol": "CS",
    "dimethyl benzene": "Cc1ccc(S)c(C)c1",
}
#: Files where the table tells less than the file, or which are not in it: single atoms of the core
#: beside the metals, ligands, and how many. Sulfides are counted among the ligands of the table,
#: and its star stands for a hydride.
BESIDE = {
    "sch3_protected/030_19_cp2k_opt.xyz": ({"Au": 30, "S": 1}, "CS", 18),
    "sch3_protected/038_s2_20_cp2k_opt.xyz": ({"Au": 38, "S": 2}, "CS", 20),
    "other/bimetallic_nc_structures_jacs_paper.xyz": ({"Ag": 2, "Au": 36, "H": 1}, "CS", 18),
    "fully_protected/au30_s_stbut18_opt.xyz": ({"Au": 30, "S": 1}, "CC(C)(C)S", 18),
    "fully_protected/au38_s2_sadm20_opt.xyz": ({"Au": 38, "S": 2}, "SC12CC3CC(CC(C3)C1)C2", 20),
    "fully_protected/au60_s6_pmt36_opt.xyz": ({"Au": 60, "S": 6}, "SCc1ccccc1", 36),
}
#: Rows whose number of the first metal includes the second.
ALL_METALS = "1au24("


@pytest.fixture(scope="session")
def database(shared_data):
    return shared_data / "ligand_clusters" / "nc_database"


@pytest.fixture(scope="session")
def table(database):
    """Expected core, ligand and number of each file of the table."""
    columns = "NC, n_metal_1, metal_1, n_metal_2, metal_2, n_ligand, ligands, path"
    with sqlite3.connect(f"file:{database / 'NC_Database.sqlite'}?mode=ro", uri=True) as handle:
        rows = handle.execute(f"select {columns} from NC_Data").fetchall()
    found = {}
    for name, first, metal, second, other, count, ligand, path in rows:
        core = {metal: first}
        if second:
            core[other] = second
        if ALL_METALS in name or (name.startswith("cd2au19") or name.startswith("ag2au36")):
            core[metal] -= second
        number = int("".join(c for c in str(count) if c.isdigit()))
        found[path] = (core, ligand, number)
    return found


def check(path, name, expected):
    core, ligand, count = expected
    ((atoms, origin, charge),) = read_cluster_file(path)
    (cluster,) = split_cluster(atoms)
    (bound,) = cluster.ligands
    assert origin == path.name and charge is None
    assert dict(cluster.core.symbols.formula.count()) == core, name
    assert bound.smiles == canonical_ligand(ligand), name
    assert (bound.count, bound.group) == (count, "thiolate"), name
    assert sum(bound.sites.values()) == count, "each ligand binds by its sulfur atom only"
    assert cluster.removed == ()


def test_every_file_has_its_published_core_and_ligands(database, table):
    files = sorted(
        path
        for folder in ("fully_protected", "sch3_protected", "other")
        for path in (database / folder).glob("*.xyz")
    )
    assert len(files) == 67
    for path in files:
        name = f"{path.parent.name}/{path.name}"
        if name in BESIDE:
            check(path, name, BESIDE[name])
            continue
        core, ligand, count = table[name]
        check(path, name, (core, LIGANDS[ligand], count))


def test_alloys_of_the_same_cluster(database, table):
    """Every twelfth of 360 orderings of silver and gold in four clusters of 36 to 279 metals."""
    files = sorted((database / "AuAg_NCs").glob("*.xyz"))[::12]
    assert len(files) == 30
    for path in files:
        core, ligand, count = table[f"AuAg_NCs/{path.name}"]
        check(path, path.name, (core, LIGANDS[ligand], count))


def test_the_whole_folder_is_read(database):
    entries, left_out = read_clusters([database])
    assert len(entries) == 427 and left_out == []
    assert entries[0][1].startswith("AuAg_NCs/")


def test_staples_of_gold_25(database):
    """Six staples Au2(SR)3: eighteen thiolates, each on two gold atoms (paper on Au25)."""
    path = database / "fully_protected" / "au25_pet18_-1_opt.xyz"
    ((atoms, _, _),) = read_cluster_file(path)
    (cluster,) = split_cluster(atoms, charge=-1)
    assert cluster.formula == "Au25(C8H9S)18" and cluster.charge == -1
    assert cluster.ligands[0].sites == {"S:2": 18}

"""Pairs of a published database of protected clusters: known cores, isomers and dopants."""

from pathlib import PurePath

import numpy as np
import pytest

pytest.importorskip("rdkit", reason='pip install "aiida-nanoclusters[ligands]"')

from aiida_nanoclusters.formats.cluster_files import read_clusters
from aiida_nanoclusters.science.ligands.core_identity import core_deviation
from aiida_nanoclusters.science.ligands.core_split import canonical_ligand, split_cluster
from aiida_nanoclusters.science.ligands.negatives import add_negatives
from aiida_nanoclusters.science.ligands.pair_settings import SPLIT_KINDS, PairSettings
from aiida_nanoclusters.science.ligands.pairs import collect_pairs
from aiida_nanoclusters.science.ligands.splits import PROMISES, leaks, split_pairs

FOLDERS = ("fully_protected", "sch3_protected", "other")
#: Files whose cores are the same, by what is published of them: ligands and charge differ.
SAME = [
    ("au25_pet18_-1_opt", "au25_pet18_opt", "025_18_minus1_cp2k_opt", "025_18_neutral_cp2k_opt"),
    ("au18_schex14_opt", "018_14_cp2k_opt"),
    ("au20_tbbt16_opt", "020_16_cp2k_opt"),
    ("au23_schex16_-1_opt", "023_16_minus1_cp2k_opt"),
    ("au28_tbbt20_opt", "028_20_cp2k_opt"),
    ("au30_sadm18_opt", "030_18_cp2k_opt"),
    ("au30_s_stbut18_opt", "030_19_cp2k_opt"),
    ("au36_tbbt24_opt", "036_24_cp2k_opt"),
    ("au38_s2_sadm20_opt", "038_s2_20_cp2k_opt"),
    ("au40_ombt24_opt", "040_24_cp2k_opt"),
    ("au52_tbbt32_opt", "052_32_cp2k_opt"),
    ("au92_tbbt44_opt", "092_44_cp2k_opt"),
    ("au133_tbbt52_opt", "133_52_cp2k_opt"),
    ("Au19Cd2", "Au19Cd2_full_ligands"),
    ("Au24Pd", "PdAu24"),
    ("Au24Pt", "PtAu24"),
    ("Ag24Au_final", "Ag24Au_methylthiol"),
    ("Ag24Pd_final", "Ag24Pd_methylthiol"),
    ("Ag24Pt_final", "Ag24Pt_methylthiol"),
]
#: Cores of one composition that differ: isomers, a dopant in the centre, around it, in the shell.
OTHER = [
    ("038_24q_cp2k_opt", "038_24t_cp2k_opt"),
    ("PdAu24", "pd_outercore", "pd_shell"),
    ("PtAu24", "pt_outercore", "pt_shell"),
    ("CdAu24", "cd_shell"),
    ("HgAu24", "hg_outercore"),
    ("au24_sadm16_opt", "024_20_cp2k_opt"),
    ("au28_schex20_opt", "au28_tbbt20_opt"),
    ("au44_tbbt26_opt", "au44_tbbt28_opt"),
    ("au52_pet32_opt", "au52_tbbt32_opt"),
]


@pytest.fixture(scope="module")
def clusters(shared_data):
    database = shared_data / "ligand_clusters" / "nc_database"
    entries, left_out = read_clusters([database / folder for folder in FOLDERS])
    assert len(entries) == 67 and left_out == []
    return [(c, origin) for atoms, origin, q in entries for c in split_cluster(atoms, q)]


@pytest.fixture(scope="module")
def collected(clusters):
    return collect_pairs(clusters, PairSettings())


@pytest.mark.timeout(900)
def test_numbers_of_cores_ligands_and_pairs(collected, clusters) -> None:
    pairs, report = collected
    assert len(clusters) == 67 and len(pairs.ligands) == 9
    # by formula 33 cores of metals, and 57 pairs; isomers make more
    metals = {c.core[c.core.numbers > 20].get_chemical_formula() for c, _ in clusters}
    formulas = {(c.core.get_chemical_formula(), c.ligand_set) for c, _ in clusters}
    assert (len(metals), len(formulas)) == (33, 57)
    assert (len(pairs.cores), len(pairs)) == (46, 65)
    assert {row["origin"] for row in report} == {
        "au25_pet18_opt.xyz",
        "025_18_neutral_cp2k_opt.xyz",
    }
    assert {row["reason"] for row in report} == {"duplicate"}
    assert {pairs.group_of(smiles) for smiles in pairs.ligands} == {"thiolate"}


def test_known_cores_are_the_same(collected) -> None:
    pairs, _ = collected
    core_of = {
        PurePath(name).stem: k for k in range(46) for name in pairs.cores[k].info["clusters"]
    }
    assert len(core_of) == 67
    for names in SAME:
        assert len({core_of[name] for name in names}) == 1, names
    assert 67 - sum(len(names) - 1 for names in SAME) == 46  # all others are distinct
    for names in OTHER:
        assert len({core_of[name] for name in names}) == len(names), names


def test_the_tolerance_lies_between_what_is_the_same_and_what_is_not(clusters) -> None:
    """A quarter smaller, Au133 apart, or two thirds larger, it gives the same cores."""
    core_of = {PurePath(origin).stem: cluster.core for cluster, origin in clusters}
    for first, *others in SAME:
        if not first.startswith("au133"):
            assert all(core_deviation(core_of[first], core_of[n], 0.9) for n in others), first
    for first, *others in OTHER:
        assert all(core_deviation(core_of[first], core_of[name], 2.0) is None for name in others)


def test_gold_silver_and_all_dopants_in_25_atoms_are_one_family(collected) -> None:
    pairs, _ = collected
    own = [k for k in range(46) if pairs.nuclearities[k] == 25]
    assert len(own) == 14 and len({int(pairs.families[k]) for k in own}) == 1
    assert len(set(pairs.families.tolist())) == 33


def test_negatives_of_a_small_pool(collected) -> None:
    pairs, _ = collected
    found, report = add_negatives(pairs, PairSettings(), 1)
    assert report["n_positive"] == 65 and report["n_negative"] + report["lacking"] == 65
    assert "The pool has only 9 ligands" in report["warnings"][0]
    assert len(report["without_negatives"]) == 19  # all cores that are known with two ligands
    types = {row["name"]: row["type"] for row in report["cores"]}
    assert types["au25_pet18_-1_opt.xyz"] == "II" and types["102_44_cp2k_opt.xyz"] == "I"
    # methanethiolate excludes thiolates of up to five carbon atoms
    own = next(p for p in found.pairs if p.origin == "102_44_cp2k_opt.xyz").core
    (negative,) = (p.ligands for p in found.pairs if p.core == own and p.label == 0)
    assert negative[0] not in {canonical_ligand("CS"), canonical_ligand("CC(C)(C)S")}
    loose = PairSettings(carbon_difference=0, carbon_difference_robust=0)
    _, report = add_negatives(pairs, loose, 1)
    assert report["n_negative"] == 65 and not report["without_negatives"]


@pytest.mark.parametrize("kind", SPLIT_KINDS)
def test_splits_keep_their_promises(collected, kind) -> None:
    pairs, _ = add_negatives(collected[0], PairSettings(), 1)
    for seed in range(5):
        assignment = split_pairs(pairs, kind, seed=seed)
        counted = leaks(pairs, assignment)
        assert not any(counted[name] for name in PROMISES[kind])
        for number in range(3):
            own = pairs.labels[assignment == number]
            assert len(own) >= 4 and len(set(own.tolist())) == 2
        if kind == "random":
            assert counted["cores"] > 3 and counted["ligands"] > 3
    shares = np.bincount(assignment[assignment >= 0], minlength=3) / len(pairs)
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.12)

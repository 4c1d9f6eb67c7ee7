"""Ligands as arrays: known counts, molecular graphs, and what is refused."""

import builtins

import numpy as np
import pytest

from aiida_nanoclusters.science.ligands.encoder_settings import LigandEncoderSettings
from aiida_nanoclusters.science.ligands.graphs import GraphSet
from aiida_nanoclusters.science.ligands.ligand_graphs import ligand_inputs, membership
from aiida_nanoclusters.science.ligands.unimol import WEIGHTS, unimol_features, unimol_problem

PET, PPH3 = "[S]CCc1ccccc1", "c1ccc(P(c2ccccc2)c2ccccc2)cc1"
FINGERPRINT = LigandEncoderSettings(kind="fingerprint", bits=256)
GRAPH = LigandEncoderSettings(kind="graph")


def test_descriptors_have_known_values():
    """Carbon and heavy atoms, aromatic rings, radical: after the substructures."""
    features = ligand_inputs([PET, PPH3, "[Cl]"], FINGERPRINT)["features"]
    assert features.shape == (3, 256 + 11)
    assert features[:, 256:258].tolist() == [[8, 9], [18, 19], [0, 1]]
    assert features[:, 256 + 6].tolist() == [1, 3, 0]
    assert features[:, -1].tolist() == [1, 0, 1]
    assert features[0, 256 + 2] == pytest.approx(137.22, abs=0.02)  # C8H9S, g/mol


def test_counts_are_of_substructures():
    """At radius 0 the entries are atoms by their surroundings: six alike in benzene."""
    settings = LigandEncoderSettings(radius=0, bits=1024)
    counts = np.expm1(ligand_inputs(["c1ccccc1"], settings)["features"][0, :1024])
    assert counts[counts > 0] == pytest.approx([6.0], abs=1e-4)


@pytest.mark.parametrize("settings", [FINGERPRINT, GRAPH])
def test_order_of_the_atoms_does_not_matter(settings):
    first, second = (ligand_inputs([s], settings) for s in ("[S]CCc1ccccc1", "c1cccc(CC[S])c1"))
    for name in ("features",) if "features" in first else ("nodes", "values"):
        rows = [np.sort(a[name].reshape(len(a[name]), -1), axis=0) for a in (first, second)]
        assert rows[0] == pytest.approx(rows[1], abs=1e-5)


def test_molecular_graph():
    graphs = GraphSet(**ligand_inputs([PET, "[Cl]", "[C]#CC"], GRAPH))
    assert np.diff(graphs.offsets).tolist() == [9, 1, 3]
    assert np.diff(graphs.edge_offsets).tolist() == [18, 0, 4]  # both directions
    batch = graphs.batch([2, 0])
    assert batch.count == 2
    assert np.bincount(batch.owners).tolist() == [3, 9]
    single, double, triple, aromatic = batch.values[:, :4].sum(axis=0) / 2
    assert (single, double, triple, aromatic) == (4, 0, 1, 6)
    pairs = set(map(tuple, batch.edges.T.tolist()))
    assert {(b, a) for a, b in pairs} == pairs


def test_members_of_sets():
    smiles, members, offsets = membership([("b", "a"), ("c",), ("a", "b", "a")])
    assert smiles == ["a", "b", "c"]
    assert members.tolist() == [0, 1, 2, 0, 1]  # a repetition counts once
    assert offsets.tolist() == [0, 2, 3, 5]
    with pytest.raises(ValueError, match="empty ligand set"):
        membership([("a",), ()])


@pytest.mark.parametrize("smiles", ["no SMILES", "", "C" * 3000, "C" * 500])
def test_what_is_no_ligand_is_refused(smiles):
    with pytest.raises(ValueError, match=r"is no SMILES|more than"):
        ligand_inputs([smiles], FINGERPRINT)


def test_missing_rdkit_names_the_extra(monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("rdkit"):
            raise ModuleNotFoundError("No module named 'rdkit'", name="rdkit")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"aiida-nanoclusters\[ligands\]"):
        ligand_inputs([PET], FINGERPRINT)


def test_missing_unimol_names_the_choice(monkeypatch, tmp_path):
    """Uni-Mol itself is not tested: its weights are not to be had."""
    monkeypatch.setenv(WEIGHTS, str(tmp_path))
    assert "`ligand.kind: unimol` needs" in unimol_problem()
    with pytest.raises(ImportError, match=r"`ligand\.kind: fingerprint` or `graph`"):
        unimol_features([PET])
    with pytest.raises(ImportError, match="fingerprint"):
        ligand_inputs([PET], LigandEncoderSettings(kind="unimol"))

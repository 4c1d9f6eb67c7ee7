"""Ligands as SMILES: one name for each, however it is written."""

import pytest

from aiida_nanoclusters.science.ligands.functional_groups import GROUPS
from aiida_nanoclusters.science.ligands.smiles import (
    canonical_ligand,
    carbon_count,
    functional_group,
)

pytest.importorskip("rdkit", reason='pip install "aiida-nanoclusters[ligands]"')

#: Ways of writing, the one way here, functional group, carbon atoms.
KNOWN = [
    (
        ["SCCc1ccccc1", "[S-]CCc1ccccc1", "[S]CCc1ccccc1", "[Na+].[S-]CCc1ccccc1"],
        "[S]CCc1ccccc1",
        "thiolate",
        8,
    ),
    (
        ["P(c1ccccc1)(c1ccccc1)c1ccccc1", "c1ccc(cc1)P(c1ccccc1)c1ccccc1"],
        "c1ccc(P(c2ccccc2)c2ccccc2)cc1",
        "phosphine",
        18,
    ),
    (["C#Cc1ccccc1", "[C-]#Cc1ccccc1", "[C]#Cc1ccccc1"], "[C]#Cc1ccccc1", "alkynyl", 8),
    (["CC(=O)O", "CC(=O)[O-]", "CC(=O)[O]", "[K+].CC([O-])=O"], "CC([O])=O", "carboxylate", 2),
    (["OC=O", "[O-]C=O"], "[O]C=O", "carboxylate", 1),
    (["Cl", "[Cl-]", "[Cl]"], "[Cl]", "halide", 0),
    (["I", "[I-]"], "[I]", "halide", 0),
    (
        ["CN1C=C[N+](C)=C1", "C[n+]1ccn(C)c1.[Cl-]", "CN1C=CN(C)[C]1"],
        "CN1[C]N(C)C=C1",
        "carbene",
        5,
    ),
    (["C1CN(C)C=[N+]1C"], "CN1[C]N(C)CC1", "carbene", 5),
    (["[SeH]c1ccccc1", "[Se-]c1ccccc1"], "[Se]c1ccccc1", "selenolate", 6),
    (["[TeH]C"], "C[Te]", "tellurolate", 1),
    (["OC(=O)c1ccc(S)cc1", "[O-]C(=O)c1ccc([S-])cc1"], "O=C(O)c1ccc([S])cc1", "thiolate", 7),
    (["CCOP(=S)(S)OCC", "CCOP([S-])(=S)OCC"], "CCOP([S])(=S)OCC", "dithiophosphate", 4),
    (["CCOP([Se-])(=[Se])OCC"], "CCOP([Se])(=[Se])OCC", "diselenophosphate", 4),
    (["CCN(CC)C(=S)[S-]"], "CCN(CC)C([S])=S", "dithiocarbamate", 5),
    (["CCOC(=S)[S-]"], "CCOC([S])=S", "xanthate", 3),
    (["[S-]C#N", "[N-]=C=S"], "N#C[S]", "thiocyanate", 1),
    (["N#C", "[C-]#N"], "[C]#N", "cyanide", 1),
    (["[C-]#[N+]C(C)(C)C"], "[C-]#[N+]C(C)(C)C", "isocyanide", 5),
    (["[C-]#[O+]"], "[C-]#[O+]", "carbonyl", 1),
    (["[N-]=[N+]=[N-]"], "[N]=[N+]=[N-]", "azide", 0),
    (["O[N+](=O)[O-]", "[O-][N+](=O)[O-]"], "[O][N+](=O)[O-]", "oxyanion", 0),
    (["[O-]N=O", "ON=O"], "[O]N=O", "oxyanion", 0),
    (
        ["O=[N+]([O-])c1ccc(S)cc1", "O=N(=O)c1ccc(S)cc1"],
        "O=[N+]([O-])c1ccc([S])cc1",
        "thiolate",
        6,
    ),
    (
        ["[O-][n+]1ccccc1-c1cccc[n+]1[O-]"],
        "[O-][n+]1ccccc1-c1cccc[n+]1[O-]",
        "oxide",
        10,
    ),
    (["[N]=O"], "[N]=O", "nitrosyl", 0),
    (["OS(=O)(=O)C(F)(F)F"], "[O]S(=O)(=O)C(F)(F)F", "sulfonate", 1),
    (["OP(=O)(O)c1ccccc1"], "[O]P([O])(=O)c1ccccc1", "phosphonate", 6),
    (["CC(=O)C=C(C)[O-]"], "CC(=O)C=C(C)[O]", "diketonate", 5),
    (["c1cc[n-]n1", "C1=C[N]N=C1"], "C1=C[N]N=C1", "azolate", 3),
    (["c1ccncc1"], "c1ccncc1", "pyridine", 5),
    (["CC#N"], "CC#N", "nitrile", 2),
    (["NCCN"], "NCCN", "amine", 2),
    (["CSC"], "CSC", "thioether", 2),
    (["COP(OC)OC"], "COP(OC)OC", "phosphite", 3),
    (["[c-]1ccccc1"], "[c]1ccccc1", "organyl", 6),
    (["[OH-]"], "[OH]", "hydroxide", 0),
    (["C[O-]"], "C[O]", "alkoxide", 1),
    (["O"], "O", "oxygen donor", 0),
    (["[BH4-]"], "[BH4-]", "borohydride", 0),
    (["C[N+](C)(C)CC[S-]"], "C[N+](C)(C)CC[S]", "thiolate", 5),
    (["SC12CC3CC(CC(C3)C1)C2"], "[S]C12CC3CC(CC(C3)C1)C2", "thiolate", 10),
    (["C[C@H](S)C(=O)O", "C[C@@H](S)C(=O)O"], "CC([S])C(=O)O", "thiolate", 3),
    (["SCCS"], "[S]CC[S]", "thiolate", 2),
]


@pytest.mark.parametrize(("written", "canonical", "group", "carbon"), KNOWN)
def test_one_name_for_each_ligand(written, canonical, group, carbon):
    for smiles in (*written, canonical):
        assert canonical_ligand(smiles) == canonical
        assert functional_group(smiles) == group
        assert carbon_count(smiles) == carbon
    assert group in GROUPS


def test_what_is_written_out_is_followed():
    """One of two thiols is bound; a person says so by the unpaired electron."""
    assert canonical_ligand("[S]CCS") == "[S]CCS"


@pytest.mark.parametrize("other", ["[N]1N=CC=C1C", "[N]1N=C(C)C=C1", "Cc1cc[n-]n1", "Cc1ccn[n-]1"])
def test_where_an_electron_lies_among_equals_is_no_other_ligand(other):
    assert canonical_ligand(other) == canonical_ligand("[N]1N=CC=C1C")


@pytest.mark.parametrize(
    ("smiles", "message"),
    [
        ("", "give up to"),
        ("C C", "without spaces"),
        ("C" * 3000, "give up to"),
        ("c1cccc", "no SMILES that RDKit reads"),
        ("CN(C)(C)C", "no SMILES that RDKit reads"),
        ("[Au]SC", "has Au: write the ligand alone"),
        ("C*", r"has \*"),
        ("CS.CP", "has 2 molecules: give one ligand at a time"),
        ("[S]", "a single atom, which belongs to the core"),
        ("[O-2]", "a single atom, which belongs to the core"),
        ("[Na+]", "has 0 molecules"),
        ("[H]", "a single atom"),
        ("C" * 700, "more than 600"),
    ],
)
def test_what_is_no_ligand_is_refused_with_the_fix(smiles, message):
    with pytest.raises(ValueError, match=message):
        canonical_ligand(smiles)


def test_a_missing_rdkit_is_named(monkeypatch):
    import sys

    from aiida_nanoclusters.science.ligands import smiles

    smiles.described_ligand.cache_clear()
    monkeypatch.setitem(sys.modules, "rdkit.Chem", None)
    with pytest.raises(ValueError, match=r"aiida-nanoclusters\[ligands\]"):
        smiles.canonical_ligand("CS")

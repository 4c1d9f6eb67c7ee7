"""Rankings and edits through AiiDA: the models' own probabilities, in order, with warnings."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, List
from ase import Atoms
from ase.cluster import Icosahedron

from aiida_nanoclusters.calculations.ligands.pairs import collect_ligand_pairs
from aiida_nanoclusters.calculations.ligands.ranking import (
    MEMBER_PROBABILITIES,
    PROBABILITIES,
    cores_of_pairs,
)
from aiida_nanoclusters.cli.report.collect import collect
from aiida_nanoclusters.cli.report.command import render
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.matching_model import MatchingModelData
from aiida_nanoclusters.queries import explain
from aiida_nanoclusters.workflows.ligands.edit_core import EditCoreWorkChain
from aiida_nanoclusters.workflows.ligands.match_ligands import MatchLigandsWorkChain
from tests.protected_clusters import PET, tetrahedron, with_ligand
from tests.small_matching import assignment, trained_model, world

CANDIDATES = ["SCCc1ccccc1 PET", "C#Cc1ccccc1 phenylacetylene", "CC(=O)O acetic acid"]
#: The same, as they are written here.
LIGANDS = {"[S]CCc1ccccc1": "PET", "[C]#Cc1ccccc1": "phenylacetylene", "CC([O])=O": "acetic acid"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two members of a committee, trained on a synthetic world of gold and silver."""
    pairs, folder = world(), tmp_path_factory.mktemp("models")
    return [
        trained_model(pairs, assignment(pairs, seed), folder / str(seed), seed=seed)
        for seed in (1, 2)
    ]


@pytest.fixture
def models(aiida_profile, trained):
    return {f"seed_{k}": MatchingModelData(model).store() for k, model in enumerate(trained, 1)}


@pytest.fixture
def core(aiida_profile):
    ico = Icosahedron("Au", 2)
    return Atoms(ico.numbers, ico.positions, info={"parent": "icosahedron"})


def canonical(name):
    return next(smiles for smiles, known in LIGANDS.items() if known == name)


def test_ranking_is_what_the_models_say(models, trained, core):
    builder = MatchLigandsWorkChain.get_builder_from_protocol(
        FramesData([core]).store(), CANDIDATES, models, "moderate"
    )
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    table = outputs["table"].get_dict()
    assert table["names"] == LIGANDS
    assert table["groups"] == dict(
        zip(LIGANDS, ("thiolate", "alkynyl", "carboxylate"), strict=True)
    )
    sets = [tuple(own) for own in table["ligand_sets"]]
    assert len(sets) == 7  # three ligands of three groups: all subsets but the empty one
    expected = np.array([m.probability([core] * 7, sets) for m in trained])
    arrays = outputs["probabilities"]
    assert np.allclose(arrays.get_array(MEMBER_PROBABILITIES)[0], expected.T)
    assert np.allclose(arrays.get_array(PROBABILITIES)[0], expected.mean(axis=0))
    (ranked,) = table["cores"]
    assert ranked["name"] == "icosahedron" and ranked["formula"] == "Au13"
    found = [row["probability"] for row in ranked["rows"]]
    assert found == sorted(found, reverse=True)
    best = int(expected.mean(axis=0).argmax())
    assert tuple(ranked["rows"][0]["ligands"]) == sets[best]
    assert ranked["rows"][0]["spread"] == pytest.approx(expected[:, best].std(ddof=1))
    assert len(ranked["nearest"]) == 3

    told = explain(outputs["table"])
    assert any("matching model" in source.what for source in told.sources)
    page = render(collect(node))
    for text in ("Ligands for cores", "phenylacetylene", "Nearest known cores"):
        assert text in page


def test_what_the_models_have_not_seen_is_told(models, core):
    foreign = core.copy()
    foreign.symbols[0] = "Pt"
    builder = MatchLigandsWorkChain.get_builder_from_protocol(
        FramesData([foreign]).store(), ["FC(F)(F)c1ccc(S)cc1"], models
    )
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    (ranked,) = outputs["table"]["cores"]
    assert ranked["outside"] and ranked["new_elements"] == ["Pt"]
    assert "No training core had Pt" in render(collect(node))


def test_edits_of_a_core(models, core):
    builder = EditCoreWorkChain.get_builder_from_protocol(
        FramesData([core]).store(), CANDIDATES, models, "moderate",
        {"edits": {"replace": ["Ag"]}, "ranking": {"most_ligands": 1}},
    )  # fmt: skip
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    rows = outputs["comparison"]["rows"]
    assert rows[0]["kind"] == "unedited" and rows[0]["change"] == 0
    # one removal, one replacement of centre and of vertex; one hollow site
    assert sorted((row["kind"], row["multiplicity"]) for row in rows[1:]) == [
        ("add", 20),
        *(("remove", 1), ("remove", 12)),
        *(("replace", 1), ("replace", 12)),
    ]
    frames, table = outputs["edits"].frames, outputs["table"].get_dict()
    assert [len(atoms) for atoms in frames] == [13, 12, 12, 14, 13, 13]
    assert list(frames.config_types) == [row["kind"] for row in outputs["edit_table"]["rows"]]
    for row in rows:
        best = table["cores"][row["index"]]["rows"][0]
        assert (row["ligands"], row["probability"]) == (best["ligands"], best["probability"])
        own = table["ligand_sets"].index(row["ligands"])
        members = outputs["probabilities"].get_array(MEMBER_PROBABILITIES)[:, own]
        change = members[row["index"]] - members[0]
        assert row["change"] == pytest.approx(change.mean())
        assert row["change_spread"] == pytest.approx(change.std(ddof=1))
    chances = [row["probability"] for row in rows[1:]]
    assert chances == sorted(chances, reverse=True)
    report = collect(node)
    assert len(report.ranking.structures) == 6
    page = render(report)
    assert "Edits of the core" in page and "remove Au at 2.9 Å (6 neighbours)" in page


def test_cores_of_whole_clusters(models):
    """The ligands are cut off, and the core is what was built."""
    whole = with_ligand(tetrahedron(), PET, 0, 1)
    frames = FramesData([whole]).store()
    settings = Dict({"fewest_metals": 4})
    found, node = collect_ligand_pairs.run_get_node(frames, settings)
    assert node.is_finished_ok, node.exit_message
    cores = cores_of_pairs(found["pairs"])
    assert [atoms.get_chemical_formula() for atoms in cores.frames] == ["Au4"]


def test_bare_cores_relax_beside_the_ranking(models, lmp_code, eam_potential):
    ico = Icosahedron("Cu", 2)
    core = Atoms(ico.numbers, 1.01 * ico.positions)
    builder = MatchLigandsWorkChain.get_builder_from_protocol(
        FramesData([core]).store(), CANDIDATES[:1], models, code=lmp_code,
        potential=eam_potential, options={"max_wallclock_seconds": 300},
    )  # fmt: skip
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    (row,) = outputs["stability"]["rows"]
    assert row["formula"] == "Cu13" and (row["kept_bonds"], row["pieces"]) == (1.0, 1)
    relaxed = outputs["relaxed"].frames
    assert row["energy_per_atom"] == pytest.approx(relaxed.energies[0] / 13)
    assert 0 < row["displacement"] < 0.3
    assert "Bare cores" in render(collect(node))


def test_inputs_that_cannot_be_ranked_are_refused(models, core):
    def build(cores, lines, own=models, **changes):
        return MatchLigandsWorkChain.get_builder_from_protocol(
            FramesData(cores).store(), lines, own, None, changes
        )

    boxed = core.copy()
    boxed.cell, boxed.pbc = [30, 30, 30], True
    for builder, message in (
        (build([core], ["no smiles"]), "line 1"),
        (build([core], CANDIDATES, {}), "`models` is empty"),
        (build([boxed], CANDIDATES), "without their boxes"),
        (build([core], CANDIDATES, ranking={"most_sets": 3}), "more than `most_sets` 3"),
    ):
        with pytest.raises(ValueError, match=message):
            run_get_node(builder)
    two = EditCoreWorkChain.get_builder_from_protocol(
        FramesData([core, core]).store(), CANDIDATES, models
    )
    with pytest.raises(ValueError, match="2 cores: give one"):
        run_get_node(two)


def test_an_input_list_of_something_else_is_refused(models, core):
    builder = MatchLigandsWorkChain.get_builder_from_protocol(
        FramesData([core]).store(), CANDIDATES, models
    )
    builder.candidates = List([{"smiles": "S"}])
    with pytest.raises(ValueError, match="something else than texts"):
        run_get_node(builder)

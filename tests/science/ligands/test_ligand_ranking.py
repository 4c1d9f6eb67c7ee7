"""Candidates of a list, sets made of them, and their ranking by models of known answers."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms

from aiida_nanoclusters.science.ligands import ligand_ranking
from aiida_nanoclusters.science.ligands.candidates import (
    Candidates,
    candidate_sets,
    parse_candidates,
)
from aiida_nanoclusters.science.ligands.design_settings import RankingSettings
from aiida_nanoclusters.science.ligands.ligand_ranking import (
    rank_for_cores,
    rank_ligands,
    ranking_table,
    ranking_words,
)

GROUPS = {"A": "thiolate", "B": "thiolate", "C": "phosphine", "D": "halide"}
CORE = Atoms("Cu3Cl", np.diag([1.0, 2.0, 3.0, 0.0])[:, :3])


def upper(smiles: str) -> str:
    if not smiles.isalpha():
        raise ValueError("no ligand")
    return smiles.upper()


@dataclass
class KnownAnswers:
    """Probability by the letters of a set; a set lies at its last letter's number, a core at 0.

    Known are the sets A, A and B of two cores, of which one lies at `core_place`.
    """

    values: dict[str, float]
    core_place: float = 0.5
    elements: tuple[str, ...] = ("Cu", "Cl")
    head: SimpleNamespace = field(init=False)

    def __post_init__(self):
        core = SimpleNamespace(name="known", formula="Cu4")
        self.known_ligands = [("A",), ("A",), ("B",)]
        self.head = SimpleNamespace(
            elements=list(self.elements), outside_quantile=0.95,
            ligand_distance=1.0, ligand_scale=2.0, core_distance=0.5, core_scale=2.0,
            known_cores=[core], known_ligands=[list(own) for own in self.known_ligands],
        )  # fmt: skip
        self.arrays = {
            "known_cores": np.array([[self.core_place]]),
            "known_ligands": np.array([[0.0], [0.0], [1.0]]),
        }

    def probability(self, cores, ligand_sets):
        assert len(cores) == len(ligand_sets)
        return np.array([np.mean([self.values[s] for s in own]) for own in ligand_sets])

    def embed_cores(self, cores):
        return np.zeros((len(cores), 1))

    def embed_ligands(self, ligand_sets):
        return np.array([[float(ord(own[-1]) - ord("A"))] for own in ligand_sets])

    def outside_cores(self, cores):
        return np.array([self.core_place > 1.0] * len(cores))

    def outside_ligands(self, ligand_sets):
        return self.embed_ligands(ligand_sets)[:, 0] > 2


def test_a_list_of_candidates():
    lines = ["# SMILES  name", "", "a  first ligand", "b", "A", "d.c  named set", "c.d"]
    found = parse_candidates(lines, upper)
    assert found.ligands == ("A", "B")
    assert found.sets == (("C", "D"),)
    assert found.names == {"A": "first ligand"}
    with pytest.raises(ValueError, match="line 2, `9`: no ligand"):
        parse_candidates(["a", "9 nine"], upper)
    with pytest.raises(ValueError, match="more than 4 ligands"):
        parse_candidates(["a.b.c.d.e"], upper)
    with pytest.raises(ValueError, match="names no ligand"):
        parse_candidates(["# only a comment"], upper)


def test_sets_of_ligands():
    four = Candidates(tuple("ABCD"))
    assert len(candidate_sets(four)) == 15  # all subsets of four but the empty one
    singles_and_pairs = RankingSettings(most_ligands=2)
    assert len(candidate_sets(four, singles_and_pairs)) == 4 + 6
    # of the thiolates A and B at most one: (1 + 2)(1 + 1)(1 + 1) - 1
    grouped = candidate_sets(four, None, GROUPS.get)
    assert len(grouped) == 11
    assert all(not {"A", "B"} <= set(own) for own in grouped)
    assert grouped[:4] == [("A",), ("B",), ("C",), ("D",)]
    free = RankingSettings(one_per_group=False)
    assert len(candidate_sets(four, free, GROUPS.get)) == 15
    given = Candidates(("A",), (("C", "D"), ("A",)))
    assert candidate_sets(given) == [("C", "D"), ("A",)]


def test_too_many_or_too_few_sets():
    many = Candidates(tuple(f"L{k}" for k in range(40)))
    with pytest.raises(ValueError, match="make 102090 sets of 1 to 4"):
        candidate_sets(many)
    limited = RankingSettings(most_sets=10)
    with pytest.raises(ValueError, match="make 11 sets of 1 to 4"):
        candidate_sets(Candidates(tuple("ABCD")), limited, GROUPS.get)
    with pytest.raises(ValueError, match="lower `fewest_ligands`"):
        candidate_sets(Candidates(("A",)), RankingSettings(fewest_ligands=2))


def test_ranking_of_a_committee():
    one = KnownAnswers({"A": 0.9, "B": 0.2, "C": 0.2, "D": 0.6})
    two = KnownAnswers({"A": 0.7, "B": 0.2, "C": 0.2, "D": 0.6})
    sets = [("C",), ("B",), ("A", "D"), ("A",), ("D",)]
    ranking = rank_ligands([one, two], CORE, sets)
    assert [row.ligands for row in ranking.rows] == [("A",), ("A", "D"), ("D",), ("B",), ("C",)]
    best = ranking.rows[0]
    assert best.probability == pytest.approx(0.8)
    assert best.members == pytest.approx((0.9, 0.7))
    assert best.spread == pytest.approx(np.sqrt(0.02))
    assert [row.outside for row in ranking.rows] == [False, True, True, False, False]
    # C lies at 2, in units of the limit of 1.0 x 2.0; A, which is known twice, is named once
    assert [(k.name, k.distance) for k in ranking.rows[4].nearest] == [("B", 0.5), ("A", 1.0)]
    assert not ranking.outside and ranking.new_elements == () and ranking.new_groups == ()
    assert "95 %" in ranking.criterion
    assert rank_ligands([one, two], CORE, sets[::-1]) == ranking


def test_distances_are_means_over_the_committee():
    values = dict.fromkeys("ABCD", 0.5)
    near, far = KnownAnswers(values, core_place=0.5), KnownAnswers(values, core_place=2.5)
    (known,) = rank_ligands([near, far], CORE, [("A",)]).nearest
    assert known.name == "known (Cu4)" and known.distance == pytest.approx(1.5)
    lonely = KnownAnswers(values)
    lonely.head.core_distance = 0.0  # one known core gives no limit
    assert np.isinf(rank_ligands([lonely], CORE, [("A",)]).nearest[0].distance)


def test_new_groups_and_more_ligands_than_ever_lie_outside():
    model = KnownAnswers(dict.fromkeys("ABCD", 0.5))
    sets = [("A",), ("B",), ("C",), ("A", "B")]
    ranking = rank_ligands([model], CORE, sets, group_of=GROUPS.get)
    assert ranking.new_groups == ("phosphine",)
    outside = {row.ligands: row.outside for row in ranking.rows}
    assert outside == {("A",): False, ("B",): False, ("C",): True, ("A", "B"): True}


def test_what_lies_outside_is_told():
    values = dict.fromkeys("ABCD", 0.5)
    far, near = KnownAnswers(values, core_place=3.0), KnownAnswers(values)
    assert rank_ligands([far, far, near], CORE, [("A",)]).outside
    assert not rank_ligands([far, near], CORE, [("A",)]).outside
    unknown = KnownAnswers(values, elements=("Cu",))
    assert rank_ligands([unknown], CORE, [("A",)]).new_elements == ("Cl",)
    assert rank_ligands([far], CORE, [("A",)]).nearest[0].distance == 3.0
    with pytest.raises(ValueError, match="no matching model"):
        rank_ligands([], CORE, [("A",)])
    with pytest.raises(ValueError, match="no ligand set"):
        rank_ligands([near], CORE, [])


def test_many_cores_at_once_are_ranked_as_one_by_one(monkeypatch):
    monkeypatch.setattr(ligand_ranking, "_MOST_PAIRS", 5)

    class OfSize(KnownAnswers):
        def probability(self, cores, ligand_sets):
            return super().probability(cores, ligand_sets) / [len(core) for core in cores]

    model = OfSize({"A": 0.9, "B": 0.2})
    cores, sets = [CORE[:n] for n in (1, 2, 3, 4)], [("B",), ("A",)]
    together = rank_for_cores([model], cores, sets)
    assert together == [rank_ligands([model], core, sets) for core in cores]
    assert [r.rows[0].probability for r in together] == pytest.approx([0.9, 0.45, 0.3, 0.225])


def test_table_and_words_of_a_ranking():
    model = KnownAnswers({"A": 0.9, "B": 0.2, "C": 0.1, "D": 0.6})
    ranking = rank_ligands([model], CORE, [("B",), ("D",)])
    table = ranking_table(ranking)
    assert table["formula"] == "Cu3Cl" and table["n_outside"] == 1
    assert [(row["rank"], row["ligands"], row["spread"]) for row in table["rows"]] == [
        (1, ["D"], 0.0),
        (2, ["B"], 0.0),
    ]
    assert table["nearest"] == [{"name": "known (Cu4)", "distance": 0.5}]
    assert len(ranking_table(ranking, 1)["rows"]) == 1
    assert ranking_words(table, {"D": "chloride"}) == (
        "Cu3Cl: of 2 sets the most probable one is chloride, with a probability of 0.60 ± 0.00; "
        "this set lies outside of what the models have seen"
    )

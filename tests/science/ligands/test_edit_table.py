"""Edits beside each other: order, change against the core, words."""

import numpy as np
import pytest
from ase import Atoms
from ase.cluster import Icosahedron

from aiida_nanoclusters.science.ligands.core_edits import enumerate_edits
from aiida_nanoclusters.science.ligands.design_settings import EditSettings
from aiida_nanoclusters.science.ligands.edit_table import (
    edit_rows,
    edit_words,
    indistinct_words,
    summarise_edits,
)

SETS = [["[Cl]"], ["[S]C"]]


def ranked(members, outside=False):
    """The table of a core with these probabilities of both sets by two models, (sets, models)."""
    means = [sum(own) / 2 for own in members]
    best = max(range(2), key=lambda k: means[k])
    spread = abs(members[best][0] - members[best][1]) / 2**0.5
    row = {"ligands": SETS[best], "probability": means[best], "spread": spread, "outside": False}
    return {"rows": [row], "outside": outside}


def test_edits_by_probability():
    ico = Icosahedron("Cu", 2)
    core = Atoms(ico.numbers, ico.positions)
    edits = enumerate_edits(core, EditSettings(kinds=["remove", "add"]))
    rows = edit_rows(core, edits)
    assert [row["formula"] for row in rows] == ["Cu13", "Cu12", "Cu12", "Cu14"]
    assert [row["multiplicity"] for row in rows] == [1, 1, 12, 20]
    members = np.array(
        [
            [[0.6, 0.4], [0.1, 0.1]],
            [[0.3, 0.1], [0.1, 0.1]],
            [[0.8, 0.6], [0.1, 0.1]],
            [[0.2, 0.2], [0.9, 0.5]],
        ]
    )
    tables = [ranked(own, k == 2) for k, own in enumerate(members)]
    table = summarise_edits(rows, tables, SETS, members)
    assert [row["index"] for row in table] == [0, 2, 3, 1]
    # both models agree on the change of the first, the set of the second is another
    assert [row["change"] for row in table] == pytest.approx([0.0, 0.2, 0.6, -0.3])
    assert [row["change_spread"] for row in table] == pytest.approx([0, 0, 0.4 / 2**0.5, 0])
    assert edit_words(table, {"[Cl]": "chloride"}) == (
        "remove Cu at 2.6 Å (6 neighbours): Cu12 with chloride, probability 0.70 ± 0.14; Cu13 "
        "itself 0.50 ± 0.14; it lies outside of what the models have seen"
    )
    assert edit_words(table[:1]) == "no edit of the core"
    assert indistinct_words(table) == ""
    with pytest.raises(ValueError, match="zip"):
        summarise_edits(rows, tables[:1], SETS, members)


def test_changes_within_their_spread_are_told():
    same = {"change": 0.0, "change_spread": 0.0}
    small, uncertain = {"change": 0.01, "change_spread": 0}, {"change": 0.2, "change_spread": 0.15}
    sure = {"change": -0.2, "change_spread": 0.05}
    said = indistinct_words([same, small, uncertain, sure])
    assert said.startswith("the models do not tell 2 of 3 edits from the core")

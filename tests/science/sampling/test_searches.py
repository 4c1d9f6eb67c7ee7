import numpy as np
import pytest

from aiida_nanoclusters.science.sampling.searches import (
    chances_of_change,
    read_searches,
)


def row(size, energy, chance=0.1, **energies):
    return {
        "size": size,
        "rank": 0,
        "energy": energy,
        "origin": "motif",
        "hits": 3,
        "chance_of_lower": chance,
        "lowest_by_source": {"motif": energy, **energies},
    }


def test_what_one_source_alone_would_have_found():
    rows = [row(37, -10.0, annealing=-10.0), row(38, -13.0, annealing=-11.0)]
    rows.append({**row(38, -9.0), "rank": 1, "chance_of_lower": None, "lowest_by_source": {}})
    rows += [row(39, -12.5, annealing=-12.5), row(40, -13.0, annealing=-13.0)]
    rows.append(row(41, -13.6, annealing=-14.0))
    found = read_searches(rows)
    assert [own.size for own in found] == [37, 38, 39, 40, 41]
    assert found[1].above("annealing") == 2 and found[1].above("motif") == 0
    assert found[1].above("shake") is None
    assert [own.size for own in found if own.only_a_motif] == [38]


def test_a_second_difference_changes_with_any_of_three_structures():
    found = read_searches(
        [row(n, -float(n), chance) for n, chance in ((5, 0.1), (6, 0.2), (7, 0.5))]
    )
    assert chances_of_change([6], found)[0] == pytest.approx(1 - 0.9 * 0.8 * 0.5)
    assert np.isnan(chances_of_change([5], found)).all()  # nothing is known of 4


def test_rows_of_annealing_runs_say_nothing():
    assert read_searches([{"size": 5, "rank": 0, "energy": -5.0, "hits": 2, "runs": 4}]) == []

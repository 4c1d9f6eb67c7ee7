"""The protocols of the room fit the models of its settings, whose descriptions are complete."""

import pytest

from aiida_nanoclusters.science.stability.settings import (
    ComparedSizes,
    CrossoverSettings,
    SearchSettings,
    SizeScanSettings,
    StudySettings,
)
from aiida_nanoclusters.workflows.parts.protocol import load_protocol, protocol_names

PROTOCOLS = [
    (stem, name, model, part)
    for stem, model, part in (
        ("crossover", CrossoverSettings, "settings"),
        ("size_scan", SizeScanSettings, None),
        ("study", StudySettings, None),
    )
    for name in protocol_names(stem)
]


@pytest.mark.filterwarnings("ignore:the setting `fit_from` is called `n_min` now")
@pytest.mark.parametrize(("stem", "name", "model", "part"), PROTOCOLS)
def test_protocols_fit_their_models(stem, name, model, part) -> None:
    values = load_protocol(stem, name, element="Cu")
    assert model.problem(values if part is None else values[part]) is None


@pytest.mark.parametrize(
    "model", [ComparedSizes, CrossoverSettings, SearchSettings, SizeScanSettings, StudySettings]
)
def test_every_setting_is_described(model) -> None:
    rows = list(model.table())
    assert rows and all(row.description.endswith(".") for row in rows)


def test_a_recorded_fit_from_is_where_the_search_begins() -> None:
    settings = load_protocol("crossover", "moderate", element="Cu")["settings"]
    with pytest.warns(DeprecationWarning, match="`fit_from` is called `n_min` now"):
        found = CrossoverSettings.model_validate({**settings, "n_min": 55, "fit_from": 147})
    assert found.search().n_min == 147


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"families": ["icosahedron", "cube"]}, "unknown motif 'cube': choose from icosahedron"),
        ({"families": ["icosahedron", "Marks decahedron"]}, "one single-crystal motif"),
        ({"fit_from": 17885}, "n_min < n_max must hold"),
        ({"colour": "red"}, "unknown setting `colour`"),
        ({"width": 0}, "`width` is 0: input should be greater than 0"),
    ],
)
@pytest.mark.filterwarnings("ignore:the setting `fit_from` is called `n_min` now")
def test_wrong_settings_name_the_fix(change, message) -> None:
    settings = load_protocol("crossover", "moderate", element="Cu")["settings"]
    assert message in CrossoverSettings.problem({**settings, **change})


def test_ranges_that_overlap_or_run_backwards_are_refused() -> None:
    assert "[9, 7] is empty: write [7, 9]" in SizeScanSettings.problem({"ranges": [[9, 7]]})
    assert "overlap" in SizeScanSettings.problem({"ranges": [[7, 9], [9, 12]]})
    assert SizeScanSettings(ranges=[[7, 8], [11, 11]]).sizes == [7, 8, 11]

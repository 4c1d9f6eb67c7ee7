"""Levels of theory of labels and of predictions."""

import pytest

from aiida_nanoclusters.science.labels.levels import (
    is_prediction,
    model_of,
    prediction_level,
    trained_at,
)

UUID = "1a2b3c4d-0000-4000-8000-000000000000"


def test_a_prediction_names_its_model_and_what_that_was_trained_at():
    level = prediction_level("Allegro", UUID, "PBE-D3 (TZ2P)")
    assert level == "Allegro 1a2b3c4d (PBE-D3 (TZ2P))"
    assert is_prediction(level)
    assert (model_of(level), trained_at(level)) == ("Allegro 1a2b3c4d", "PBE-D3 (TZ2P)")
    # a model of a model's predictions
    again = prediction_level("Allegro", UUID[::-1], level)
    assert is_prediction(again) and trained_at(again) == level


@pytest.mark.parametrize(
    "level", ["", "PBE", "Cu_mishin1.eam.alloy", "Allegro", "Allegro 7net-0", "EMT()", "LJ"]
)
def test_labels_are_none(level):
    assert not is_prediction(level)
    assert model_of(level) == trained_at(level) == level

"""Settings of active learning: limits, messages, and names of earlier versions."""

import pytest

from aiida_nanoclusters.science.learning.classes import CLASSES
from aiida_nanoclusters.science.learning.settings import (
    ActiveLearningSettings,
    ChoiceSettings,
    LoopSettings,
    SelectionSettings,
    ThresholdCalibration,
)
from aiida_nanoclusters.workflows.parts.protocol import load_protocol

CALIBRATION = {
    "accurate_below": 0.1,
    "failed_above": 0.5,
    "max_error": 0.2,
    "share": 0.1,
    "confidence": 0.9,
}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "`budget` is missing"),
        ({"budget": 3, "calibration_frame": 1}, "did you mean `calibration_frames`?"),
        ({"budget": 3, "calibration_frames": 4}, "within the budget of 3"),
        ({"budget": 2.5}, "`budget` is 2.5"),
        ({"budget": 3, "classes": ["bad"]}, "only accurate, candidate, failed"),
        ({"budget": 3, "tolerance": -1.0}, "`tolerance` is -1.0"),
        ({"budget": 3, "by": "luck"}, "only medoids, farthest, random"),
        ({"budget": 3, "calibration_frames": 3, "classes": list(CLASSES), "tolerance": 0}, None),
    ],
)
def test_settings_of_a_choice(settings, message):
    found = SelectionSettings.problem(settings)
    assert found is None if message is None else message in found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_error": 0.0}, "`max_error` is 0.0: input should be greater than 0 eV/Å"),
        ({"share": 1.0}, "`share` is 1.0"),
        ({"accurate_below": 0.6}, "not below `accurate_below`"),
        ({"sahre": 1.0}, "did you mean `share`?"),
        ({}, None),
    ],
)
def test_settings_of_a_calibration(change, message):
    found = ThresholdCalibration.problem({**CALIBRATION, **change})
    assert found is None if message is None else message in found


def test_a_calibration_needs_an_error():
    given = {key: CALIBRATION[key] for key in ("accurate_below", "failed_above")}
    assert "`max_error` is missing" in ThresholdCalibration.problem(given)


def test_former_names_lie_over_a_protocol():
    """An override of an earlier version replaces the value of the protocol."""
    settings = {
        "loop": {"accurate_below": 0.1, "low": 0.2, "high": 0.7, "checks": 4},
        "choice": {"wanted": ["good", "decent"], "by": "chance"},
        "calibration": {"error": 0.3},
        "sets": {},
    }
    with pytest.warns(DeprecationWarning) as caught:
        found = ActiveLearningSettings(**settings)
    assert {str(warning.message) for warning in caught} == {
        "the setting `low` is called `accurate_below` now",
        "the setting `high` is called `failed_above` now",
        "the setting `checks` is called `calibration_frames` now",
        "the setting `wanted` is called `classes` now",
        "the setting `error` is called `max_error` now",
    }
    assert (found.loop.accurate_below, found.loop.failed_above) == (0.2, 0.7)
    assert found.loop.calibration_frames == 4
    assert found.choice == ChoiceSettings(classes=["accurate", "candidate"], by="random")
    assert found.calibration.max_error == 0.3


def test_defaults_are_those_of_the_protocol():
    values = load_protocol("active_learning")["settings"]
    for name, model in (("loop", LoopSettings), ("choice", ChoiceSettings)):
        own = model().model_dump()
        assert {key: own[key] for key in values[name]} == values[name]

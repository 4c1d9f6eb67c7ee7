"""Settings of the alignment: those of the script, within their limits."""

import json
from pathlib import Path

import pytest
import yaml

import aiida_nanoclusters
from aiida_nanoclusters.formats.nequip.alignment import render_alignment
from aiida_nanoclusters.science.learning.alignment import DEFAULTS
from aiida_nanoclusters.science.learning.training_settings import AlignmentSettings

PROTOCOLS = Path(aiida_nanoclusters.__file__).parent / "workflows" / "protocols" / "train.yaml"


def test_protocols_and_model_have_all_settings_of_the_script() -> None:
    section = yaml.safe_load(PROTOCOLS.read_text("utf-8"))["default_inputs"]["alignment"]
    written = json.loads(render_alignment({"alignment": section}, seed=7, max_seconds=60.0))
    assert written == {**DEFAULTS, "seed": 7, "max_seconds": 60.0}
    own = AlignmentSettings().model_dump()
    assert own == {name: value for name, value in DEFAULTS.items() if name in own}


def test_alignment_is_optional() -> None:
    assert render_alignment({}, seed=0) is None
    assert render_alignment({"alignment": None}, seed=0) is None


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (True, "give its settings, or null"),
        ({"damping": 1e-3}, "unknown setting `damping`: did you mean `dampings`"),
        ({"dampings": []}, "at least 1 item"),
        ({"dampings": [0.0]}, "give numbers above 0"),
        ({"iterations": 0}, "`iterations` is 0: input should be greater than or equal to 1"),
        ({"projections": 1.5}, "`projections` is 1.5: input should be a valid integer"),
        (
            {"force_growth": 0.5},
            "`force_growth` is 0.5: input should be greater than or equal to 1",
        ),
        ({"energy_scale": float("nan")}, "`energy_scale` is nan: input should be a finite number"),
        ({"motifs": ["icosahedron"]}, "give two names or none"),
    ],
)
def test_bad_settings_are_named(section, message) -> None:
    with pytest.raises(ValueError, match=message):
        render_alignment({"alignment": section}, seed=0)

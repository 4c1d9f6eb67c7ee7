"""Settings of the alignment: what the script knows, and no nonsense."""

import json
from pathlib import Path

import pytest
import yaml

import aiida_nanoclusters
from aiida_nanoclusters.formats.nequip_alignment import render_alignment
from aiida_nanoclusters.science.alignment import DEFAULTS

PROTOCOLS = Path(aiida_nanoclusters.__file__).parent / "workflows" / "protocols" / "train.yaml"


def test_the_protocols_say_all_the_script_knows() -> None:
    section = yaml.safe_load(PROTOCOLS.read_text("utf-8"))["default_inputs"]["alignment"]
    written = json.loads(render_alignment({"alignment": section}, seed=7, max_seconds=60.0))
    assert written == {**DEFAULTS, "seed": 7, "max_seconds": 60.0}


def test_none_is_wanted() -> None:
    assert render_alignment({}, seed=0) is None
    assert render_alignment({"alignment": None}, seed=0) is None


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (True, "must be a mapping or null"),
        ({"damping": 1e-3}, r"unknown keys \['damping'\]"),
        ({"dampings": []}, "must be numbers above 0"),
        ({"dampings": [0.0]}, "must be numbers above 0"),
        ({"iterations": 0}, "iterations must be a whole number >= 1"),
        ({"projections": 1.5}, "projections must be a whole number >= 0"),
        ({"force_growth": 0.5}, "force_growth must be a number >= 1.0"),
        ({"energy_scale": float("nan")}, "energy_scale must be a number"),
        ({"motifs": ["icosahedron"]}, "two names or none"),
    ],
)
def test_bad_settings_are_named(section, message) -> None:
    with pytest.raises(ValueError, match=message):
        render_alignment({"alignment": section}, seed=0)

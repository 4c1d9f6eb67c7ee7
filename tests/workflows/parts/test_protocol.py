"""Protocols of every file, and how overrides are laid over them."""

from importlib.resources import files

import pytest

from aiida_nanoclusters.science.elements import ELEMENTS
from aiida_nanoclusters.workflows.parts.protocol import load_protocol, merge, protocol_names

NAMES = sorted(
    entry.name.removesuffix(".yaml")
    for entry in (files("aiida_nanoclusters.workflows") / "protocols").iterdir()
    if entry.name.endswith(".yaml")
)


@pytest.mark.parametrize("name", NAMES)
def test_every_protocol_loads(name):
    if name not in ("cp2k", "vasp", "reproduce"):  # theirs are levels of theory, and tolerances
        published = {
            "basin_hopping": "shakes",
            "melting": "fine",
            "parallel_tempering": "settem2022",
            "active_learning": "published",
            "chart": "telari2023",
            "compatibility": "wang2026",
            "match_ligands": "wang2026",
            "lowest_structures": "thorough",  # no one has published numbers
            "metadynamics": "tiwari2025",
            "nucleate": "tiwari2025",
        }.get(name, "liu2025")
        small = ("chart", "compatibility", "match_ligands", "metadynamics", "nucleate")
        smallest = "trial" if name in small else "tutorial"
        assert {smallest, published} <= set(protocol_names(name))
    for protocol in (None, *protocol_names(name)):
        values = load_protocol(name, protocol)
        assert values
        assert "description" not in values


def test_a_warm_training_has_the_same_model():
    cold, warm = (load_protocol("train", name) for name in ("tutorial", "tutorial_warm"))
    assert warm["model"] == cold["model"]
    for key in ("epochs", "learning_rate"):
        assert warm["training"].pop(key) < cold["training"].pop(key)
    assert warm == cold


def test_temperatures_are_parts_of_the_melting_point():
    written = load_protocol("anneal", "moderate")["settings"]["stages"]
    assert written[0]["temperature"] == ["0.221 Tm", "1.031 Tm"]
    copper = load_protocol("anneal", "moderate", element="Cu")["settings"]["stages"]
    assert copper[0]["temperature"] == [300, 1400]
    nickel = load_protocol("anneal", "moderate", element="Ni")["settings"]["stages"]
    assert nickel[0]["temperature"] == [382, 1782]
    own = {"settings": {"temperature": "0.5 Tm"}}
    found = load_protocol("basin_hopping", None, own, element="Al")["settings"]
    assert found["temperature"] == 467
    with pytest.raises(ValueError, match=r"no melting point of Xx is known: write .* in K"):
        load_protocol("anneal", "moderate", element="Xx")


def test_overrides_come_last():
    plain = load_protocol("train", "tutorial")
    changed = load_protocol("train", "tutorial", {"training": {"epochs": 7}})
    assert changed["training"].pop("epochs") == 7
    plain["training"].pop("epochs")
    assert changed == plain


def test_loaded_values_are_the_callers_own():
    load_protocol("train")["training"]["epochs"] = -1
    assert load_protocol("train")["training"]["epochs"] > 0


def test_merge():
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    changes = {"a": {"c": [3]}, "d": {"e": 2}}
    assert merge(base, changes) == {"a": {"b": 1, "c": [3]}, "d": {"e": 2}}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 1}


def test_unknown_names_list_the_known():
    with pytest.raises(ValueError, match=r"unknown protocol `quick`.*tutorial.*moderate.*liu2025"):
        load_protocol("train", "quick")
    with pytest.raises(ValueError, match=r"no protocols for `../x`.*anneal.*train"):
        load_protocol("../x")


def test_vasp_has_a_potential_for_every_metal():
    mapping = load_protocol("vasp")["potential_mapping"]
    assert sorted(set(ELEMENTS) - set(mapping)) == ["Ar"]  # there to be tested with Lennard-Jones
    assert all(name.split("_")[0] == symbol for symbol, name in mapping.items())

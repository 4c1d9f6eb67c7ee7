"""Every protocol fits the models of its settings, and the page of settings shows each of them."""

import sys
from pathlib import Path

import pytest

from aiida_nanoclusters.workflows.parts.protocol import (
    load_protocol,
    protocol_names,
    protocol_stems,
)
from aiida_nanoclusters.workflows.parts.settings import SETTINGS

DOCS = Path(__file__).parents[3] / "docs"
PROTOCOLS = [(stem, name) for stem in protocol_stems() for name in protocol_names(stem)]
MODELS = [(stem, path) for stem, models in SETTINGS.items() for path in models]


def part_of(values, path):
    for key in filter(None, path.split(".")):
        values = values[key]
    return values


@pytest.mark.parametrize(("stem", "name"), PROTOCOLS)
def test_every_protocol_fits_its_models(stem, name) -> None:
    values = load_protocol(stem, name, element="Cu")
    assert values
    for path, model in SETTINGS.get(stem, {}).items():
        part = part_of(values, path)
        if part is not None:  # a protocol may give temperatures in place of a ladder to be chosen
            assert model.problem(part) is None


@pytest.mark.parametrize(("stem", "path"), MODELS)
def test_every_model_has_a_part_of_a_protocol(stem, path) -> None:
    assert stem in protocol_stems()
    assert isinstance(part_of(load_protocol(stem), path), dict)


@pytest.mark.parametrize(("stem", "path"), MODELS)
def test_the_page_of_settings_shows_every_setting(stem, path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", [str(DOCS), *sys.path])
    from settings_tables import tables

    section = tables().partition(f"\n## {stem}\n")[2].partition("\n## ")[0]
    for row in SETTINGS[stem][path].table():
        assert row.description.endswith("."), row.name
        sentence = row.description.replace("|", "\\|")
        assert f"{row.name}` | {sentence} | {row.unit} |" in section

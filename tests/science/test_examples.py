"""The examples in the docstrings of the rooms' functions."""

import doctest
from importlib import import_module

import pytest

SCIENCE = "aiida_nanoclusters.science"
MODULES = (
    "recognition.neighbours",
    "structures.crystals",
    "structures.motifs",
    "stability.crossing",
    "stability.elasticity",
    "stability.least_squares",
    "stability.magic",
    "stability.search",
    "melting.caloric",
    "ligands.bond_lengths",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_the_docstrings_run(name) -> None:
    result = doctest.testmod(import_module(f"{SCIENCE}.{name}"))
    assert result.attempted > 0
    assert result.failed == 0

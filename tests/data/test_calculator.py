"""Calculators of potentials against evaluations that do not use our calculator."""

import gc
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.calculator import CalculationFailed
from ase.calculators.eam import EAM
from ase.calculators.fd import calculate_numerical_stress
from ase.calculators.lammpslib import LAMMPSlib
from ase.calculators.lj import LennardJones
from ase.cluster import Icosahedron
from ase.md.verlet import VelocityVerlet
from ase.neighborlist import neighbor_list
from ase.units import fs

from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import GRANT, IMPORTED, trust


def cluster(shells: int = 2) -> Atoms:
    atoms = Icosahedron("Cu", shells)
    atoms.rattle(0.1, seed=1)
    atoms.set_cell(None)
    atoms.pbc = False
    return atoms


def in_a_small_cell() -> Atoms:
    """A cluster larger than its cell, which is not periodic."""
    atoms = cluster()
    atoms.set_cell([2.0, 2.0, 2.0])
    return atoms


def slab() -> Atoms:
    atoms = fcc111("Cu", (2, 2, 3), vacuum=1.0)
    atoms.rattle(0.1, seed=2)
    atoms.pbc = (True, True, False)
    return atoms


def wire() -> Atoms:
    """Periodic along its second cell vector, which is not along a Cartesian axis."""
    atoms = slab()
    atoms.pbc = (False, True, False)
    return atoms


def primitive() -> Atoms:
    atoms = bulk("Cu").repeat((1, 1, 2))
    atoms.rattle(0.1, seed=3)
    return atoms


def left_handed() -> Atoms:
    atoms = primitive()
    atoms.set_cell(atoms.cell.array[[1, 0, 2]])
    assert atoms.cell.handedness == -1
    return atoms


def far_outside() -> Atoms:
    """A skewed crystal whose atoms lie many cells away from the origin."""
    atoms = primitive()
    first, second, third = atoms.cell.array
    atoms.set_cell([first, second + 3 * first, third])
    atoms.positions += 100.0
    return atoms


SHAPES = [cluster, in_a_small_cell, slab, wire, primitive, left_handed, far_outside]


def compare(atoms: Atoms, calculator, reference) -> None:
    atoms.calc = calculator
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    atoms.calc = reference
    assert energy == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    assert np.abs(forces).max() > 0.01
    np.testing.assert_allclose(forces, atoms.get_forces(), atol=1e-6)


@pytest.fixture
def eam(eam_potential):
    return eam_potential.get_calculator()


@pytest.fixture(scope="module")
def ase_eam(eam_file):
    return EAM(potential=str(eam_file))


@pytest.mark.parametrize("shape", SHAPES)
def test_eam_agrees_with_ase(shape, eam, ase_eam) -> None:
    compare(shape(), eam, ase_eam)


def test_one_calculator_for_structures_of_all_shapes(eam, ase_eam) -> None:
    for shape in [*SHAPES, *reversed(SHAPES)]:
        compare(shape(), eam, ase_eam)


@pytest.mark.parametrize("shape", [primitive, left_handed, far_outside])
def test_stress_is_the_derivative_of_the_energy(shape, eam) -> None:
    atoms = shape()
    atoms.calc = eam
    stress = atoms.get_stress()
    numerical = calculate_numerical_stress(atoms, eps=1e-5)
    np.testing.assert_allclose(stress, numerical, atol=1e-6)
    assert np.abs(stress).max() > 0.01


def test_only_crystals_have_a_stress(eam) -> None:
    atoms = slab()
    atoms.calc = eam
    with pytest.raises(NotImplementedError):
        atoms.get_stress()


@pytest.mark.parametrize(
    ("kind", "name", "element", "spline_error"),
    # ASE interpolates the tables by other splines than LAMMPS; that of `eam` is coarse.
    [("eam", "Cu_u3.eam", "Cu", 5e-3), ("eam/fs", "Zr_mm.eam.fs", "Zr", 1e-5)],
)
def test_other_eam_files(kind, name, element, spline_error, eam_file, aiida_profile) -> None:
    file = eam_file.with_name(name)
    node = PotentialData.from_file(file, kind, level_of_theory="EAM")
    atoms = bulk(element, "fcc", a=3.6 if element == "Cu" else 4.5, cubic=True)
    atoms.rattle(0.05, seed=4)
    coefficients = f"pair_coeff * * {file}" + (f" {element}" if kind == "eam/fs" else "")
    by_ase = LAMMPSlib(lmpcmds=[f"pair_style {kind}", coefficients], atom_types={element: 1})
    compare(atoms, node.get_calculator(), by_ase)
    ours = node.get_calculator().get_forces(atoms)
    form = {"eam": "eam", "eam/fs": "fs"}[kind]
    atoms.calc = EAM(potential=str(file), form=form)
    np.testing.assert_allclose(ours, atoms.get_forces(), atol=spline_error)


@pytest.mark.parametrize("shape", [cluster, slab, primitive])
def test_lennard_jones_agrees_with_ase(shape, aiida_profile) -> None:
    epsilon, sigma, cutoff = 0.4, 2.3, 6.0
    node = PotentialData.lennard_jones("Cu", epsilon=epsilon, sigma=sigma, cutoff=cutoff)
    atoms = shape()
    atoms.calc = node.get_calculator()
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    atoms.calc = LennardJones(epsilon=epsilon, sigma=sigma, rc=cutoff)
    pairs = len(neighbor_list("i", atoms, cutoff)) / 2
    ratio = (sigma / cutoff) ** 6
    shift = 4 * epsilon * (ratio**2 - ratio)  # ASE's is zero at the cutoff, LAMMPS's is not
    assert energy == pytest.approx(atoms.get_potential_energy() + pairs * shift, abs=1e-6)
    np.testing.assert_allclose(forces, atoms.get_forces(), atol=1e-6)


def test_elements_in_another_order_than_those_of_the_structure(eam_file, aiida_profile) -> None:
    file = eam_file.with_name("NiAlH_jea.eam.alloy")
    node = PotentialData.from_file(file, "eam/alloy", level_of_theory="EAM")
    assert node.elements == ["Ni", "Al", "H"]
    atoms = bulk("Ni", a=3.7, cubic=True)
    atoms.rattle(0.05, seed=2)
    atoms.symbols[0] = "Al"
    compare(atoms, node.get_calculator(), EAM(potential=str(file)))


def test_dynamics_conserves_energy_while_an_atom_leaves(eam) -> None:
    atoms = cluster()
    atoms.positions[1:] -= atoms.positions[0]
    atoms.calc = eam
    momenta = np.zeros((len(atoms), 3))
    momenta[-1] = 40.0 * atoms.positions[-1] / np.linalg.norm(atoms.positions[-1])
    atoms.set_momenta(momenta)
    before, size = atoms.get_total_energy(), np.ptp(atoms.positions)
    VelocityVerlet(atoms, 1.0 * fs).run(200)
    assert np.ptp(atoms.positions) > size + 10.0
    assert atoms.get_total_energy() == pytest.approx(before, abs=0.02)


def test_allegro_package_agrees_with_nequip(aiida_profile, allegro_package) -> None:
    from nequip.integrations.ase import NequIPCalculator

    node = PotentialData.from_file(allegro_package, "allegro", level_of_theory="EMT").store()
    reference = NequIPCalculator._from_saved_model(str(allegro_package), device="cpu")
    for shape in (cluster, slab, primitive):
        compare(shape(), node.get_calculator(), reference)


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_compiled_allegro_agrees_with_nequip(
    by, aiida_profile, allegro_package, allegro_compiled, allegro_plugin, monkeypatch
) -> None:
    from nequip.integrations.ase import NequIPCalculator

    node = PotentialData.from_file(
        allegro_compiled, "allegro-compiled", level_of_theory="EMT"
    ).store()
    if by == "environment":
        monkeypatch.setenv("LAMMPS_PLUGIN_PATH", str(allegro_plugin))
    calculator = node.get_calculator(plugin=allegro_plugin if by == "argument" else None)
    reference = NequIPCalculator._from_saved_model(str(allegro_package), device="cpu")
    for shape in SHAPES:
        compare(shape(), calculator, reference)


@pytest.mark.parametrize(
    ("plugin", "message"),
    [(None, r"lammps_plugin\.build DIR"), ("nowhere", r"no LAMMPS plugin at nowhere: build it")],
)
def test_compiled_allegro_without_the_plugin_names_the_fix(
    plugin, message, allegro_compiled, tmp_path
) -> None:
    """In a process of its own: LAMMPS keeps a plugin for all that follow in the same process."""
    (tmp_path / "script.py").write_text(
        "from aiida_nanoclusters.formats.lammps.calculator import LammpsCalculator\n"
        "from aiida_nanoclusters.formats.lammps.potential_lines import Interaction\n"
        "interaction = Interaction('allegro-compiled', ('Cu',), 4.5)\n"
        f"LammpsCalculator(interaction, {str(allegro_compiled)!r}, plugin={plugin!r})\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "LAMMPS_PLUGIN_PATH"}
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.search(r"CalculatorSetupError: .*" + message, done.stderr)


def test_a_model_compiled_for_another_processor_is_refused(
    aiida_profile, allegro_compiled, monkeypatch
) -> None:
    node = PotentialData.from_file(allegro_compiled, "allegro-compiled", level_of_theory="EMT")
    monkeypatch.setattr(PotentialData, "processor_flag", "no_such_flag")
    with pytest.raises(ValueError, match=r"`no_such_flag`.*compile its package"):
        node.get_calculator()


def test_an_untrusted_package_is_refused(aiida_profile, allegro_package) -> None:
    node = PotentialData.from_file(allegro_package, "allegro", level_of_theory="EMT").store()
    node.base.extras.delete(GRANT)
    with pytest.raises(ValueError, match=f"aiida-nanoclusters trust {node.uuid}"):
        node.get_calculator()
    trust(node)
    atoms = cluster()
    atoms.calc = node.get_calculator()
    assert np.isfinite(atoms.get_potential_energy())


def test_an_untrusted_compiled_model_is_refused(aiida_profile, allegro_compiled) -> None:
    node = PotentialData.from_file(
        allegro_compiled, "allegro-compiled", level_of_theory="EMT"
    ).store()
    node.base.extras.delete(GRANT)
    with pytest.raises(ValueError, match=f"aiida-nanoclusters trust {node.uuid}"):
        node.get_calculator()


def test_imported_numbers_need_no_trust(aiida_profile, eam_potential) -> None:
    eam_potential.base.extras.set(IMPORTED, True)
    atoms = cluster()
    atoms.calc = eam_potential.get_calculator()
    assert atoms.get_potential_energy() < 0


def test_the_file_lives_as_long_as_the_calculator(eam_potential, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    calculator = eam_potential.get_calculator()
    gc.collect()
    (file,) = Path(tmp_path).glob("nanoclusters-potential-*/*")
    assert file.name == "potential.eam.alloy"
    del calculator
    gc.collect()
    assert not list(tmp_path.glob("nanoclusters-potential-*"))


def test_what_cannot_be_evaluated_names_the_fix(eam, tmp_path) -> None:
    with pytest.raises(ValueError, match="not for Au: choose a potential"):
        eam.get_potential_energy(Atoms("Au"))
    with pytest.raises(ValueError, match="give at least one"):
        eam.get_potential_energy(Atoms())
    with pytest.raises(ValueError, match="set its `pbc` to False"):
        eam.get_potential_energy(Atoms("Cu", pbc=True))
    with pytest.raises(CalculationFailed, match="not finite"):
        eam.get_potential_energy(Atoms("Cu", positions=[[np.nan, 0, 0]]))


def test_a_file_that_ends_too_early_is_refused(eam_file, aiida_profile, tmp_path) -> None:
    broken = tmp_path / "broken.eam.alloy"
    broken.write_text("\n".join(eam_file.read_text().splitlines()[:50]))
    with pytest.raises(ValueError, match="cut short: a table ends after 44 of 10001 numbers"):
        PotentialData.from_file(broken, "eam/alloy", level_of_theory="EAM")

"""The pair style against nequip's own calculator, finite differences and exact limits."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.cluster import Icosahedron

from tests.allegro_model import ISOLATED_ATOM_ENERGY, R_MAX
from tests.lammps_plugin.conftest import data_file, run_lmp, setup_script, standard

A0 = 3.6


def cluster() -> Atoms:
    """55 atoms and, 9 Å away, a 56th without neighbours."""
    atoms = Icosahedron("Cu", 3)
    atoms.set_tags(0)
    atoms.rattle(0.1, seed=1)
    far = atoms.positions[:, 0].max() + 9.0
    return standard(atoms + Atoms("Cu", [[far, 0.0, 0.0]]))


def crystal() -> Atoms:
    """Rattled, sheared periodic cell whose edges are shorter than twice the cutoff."""
    atoms = bulk("Cu", a=A0, cubic=True).repeat(2)
    atoms.set_cell(
        atoms.cell @ (np.eye(3) + 0.02 * np.arange(9).reshape(3, 3) / 8), scale_atoms=True
    )
    atoms.rattle(0.1, seed=2)
    return standard(atoms)


def primitive() -> Atoms:
    """One atom, its neighbours all images of itself, and no symmetry to hide behind."""
    atoms = bulk("Cu", a=A0)
    strain = np.eye(3) + np.array([[0.02, 0.03, 0.0], [0.0, -0.02, 0.01], [0.0, 0.0, 0.03]])
    atoms.set_cell(atoms.cell @ strain, scale_atoms=True)
    return standard(atoms)


def slab() -> Atoms:
    """Periodic in two directions."""
    atoms = bulk("Cu", a=A0, cubic=True).repeat((2, 2, 2))
    atoms.center(vacuum=6.0, axis=2)
    atoms.pbc = (True, True, False)
    atoms.rattle(0.1, seed=3)
    return standard(atoms)


STRUCTURES = {"cluster": cluster, "crystal": crystal, "primitive": primitive, "slab": slab}


@pytest.mark.parametrize(
    "options, ranks", [("", 1), ("chunk 0", 2), ("chunk 7", 2), ("chunk 1", 1)]
)
@pytest.mark.parametrize("name", STRUCTURES)
def test_agrees_with_nequip(
    name, options, ranks, evaluate, ase_calculator, allegro_package, allegro_compiled
):
    atoms = STRUCTURES[name]()
    result = evaluate(atoms, allegro_compiled, options=options, ranks=ranks)
    atoms.calc = ase_calculator(allegro_package)
    assert result.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    assert result.energies == pytest.approx(atoms.get_potential_energies(), abs=1e-7)
    assert result.forces == pytest.approx(atoms.get_forces(), abs=1e-7)
    assert np.abs(result.forces).max() > 0.05 or name == "primitive"
    assert result.stress == pytest.approx(atoms.get_stress(), abs=1e-8)
    assert np.abs(result.stress).min() > 1e-7


def test_atom_without_neighbours_has_its_own_energy(evaluate, allegro_compiled):
    atoms = cluster()
    result = evaluate(atoms, allegro_compiled, ranks=2)
    assert result.energies[-1] == ISOLATED_ATOM_ENERGY
    assert result.forces[-1] == pytest.approx(0.0, abs=0.0)
    assert result.energies.sum() == pytest.approx(result.energy, abs=1e-9)


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("distances", [[], [9.0], [9.0, 20.0]])
def test_nobody_has_neighbours(distances, ranks, evaluate, allegro_compiled):
    """One atom leaves the second rank without any."""
    atoms = standard(Atoms("Cu" * (len(distances) + 1), [[x, 0.0, 0.0] for x in [0.0, *distances]]))
    result = evaluate(atoms, allegro_compiled, ranks=ranks)
    assert result.energy == ISOLATED_ATOM_ENERGY * len(atoms)
    assert np.all(result.energies == ISOLATED_ATOM_ENERGY)
    assert np.all(result.forces == 0.0)
    assert np.all(result.stress == 0.0)


@pytest.mark.parametrize("options", ["", "chunk 1"])
def test_dimer_at_the_cutoff(options, evaluate, ase_calculator, allegro_package, allegro_compiled):
    inside = standard(Atoms("Cu2", [[0, 0, 0], [0.0, 0.0, R_MAX - 0.5]]))
    result = evaluate(inside, allegro_compiled, options=options)
    inside.calc = ase_calculator(allegro_package)
    assert result.energy == pytest.approx(inside.get_potential_energy(), abs=1e-9)
    assert result.forces == pytest.approx(inside.get_forces(), abs=1e-9)
    assert abs(result.forces[0, 2]) > 1e-5
    for distance in (R_MAX - 1e-4, R_MAX, R_MAX + 1e-4):
        atoms = standard(Atoms("Cu2", [[0, 0, 0], [0.0, 0.0, distance]]))
        result = evaluate(atoms, allegro_compiled, options=options)
        assert result.energy == pytest.approx(2 * ISOLATED_ATOM_ENERGY, abs=1e-9)
        assert result.forces == pytest.approx(0.0, abs=1e-6)


def test_stress_is_the_strain_derivative_of_the_energy(evaluate, allegro_compiled):
    atoms, step = crystal(), 1e-4
    stress = evaluate(atoms, allegro_compiled).stress
    # tension along z, shear yz: strains that keep the cell lower triangular
    for voigt, (i, j) in {2: (2, 2), 3: (2, 1)}.items():
        energies = []
        for sign in (1, -1):
            deformation = np.eye(3)
            deformation[i, j] += sign * step
            strained = atoms.copy()
            strained.set_cell(atoms.cell @ deformation, scale_atoms=True)
            energies.append(evaluate(strained, allegro_compiled).energy)
        slope = (energies[0] - energies[1]) / (2 * step * atoms.get_volume())
        assert stress[voigt] == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize("name", STRUCTURES)
def test_virials_of_atoms(name, evaluate, allegro_compiled):
    """They add up to the virial, and neither chunks nor ranks change what an atom has."""
    atoms = STRUCTURES[name]()
    plain = evaluate(atoms, allegro_compiled)
    whole = evaluate(atoms, allegro_compiled, atom_virials=True)
    parts = evaluate(atoms, allegro_compiled, options="chunk 5", ranks=2, atom_virials=True)
    assert whole.forces == pytest.approx(plain.forces, abs=1e-9)
    assert whole.stress == pytest.approx(plain.stress, abs=1e-9)
    assert whole.atom_virials.sum(axis=0) / atoms.get_volume() == pytest.approx(
        -plain.stress, abs=1e-8
    )
    assert parts.atom_virials == pytest.approx(whole.atom_virials, abs=1e-7)


def test_virial_of_an_atom_is_its_energy_under_strain(evaluate, allegro_compiled):
    """Each atom's own virial is -dE_i/dstrain, as its energy depends on its own neighbours only."""
    atoms, step = crystal(), 1e-4
    virials = evaluate(atoms, allegro_compiled, atom_virials=True).atom_virials
    energies = []
    for sign in (1, -1):
        strained = atoms.copy()
        strained.set_cell(atoms.cell @ np.diag([1.0, 1.0, 1.0 + sign * step]), scale_atoms=True)
        energies.append(evaluate(strained, allegro_compiled).energies)
    assert virials[:, 2] == pytest.approx(-(energies[0] - energies[1]) / (2 * step), abs=1e-5)


@pytest.mark.parametrize("elements", [("Cu", "Au"), ("Au", "Cu")])
def test_two_elements_in_either_order(
    elements, evaluate, ase_calculator, two_element_package, two_element_model
):
    """Single precision, with cutoffs that depend on the pair of elements and its direction."""
    atoms = crystal()
    atoms.symbols[::3] = "Au"
    result = evaluate(atoms, two_element_model, elements=elements, ranks=2)
    atoms.calc = ase_calculator(two_element_package)
    assert result.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-3)
    assert result.energies == pytest.approx(atoms.get_potential_energies(), abs=1e-5)
    assert result.forces == pytest.approx(atoms.get_forces(), abs=1e-5)
    assert result.stress == pytest.approx(atoms.get_stress(), abs=1e-6)


def test_one_element_of_a_larger_model(evaluate, two_element_model):
    """Copper is the second type of the model, the isolated atoms tell."""
    gold = evaluate(standard(Atoms("Au")), two_element_model, elements=["Au"])
    copper = evaluate(standard(Atoms("Cu")), two_element_model, elements=["Cu"])
    assert (gold.energy, copper.energy) == (ISOLATED_ATOM_ENERGY, ISOLATED_ATOM_ENERGY + 1)


def test_dynamics_conserve_energy(tmp_path, allegro_plugin, allegro_compiled):
    """200 fs at some 600 K with migration between ranks: the total energy stays."""
    atoms = crystal()
    (tmp_path / "data.lmp").write_text(data_file(atoms, ["Cu"]))
    script = setup_script(allegro_compiled, ["Cu"], atoms.pbc)
    script += """velocity all create 600 17 loop geom
fix move all nve
timestep 0.001
thermo_modify norm no
run 0
print "start $(etotal:%.12g)"
run 200
print "end $(etotal:%.12g) $(temp:%.12g)"
"""
    done = run_lmp(script, tmp_path, allegro_plugin, ranks=2)
    assert done.returncode == 0, done.stdout[-2000:]
    printed = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line}
    assert float(printed["end"][0]) == pytest.approx(float(printed["start"][0]), abs=0.02)
    assert float(printed["end"][1]) > 50


def test_structures_one_after_the_other(tmp_path, allegro_plugin, allegro_compiled):
    """`clear` between structures: the second evaluation is that of a fresh process."""
    names = ["crystal", "primitive", "crystal"]
    script = ""
    for i, name in enumerate(names):
        atoms = STRUCTURES[name]()
        (tmp_path / f"{i}.lmp").write_text(data_file(atoms, ["Cu"]))
        script += "clear\n" if i else ""
        script += setup_script(allegro_compiled, ["Cu"], atoms.pbc).replace("data.lmp", f"{i}.lmp")
        script += 'thermo_modify norm no\nrun 0\nprint "pe $(pe:%.15g)"\n'
    done = run_lmp(script, tmp_path, allegro_plugin)
    assert done.returncode == 0, done.stdout[-2000:]
    energies = [
        float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("pe ")
    ]
    assert energies[0] == energies[2] != energies[1]


@pytest.mark.slow
def test_fewer_ghosts_than_before(tmp_path, checked_plugin, evaluate, allegro_compiled):
    """A cell that is stretched has fewer images; accesses past the end of an array abort LAMMPS."""
    atoms, factor = crystal(), 1.5
    stretched = atoms.copy()
    stretched.set_cell(atoms.cell @ np.diag([1.0, 1.0, factor]), scale_atoms=True)
    expected = evaluate(stretched, allegro_compiled)
    (tmp_path / "data.lmp").write_text(data_file(atoms, ["Cu"]))
    script = setup_script(allegro_compiled, ["Cu"], atoms.pbc)
    script += f"""thermo_modify norm no
run 0
change_box all z scale {factor} yz final {stretched.cell[2, 1]:.15g} &
  xz final {stretched.cell[2, 0]:.15g} remap units box
run 0
print "pe $(pe:%.12g)"
"""
    done = run_lmp(script, tmp_path, checked_plugin)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    ghosts = [
        int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("Nghost")
    ]
    assert ghosts[1] < ghosts[0]
    energies = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("pe ")]
    assert float(energies[0]) == pytest.approx(expected.energy, abs=1e-8)

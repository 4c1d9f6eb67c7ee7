"""Energies, forces and stresses of one LAMMPS job against ASE's own EAM calculator."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.eam import EAM
from ase.calculators.fd import calculate_numerical_stress
from ase.cluster import Icosahedron

from aiida_nanoclusters.calculations.labels.evaluate import (
    EvaluateCalculation,
    validate_potentials,
    validate_settings,
)
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData


def mixed_frames() -> list[Atoms]:
    rng = np.random.default_rng(5)
    cluster = Icosahedron("Cu", 3)
    cluster.rattle(0.1, seed=1)
    cluster.positions += [30.0, -40.0, 7.0]
    strained = bulk("Cu", a=3.6) * (2, 1, 1)
    strained.set_cell(
        strained.cell @ (np.eye(3) + 0.05 * rng.normal(size=(3, 3))), scale_atoms=True
    )
    strained.rattle(0.1, seed=2)
    strained.positions += [11.0, 5.0, -20.0]  # outside its cell
    turned = strained.copy()
    turned.rotate(50, [1, 2, 3], rotate_cell=True)
    left_handed = strained.copy()
    left_handed.cell[0] *= -1
    slab = fcc111("Cu", (2, 2, 3), vacuum=3)
    slab.set_tags(0)
    slab.rattle(0.1, seed=3)
    slab.rotate(30, "z", rotate_cell=True)
    wire = bulk("Cu", cubic=True) * (1, 1, 2)
    wire.rattle(0.1, seed=4)
    wire.pbc = [False, False, True]
    return [
        Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.3]]),
        Atoms("Cu"),
        cluster,
        bulk("Cu", a=3.7),
        strained,
        turned,
        left_handed,
        slab,
        wire,
        Icosahedron("Cu", 2),
    ]


def evaluate(code, frames, potentials, **inputs):
    return run_get_node(
        EvaluateCalculation,
        code=code,
        frames=FramesData(frames),
        potentials=potentials,
        metadata={"options": {"max_wallclock_seconds": 600}},
        **inputs,
    )


def test_equals_ase(lmp_code, eam_potential, eam_file):
    frames = mixed_frames()
    outputs, node = evaluate(lmp_code, frames, {"eam": eam_potential})
    assert node.is_finished_ok, node.exit_message
    labelled = outputs["labelled"]["eam"]
    assert labelled.level_of_theory == "EAM/Mishin2001"
    assert labelled.is_labelled
    for i, (given, found) in enumerate(zip(frames, labelled.frames, strict=True)):
        reference = given.copy()
        if not given.pbc.all():  # ASE's EAM wants a cell for its neighbour list
            for axis in np.flatnonzero(~given.pbc):
                reference.center(vacuum=20, axis=int(axis))
        reference.calc = EAM(potential=str(eam_file))
        assert np.array_equal(found.positions, given.positions)
        assert found.get_potential_energy() == pytest.approx(
            reference.get_potential_energy(), abs=1e-9
        ), i
        assert np.allclose(found.get_forces(), reference.get_forces(), atol=1e-7), i
        if given.pbc.all():
            stress = calculate_numerical_stress(reference, voigt=True, force_consistent=False)
            assert np.allclose(found.get_stress(), stress, atol=1e-6), i
        else:
            assert "stress" not in found.calc.results
    assert [e["state"] for e in outputs["report"]["frames"]] == ["labelled"] * len(frames)


def test_committee_and_failed_frame(lmp_code, eam_potential):
    """Two atoms on one another have no finite energy; all other frames have."""
    soft = PotentialData.lennard_jones("Cu", epsilon=0.4, sigma=2.3, cutoff=8.0)
    frames = [
        Icosahedron("Cu", 2),
        Atoms("Cu2", positions=np.zeros((2, 3))),
        Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.5]]),
    ]
    outputs, node = evaluate(lmp_code, frames, {"soft": soft, "eam": eam_potential})
    assert node.exit_status == EvaluateCalculation.exit_codes.ERROR_FRAMES_FAILED.status
    assert node.exit_message.endswith("energy and forces: 1.")
    states = [e["state"] for e in outputs["report"]["frames"]]
    assert states == ["labelled", "failed", "labelled"]
    lj = outputs["labelled"]["soft"].frames
    assert list(lj.sizes) == [13, 2]
    x = (2.3 / 2.5) ** 6
    assert lj.energies[1] == pytest.approx(4 * 0.4 * (x * x - x), abs=1e-12)
    assert lj.level_of_theory == "LJ"


def test_allegro_committee_of_one(lmp_code, allegro_plugin, allegro_compiled):
    """The isolated atom, which has no neighbours, has the model's own energy."""
    potential = PotentialData.from_file(allegro_compiled, "allegro-compiled", level_of_theory="EMT")
    frames = [Atoms("Cu"), Icosahedron("Cu", 2), bulk("Cu")]
    outputs, node = evaluate(lmp_code, frames, {"a": potential})
    assert node.is_finished_ok, node.exit_message
    energies = outputs["labelled"]["a"].frames.energies
    assert energies[0] == pytest.approx(0.5, abs=1e-6)
    assert np.all(np.isfinite(energies))


def test_missing_pair_style_says_what_to_do(code_on, allegro_compiled):
    import sys

    code = code_on("bare", f"{sys.prefix}/bin/lmp", "unset LAMMPS_PLUGIN_PATH")
    potential = PotentialData.from_file(allegro_compiled, "allegro-compiled", level_of_theory="EMT")
    outputs, node = evaluate(code, [Icosahedron("Cu", 2)], {"a": potential})
    assert node.exit_status == EvaluateCalculation.exit_codes.ERROR_NO_PAIR_STYLE.status
    assert "LAMMPS_PLUGIN_PATH" in node.exit_message
    assert outputs["report"]["frames"][0]["state"] == "unfinished"


def test_refuses_unknown_element(lmp_code, eam_potential):
    with pytest.raises(ValueError, match="covers Cu but not Au"):
        evaluate(lmp_code, [Atoms("Au2", positions=[[0, 0, 0], [0, 0, 2.5]])], {"a": eam_potential})


def test_validators(aiida_profile, eam_potential):
    assert "at least one" in validate_potentials({}, None)
    assert validate_potentials({"a": eam_potential}, None) is None
    assert "choose among cmdline" in validate_settings(Dict({"speed": 1}), None)
    assert validate_settings(Dict({"cmdline": ["-sf", "opt"]}), None) is None

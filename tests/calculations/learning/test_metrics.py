"""The nodes a comparison leaves; the numbers themselves are tested with the science."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from aiida_nanoclusters.calculations.learning.metrics import compare_committee
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.learning.metrics import MOTIFS, PARITY_UNITS, UNITS


def frames(kinds) -> Frames:
    images = []
    for i, kind in enumerate(kinds):
        atoms = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.3 + 0.1 * i]])
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.zeros((2, 3)))
        atoms.info["config_type"] = kind
        images.append(atoms)
    return Frames.from_atoms(images, level_of_theory="X", atom_energies={"Cu": 0.25})


def moved(reference: Frames, energies) -> FramesData:
    return FramesData(
        reference.with_labels(
            reference.energies + energies, reference.forces, level_of_theory="ML",
            atom_energies=reference.atom_energies,
        )
    )  # fmt: skip


def test_sets_members_and_motifs(aiida_profile):
    """Members keep their keys, underscores and all; one without a frame keeps its others."""
    test, shells = frames(["bulk", "dimer"]), frames(MOTIFS)
    partial = FramesData(moved(test, [0.0, 0.2]).frames.select([1]))
    results = compare_committee(
        reference_test=FramesData(test),
        reference_motifs=FramesData(shells),
        predicted_test_seed_1=moved(test, [0.002, 0.004]),
        predicted_test_seed_2=partial,
        predicted_motifs_seed_1=moved(shells, [-0.004, -0.002]),
        predicted_motifs_seed_2=moved(shells, [0.004, 0.002]),
    )
    errors = results["errors"].get_dict()
    assert errors["units"] == UNITS
    assert errors["members"] == ["seed_1", "seed_2"]
    assert sorted(errors["sets"]) == ["motifs", "test"]
    rows = errors["sets"]["test"]["members"]
    assert rows["seed_1"]["overall"]["energy_mean"] == pytest.approx(1.5)
    assert rows["seed_2"]["overall"]["n_frames"] == 1
    assert rows["seed_2"]["by_config_type"]["bulk"]["energy_rmse"] is None
    found = errors["motif_difference"]
    assert found["members"]["seed_1"]["difference"] == pytest.approx(-1.0)
    assert (found["mean"], found["spread"]) == pytest.approx((0.0, np.sqrt(2)))

    parity = results["parity"]
    assert parity.get_array("test_energies_reference") == pytest.approx([-0.75, -0.75])
    assert np.isnan(parity.get_array("test_energies_seed_2")[0])
    assert parity.base.attributes.get("sets") == ["motifs", "test"]
    assert parity.base.attributes.get("units") == PARITY_UNITS
    assert parity.base.attributes.get("config_types")["test"] == ["bulk", "dimer"]


def test_no_motifs_no_difference(aiida_profile):
    test = frames(["bulk"])
    results = compare_committee(
        reference_test=FramesData(test), predicted_test_seed_1=moved(test, [0.0])
    )
    assert "motif_difference" not in results["errors"].get_dict()

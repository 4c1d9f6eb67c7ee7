"""Formation energies of real clusters: 3,705 of 54 elements with DFT energies."""

import numpy as np
import pytest

from aiida_nanoclusters.formats.extxyz import read_extxyz
from aiida_nanoclusters.formats.label_keys import LabelKeys
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.ligands.encoder_settings import TEST, PretrainingSettings
from aiida_nanoclusters.science.ligands.formation_energies import (
    energy_errors,
    frame_compositions,
    prepare_energies,
)
from tests.small_matching import predictions, trained_encoder

#: A pretraining of some minutes on one core, on the clusters of ten elements.
SETTINGS = {
    "core": {"features": 48, "layers": 3, "gaussians": 16, "cutoff": 6.0},
    "training": {
        **{"epochs": 30, "fewest_epochs": 30, "batch_size": 16},
        **{"learning_rate": 2e-3, "milestones": [15, 22, 27]},
    },
}
ELEMENTS = ("Cu", "Ag", "Au", "Ni", "Pd", "Pt", "Rh", "Ir", "Al", "Zn")


@pytest.fixture(scope="module")
def clusters(shared_data):
    """With the DFT energies: those under `energy` are of another model."""
    path = shared_data / "qcd_gap_relaxed" / "frames.extxyz.xz"
    return read_extxyz(path, level_of_theory="VASP/PBE", keys=LabelKeys(energy="dft_energy"))


def test_structures_are_taken_out_of_their_boxes(clusters):
    """All but one have vacuum; in each all atoms hang together; near duplicates are found."""
    energies = prepare_energies(clusters, PretrainingSettings())
    assert len(clusters) == 3705
    assert [row["reason"] for row in energies.left_out] == ["periodic"]
    assert energies.references_from == "lowest"
    assert len(energies.references) == 54
    assert -0.2 < energies.targets.min() < 0.0  # the lowest of all may be held out
    groups = len(np.unique(energies.groups))
    assert 3000 < groups < 3704
    for group in np.flatnonzero(np.bincount(energies.groups) > 1):
        assert len(set(energies.subset[energies.groups == group])) == 1
    fractions = frame_compositions(clusters, energies.rows)
    sizes = clusters.sizes[energies.rows]
    nothing = np.zeros(len(sizes))
    errors = energy_errors(fractions, sizes, nothing, energies.targets, energies.subset)
    # The law in N^(-1/3) of each element is no straw man.
    assert errors["composition_mae"] < 0.06 < 0.15 < errors["element_mae"]
    assert errors["n"] == (energies.subset == TEST).sum()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_pretrained_encoder_beats_the_composition(clusters, tmp_path):
    chosen = [a for a in clusters if a.get_chemical_symbols()[0] in ELEMENTS]
    frames = Frames.from_atoms(chosen, level_of_theory="VASP/PBE")
    trained_encoder(frames, tmp_path, SETTINGS)
    found = predictions(tmp_path)
    fractions, sizes = frame_compositions(frames, found["frame"]), frames.sizes[found["frame"]]
    errors = energy_errors(fractions, sizes, *(found[n] for n in ("predicted", "target", "subset")))
    assert errors["mae"] < errors["composition_mae"] < errors["element_mae"]

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Int, Str
from ase import Atoms
from ase.build import bulk
from ase.calculators.eam import EAM

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.clusters import mackay_icosahedron
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.workflows.label import LabelWorkChain, validate_engine, validate_frames


@pytest.fixture
def mixed(aiida_profile) -> FramesData:
    """A dimer, clusters and crystals, rattled, in no order of size."""
    rng = np.random.default_rng(4)
    images = [
        Atoms("Cu2", positions=[[0, 0, 0], [2.2, 0.3, 0]]),
        bulk("Cu", cubic=True) * 2,
        mackay_icosahedron("Cu", 2, 2.5),
        bulk("Cu") * 3,
        mackay_icosahedron("Cu", 1, 2.5),
    ]
    for k, atoms in enumerate(images):
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
        atoms.info.update(config_type="mixed", parent=f"t{k}", seed=k)
    return FramesData(images).store()


def test_labels_equal_those_of_another_code(lmp_code, eam_potential, eam_file, mixed) -> None:
    """Contract of an engine: input order, all frames, origins kept; ASE's EAM gives the truth."""
    builder = LabelWorkChain.get_builder_for_potential(lmp_code, mixed, eam_potential)
    builder.batch_size = Int(2)
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    frames: Frames = node.outputs.frames.frames
    assert frames.content_hashes() == mixed.frames.content_hashes()
    assert list(frames.parents) == list(mixed.frames.parents)
    assert frames.level_of_theory == eam_potential.level_of_theory
    assert node.outputs.report["n_labelled"] == 5 and node.outputs.report["n_failed"] == 0
    for labelled, bare in zip(frames, mixed.frames, strict=True):
        bare.calc = EAM(potential=str(eam_file))
        # ASE splines the tables otherwise than LAMMPS does: they agree to some 1e-4 eV.
        assert labelled.get_potential_energy() == pytest.approx(
            bare.get_potential_energy(), abs=1e-3 * len(bare)
        )
        assert np.abs(labelled.get_forces() - bare.get_forces()).max() < 5e-3


def test_bad_input_names_the_fix(aiida_profile, eam_potential, lmp_code) -> None:
    collapsed = FramesData([Atoms("Cu2", positions=[[0, 0, 0], [0.5, 0, 0]])])
    assert "frame 0 has atoms 0 and 1 only 0.50 Å apart" in validate_frames(collapsed, None)
    assert "unknown engine `dftb`: choose one of potential" in validate_engine(Str("dftb"), None)
    silver = FramesData([Atoms("Ag2", positions=[[0, 0, 0], [2.5, 0, 0]])])
    builder = LabelWorkChain.get_builder_for_potential(lmp_code, silver, eam_potential)
    with pytest.raises(ValueError, match=r"holds Ag, expected only Cu"):
        run_get_node(builder)

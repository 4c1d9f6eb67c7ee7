import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.orm import Bool, Int, Str
from ase import Atoms
from ase.build import bulk
from ase.calculators.eam import EAM

from aiida_nanoclusters.cli.progress.counts import read_progress
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron
from aiida_nanoclusters.workflows.labels.engine_batches import validate_frames
from aiida_nanoclusters.workflows.labels.label import (
    ENGINES,
    EXTRAS,
    LabelWorkChain,
    level_of_labels,
)


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
    assert "unknown engine `dftb`: choose one of potential, " in LabelWorkChain.validate_engine(
        Str("dftb"), None
    )
    silver = FramesData([Atoms("Ag2", positions=[[0, 0, 0], [2.5, 0, 0]])])
    builder = LabelWorkChain.get_builder_for_potential(lmp_code, silver, eam_potential)
    with pytest.raises(ValueError, match=r"holds Ag, expected only Cu"):
        run_get_node(builder)


def test_a_worker_without_the_engine_says_what_to_install(
    lmp_code, eam_potential, mixed, monkeypatch
) -> None:
    """Inputs pass where they are submitted; the engine's package is missing in the daemon."""
    builder = LabelWorkChain.get_builder_for_potential(lmp_code, mixed, eam_potential)
    runner = get_manager().get_runner()
    process = instantiate_process(runner, builder)
    monkeypatch.delitem(ENGINES, "potential")
    monkeypatch.setitem(EXTRAS, "potential", "some_package")
    process.execute()
    node = process.node
    assert node.exit_status == LabelWorkChain.exit_codes.ERROR_ENGINE_MISSING.status
    assert "pip install aiida-nanoclusters[potential]" in node.exit_message
    assert level_of_labels({"engine": Str("potential"), "potential": {}}) is None


def test_what_is_labelled_already_takes_no_job(lmp_code, eam_potential, mixed) -> None:
    """Known frames are found in any set; only the new one goes to LAMMPS."""

    def label(frames, **inputs):
        builder = LabelWorkChain.get_builder_for_potential(lmp_code, frames, eam_potential)
        for name, value in inputs.items():
            setattr(builder, name, value)
        _, node = run_get_node(builder)
        assert node.is_finished_ok, node.exit_message
        jobs = [c for c in node.called_descendants if c.process_label == "EvaluateCalculation"]
        return node, [len(job.inputs.frames) for job in jobs]

    first, jobs = label(mixed, reuse=Bool(False))  # another test may have labelled them
    assert jobs == [5] and first.outputs.report["n_known"] == 0
    new = mackay_icosahedron("Cu", 1, 2.6)
    images = [mixed.frames[3], new, mixed.frames[0]]
    for atoms in images:
        atoms.info["parent"] = "another"
    again, jobs = label(FramesData(images))
    assert jobs == [1]
    assert again.outputs.report["n_known"] == 2
    assert read_progress(again.pk).frames == {("LabelWorkChain",): (3, 3)}
    known = [row.get("known") is not None for row in again.outputs.report["frames"]]
    assert known == [True, False, True]
    ours, theirs = again.outputs.frames.frames, first.outputs.frames.frames
    assert ours.energies[[0, 2]] == pytest.approx(theirs.energies[[3, 0]], abs=0)
    assert list(ours.parents) == ["another"] * 3  # origin is the frame's own, the label is shared
    third, jobs = label(FramesData(images))
    assert jobs == [] and third.outputs.report["n_known"] == 3
    _, jobs = label(FramesData(images), reuse=Bool(False))
    assert jobs == [3]


def test_cp2k_labels_atoms_with_the_frames(aiida_profile_clean, cp2k_code) -> None:
    """The isolated atom's energy becomes the reference; it is computed once a profile."""
    images = [
        Atoms("Cu2", positions=[[0, 0, 0], [2.3, 0, 0]]),
        mackay_icosahedron("Cu", 1, 2.5),
        Atoms("Cu2", positions=[[0, 0, 0], [2.2, 0, 0]]),
    ]
    inputs = LabelWorkChain.engine_inputs("cp2k", cp2k_code, "gfn1-xtb")
    builder = LabelWorkChain.get_builder_for_engine(FramesData(images), inputs)
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    frames = node.outputs.frames.frames
    assert list(frames.sizes) == [2, 13, 2]
    binding = frames.reference_energies - frames.energies
    assert (binding > 0.5 * frames.sizes).all()
    assert node.outputs.report["atoms"][0]["state"] == "labelled"
    assert len(node.outputs.report["frames"]) == node.outputs.report["n_labelled"] == 3
    # two jobs at once, the dear frame in one of its own
    assert sorted(len(c.inputs.frames) for c in node.called if "Cp2k" in c.process_label) == [1, 3]

    builder.frames = FramesData([*images, Atoms("Cu2", positions=[[0, 0, 0], [2.4, 0, 0]])])
    _, again = run_get_node(builder)
    assert again.outputs.report["n_known"] == 3
    assert [len(c.inputs.frames) for c in again.called if "Cp2k" in c.process_label] == [1]
    counts = [read_progress(n.pk).frames[("LabelWorkChain",)] for n in (node, again)]
    assert counts == [(4, 4), (5, 5)]  # with the atom
    assert again.outputs.frames.atom_energies == node.outputs.frames.atom_energies

"""Files as people bring them, by the commands they would give."""

import numpy as np
import pytest
from click.testing import CliRunner

from aiida_nanoclusters.cli.imports.labels_command import import_labels
from aiida_nanoclusters.formats.extxyz import read_extxyz


@pytest.fixture
def imported(shared_data, tmp_path):
    """Import a file or folder; return exit code, what was said, and the labels."""

    def run(path, *options):
        out = tmp_path / "out.extxyz"
        arguments = [shared_data / path, "--level", "x", "--out", out, "--all", *options]
        done = CliRunner().invoke(import_labels, [str(a) for a in arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        frames = read_extxyz(out) if done.exit_code == 0 else None
        return done.exit_code, " ".join(done.output.split()), frames

    return run


def test_trajectory_of_ase(imported) -> None:
    _, _, frames = imported("user_files/ase-traj/run.traj")
    assert len(frames) == 3 and frames.labelled.all()


def test_at_sign(imported) -> None:
    _, _, frames = imported("user_files/at_sign_file/at@300.extxyz")
    assert frames.elements == ["Cu"] and frames[0].info["source"].endswith("at@300.extxyz")


@pytest.mark.parametrize("folder", ["extxyz-boxed/boxed.xyz", "extxyz-dft-force/gap.xyz"])
def test_atom_and_clusters_in_boxes(imported, folder) -> None:
    _, text, frames = imported(f"user_files/{folder}")
    assert len(frames) == 4 and frames.atom_energies == {"Cu": 3.51}
    assert "is not known" not in text
    if "boxed" in folder:
        assert not frames.pbc.any() and not frames.cells.any()


def test_ion(imported) -> None:
    _, _, frames = imported("user_files/extxyz-ion-as-reference/set.xyz")
    assert frames.atom_energies == {"Cu": -0.22} and sorted(frames.charges)[-1] == 1


def test_steps_of_one_trajectory_have_one_parent(imported) -> None:
    _, _, frames = imported("user_files/extxyz-no-parent/md.xyz")
    steps = frames.sizes > 1
    assert steps.sum() == 40 and len(set(frames.parents[steps])) == 1
    assert frames.parents[steps][0].partition("#")[0].endswith("md.xyz")


def test_ref_beside_other_results(imported) -> None:
    _, text, frames = imported("user_files/extxyz-ref-beside-stress")
    assert len(frames) == 7 and frames.labelled.all()
    assert np.isfinite(frames.stresses).any() and "dipole: such a property" in text


def test_two_sets(imported) -> None:
    code, text, _ = imported("user_files/extxyz-two-sets/two.xyz")
    assert code == 1 and "import-labels two.xyz --energy-key REF_energy" in text
    for key, energy, force in (("energy", -29.0, 0.168), ("REF_energy", 11.0, -0.132)):
        _, _, frames = imported("user_files/extxyz-two-sets/two.xyz", "--energy-key", key)
        assert frames.energies[0] == pytest.approx(energy, abs=0.01)
        assert frames.forces[0, 0] == pytest.approx(force, abs=1e-3)


def test_what_never_ended(imported) -> None:
    code, text, _ = imported("user_files/xyz_hang")
    assert code == 1 and "`1000000000000000000` is no number of atoms" in text
    assert "deepjson.extxyz, step 0: line 2:" in text


def test_energies_of_dft_beside_those_of_a_model(imported) -> None:
    """The frames were relaxed by a model; its energy and forces are beside the energy of DFT."""
    path = "qcd_gap_relaxed/frames.extxyz.xz"
    code, text, _ = imported(path)
    assert code == 1 and "`energy` -3.8031 eV and `dft_energy` -3.2717 eV" in text
    code, text, _ = imported(path, "--energy-key", "dft_energy")
    assert code == 1 and "3705 steps are not labels" in text
    assert "no forces: it goes with `energy`, not with `dft_energy`" in text

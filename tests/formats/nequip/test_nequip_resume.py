"""What a checkpoint keeps in another folder, and that nothing in it is run."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from aiida_nanoclusters.formats.nequip import nequip_resume


class Evil:
    """An object whose unpickling leaves a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self):
        return open, (self.marker, "w")


@pytest.mark.parametrize("name", ["previous.ckpt", "best.ckpt"])
def test_no_code_of_a_checkpoint_is_run(tmp_path, name):
    """nequip would run it; this script reads both files before nequip does."""
    for file in ("previous.ckpt", "best.ckpt"):
        torch.save(checkpoint(), tmp_path / file)
    torch.save({**checkpoint(), "evil": Evil(tmp_path / "ran")}, tmp_path / name)
    with pytest.raises(pickle.UnpicklingError):
        nequip_resume.prepare_checkpoint(tmp_path / "previous.ckpt", tmp_path / "start.ckpt")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"previous.ckpt"}  # neither `ran`, nor a file that a later step would read


def checkpoint() -> dict:
    old = "/somewhere/old"
    saver = {
        "monitor": "val0_epoch/weighted_sum",
        "best_model_score": torch.tensor(0.25),
        "best_model_path": f"{old}/best.ckpt",
        "kth_best_model_path": f"{old}/best.ckpt",
        "last_model_path": f"{old}/last.ckpt",
        "best_k_models": {f"{old}/best.ckpt": torch.tensor(0.25)},
        "dirpath": old,
    }
    clock = {"time_elapsed": {"train": 3000.0}}
    return {
        "epoch": 7,
        "state_dict": {"w": torch.arange(3.0)},
        "callbacks": {"Timer": clock, "ModelCheckpoint{}": saver, "Other": {"a": 1}},
    }


def test_time_restarts_and_the_best_model_is_found(tmp_path):
    torch.save(checkpoint(), tmp_path / "previous.ckpt")
    start = tmp_path / "here" / "start.ckpt"
    start.parent.mkdir()
    nequip_resume.prepare_checkpoint(tmp_path / "previous.ckpt", start)
    found = torch.load(start, weights_only=True)
    assert "Timer" not in found["callbacks"]
    saver = found["callbacks"]["ModelCheckpoint{}"]
    here = str(start.parent)
    assert saver["dirpath"] == here
    assert saver["best_model_path"] == saver["kth_best_model_path"] == f"{here}/best.ckpt"
    assert saver["last_model_path"] == f"{here}/last.ckpt"
    assert list(saver["best_k_models"]) == [f"{here}/best.ckpt"]
    assert saver["best_model_score"] == 0.25
    assert found["epoch"] == 7
    assert torch.equal(found["state_dict"]["w"], torch.arange(3.0))
    assert found["callbacks"]["Other"] == {"a": 1}


def test_runs_where_this_package_is_not_installed(tmp_path):
    """It is sent alone to another machine, and must import nothing of ours."""
    script = tmp_path / "nequip_resume.py"
    script.write_text(Path(nequip_resume.__file__).read_text())
    torch.save(checkpoint(), tmp_path / "previous.ckpt")
    blocker = "import sys; sys.modules['aiida_nanoclusters'] = None; import runpy; "
    run = "sys.argv[1:] = ['previous.ckpt', 'start.ckpt']; runpy.run_path('nequip_resume.py', "
    command = [sys.executable, "-c", blocker + run + "run_name='__main__')"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert (tmp_path / "start.ckpt").is_file()

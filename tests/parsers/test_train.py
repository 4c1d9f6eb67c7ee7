"""Logs and files of failed trainings, and their exit messages."""

import io
import zipfile

import pytest
from aiida.common.links import LinkType
from aiida.orm import CalcJobNode, FolderData, Int

from aiida_nanoclusters.calculations.learning.train import TrainCalculation
from aiida_nanoclusters.parsers.train import TrainParser, traceback_message
from tests.calculations.learning.test_train import labelled, tiny

EXIT = TrainCalculation.exit_codes
HEADER = "epoch,lr-Adam,val0_epoch/weighted_sum,val0_epoch/forces_rmse\n"
STARTED = "[2026-01-02 03:04:05,500][nequip][INFO] - [rank: 0] torch 2.13.0+cpu\n"
STOPPED = "[2026-01-02 03:05:05,750][x][INFO] - Time limit reached. Elapsed time is 0:00:50.\n"
ENDED = "[2026-01-02 03:05:06,000][__main__][INFO] - [rank: 0] TRAIN RUN END\n"
TRACEBACK = """Error executing job
Traceback (most recent call last):
  File "train.py", line 1, in main
    raise AssertionError("x")
torch.cuda.DeferredCudaCallError: CUDA call failed.
It said: 802
"""
NO_MEMORY = TRACEBACK.replace(
    "DeferredCudaCallError: CUDA call failed", "OutOfMemoryError: CUDA out of memory"
)


@pytest.fixture
def parse(localhost, tmp_path):
    """Parse made-up files of a job; `status` is what its scheduler said."""

    def run(files: dict[str, str], checkpoint: bool = True, status: int | None = None):
        node = CalcJobNode(computer=localhost, process_type="aiida.calculations:nanoclusters.train")
        node.set_option("resources", {"num_machines": 1, "num_mpiprocs_per_machine": 1})
        for name, value in {
            "training": labelled([0]), "settings": tiny(epochs=5), "seed": Int(1)
        }.items():  # fmt: skip
            node.base.links.add_incoming(value.store(), LinkType.INPUT_CALC, name)
        node.store()
        if status is not None:
            node.set_exit_status(status)
            node.set_exit_message("from the scheduler")
        retrieved = FolderData()
        for name, text in files.items():
            retrieved.base.repository.put_object_from_filelike(io.BytesIO(text.encode()), name)
        retrieved.base.links.add_incoming(node, LinkType.CREATE, "retrieved")
        retrieved.store()
        if checkpoint:
            with zipfile.ZipFile(tmp_path / "last.ckpt", "w") as archive:
                archive.writestr("x", "")
        return TrainParser.parse_from_node(
            node, store_provenance=False, retrieved_temporary_folder=str(tmp_path)
        )

    return run


def test_nothing_came_back(parse):
    results, node = parse({"train.err": "python: No module named nequip"}, checkpoint=False)
    assert node.exit_status == EXIT.ERROR_NO_LOG.status
    assert "No module named nequip" in node.exit_message
    report = results["report"].get_dict()
    assert report["epochs_done"] == 0 and not report["checkpoint"]
    assert report["best_epoch"] is None and report["wall_seconds"] is None


def test_error_of_nequip(parse):
    _, node = parse({"train.out": STARTED, "train.err": TRACEBACK})
    assert node.exit_status == EXIT.ERROR_NEQUIP.status
    assert node.exit_message.endswith(
        "torch.cuda.DeferredCudaCallError: CUDA call failed.\nIt said: 802"
    )


@pytest.mark.parametrize("step", ["train", "package"])
def test_out_of_memory(parse, step):
    """Whichever step reports it, the exit code is that of aiida-core, with the fix."""
    _, node = parse({"train.out": STARTED, f"{step}.err": NO_MEMORY})
    assert node.exit_status == 110
    assert "CUDA out of memory" in node.exit_message and "memory_kb" in node.exit_message


def test_full_disk(parse):
    _, node = parse({"train.out": STARTED, "train.err": "OSError: [Errno 122] Disk quota exceeded"})
    assert node.exit_status == EXIT.ERROR_DISK_FULL.status == 301
    assert "Disk quota exceeded" in node.exit_message


def test_death(parse):
    metrics = HEADER + "0,,0.5,0.1\n1,,0.4,0.3\n"
    results, node = parse({"train.out": STARTED, "metrics.csv": metrics})
    assert node.exit_status == EXIT.ERROR_DIED.status
    report = results["report"].get_dict()
    assert report["checkpoint"] and report["epochs_done"] == 2
    assert report["best_epoch"] == 1
    assert report["best"] == pytest.approx({"forces_rmse": 300.0, "loss": 0.4})
    assert report["versions"] == {"torch": "2.13.0+cpu"}


def test_failure_seen_by_the_scheduler_is_reported(parse):
    """Killed for its walltime: 120, as aiida-core numbers it, and not "died"."""
    metrics = HEADER + "0,,0.5,0.1\n"
    results, node = parse({"train.out": STARTED, "metrics.csv": metrics}, status=120)
    assert (node.exit_status, node.exit_message) == (120, "from the scheduler")
    assert results["report"]["checkpoint"]
    assert results["learning_curve"].get_array("val_forces_rmse").tolist() == [100.0]


def test_walltime(parse):
    metrics = HEADER + "0,,0.5,0.1\n1,,0.4,0.1\n"
    results, node = parse({"train.out": STARTED + STOPPED + ENDED, "metrics.csv": metrics})
    assert node.exit_status == EXIT.ERROR_OUT_OF_WALLTIME.status
    assert "epoch 1 of 5" in node.exit_message
    assert results["report"]["wall_seconds"] == pytest.approx(60.5)


def test_walltime_without_checkpoint(parse):
    _, node = parse({"train.out": STARTED + STOPPED + ENDED}, checkpoint=False)
    assert node.exit_status == EXIT.ERROR_OUT_OF_WALLTIME_NO_CHECKPOINT.status
    assert "raise max_wallclock_seconds" in node.exit_message


def test_nan(parse):
    metrics = HEADER + "0,,0.5,0.1\n1,,nan,nan\n2,,nan,nan\n"
    results, node = parse({"train.out": STARTED + ENDED, "metrics.csv": metrics})
    assert node.exit_status == EXIT.ERROR_NAN_LOSS.status
    assert "from epoch 1" in node.exit_message
    assert results["report"]["best_epoch"] == 0


def test_no_package(parse):
    metrics = HEADER + "".join(f"{e},,0.5,0.1\n" for e in range(5))
    files = {"train.out": STARTED + ENDED, "metrics.csv": metrics, "package.err": TRACEBACK}
    _, node = parse(files)
    assert node.exit_status == EXIT.ERROR_NO_PACKAGE.status
    assert "DeferredCudaCallError" in node.exit_message


def test_traceback_message():
    assert traceback_message("a warning: ValueError is not raised\n") == ""
    two = TRACEBACK + "\nDuring handling of it:\n" + NO_MEMORY
    assert traceback_message(two).startswith("torch.cuda.OutOfMemoryError: CUDA out of memory")
    assert traceback_message("Traceback (most recent call last):\n odd").endswith("odd")
    assert len(traceback_message(TRACEBACK + "x" * 5000)) <= 500

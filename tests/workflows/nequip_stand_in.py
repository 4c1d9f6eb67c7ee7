"""Stand-in for a Python with nequip: the same files and messages at once, without a training.

Environment variables: ``EPOCHS_PER_JOB`` until the time limit, ``NAN_ABOVE`` this learning rate,
``BROKEN_SEEDS`` that raise ``BROKEN_BY``, ``KILLED_ONCE``: a file without which the first job
leaves a checkpoint and an error, ``LOST_ONCE``: a file without which the first job ends
with no output, ``PACKAGE`` and ``COMPILED``: the models that are returned.
"""

import builtins
import os
import shutil
import sys
import zipfile
from pathlib import Path

import yaml

ENERGY, FORCES = "val0_epoch/per_atom_energy_rmse", "val0_epoch/forces_rmse"


def say(text: str, second: int = 0) -> None:
    print(f"[2026-01-02 03:04:{second:02d},000][nequip][INFO] - [rank: 0] {text}")


def checkpoint(name: str, epoch: int) -> None:
    with zipfile.ZipFile(name, "w") as archive:
        archive.writestr("epoch", str(epoch))


def train(arguments: list[str]) -> None:
    config = yaml.safe_load(Path("config.yaml").read_text())
    rate = config["training_module"]["optimizer"]["lr"]
    seed, epochs = config["data"]["seed"], config["trainer"]["max_epochs"]
    first = 0
    for argument in arguments:
        if argument.startswith("++ckpt_path="):
            with zipfile.ZipFile(argument.partition("=")[2]) as archive:
                first = int(archive.read("epoch")) + 1
    lost = os.environ.get("LOST_ONCE")
    say("nequip 0.0")
    if str(seed) in os.environ.get("BROKEN_SEEDS", "").split():
        raise getattr(builtins, os.environ.get("BROKEN_BY", "RuntimeError"))("no such thing")
    last = min(epochs, first + int(os.environ.get("EPOCHS_PER_JOB", "1000")))
    nan = rate > float(os.environ.get("NAN_ABOVE", "inf"))
    Path("csv").mkdir()
    with open("csv/metrics.csv", "w") as handle:
        print(f"epoch,lr-Adam,val0_epoch/weighted_sum,{ENERGY},{FORCES}", file=handle)
        for epoch in range(first, last):
            loss = "nan" if nan else 1.0 / (1 + epoch)
            print(f",{rate},,,", file=handle)
            print(f"{epoch},,{loss},{loss},{loss}", file=handle)
    checkpoint("last.ckpt", last - 1)
    checkpoint("best.ckpt", last - 1)
    killed = os.environ.get("KILLED_ONCE")
    if killed and not Path(killed).exists():
        Path(killed).touch()
        raise RuntimeError("killed")
    if lost and not Path(lost).exists():
        Path(lost).touch()
        sys.exit(1)
    if last < epochs:
        say("Time limit reached. Elapsed time is 0:00:10. Signaling Trainer to stop.", 9)
    say("TRAIN RUN END", 10)


def main() -> None:
    words = sys.argv[1:]
    if words[0] == "nequip_resume.py":
        shutil.copy(words[1], words[2])
    elif words[0] == "alignment.py":
        shutil.copy(words[1], words[2])
        Path(words[words.index("--report") + 1]).write_text('{"applied": false, "reason": "none"}')
    elif words[1] == "nequip.scripts.train":
        train(words[2:])
    elif words[1] == "nequip.scripts.package" and Path(words[3]).exists():
        shutil.copy(os.environ["PACKAGE"], words[4])
    elif words[1] == "nequip.scripts.compile":
        shutil.copy(os.environ["COMPILED"], words[3])


main()

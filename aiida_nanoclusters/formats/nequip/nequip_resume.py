"""Prepare a training checkpoint to be continued in another folder.

This file is copied into the folder of a training job, whose Python has nequip but need not have
this package: it imports nothing of it. A checkpoint holds two values that are wrong in the next
job: the time used so far, which would count against the limit of the new job, and the absolute
path of the best model, without which the best of the earlier epochs is lost.

nequip unpickles the checkpoints it reads, and unpickling runs code. They are of a training that was
made or trusted here (the port `restart_from` asks); this script, which is the first to read them,
reads weights and plain values only, and stops where a checkpoint holds more.

``python nequip_resume.py previous/last.ckpt start.ckpt``
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import torch


def prepare_checkpoint(previous: Path, start: Path) -> None:
    """Write `start`: the state of `previous`, with no time used and its best model in this folder.

    Parameters
    ----------
    previous
        Checkpoint written by Lightning's ModelCheckpoint.
    start
        File to write; a ``best.ckpt`` beside it is taken for the best model so far.

    Raises
    ------
    pickle.UnpicklingError
        If one of them holds more than weights and plain values; nothing of it was run.
    """
    best_model = start.with_name("best.ckpt")
    try:
        checkpoint = torch.load(previous, map_location="cpu", weights_only=True)
        if best_model.is_file():
            torch.load(best_model, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        best_model.unlink(missing_ok=True)  # the next step of the job would package it
        raise
    callbacks = checkpoint["callbacks"]
    callbacks.pop("Timer", None)
    folder = start.resolve().parent
    for state in callbacks.values():
        if "best_model_path" in state:
            state["dirpath"] = str(folder)
            for key in ("best_model_path", "kth_best_model_path", "last_model_path"):
                if state.get(key):
                    state[key] = str(folder / Path(state[key]).name)
            best = state.get("best_k_models", {})
            state["best_k_models"] = {str(folder / Path(k).name): v for k, v in best.items()}
    torch.save(checkpoint, start)


if __name__ == "__main__":
    prepare_checkpoint(Path(sys.argv[1]), Path(sys.argv[2]))

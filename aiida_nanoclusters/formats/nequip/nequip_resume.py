"""Make a training checkpoint fit to be continued in another folder.

A training job carries this file to the machine it runs on, whose Python has nequip but need not
have this package: it imports nothing of it. A checkpoint remembers two things that are wrong in the
next job: the time used so far, which would be charged to the new job's limit, and the absolute
path of the best model, without which the best of the earlier epochs is forgotten.

``python nequip_resume.py previous/last.ckpt start.ckpt``
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch


def prepare_checkpoint(previous: Path, start: Path) -> None:
    """Write `start`: the state in `previous`, with its clock at zero and its best model here.

    Parameters
    ----------
    previous
        Checkpoint written by Lightning's ModelCheckpoint.
    start
        File to write; a ``best.ckpt`` beside it is taken for the best model so far.
    """
    checkpoint = torch.load(previous, map_location="cpu", weights_only=False)
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

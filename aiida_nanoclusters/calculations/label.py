"""Labels of many batches joined into one set."""

from __future__ import annotations

from aiida.engine import calcfunction
from aiida.orm import Dict, List

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.frames import Frames


@calcfunction
def merge_labels(batches: List, **parts) -> dict:
    """Join the labelled frames of all batches, in the order the frames were given.

    Parameters
    ----------
    batches
        For each batch the indices, in the whole set, of its frames.
    parts
        ``report_<k>`` and ``frames_<k>`` of batch k; both are missing where the whole batch
        failed, and ``frames_<k>`` where none of its frames could be labelled.

    Returns
    -------
    dict
        ``frames``, and ``report``: for every frame whether it was labelled and, if not, why.
    """
    rows: dict[int, dict] = {}
    labelled: list[tuple[int, Frames]] = []
    for k, indices in enumerate(batches.get_list()):
        report = parts.get(f"report_{k:05d}")
        if report is None:
            rows.update({i: _row(i, "failed", "its whole batch failed") for i in indices})
            continue
        entries = report.get_dict()["frames"]
        rows.update(
            {
                i: _row(i, entry["state"], entry.get("reason"))
                for i, entry in zip(indices, entries, strict=True)
            }
        )
        good = [i for i in indices if rows[i]["state"] == "labelled"]
        if good:
            frames = parts[f"frames_{k:05d}"].frames
            frames = frames.select(frames.labelled)
            labelled += [(i, frames.select([n])) for n, i in enumerate(good)]
    result: dict = {"report": Dict(_summary(rows))}
    if labelled:
        labelled.sort(key=lambda pair: pair[0])
        result["frames"] = FramesData(Frames.concatenate([frame for _, frame in labelled]))
    return result


def _row(index: int, state: str, reason: str | None) -> dict:
    return {"index": index, "state": state, "reason": reason}


def _summary(rows: dict[int, dict]) -> dict:
    ordered = [rows[i] for i in sorted(rows)]
    return {
        "n_labelled": sum(row["state"] == "labelled" for row in ordered),
        "n_failed": sum(row["state"] == "failed" for row in ordered),
        "frames": ordered,
    }

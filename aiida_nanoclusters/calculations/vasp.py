"""What goes into and comes out of VASP jobs, by calcfunctions: provenance never breaks."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict, FolderData, Int, KpointsData, StructureData
from ase.data import chemical_symbols

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.vasp_input import level_of_theory, make_input
from aiida_nanoclusters.formats.vasp_label import Label, read_label
from aiida_nanoclusters.science.frames import Frames


@calcfunction
def prepare_vasp(frames: FramesData, settings: Dict, index: Int, rung: Int) -> dict[str, Any]:
    """Return ``structure``, ``kpoints`` and ``parameters`` of one frame on a rung of the ladder."""
    made = make_input(frames.frames[index.value], settings.get_dict(), rung.value)
    made.atoms.set_pbc(True)  # as VASP sees it
    kpoints = KpointsData()
    kpoints.set_kpoints_mesh(list(made.mesh))
    incar = {name.lower(): value for name, value in made.incar.items()}
    return {
        "structure": StructureData(ase=made.atoms),
        "kpoints": kpoints,
        "parameters": Dict({"incar": incar}),
    }


def judge_folder(retrieved: FolderData, frames: Frames, index: int, settings, rung: int) -> Label:
    """Judge what a job left as the label of a frame."""
    with tempfile.TemporaryDirectory() as folder:
        retrieved.base.repository.copy_tree(folder)
        return read_label(folder, frames[index], settings, rung)


@calcfunction
def gather_vasp_labels(
    frames: FramesData, settings: Dict, ladder: Dict, **retrieved: FolderData
) -> dict[str, Any]:
    """Return the labelled ``frames``, where there are any, and the ``report``.

    Parameters
    ----------
    frames
        All that were to be labelled.
    settings
        With which they were.
    ladder
        What :class:`LabelLadder` says of each frame, under ``frames``.
    retrieved
        Under ``run_<index>`` what VASP left of each labelled frame.
    """
    bare, values = frames.frames, settings.get_dict()
    entries = ladder.get_dict()["frames"]
    labels = {}
    for entry in entries:
        i = entry["index"]
        if entry["state"] == "labelled":
            labels[i] = judge_folder(retrieved[f"run_{i:05d}"], bare, i, values, entry["rung"])
            entry["electronic_steps"] = labels[i].electronic_steps
            entry["net_force"] = labels[i].net_force
        entry["retried"] = len(entry["attempts"]) - (entry["state"] == "failed")
    report = {
        "n_labelled": len(labels),
        "n_failed": len(entries) - len(labels),
        "frames": entries,
    }
    result: dict[str, Any] = {"report": Dict(report)}
    if labels:
        result["frames"] = FramesData(_with_labels(bare, labels, level_of_theory(values)))
    return result


def _with_labels(bare: Frames, labels: dict[int, Label], level: str) -> Frames:
    chosen = bare.select(sorted(labels))
    found = [labels[i] for i in sorted(labels)]
    alone = (chosen.sizes == 1) & ~chosen.pbc.any(axis=1) & (chosen.charges == 0)
    atom_energies = {
        chemical_symbols[chosen.numbers[chosen.offsets[k]]]: found[k].energy
        for k in np.flatnonzero(alone)
    }
    return chosen.with_labels(
        [label.energy for label in found],
        np.concatenate([label.forces for label in found]),
        [label.stress for label in found],
        level_of_theory=level,
        atom_energies=atom_energies,
    )

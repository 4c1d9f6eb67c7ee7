"""Calcfunctions that make the inputs of VASP for labels and read its outputs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict, FolderData, Int, KpointsData, StructureData
from ase import Atoms
from ase.data import chemical_symbols

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.input_text import vasp_incar
from aiida_nanoclusters.formats.vasp.input import VaspInput, level_of_theory, make_input
from aiida_nanoclusters.formats.vasp.label import Label, read_label
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.keys import with_present_keys
from aiida_nanoclusters.science.labels.ledger import BatchLedger, places_of
from aiida_nanoclusters.science.labels.retries import LABELLED
from aiida_nanoclusters.science.labels.settings import VaspSettings

#: Outputs of VASP that are read.
OUTPUTS = ("vasprun.xml", "OUTCAR")


@calcfunction
def prepare_vasp(
    frames: FramesData, settings: Dict, index: Int, settings_level: Int
) -> dict[str, Any]:
    """Return ``structure``, ``kpoints`` and ``parameters`` of one frame at a settings level."""
    values = VaspSettings.model_validate(settings.get_dict())
    made = make_input(frames.frames[index.value], values, settings_level.value)
    return input_nodes(made, made.atoms)


def input_nodes(made: VaspInput, atoms: Atoms) -> dict[str, Any]:
    """Return ``structure``, ``kpoints`` and ``parameters`` for aiida-vasp.

    Parameters
    ----------
    made
        Input of a frame.
    atoms
        Its atoms in their box, with the positions of the POSCAR.

    Raises
    ------
    ValueError
        If an INCAR tag holds more than a value of its own.
    """
    placed = atoms.copy()
    placed.set_pbc(True)  # VASP knows periodic cells only
    kpoints = KpointsData()
    kpoints.set_kpoints_mesh(list(made.mesh))
    return {
        "structure": StructureData(ase=placed),
        "kpoints": kpoints,
        "parameters": Dict({"incar": {k.lower(): v for k, v in vasp_incar(made.incar).items()}}),
    }


def copy_outputs(retrieved: FolderData, folder: str) -> None:
    """Copy the outputs that are read; names of an imported folder could lead elsewhere."""
    repository = retrieved.base.repository
    for name in set(OUTPUTS) & set(repository.list_object_names()):
        with repository.open(name, "rb") as source, (Path(folder) / name).open("wb") as target:
            shutil.copyfileobj(source, target)


def label_of(
    retrieved: FolderData, frames: Frames, index: int, settings: VaspSettings, level: int
) -> Label:
    """Return the label of a frame from the retrieved files of a job, or why there is none."""
    with tempfile.TemporaryDirectory() as folder:
        copy_outputs(retrieved, folder)
        return read_label(folder, frames[index], settings, level)


@calcfunction
def gather_vasp_labels(
    frames: FramesData, settings: Dict, progress: Dict, **retrieved: FolderData
) -> dict[str, Any]:
    """Return the labelled ``frames``, where any is labelled, and the ``report``.

    Parameters
    ----------
    frames
        All frames of the batch.
    settings
        Settings of the jobs.
    progress
        Report of the :class:`.FallbackSequence` on each frame, under ``frames``.
    retrieved
        Retrieved files of each labelled frame, under ``run_<index>``.
    """
    bare, values = frames.frames, VaspSettings.model_validate(settings.get_dict())
    entries = with_present_keys(progress.get_dict())["frames"]
    ledger = BatchLedger(entry["index"] for entry in entries)
    ledger.record(entries, combine=_with_retries)
    for index in (entries[place]["index"] for place in places_of(entries, LABELLED)):
        ledger.start([index])
        folder, level = retrieved[f"run_{index:05d}"], ledger.row(index)["settings_level"]
        label = label_of(folder, bare, index, values, level)
        taken = {"electronic_steps": label.electronic_steps, "net_force": label.net_force}
        ledger.record([taken], combine=lambda before, new: {**(before or {}), **new})
        ledger.keep("labels", [label], [0])
    labels = ledger.results("labels")
    report = {
        "n_labelled": len(labels),
        "n_failed": len(entries) - len(labels),
        "frames": ledger.rows(),
    }
    result: dict[str, Any] = {"report": Dict(report)}
    if labels:
        result["frames"] = FramesData(_with_labels(bare, labels, level_of_theory(values)))
    return result


def _with_retries(_: Mapping[str, Any] | None, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a frame with the number of its repetitions."""
    return {**entry, "retried": len(entry["attempts"]) - (entry["state"] == "failed")}


def _with_labels(bare: Frames, labels: dict[int, Label], level: str) -> Frames:
    chosen, found = bare.select(list(labels)), list(labels.values())
    atom_energies = {
        chemical_symbols[chosen.numbers[chosen.offsets[k]]]: found[k].energy
        for k in np.flatnonzero(chosen.isolated)
    }
    return chosen.with_labels(
        [label.energy for label in found],
        np.concatenate([label.forces for label in found]),
        [label.stress for label in found],
        level_of_theory=level,
        atom_energies=atom_energies,
    )

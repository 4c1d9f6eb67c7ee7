"""Calcfunctions that join the labels of batches and jobs into one set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict, Int, List

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.acceptance import ground_state_multiplicity, isolated_atom
from aiida_nanoclusters.science.labels.ledger import BatchLedger, places_of, single_frames
from aiida_nanoclusters.science.labels.retries import LABELLED, FallbackSequence

#: State of a frame that has no label in this profile yet.
UNKNOWN = "unknown"


@calcfunction
def with_isolated_atoms(frames: FramesData) -> FramesData:
    """Return the frames and, after them, the isolated atoms that are not among them."""
    asked = frames.frames.without_labels()
    missing = sorted(set(asked.elements) - set(_isolated_atoms(asked)))
    if not missing:
        return FramesData(asked)
    atoms = Frames.from_atoms([isolated_atom(symbol) for symbol in missing])
    return FramesData(Frames.concatenate([asked, atoms]))


@calcfunction
def isolated_atoms(frames: FramesData) -> FramesData:
    """Return the isolated atom of each element of the frames."""
    return FramesData([isolated_atom(symbol) for symbol in frames.elements])


@calcfunction
def take_known(frames: FramesData, **known: FramesData) -> dict:
    """Return the labels that frames have in other sets.

    Returns
    -------
    dict
        ``frames``, labelled, in the order of the first argument; ``report`` on all of its frames,
        where those without a label in the other sets have the state :data:`UNKNOWN`.
    """
    sets = {key: known[key].frames for key in sorted(known)}
    sources: dict[str, tuple[str, int]] = {}
    for key, labelled in sets.items():
        hashes = labelled.content_hashes()
        for place in np.flatnonzero(labelled.labelled).tolist():
            sources.setdefault(hashes[place], (key, place))
    asked = frames.frames
    rows, found = [], []
    for i, own in enumerate(asked.content_hashes()):
        row: dict = {"index": i, "state": UNKNOWN, "reason": None}
        if own in sources:
            key, place = sources[own]
            row.update(state=LABELLED, known=known[key].uuid)
            label = sets[key].select([place])
            found.append(
                asked.select([i]).with_labels(
                    label.energies,
                    label.forces,
                    label.stresses,
                    level_of_theory=label.level_of_theory,
                    atom_energies={},
                    partial_charges=label.partial_charges,
                )
            )
        rows.append(row)
    return {
        "frames": FramesData(Frames.concatenate(found)),
        "report": Dict({"frames": rows, "atom_energies": _energies_of_atoms(sets.values())}),
    }


@calcfunction
def merge_labels(asked: FramesData, count: Int, batches: List, **parts) -> dict:
    """Join the labelled frames of all batches in input order.

    Parameters
    ----------
    asked
        All frames that were to be labelled.
    count
        Number of requested frames; the frames after them are isolated atoms, whose energies are
        the reference of all others.
    batches
        Indices in the whole set of the frames of each batch.
    parts
        ``report_<k>`` and ``frames_<k>`` of batch k; both are missing where the whole batch
        failed, and ``frames_<k>`` where none of its frames was labelled.

    Returns
    -------
    dict
        ``frames``, and ``report`` with the state of every frame and the reason of a failure.

    Raises
    ------
    ValueError
        If the positions of a label are not those of its frame.
    """
    ledger = BatchLedger(range(len(asked)))
    atoms: dict[str, float] = {}
    for k, indices in enumerate(batches.get_list()):
        ledger.start(indices)
        report = parts.get(f"report_{k:05d}")
        if report is None:
            ledger.record_all({"state": "failed", "reason": "its whole batch failed"})
            continue
        content = report.get_dict()
        ledger.record(content["frames"], skip=UNKNOWN)
        good = places_of(content["frames"], LABELLED)
        if good:
            frames = parts[f"frames_{k:05d}"].frames
            atoms = {**frames.atom_energies, **content.get("atom_energies", {}), **atoms}
            frames = replace(frames.select(frames.labelled), atom_energies={})
            ledger.keep("frames", single_frames(frames), good)
    found = ledger.results("frames")
    result: dict = {"report": Dict(_summary(ledger.rows(), count.value))}
    if any(i < count.value for i in found):
        everything = _joined(asked, found)
        alone = {
            symbol: float(everything.energies[i])
            for symbol, i in _isolated_atoms(everything).items()
        }
        wanted = everything.select([n for n, i in enumerate(found) if i < count.value])
        result["frames"] = FramesData(replace(wanted, atom_energies={**alone, **atoms}))
    return result


@calcfunction
def join_jobs(asked: FramesData, jobs: List, progress: Dict, **parts) -> dict:
    """Join the jobs that labelled one batch of frames.

    Parameters
    ----------
    asked
        The batch.
    jobs
        Indices of the frames of each job.
    progress
        State of the :class:`.FallbackSequence` after the last job.
    parts
        ``report_<k>`` of job k, and ``labelled_<k>`` with the frames that are labelled in it.

    Returns
    -------
    dict
        ``frames``, where any is labelled, in input order, and ``report``.

    Raises
    ------
    ValueError
        If the positions of a label are not those of its frame.
    """
    ledger = BatchLedger(range(len(asked)))
    for k, indices in enumerate(jobs.get_list()):
        if f"labelled_{k:05d}" in parts:
            ledger.start(indices)
            rows = parts[f"report_{k:05d}"].get_dict()["frames"]
            labelled = parts[f"labelled_{k:05d}"].frames
            ledger.keep("frames", single_frames(labelled), places_of(rows, LABELLED))
    found = ledger.results("frames")
    rows = FallbackSequence.from_state(progress.get_dict()).report()
    result: dict = {"report": Dict(_summary(rows))}
    if found:
        result["frames"] = FramesData(_joined(asked, found))
    return result


def _joined(asked: FramesData, found: Mapping[int, Frames]) -> Frames:
    """Return labelled frames by their indices in `asked` as one set."""
    joined = Frames.concatenate(list(found.values()))
    if joined.content_hashes() != asked.frames.select(list(found)).content_hashes():
        raise ValueError("the positions of a label are not those of its frame: please report this")
    return joined


def _isolated_atoms(frames: Frames) -> dict[str, int]:
    """Return, by element, the first frame that is an isolated neutral atom in its ground state."""
    found: dict[str, int] = {}
    for i in np.flatnonzero(frames.isolated):
        atom = frames[int(i)]
        ground = ground_state_multiplicity(atom.symbols[0])
        if atom.info.get("multiplicity", ground) == ground:
            found.setdefault(atom.symbols[0], int(i))
    return found


def _energies_of_atoms(sets: Iterable[Frames]) -> dict[str, float]:
    """Return the first energy of the isolated atom of each element in labelled sets."""
    energies: dict[str, float] = {}
    for frames in sets:
        for symbol, energy in frames.atom_energies.items():
            energies.setdefault(symbol, energy)
    return energies


def _summary(ordered: Sequence[dict], count: int | None = None) -> dict:
    asked = ordered[:count]
    summary = {
        "n_labelled": sum(row["state"] == LABELLED for row in asked),
        "n_failed": sum(row["state"] != LABELLED for row in asked),
        "n_known": sum("known" in row for row in asked),
        "frames": asked,
    }
    return summary | ({"atoms": ordered[count:]} if count is not None else {})

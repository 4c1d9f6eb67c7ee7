"""Labels of many batches joined into one set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict, Int, List

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labelling import LABELLED, LabelLadder
from aiida_nanoclusters.science.labels import ground_state_multiplicity, lone_atom

#: State of a frame that no earlier work has labelled.
UNKNOWN = "unknown"


@calcfunction
def with_lone_atoms(frames: FramesData) -> FramesData:
    """Return the frames, and after them the isolated atom of each element that has none yet."""
    asked = frames.frames.without_labels()
    missing = sorted(set(asked.elements) - set(_lone_atoms(asked)))
    if not missing:
        return FramesData(asked)
    atoms = Frames.from_atoms([lone_atom(symbol) for symbol in missing])
    return FramesData(Frames.concatenate([asked, atoms]))


@calcfunction
def lone_atoms(frames: FramesData) -> FramesData:
    """Return the isolated atom of each element of the frames."""
    return FramesData([lone_atom(symbol) for symbol in frames.elements])


@calcfunction
def take_known(frames: FramesData, **known: FramesData) -> dict:
    """Give frames the labels that they have in other sets.

    Returns
    -------
    dict
        ``frames``, labelled, in the order of the first argument; ``report`` of all its frames,
        in which those without a label there are :data:`UNKNOWN`.
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
                )
            )
        rows.append(row)
    return {
        "frames": FramesData(Frames.concatenate(found)),
        "report": Dict({"frames": rows, "atom_energies": _energies_of_atoms(sets.values())}),
    }


@calcfunction
def merge_labels(asked: FramesData, count: Int, batches: List, **parts) -> dict:
    """Join the labelled frames of all batches, in the order the frames were given.

    Parameters
    ----------
    asked
        All frames that were to be labelled.
    count
        Number of frames asked for; those after them are isolated atoms, whose energies become
        the reference of all others.
    batches
        For each batch the indices, in the whole set, of its frames.
    parts
        ``report_<k>`` and ``frames_<k>`` of batch k; both are missing where the whole batch
        failed, and ``frames_<k>`` where none of its frames could be labelled.

    Returns
    -------
    dict
        ``frames``, and ``report``: for every frame whether it was labelled and, if not, why.

    Raises
    ------
    ValueError
        If a label is not of the frame it is said to be of.
    """
    rows: dict[int, dict] = {}
    found: dict[int, Frames] = {}
    atoms: dict[str, float] = {}
    for k, indices in enumerate(batches.get_list()):
        report = parts.get(f"report_{k:05d}")
        if report is None:
            lost = {"state": "failed", "reason": "its whole batch failed"}
            rows.update({i: {"index": i, **lost} for i in indices})
            continue
        entries = dict(zip(indices, report.get_dict()["frames"], strict=True))
        rows.update({i: {**e, "index": i} for i, e in entries.items() if e["state"] != UNKNOWN})
        good = [i for i, e in entries.items() if e["state"] == LABELLED]
        if good:
            frames = parts[f"frames_{k:05d}"].frames
            atoms = {**frames.atom_energies, **report.get_dict().get("atom_energies", {}), **atoms}
            frames = replace(frames.select(frames.labelled), atom_energies={})
            found |= {i: frames.select([n]) for n, i in enumerate(good)}
    result: dict = {"report": Dict(_summary(rows, count.value))}
    if any(i < count.value for i in found):
        everything = _joined(asked, found)
        alone = {
            symbol: float(everything.energies[i]) for symbol, i in _lone_atoms(everything).items()
        }
        wanted = everything.select([n for n, i in enumerate(sorted(found)) if i < count.value])
        result["frames"] = FramesData(replace(wanted, atom_energies={**alone, **atoms}))
    return result


@calcfunction
def join_jobs(asked: FramesData, jobs: List, ladder: Dict, **parts) -> dict:
    """Join the jobs it took to label one batch of frames.

    Parameters
    ----------
    asked
        The batch.
    jobs
        For each job the indices of the frames it was given.
    ladder
        State of the :class:`.labelling.LabelLadder` after the last.
    parts
        ``report_<k>`` of job k, and ``labelled_<k>`` with the frames which that says are labelled.

    Returns
    -------
    dict
        ``frames``, where there are any, in the order of their indices, and ``report``.

    Raises
    ------
    ValueError
        If a label is not of the frame it is said to be of.
    """
    found: dict[int, Frames] = {}
    for k, indices in enumerate(jobs.get_list()):
        if f"labelled_{k:05d}" in parts:
            frames = parts[f"labelled_{k:05d}"].frames
            entries = parts[f"report_{k:05d}"].get_dict()["frames"]
            states = [entry["state"] for entry in entries]
            done = [i for i, state in zip(indices, states, strict=True) if state == LABELLED]
            found |= {i: frames.select([place]) for place, i in enumerate(done)}
    rows = LabelLadder.from_state(ladder.get_dict()).report()
    result: dict = {"report": Dict(_summary({row["index"]: row for row in rows}))}
    if found:
        result["frames"] = FramesData(_joined(asked, found))
    return result


def _joined(asked: FramesData, found: Mapping[int, Frames]) -> Frames:
    """Return labelled frames, by their indices in `asked`, in one set."""
    joined = Frames.concatenate([found[i] for i in sorted(found)])
    if joined.content_hashes() != asked.frames.select(sorted(found)).content_hashes():
        raise ValueError("a label is not of the frame it is said to be of: please report this")
    return joined


def _lone_atoms(frames: Frames) -> dict[str, int]:
    """Return by element the first frame that is its isolated, neutral atom in the ground state."""
    found: dict[str, int] = {}
    for i in np.flatnonzero((frames.sizes == 1) & ~frames.pbc.any(axis=1) & (frames.charges == 0)):
        atom = frames[int(i)]
        ground = ground_state_multiplicity(atom.symbols[0])
        if atom.info.get("multiplicity", ground) == ground:
            found.setdefault(atom.symbols[0], int(i))
    return found


def _energies_of_atoms(sets: Iterable[Frames]) -> dict[str, float]:
    """Return the isolated atoms' energies that labelled sets tell; the first of them counts."""
    energies: dict[str, float] = {}
    for frames in sets:
        for symbol, energy in frames.atom_energies.items():
            energies.setdefault(symbol, energy)
    return energies


def _summary(rows: dict[int, dict], count: int | None = None) -> dict:
    ordered = [rows[i] for i in sorted(rows)]
    asked = ordered[:count]
    summary = {
        "n_labelled": sum(row["state"] == LABELLED for row in asked),
        "n_failed": sum(row["state"] != LABELLED for row in asked),
        "n_known": sum("known" in row for row in asked),
        "frames": asked,
    }
    return summary | ({"atoms": ordered[count:]} if count is not None else {})

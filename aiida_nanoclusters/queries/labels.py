"""Which frames did this job label, on which try, and why were the others refused?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiida.orm import CalcJobNode, Dict, Node, ProcessNode, WorkChainNode

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.queries.nodes import kind_of
from aiida_nanoclusters.science.frames import Frames

#: Outputs that hold labels, the best first.
_HOLDS = ("frames", "labelled", "structures")
#: Call link of a job of aiida-vasp, which does one frame.
_VASP_CALL = re.compile(r"frame_(\d+)_rung_(\d+)")
LABELLED = "labelled"


@dataclass(frozen=True)
class LabelledFrame:
    """What became of one frame in a process.

    ``index`` counts in ``frames_uuid``, the frames that the process was given. ``state`` is that in
    this process: labelled, refused, unfinished or failed. ``rung`` is the try of the settings'
    ladder, from 0, None where the engine has none; ``attempts`` holds the tries that gave no label,
    each with ``rung`` and ``reason``. ``label_uuid`` and ``label_index`` say where the label is;
    ``known_from`` is the set that an earlier job had labelled it in. ``outcome`` is what became of
    the frame in the end, in the work chain that the job is part of.
    """

    index: int
    formula: str
    state: str
    reason: str
    rung: int | None
    attempts: tuple[Mapping[str, Any], ...]
    frames_uuid: str
    label_uuid: str
    label_index: int | None
    known_from: str
    outcome: str


def find_labels(process: ProcessNode) -> list[LabelledFrame]:
    """Return what became of every frame that a job, an engine or a labelling was given.

    Parameters
    ----------
    process
        A job or a work chain that labels frames: of LAMMPS, CP2K or VASP, an engine, or a
        LabelWorkChain; also one that failed and whose work another job finished.

    Raises
    ------
    ValueError
        If it labels no frames, or has not come to a report yet.
    """
    single = _vasp_job(process)
    if single is not None:
        engine, index, rung = single
        return [row for row in _rows(engine, process, rung) if row.index == index]
    return _rows(process, process, None)


def _rows(process: ProcessNode, asked: ProcessNode, rung: int | None) -> list[LabelledFrame]:
    frames_node, report = _frames_and_report(process)
    frames = frames_node.frames
    formulas = [atoms.get_chemical_formula() for atoms in frames]
    places = _places(frames, process)
    above = _outcomes(process)
    if rung is None and "rung" in process.inputs:
        rung = process.inputs.rung.value
    rows = []
    for entry in report["frames"]:
        index = int(entry["index"])
        state, reason = str(entry["state"]), str(entry.get("reason") or "")
        outcome = above.get(index, state)
        if asked.uuid != process.uuid:  # one try of an engine's frame
            state, reason = _one_try(entry, int(rung or 0))
        label = places.get(index) if state == LABELLED else None
        rows.append(
            LabelledFrame(
                index=index,
                formula=formulas[index],
                state=state,
                reason=reason,
                rung=entry.get("rung", rung) if asked.uuid == process.uuid else rung,
                attempts=tuple(entry.get("attempts", ())),
                frames_uuid=frames_node.uuid,
                label_uuid=label[0] if label else "",
                label_index=label[1] if label else None,
                known_from=str(entry.get("known") or ""),
                outcome=outcome,
            )
        )
    return rows


def _frames_and_report(process: ProcessNode) -> tuple[FramesData, Mapping[str, Any]]:
    frames: Any = next(
        (
            link.node
            for link in process.base.links.get_incoming(node_class=FramesData).all()
            if link.link_label.split("__")[-1] == "frames"
        ),
        None,
    )
    report = process.outputs.report if "report" in process.outputs else None
    told = report.get_dict() if isinstance(report, Dict) else {}
    if frames is None or "frames" not in told:
        found = kind_of(process)
        if frames is not None and not process.is_terminated:
            raise ValueError(
                f"this {found} has no report yet: see `aiida-nanoclusters status {process.uuid}`"
            )
        raise ValueError(
            f"this {found} labels no frames: give a LabelWorkChain, an engine, or a job of theirs "
            f"(`aiida-nanoclusters status {process.uuid}` shows what it called)"
        )
    return frames, told


def _vasp_job(process: ProcessNode) -> tuple[WorkChainNode, int, int] | None:
    """Return engine, frame and rung where the process is VASP's for a single frame."""
    node: ProcessNode | None = process
    while node is not None:
        links = node.base.links.get_incoming(
            link_type=_call_links(node), link_label_filter="frame_%"
        ).all()
        for link in links:
            match = _VASP_CALL.fullmatch(link.link_label)
            if match and isinstance(link.node, WorkChainNode):
                return link.node, int(match[1]), int(match[2])
        node = node.caller
    return None


def _call_links(node: Node) -> Any:
    from aiida.common.links import LinkType

    return LinkType.CALL_CALC if isinstance(node, CalcJobNode) else LinkType.CALL_WORK


def _one_try(entry: Mapping[str, Any], rung: int) -> tuple[str, str]:
    """Return state and reason of a frame on one rung, from the report of its engine."""
    tries = [a for a in entry.get("attempts", ()) if a.get("rung") == rung]
    if entry["state"] == LABELLED and entry.get("rung") == rung:
        return LABELLED, "; ".join(str(a.get("reason")) for a in tries)
    return "refused", "; ".join(str(a.get("reason")) for a in tries) or str(entry.get("reason"))


def _places(frames: Frames, process: ProcessNode) -> dict[int, tuple[str, int]]:
    """Return by index of a frame the set that holds its label, and the place in it."""
    hashes = frames.content_hashes()
    places: dict[str, tuple[str, int]] = {}
    for node in _label_sets(process):
        for place, own in enumerate(node.frames.content_hashes()):
            places.setdefault(own, (node.uuid, place))
    return {i: places[own] for i, own in enumerate(hashes) if own in places}


def _label_sets(process: ProcessNode) -> Iterable[Any]:
    links = process.base.links.get_outgoing(node_class=FramesData).all()
    named = {link.link_label.split("__")[0]: link.node for link in reversed(links)}
    return [named[name] for name in _HOLDS if name in named]


def _outcomes(process: ProcessNode) -> dict[int, str]:
    """Return by index what the outermost work chain that labels says of a job's frames."""
    frames_node, _ = _frames_and_report(process)
    caller = process.caller
    found: dict[int, str] = {}
    hashes: list[str] = []
    while caller is not None:
        try:
            asked, told = _frames_and_report(caller)
        except ValueError:  # it labels nothing itself, or has no report yet
            caller = caller.caller
            continue
        hashes = hashes or frames_node.frames.content_hashes()
        own = asked.frames.content_hashes()
        states = {
            own[int(row["index"])]: str(row["state"])
            for row in told["frames"]
            if int(row["index"]) < len(own)
        }
        found |= {i: states[h] for i, h in enumerate(hashes) if h in states}
        caller = caller.caller
    return found

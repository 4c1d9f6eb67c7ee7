"""State of each frame of a job or a labelling: settings level, reason of a failure, label."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiida.orm import CalcJobNode, Dict, Node, ProcessNode, WorkChainNode

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.data_frame import as_rows
from aiida_nanoclusters.formats.plain_text import excerpt
from aiida_nanoclusters.queries.nodes import kind_of
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.keys import with_present_keys
from aiida_nanoclusters.science.labels.retries import LABELLED

#: Outputs that hold labels, in the order in which they are searched.
_HOLDS = ("frames", "labelled", "structures")
#: Call link of a job of aiida-vasp, which computes one frame; `rung` in earlier versions.
_VASP_CALL = re.compile(r"frame_(\d+)_(?:level|rung)_(\d+)")


@dataclass(frozen=True)
class LabelledFrame:
    """State of one frame in a process.

    Attributes
    ----------
    index
        Index in the frames of the process, ``frames_uuid``.
    formula
        Chemical formula.
    state
        State in this process: labelled, refused, unfinished or failed.
    reason
        Why it has no label; empty where it has one.
    settings_level
        Index of the fallback of the engine's settings, from 0; None where the engine has none.
    attempts
        Attempts that gave no label, each with ``settings_level`` and ``reason``.
    frames_uuid
        UUID of the frames of the process.
    label_uuid, label_index
        UUID of the set that holds the label, and the index in it; empty and None without a label.
    known_from
        UUID of the set of earlier work from which the label was reused, or empty.
    outcome
        Final state of the frame in the work chain that called the process.
    """

    index: int
    formula: str
    state: str
    reason: str
    settings_level: int | None
    attempts: tuple[Mapping[str, Any], ...]
    frames_uuid: str
    label_uuid: str
    label_index: int | None
    known_from: str
    outcome: str


@as_rows
def find_labels(process: ProcessNode) -> list[LabelledFrame]:
    """Return the state of every frame of a job, an engine or a labelling.

    Parameters
    ----------
    process
        A job of LAMMPS, CP2K or VASP that labels frames, an engine, or a LabelWorkChain; also one
        that failed and was followed by another.

    Raises
    ------
    ValueError
        If it labels no frames, or has no report yet.
    """
    single = _vasp_job(process)
    try:
        if single is not None:
            engine, index, level = single
            return [row for row in _rows(engine, process, level) if row.index == index]
        return _rows(process, process, None)
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError(
            f"the report of process {process.uuid} cannot be read ({excerpt(str(error))}): it "
            "was not written by this package"
        ) from error


def _rows(process: ProcessNode, asked: ProcessNode, level: int | None) -> list[LabelledFrame]:
    frames_node, report = _frames_and_report(process)
    frames = frames_node.frames
    formulas = [atoms.get_chemical_formula() for atoms in frames]
    places = _places(frames, process)
    above = _outcomes(process)
    ports = [name for name in ("rung", "settings_level") if name in process.inputs]
    if level is None and ports:  # the former port, where it is given
        level = process.inputs[ports[0]].value
    rows = []
    for entry in report["frames"]:
        index = int(entry["index"])
        state, reason = str(entry["state"]), str(entry.get("reason") or "")
        outcome = above.get(index, state)
        if asked.uuid != process.uuid:  # a job for one frame of an engine
            state, reason = _one_attempt(entry, int(level or 0))
        label = places.get(index) if state == LABELLED else None
        rows.append(
            LabelledFrame(
                index=index,
                formula=formulas[index],
                state=state,
                reason=reason,
                settings_level=(
                    entry.get("settings_level", level) if asked.uuid == process.uuid else level
                ),
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
    content = with_present_keys(report.get_dict()) if isinstance(report, Dict) else {}
    if frames is None or "frames" not in content:
        found = kind_of(process)
        if frames is not None and not process.is_terminated:
            raise ValueError(
                f"this {found} has no report yet: see `aiida-nanoclusters status {process.uuid}`"
            )
        raise ValueError(
            f"this {found} labels no frames: give a LabelWorkChain, an engine, or one of their "
            f"jobs (`aiida-nanoclusters status {process.uuid}` shows what it called)"
        )
    return frames, content


def _vasp_job(process: ProcessNode) -> tuple[WorkChainNode, int, int] | None:
    """Return engine, frame and settings level of a process of VASP, which computes one frame."""
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


def _one_attempt(entry: Mapping[str, Any], level: int) -> tuple[str, str]:
    """Return state and reason of a frame at one settings level, from the report of its engine."""
    tries = [a for a in entry.get("attempts", ()) if a.get("settings_level") == level]
    if entry["state"] == LABELLED and entry.get("settings_level") == level:
        return LABELLED, "; ".join(str(a.get("reason")) for a in tries)
    return "refused", "; ".join(str(a.get("reason")) for a in tries) or str(entry.get("reason"))


def _places(frames: Frames, process: ProcessNode) -> dict[int, tuple[str, int]]:
    """Return, by index of the frame, the set that holds its label and the index in it."""
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
    """Return, by index, the state of the frames in the outermost work chain that labels them."""
    frames_node, _ = _frames_and_report(process)
    caller = process.caller
    found: dict[int, str] = {}
    hashes: list[str] = []
    while caller is not None:
        try:
            asked, report = _frames_and_report(caller)
        except ValueError:  # it labels nothing itself, or has no report yet
            caller = caller.caller
            continue
        hashes = hashes or frames_node.frames.content_hashes()
        own = asked.frames.content_hashes()
        states = {
            own[int(row["index"])]: str(row["state"])
            for row in report["frames"]
            if int(row["index"]) < len(own)
        }
        found |= {i: states[h] for i, h in enumerate(hashes) if h in states}
        caller = caller.caller
    return found

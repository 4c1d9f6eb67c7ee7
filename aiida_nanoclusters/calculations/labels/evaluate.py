"""EvaluateCalculation: energies, forces and stresses of many frames by one or many potentials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec, calcfunction
from aiida.orm import Data, Dict

from aiida_nanoclusters.calculations.faults import new_job
from aiida_nanoclusters.calculations.job_options import set_job_options
from aiida_nanoclusters.calculations.lammps import (
    command_line,
    elements_problem,
    set_exit_codes,
    validate_potential,
)
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.formats.lammps import Box, embed_frame, write_structures
from aiida_nanoclusters.formats.lammps_evaluate import forces_file, render_evaluation
from aiida_nanoclusters.formats.lammps_input import (
    INPUT_FILE,
    LOG_FILE,
    STRUCTURES_FILE,
)
from aiida_nanoclusters.science.frames import Frames

#: Å added to the largest cutoff to keep periodic images of clusters out of each other's reach.
GAP = 1.0
SETTINGS = {"cmdline": "further options of the LAMMPS command line, such as `-sf kk -k on g 1`"}


def validate_potentials(value: Mapping[str, PotentialData], _: Any) -> str | None:
    """Refuse an empty committee, and members that LAMMPS cannot run."""
    if not value:
        return "no potential: give at least one in `potentials`"
    for key, potential in value.items():
        problem = validate_potential(potential, None)
        if problem:
            return f"`{key}`: {problem}"
    return None


def validate_settings(value: Dict | None, _: Any) -> str | None:
    """Refuse unknown settings."""
    unknown = sorted(set(value.get_dict()) - set(SETTINGS)) if value is not None else []
    return f"unknown settings {', '.join(unknown)}: only `cmdline`" if unknown else None


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse frames that a potential cannot describe."""
    if "frames" not in value or "potentials" not in value:
        return None  # the ports say so themselves
    for key, potential in value["potentials"].items():
        problem = elements_problem(value["frames"], potential)
        if problem:
            return f"`{key}`: {problem}"
    try:
        make_boxes(value["frames"].frames, value["potentials"])
    except ValueError as error:
        return str(error)
    return None


def make_boxes(frames: Frames, potentials: Mapping[str, PotentialData]) -> list[Box]:
    """Return the box of each frame; all of them periodic, clusters in enough vacuum."""
    margin = (max(p.cutoff for p in potentials.values()) + GAP) / 2
    return [embed_frame(frames, i, margin) for i in range(len(frames))]


class EvaluateCalculation(CalcJob):
    """Evaluate many frames with every member of a committee, in one LAMMPS job."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare ports and exit codes."""
        super().define(spec)
        spec.input("frames", valid_type=FramesData, help="Of any sizes, cells and periodicity.")
        spec.input_namespace(
            "potentials", valid_type=PotentialData, dynamic=True, validator=validate_potentials
        )
        spec.input("settings", valid_type=Dict, required=False, validator=validate_settings)
        spec.inputs.validator = validate_inputs
        set_job_options(spec, "nanoclusters.evaluate")

        spec.output_namespace(
            "labelled",
            valid_type=FramesData,
            dynamic=True,
            required=False,
            help="By key of the potential: the frames it evaluated, in input order.",
        )
        spec.output("report", valid_type=Dict, help="What became of each frame, and why.")
        spec.default_output_node = "report"

        set_exit_codes(spec)
        spec.exit_code(
            330, "ERROR_FRAMES_FAILED", message="Frames without finite energy or forces: {frames}."
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write all frames into one dump file and the input that reads it once a potential."""
        frames = self.inputs.frames.frames
        potentials = dict(sorted(self.inputs.potentials.items()))
        members = {}
        info = new_job()
        info.local_copy_list = []
        for key, potential in potentials.items():
            interaction = potential.interaction
            name = None
            if interaction.filename is not None:
                name = f"{key}.{interaction.filename}"
                info.local_copy_list.append((potential.uuid, interaction.filename, name))
            members[key] = (interaction, name)
        with folder.open(STRUCTURES_FILE, "w") as handle:
            write_structures(frames, make_boxes(frames, potentials), frames.elements, handle)
        with folder.open(INPUT_FILE, "w") as handle:
            handle.write(render_evaluation(members, frames.elements))
        settings = self.inputs.settings.get_dict() if "settings" in self.inputs else {}
        code = CodeInfo()
        code.code_uuid = self.inputs.code.uuid
        code.cmdline_params = command_line(settings)
        info.codes_info = [code]
        info.retrieve_list = []
        info.retrieve_temporary_list = [LOG_FILE, *(forces_file(key) for key in potentials)]
        return info


def unsettled(report: Mapping[str, Any]) -> list[int]:
    """Return the frames that a job never came to."""
    return [entry["index"] for entry in report["frames"] if entry["state"] == "unfinished"]


@calcfunction
def continue_evaluation(frames: FramesData, report: Dict) -> FramesData:
    """Return the frames that a job never came to."""
    return FramesData(frames.frames.select(unsettled(report.get_dict())))


@calcfunction
def merge_evaluations(frames: FramesData, **nodes: Data) -> dict[str, Data]:
    """Join consecutive jobs, each of which took what the one before had left.

    Parameters
    ----------
    frames
        The input of the first job.
    nodes
        Of job ``i``: ``report_i``, and by key of the potential ``labelled_i_key``.
    """
    origin = list(range(len(frames)))
    entries: list[dict[str, Any]] = [{} for _ in origin]
    parts: dict[str, list[tuple[int, Frames]]] = {}
    message = ""
    for number in sorted(n.removeprefix("report_") for n in nodes if n.startswith("report_")):
        report = nodes[f"report_{number}"].get_dict()
        message = report["message"]
        for entry, index in zip(report["frames"], origin, strict=True):
            entries[index] = {**entry, "index": index}
        prefix = f"labelled_{number}_"
        for name in nodes:
            if name.startswith(prefix):
                key = name.removeprefix(prefix)
                kept = [origin[i] for i in report["labelled"][key]]
                found = nodes[name].frames
                parts.setdefault(key, []).extend(
                    (index, found.select([place])) for place, index in enumerate(kept)
                )
        origin = [origin[i] for i in unsettled(report)]
    merged: dict[str, Data] = {}
    labelled: dict[str, list[int]] = {}
    for key, found in parts.items():
        in_order = dict(sorted(dict(found).items()))
        labelled[key] = list(in_order)
        merged[f"labelled__{key}"] = FramesData(Frames.concatenate(list(in_order.values())))
    merged["report"] = Dict({"frames": entries, "labelled": labelled, "message": message})
    return merged

"""EvaluateCalculation: energies, forces and stresses of many frames by one or many potentials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiida.common import CalcInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec, calcfunction
from aiida.orm import Data, Dict

from aiida_nanoclusters.calculations.job_options import set_job_options, set_report
from aiida_nanoclusters.calculations.lammps_job import (
    NamesModel,
    cmdline_problem,
    elements_problem,
    new_lammps_job,
    potential_copy,
    set_exit_codes,
    validate_potential,
    write_server,
)
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.formats.calculators.calculator_server import (
    CHARGES,
    CHARGES_FILE,
    PERIODICITY_FILE,
    charges_file,
)
from aiida_nanoclusters.formats.input_text import InputTextError
from aiida_nanoclusters.formats.lammps.dump import Box, embed_frame, write_structures
from aiida_nanoclusters.formats.lammps.evaluate import forces_file, render_evaluation
from aiida_nanoclusters.formats.lammps.input import INPUT_FILE, LOG_FILE, STRUCTURES_FILE
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.ledger import BatchLedger, places_of, single_frames
from aiida_nanoclusters.science.labels.retries import UNFINISHED
from aiida_nanoclusters.science.labels.settings import EvaluationSettings

#: Å added to the largest cutoff, so that periodic images of clusters do not interact.
GAP = 1.0


def validate_potentials(value: Mapping[str, PotentialData], _: Any) -> str | None:
    """Refuse an empty committee, and potentials that LAMMPS cannot run."""
    if not value:
        return "no potential: give at least one in `potentials`"
    for key, potential in value.items():
        try:
            forces_file(key)
        except InputTextError as error:
            return str(error)
        problem = validate_potential(potential, None)
        if problem:
            return f"`{key}`: {problem}"
    return None


def validate_settings(value: Dict | None, _: Any) -> str | None:
    """Refuse settings that do not fit :class:`.EvaluationSettings`."""
    if value is None:
        return None
    return EvaluationSettings.problem(value.get_dict()) or cmdline_problem(value.get_dict())


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse frames with elements or cells that a potential cannot describe."""
    if "frames" not in value or "potentials" not in value:
        return None  # their ports report this
    for key, potential in value["potentials"].items():
        problem = elements_problem(value["frames"], potential)
        if problem:
            return f"`{key}`: {problem}"
        if settings_of(value).partial_charges and charges_kind(potential) is None:
            return (
                f"`{key}`: only calculators of tblite give partial charges: leave `partial_charges`"
                " out of `settings`"
            )
    try:
        make_boxes(value["frames"].frames, value["potentials"])
    except ValueError as error:
        return str(error)
    return None


def settings_of(inputs: Mapping[str, Any]) -> EvaluationSettings:
    """Return the settings among the inputs of a job."""
    given = inputs["settings"].get_dict() if "settings" in inputs else {}
    return EvaluationSettings.model_validate(given)


def charges_kind(potential: PotentialData) -> str | None:
    """Return the kind of the partial charges that a potential gives, or None."""
    if potential.kind != "calculator":
        return None
    return CHARGES.get(potential.calculator_description["calculator"])


def described_in(key: str, potential: PotentialData) -> str:
    """Return the name that the file of a potential has in the job."""
    return f"{key}.{potential.interaction.filename}"


def make_boxes(frames: Frames, potentials: Mapping[str, PotentialData]) -> list[Box]:
    """Return the box of each frame; all are periodic, clusters with sufficient vacuum."""
    margin = (max(p.cutoff for p in potentials.values()) + GAP) / 2
    return [embed_frame(frames, i, margin) for i in range(len(frames))]


class EvaluateCalculation(NamesModel, CalcJob):  # type: ignore[misc]
    """Evaluate many frames with every potential of a committee, in one job of LAMMPS."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare ports and exit codes."""
        super().define(spec)
        spec.input("frames", valid_type=FramesData, help="Frames of any sizes and periodicity.")
        spec.input_namespace(
            "potentials",
            valid_type=PotentialData,
            dynamic=True,
            validator=validate_potentials,
            help="Potentials of the committee by key.",
        )
        spec.input(
            "settings",
            valid_type=Dict,
            required=False,
            validator=validate_settings,
            help="Settings: `cmdline`, options of the LAMMPS command line; `partial_charges`, kept "
            "of each frame. Default: none.",
        )
        spec.inputs.validator = validate_inputs
        set_job_options(spec, "nanoclusters.evaluate")

        spec.output_namespace(
            "labelled",
            valid_type=FramesData,
            dynamic=True,
            required=False,
            help="Labelled frames in input order, by key of the potential.",
        )
        set_report(spec, "frames")
        set_exit_codes(spec)
        spec.exit_code(
            330, "ERROR_FRAMES_FAILED", message="Frames without finite energy and forces: {frames}."
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write all frames into one dump file, and the input that reads it once per potential."""
        frames = self.inputs.frames.frames
        potentials = dict(sorted(self.inputs.potentials.items()))
        members = {}
        copies: list[tuple[str, str, str]] = []
        for key, potential in potentials.items():
            interaction = potential.interaction
            name = None
            if interaction.filename is not None:
                name = described_in(key, potential)
                copies += potential_copy(potential, name)
            members[key] = (interaction, name)
        with folder.open(STRUCTURES_FILE, "w") as handle:
            write_structures(frames, make_boxes(frames, potentials), frames.elements, handle)
        with folder.open(INPUT_FILE, "w") as handle:
            handle.write(render_evaluation(members, frames.elements))
        settings = settings_of(self.inputs)
        info = new_lammps_job(self.inputs.code, settings, copies)
        info.retrieve_list = [*write_server(folder, potentials.values())]
        if info.retrieve_list:
            periodic = frames.pbc.tolist()
            with folder.open(PERIODICITY_FILE, "w", encoding="utf-8") as handle:
                json.dump(periodic, handle)
        info.retrieve_temporary_list = [LOG_FILE, *(forces_file(key) for key in potentials)]
        if settings.partial_charges:
            with folder.open(CHARGES_FILE, "w", encoding="utf-8") as handle:
                json.dump(settings.partial_charges[0], handle)
            names = [described_in(key, potential) for key, potential in potentials.items()]
            info.retrieve_temporary_list += [charges_file(name) for name in names]
        return info


@calcfunction
def continue_evaluation(frames: FramesData, report: Dict) -> FramesData:
    """Return the frames that a job did not reach."""
    return FramesData(frames.frames.select(unfinished_places(report.get_dict())))


def unfinished_places(report: Mapping[str, Any]) -> list[int]:
    """Return the places of the frames that a job did not reach."""
    return places_of(report["frames"], UNFINISHED)


@calcfunction
def merge_evaluations(frames: FramesData, **nodes: Data) -> dict[str, Data]:
    """Join consecutive jobs, each of which evaluated the frames that the one before did not reach.

    Parameters
    ----------
    frames
        Frames of the first job.
    nodes
        ``report_<i>`` of job i, and ``labelled_<i>_<key>`` by key of the potential.
    """
    ledger = BatchLedger(range(len(frames)))
    message = ""
    for number in sorted(n.removeprefix("report_") for n in nodes if n.startswith("report_")):
        report = nodes[f"report_{number}"].get_dict()
        message = report["message"]
        ledger.record(report["frames"])
        prefix = f"labelled_{number}_"
        for name in nodes:
            if name.startswith(prefix):
                key = name.removeprefix(prefix)
                ledger.keep(key, single_frames(nodes[name].frames), report["labelled"][key])
        ledger.follow(unfinished_places(report))
    found = {key: ledger.results(key) for key in ledger.names}
    merged: dict[str, Data] = {
        f"labelled__{key}": FramesData(Frames.concatenate(list(parts.values())))
        for key, parts in found.items()
    }
    labelled = {key: list(parts) for key, parts in found.items()}
    merged["report"] = Dict({"frames": ledger.rows(), "labelled": labelled, "message": message})
    return merged

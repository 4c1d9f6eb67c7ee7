"""TrainChartCalculation: the network of a chart, trained in one job."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida.common import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec, calcfunction
from aiida.orm import ArrayData, Dict, Int, RemoteData
from ase.data import atomic_numbers

from aiida_nanoclusters.calculations.faults import new_job
from aiida_nanoclusters.calculations.job_options import carry_script, set_job_options, validate_seed
from aiida_nanoclusters.calculations.training_codes import set_training_codes
from aiida_nanoclusters.data.chart import ChartData
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.frames_file import FILENAME
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.charts.distributions import element_lengths, frames_problem
from aiida_nanoclusters.science.charts.settings import THERMAL, ChartSettings
from aiida_nanoclusters.science.charts.training_files import (
    ARRAYS_FILE,
    CARRIED,
    CHART_FILE,
    CHECKPOINT_FILE,
    CURVE_FILE,
    FRAMES_FILE,
    PACKAGE,
    PAIRS_FILE,
    PREVIOUS_FILE,
    PROGRESS_FILE,
    REPORT_FILE,
    THERMAL_FILE,
)

JOB_FILE, LOG = "job.json", "train"
#: Minima that a training needs at least.
FEWEST = 10


def validate_settings(value: Dict, _: Any) -> str | None:
    """Refuse settings that are missing, unknown or out of their limits."""
    problem = ChartSettings.problem(value.get_dict())
    return problem and f"settings: {problem}"


def validate_bond_lengths(value: Dict | None, _: Any) -> str | None:
    """Refuse what is no bond length of an element."""
    if value is None:
        return None
    for symbol, length in value.get_dict().items():
        if symbol not in atomic_numbers:
            return f"`bond_lengths` names `{symbol}`, which is no element"
        if isinstance(length, bool) or not isinstance(length, int | float) or not 0 < length < 100:
            return f"the bond length of {symbol} is {length!r}: give it in Å"
    return None


def training_problem(value: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the frames of a training, or with their pairs, or None."""
    if "frames" not in value or "settings" not in value:
        return None  # the ports report it
    frames = value["frames"].frames
    if len(frames) < FEWEST:
        return f"{len(frames)} frames are too few for a chart: give {FEWEST} or more"
    problem = frames_problem(frames)
    if problem:
        return problem
    try:
        given = value["bond_lengths"].get_dict() if "bond_lengths" in value else None
        element_lengths(frames.elements, given)
    except ValueError as error:
        return str(error)
    wanted = value["settings"].get_dict().get("training", {}).get("reproduces") == THERMAL
    pairs = [name for name in ("thermal", "minimum_of") if name in value]
    if not wanted:
        return None
    if len(pairs) < 2:
        return (
            "`training.reproduces: thermal` needs `thermal` frames and `minimum_of`, the index of "
            "the minimum of each: both come from parallel tempering"
        )
    return _pairs_problem(value, len(frames))


def _pairs_problem(value: Mapping[str, Any], n_minima: int) -> str | None:
    thermal, node = value["thermal"].frames, value["minimum_of"]
    if keys.MINIMUM_OF not in node.get_arraynames():
        return f"`minimum_of` has no array `{keys.MINIMUM_OF}`: give that of parallel tempering"
    index = node.get_array(keys.MINIMUM_OF)
    if index.shape != (len(thermal),) or index.dtype.kind not in "iu":
        return f"`minimum_of` has shape {index.shape} for {len(thermal)} thermal frames"
    if index.min() < -1 or index.max() >= n_minima:
        return f"`minimum_of` counts to {index.max()}, there are {n_minima} minima in `frames`"
    if set(value["thermal"].elements) - set(value["frames"].elements):
        return "`thermal` has elements that `frames` has not: these are not their minima"
    return frames_problem(thermal)


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse frames that have no chart, and restarts without a checkpoint."""
    remote = value.get("restart_from")
    if remote is not None:
        if remote.is_cleaned:
            return "`restart_from` was cleaned, its checkpoint is deleted: start again without it"
        if "code" in value and value["code"].computer.uuid != remote.computer.uuid:
            return (
                f"`restart_from` lies on {remote.computer.label}, the code on "
                f"{value['code'].computer.label}: continue on the same computer"
            )
    return training_problem(value)


def chart_ports(spec: Any) -> None:
    """Declare what a chart is trained on."""
    spec.input("frames", valid_type=FramesData, help="Relaxed clusters, of any sizes and elements.")
    spec.input(
        "thermal",
        valid_type=FramesData,
        required=False,
        help="Thermal frames, where the chart is trained from these to their minima.",
    )
    spec.input(
        "minimum_of",
        valid_type=ArrayData,
        required=False,
        help="Array `minimum_of`: for each thermal frame the index of its minimum in `frames`, -1 "
        "for none.",
    )
    spec.input(
        "settings",
        valid_type=Dict,
        validator=validate_settings,
        help="The fields of `ChartSettings` in `science/charts/settings.py`.",
    )
    spec.input(
        "bond_lengths",
        valid_type=Dict,
        required=False,
        validator=validate_bond_lengths,
        help="Bond length of elements, Å. Default: the neighbours' distance in the bulk metal.",
    )


class TrainChartCalculation(CalcJob):
    """Train the network of one chart, and measure what it has seen."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare ports and exit codes."""
        super().define(spec)
        spec.inputs["code"].help = "A Python that has numpy, scipy and torch."
        chart_ports(spec)
        spec.input(
            "seed",
            valid_type=Int,
            validator=validate_seed,
            help="Random seed of the initial weights and of the batches, from 0.",
        )
        spec.input(
            "restart_from",
            valid_type=RemoteData,
            required=False,
            help="Remote folder of an interrupted training of the same inputs, which is continued.",
        )
        spec.inputs.validator = validate_inputs
        set_job_options(spec, "nanoclusters.train_chart")
        for name, valid_type, what in (
            ("chart", ChartData, "Chart of the best epoch; of an interrupted training, so far."),
            ("learning_curve", ArrayData, "Losses and learning rate, one value per epoch."),
            ("report", Dict, "Epochs, losses, wall time (s), versions."),
        ):
            spec.output(name, valid_type=valid_type, required=name == "report", help=what)
        spec.default_output_node = "report"
        spec.exit_code(
            310,
            "ERROR_NO_REPORT",
            message="The training ended with an error: {message}",
            invalidates_cache=True,
        )
        set_training_codes(
            spec,
            "The training was killed or crashed without an error message.",
            "lower `training.learning_rate`",
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the settings and the program; the frames go as the files of their nodes."""
        inputs = self.inputs
        folder.get_subfolder(PACKAGE, create=True)
        for name in CARRIED:
            carry_script(folder, "aiida_nanoclusters.science.charts", name, f"{PACKAGE}/{name}")
        with folder.open(JOB_FILE, "w", encoding="utf-8") as handle:
            json.dump(self._job(), handle, indent=1, sort_keys=True)
        info = new_job()
        info.local_copy_list = [(inputs.frames.uuid, FILENAME, FRAMES_FILE)]
        if inputs.settings["training"].get("reproduces") == THERMAL:
            info.local_copy_list.append((inputs.thermal.uuid, FILENAME, THERMAL_FILE))
            buffer = io.BytesIO()
            np.save(buffer, inputs.minimum_of.get_array(keys.MINIMUM_OF), allow_pickle=False)
            with folder.open(PAIRS_FILE, "wb") as handle:
                handle.write(buffer.getvalue())
        if "restart_from" in inputs:
            remote = inputs.restart_from
            path = f"{remote.get_remote_path()}/{CHECKPOINT_FILE}"
            info.remote_copy_list = [(remote.computer.uuid, path, PREVIOUS_FILE)]
        step = CodeInfo()
        step.code_uuid = inputs.code.uuid
        step.cmdline_params = ["-m", f"{PACKAGE}.training", JOB_FILE]
        step.stdout_name, step.stderr_name = f"{LOG}.out", f"{LOG}.err"
        info.codes_info = [step]
        logs = [f"{LOG}.out", f"{LOG}.err"]
        info.retrieve_list = [REPORT_FILE, PROGRESS_FILE, CURVE_FILE, *logs]
        info.retrieve_temporary_list = [CHART_FILE, ARRAYS_FILE]
        return info

    def _job(self) -> dict[str, Any]:
        inputs, walltime = self.inputs, self.node.get_option("max_wallclock_seconds")
        settings = ChartSettings(**inputs.settings.get_dict())
        given = inputs.bond_lengths.get_dict() if "bond_lengths" in inputs else None
        lengths = element_lengths(inputs.frames.elements, given)
        return {
            **settings.of_training(),
            "seed": inputs.seed.value,
            # A tenth is left for the chart itself.
            "max_seconds": None if walltime is None else 0.9 * walltime,
            "bond_lengths": {str(atomic_numbers[e]): length for e, length in lengths.items()},
            "bond_lengths_by_symbol": lengths,
            "sizes": inputs.frames.sizes,
        }


@calcfunction
def lower_learning_rate(settings: Dict) -> Dict:
    """Return the settings of a chart with half the learning rate."""
    changed = settings.get_dict()
    changed["training"]["learning_rate"] = ChartSettings(**changed).training.learning_rate / 2
    return Dict(changed)

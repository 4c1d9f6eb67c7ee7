"""TrainChartCalculation: the network of a chart, trained in one job."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec, calcfunction
from aiida.orm import ArrayData, Dict
from ase.data import atomic_numbers

from aiida_nanoclusters.calculations.job_options import set_job_options
from aiida_nanoclusters.calculations.network_training import NetworkTrainingJob, restart_problem
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
    FRAMES_FILE,
    PACKAGE,
    PAIRS_FILE,
    THERMAL_FILE,
)
from aiida_nanoclusters.science.network_state import ARCHITECTURES

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
    return restart_problem(value) or training_problem(value)


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


class TrainChartCalculation(NetworkTrainingJob):
    """Train the network of one chart, and measure what it has seen."""

    _module, _carried = f"{PACKAGE}.training", CARRIED
    _results, _needs = (CHART_FILE, ARRAYS_FILE), "numpy, scipy and torch"
    CACHE_VERSION = ARCHITECTURES["chart"]

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare ports and exit codes."""
        super().define(spec)
        chart_ports(spec)
        spec.inputs.validator = validate_inputs
        set_job_options(spec, "nanoclusters.train_chart")
        for name, valid_type, what in (
            ("chart", ChartData, "Chart of the best epoch; of an interrupted training, so far."),
            ("report", Dict, "Epochs, losses, wall time (s), versions."),
        ):
            spec.output(name, valid_type=valid_type, required=name == "report", help=what)
        spec.default_output_node = "report"

    def _write(self, folder: Folder) -> dict[str, Any]:
        inputs = self.inputs
        if self._has_pairs:
            buffer = io.BytesIO()
            np.save(buffer, inputs.minimum_of.get_array(keys.MINIMUM_OF), allow_pickle=False)
            with folder.open(PAIRS_FILE, "wb") as handle:
                handle.write(buffer.getvalue())
        settings = ChartSettings(**inputs.settings.get_dict())
        given = inputs.bond_lengths.get_dict() if "bond_lengths" in inputs else None
        lengths = element_lengths(inputs.frames.elements, given)
        return {
            **settings.of_training(),
            "bond_lengths": {str(atomic_numbers[e]): length for e, length in lengths.items()},
            "bond_lengths_by_symbol": lengths,
            "sizes": inputs.frames.sizes,
        }

    def _copied(self) -> list[tuple[str, str, str]]:
        files = [(self.inputs.frames.uuid, FILENAME, FRAMES_FILE)]
        if self._has_pairs:
            files.append((self.inputs.thermal.uuid, FILENAME, THERMAL_FILE))
        return files

    @property
    def _has_pairs(self) -> bool:
        """Whether it is trained from thermal frames to their minima."""
        return bool(self.inputs.settings["training"].get("reproduces") == THERMAL)


@calcfunction
def lower_learning_rate(settings: Dict) -> Dict:
    """Return the settings of a chart with half the learning rate."""
    changed = settings.get_dict()
    changed["training"]["learning_rate"] = ChartSettings(**changed).training.learning_rate / 2
    return Dict(changed)

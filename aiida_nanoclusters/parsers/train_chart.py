"""Parser of trainings of charts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from aiida.engine import ExitCode
from aiida.orm import ArrayData, Dict
from aiida.parsers import Parser

from aiida_nanoclusters.calculations.charts.train_chart import LOG
from aiida_nanoclusters.data.chart import ChartData
from aiida_nanoclusters.formats.limits import load_json
from aiida_nanoclusters.parsers.faults import fault_of
from aiida_nanoclusters.parsers.retrieved import retrieved_text
from aiida_nanoclusters.parsers.train import traceback_message
from aiida_nanoclusters.science.charts.chart import Chart
from aiida_nanoclusters.science.charts.training_files import (
    ARRAYS_FILE,
    CHART_FILE,
    CURVE,
    CURVE_FILE,
    PROGRESS_FILE,
    REPORT_FILE,
)


class TrainChartParser(Parser):
    """Return the chart so far, also of interrupted trainings, and the reason of a failure."""

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Read the report, the curve and the chart."""
        folder = Path(kwargs["retrieved_temporary_folder"])
        written, progress = self._json(REPORT_FILE), self._json(PROGRESS_FILE)
        seed = self.node.inputs.seed.value
        epochs = self.node.inputs.settings.get_dict()["training"].get("epochs")
        report: dict[str, Any] = {
            "ended": None,
            "epochs_done": progress.get("epoch", 0),
            "epochs": epochs,
            "seed": seed,
            "best_val_loss": progress.get("best"),
            "checkpoint": bool(progress),
            "wall_seconds": None,
            **written,
        }
        curve = self._curve()
        if curve is not None:
            self.out("learning_curve", curve)
        problem = ""
        if (folder / CHART_FILE).exists() and (folder / ARRAYS_FILE).exists():
            try:
                chart = Chart.load(folder)
            except ValueError as error:
                problem = str(error)
            else:
                loss = report["best_val_loss"]
                self.out("chart", ChartData(chart, seed=seed, validation_loss=loss))
        self.out("report", Dict(report))
        return self._exit_code(report, problem)

    def _exit_code(self, report: Mapping[str, Any], problem: str) -> ExitCode | None:
        codes, ended = self.exit_codes, report["ended"]
        if ended == "nan":
            return codes.ERROR_NAN_LOSS.format(epoch=report["epochs_done"])
        errors = retrieved_text(self, f"{LOG}.err")
        if ended is None:
            fault = fault_of(self, errors)
            if fault is not None:
                return fault
            message = traceback_message(errors) or errors.strip()[-500:]
            return codes.ERROR_NO_REPORT.format(message=message) if message else codes.ERROR_DIED
        if ended == "time":
            if not report["epochs_done"]:
                return codes.ERROR_OUT_OF_WALLTIME_NO_CHECKPOINT
            done, epochs = report["epochs_done"], report["epochs"]
            return codes.ERROR_OUT_OF_WALLTIME.format(done=done, epochs=epochs)
        if problem or "chart" not in self.outputs:
            return codes.ERROR_NO_REPORT.format(message=problem or "it wrote no chart")
        return None

    def _json(self, name: str) -> dict[str, Any]:
        try:
            found = load_json(retrieved_text(self, name))
        except ValueError:  # absent, or cut short by a full disk
            return {}
        return found if isinstance(found, dict) else {}

    def _curve(self) -> ArrayData | None:
        repository = self.retrieved.base.repository
        if CURVE_FILE not in repository.list_object_names():
            return None
        node = ArrayData()
        try:
            with (
                repository.open(CURVE_FILE, "rb") as handle,
                np.load(handle, allow_pickle=False) as archive,
            ):
                for name in CURVE:
                    node.set_array(name, archive[name])
        except (OSError, ValueError, KeyError, EOFError) as error:
            self.logger.info(f"no learning curve: {error}")
            return None
        return node

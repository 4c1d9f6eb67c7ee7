"""Parsers of jobs that train networks: report, curve, result so far, the reason of a failure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from aiida.engine import ExitCode
from aiida.orm import ArrayData, Dict
from aiida.parsers import Parser

from aiida_nanoclusters.calculations.network_training import LOG
from aiida_nanoclusters.formats.limits import load_json
from aiida_nanoclusters.parsers.faults import fault_of
from aiida_nanoclusters.parsers.retrieved import retrieved_text
from aiida_nanoclusters.parsers.train import traceback_message
from aiida_nanoclusters.science.training_files import (
    CURVE,
    CURVE_FILE,
    PROGRESS_FILE,
    REPORT_FILE,
)

#: What a result that is cut short, or none, makes its reader raise.
WRONG = (OSError, ValueError, KeyError, EOFError)


class TrainingReportParser(Parser):
    """Reads what a job says of its trainings, and why it ended without a report."""

    def read_report(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the report and the progress, each empty where it is not there."""
        return self._json(REPORT_FILE), self._json(PROGRESS_FILE)

    def no_report(self) -> ExitCode:
        """Return why a job ended without a report."""
        errors = retrieved_text(self, f"{LOG}.err")
        fault = fault_of(self, errors)
        if fault is not None:
            return fault
        message = traceback_message(errors) or errors.strip()[-500:]
        codes = self.exit_codes
        return codes.ERROR_NO_REPORT.format(message=message) if message else codes.ERROR_DIED

    def _json(self, name: str) -> dict[str, Any]:
        try:
            found = load_json(retrieved_text(self, name))
        except ValueError:  # absent, or cut short by a full disk
            return {}
        return found if isinstance(found, dict) else {}


class NetworkTrainingParser(TrainingReportParser):
    """Base of parsers of one training."""

    #: Output that the training makes, the files in which it comes, and the model of its settings.
    _output: str
    _files: tuple[str, ...]
    _settings: type[Any]

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Read the report, the curve and the result."""
        folder = Path(kwargs["retrieved_temporary_folder"])
        written, progress = self.read_report()
        settings = self._settings(**self.node.inputs.settings.get_dict())
        report: dict[str, Any] = {
            "ended": None,
            "epochs_done": progress.get("epoch", 0),
            "epochs": settings.training.epochs,
            "seed": self.node.inputs.seed.value,
            "best_val_loss": progress.get("best"),
            "checkpoint": bool(progress),
            "wall_seconds": None,
            **written,
        }
        curve = self._curve()
        if curve is not None:
            self.out("learning_curve", curve)
        problem = ""
        if all((folder / name).exists() for name in self._files):
            try:
                self._attach(folder, report)
            except WRONG as error:
                problem = str(error)
        self.out("report", Dict(report))
        return self._exit_code(report, problem)

    def _attach(self, folder: Path, report: dict[str, Any]) -> None:
        """Attach the result, and add to the report what follows from it."""
        raise NotImplementedError

    def _exit_code(self, report: Mapping[str, Any], problem: str) -> ExitCode | None:
        codes, ended = self.exit_codes, report["ended"]
        if ended == "nan":
            return codes.ERROR_NAN_LOSS.format(epoch=report["epochs_done"])
        if ended is None:
            return self.no_report()
        if ended == "time":
            if not report["epochs_done"]:
                return codes.ERROR_OUT_OF_WALLTIME_NO_CHECKPOINT
            done, epochs = report["epochs_done"], report["epochs"]
            return codes.ERROR_OUT_OF_WALLTIME.format(done=done, epochs=epochs)
        if problem or self._output not in self.outputs:
            return codes.ERROR_NO_REPORT.format(message=problem or f"it wrote no {self._output}")
        return None

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
        except WRONG as error:
            self.logger.info(f"no learning curve: {error}")
            return None
        return node

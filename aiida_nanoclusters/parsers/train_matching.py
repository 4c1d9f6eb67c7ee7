"""Parsers of the trainings of the core encoder and of the matching model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from aiida.engine import ExitCode
from aiida.orm import ArrayData, Dict
from aiida.parsers import Parser

from aiida_nanoclusters.calculations.ligands.train_matching import LOG
from aiida_nanoclusters.data.core_encoder import CoreEncoderData
from aiida_nanoclusters.data.matching_model import MatchingModelData
from aiida_nanoclusters.formats.limits import load_json
from aiida_nanoclusters.parsers.faults import fault_of
from aiida_nanoclusters.parsers.retrieved import retrieved_text
from aiida_nanoclusters.parsers.train import traceback_message
from aiida_nanoclusters.science.ligands.classification import classification_metrics
from aiida_nanoclusters.science.ligands.core_encoder import PretrainedEncoder
from aiida_nanoclusters.science.ligands.encoder_settings import (
    SUBSETS,
    MatchingSettings,
    PretrainingSettings,
)
from aiida_nanoclusters.science.ligands.formation_energies import energy_errors, frame_compositions
from aiida_nanoclusters.science.ligands.matching_model import MatchingModel
from aiida_nanoclusters.science.ligands.training_files import (
    CURVE,
    CURVE_FILE,
    ENCODER_FILE,
    ENERGY_PREDICTIONS,
    MODEL_FILE,
    PAIR_PREDICTIONS,
    PREDICTIONS_FILE,
    PROGRESS_FILE,
    REPORT_FILE,
)


class EncoderParser(Parser):
    """Base of both parsers: report, curve, result so far, and the reason of a failure."""

    #: Output that the training makes, its settings, and the arrays of its predictions.
    _output: str
    _settings: type[PretrainingSettings] | type[MatchingSettings]
    _predictions: tuple[str, ...]
    #: File by which a result is known to be there.
    _file: str

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Read the report, the curve, the result and its predictions."""
        folder = Path(kwargs["retrieved_temporary_folder"])
        written, progress = self._json(REPORT_FILE), self._json(PROGRESS_FILE)
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
        if (folder / self._file).exists():
            try:
                self.out(self._output, self._read(folder))
                predictions = _arrays(folder / PREDICTIONS_FILE, self._predictions)
                report |= self._assess(predictions)
                node = ArrayData()
                for name, array in predictions.items():
                    node.set_array(name, array)
                self.out("predictions", node)
            except (OSError, ValueError, KeyError, EOFError) as error:
                problem = str(error)
        self.out("report", Dict(report))
        return self._exit_code(report, problem)

    def _read(self, folder: Path) -> Any:
        """Return the node of the result."""
        raise NotImplementedError

    def _assess(self, predictions: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the report says of the predictions."""
        raise NotImplementedError

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
        if problem or self._output not in self.outputs:
            return codes.ERROR_NO_REPORT.format(message=problem or "it wrote no result")
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


class PretrainCoreParser(EncoderParser):
    """Return the pretrained encoder so far and its errors on the test subset."""

    _output, _file = "encoder", ENCODER_FILE
    _settings, _predictions = PretrainingSettings, ENERGY_PREDICTIONS

    def _read(self, folder: Path) -> CoreEncoderData:
        return CoreEncoderData(PretrainedEncoder.load(folder))

    def _assess(self, predictions: Mapping[str, Any]) -> dict[str, Any]:
        frames, rows = self.node.inputs.frames.frames, predictions["frame"]
        energies = [predictions[name] for name in ("predicted", "target", "subset")]
        fractions = frame_compositions(frames, rows)
        return {"errors": energy_errors(fractions, frames.sizes[rows], *energies)}


class TrainMatchingParser(EncoderParser):
    """Return the matching model so far and its metrics on each subset."""

    _output, _file = "model", MODEL_FILE
    _settings, _predictions = MatchingSettings, PAIR_PREDICTIONS

    def _read(self, folder: Path) -> MatchingModelData:
        return MatchingModelData(MatchingModel.load(folder))

    def _assess(self, predictions: Mapping[str, Any]) -> dict[str, Any]:
        metrics = {}
        for number, name in enumerate(SUBSETS):
            own = predictions["subset"] == number
            metrics[name] = classification_metrics(
                predictions["label"][own], predictions["probability"][own]
            )
        return {"metrics": metrics}


def _arrays(path: Path, names: Sequence[str]) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in names}

"""Parsers of the trainings of the core encoder and of the matching model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from aiida.orm import ArrayData

from aiida_nanoclusters.data.core_encoder import CoreEncoderData
from aiida_nanoclusters.data.matching_model import MatchingModelData
from aiida_nanoclusters.parsers.network_training import NetworkTrainingParser
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
    ENCODER_FILE,
    ENERGY_PREDICTIONS,
    MODEL_FILE,
    PAIR_PREDICTIONS,
    PREDICTIONS_FILE,
)


class EncoderParser(NetworkTrainingParser):
    """Base of both parsers: the result with its predictions, and what these say."""

    #: Arrays of the predictions.
    _predictions: tuple[str, ...]

    def _attach(self, folder: Path, report: dict[str, Any]) -> None:
        self.out(self._output, self._read(folder))
        with np.load(folder / PREDICTIONS_FILE, allow_pickle=False) as archive:
            predictions = {name: archive[name] for name in self._predictions}
        report |= self._assess(predictions)
        node = ArrayData()
        for name, array in predictions.items():
            node.set_array(name, array)
        self.out("predictions", node)

    def _read(self, folder: Path) -> Any:
        """Return the node of the result."""
        raise NotImplementedError

    def _assess(self, predictions: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the report says of the predictions."""
        raise NotImplementedError


class PretrainCoreParser(EncoderParser):
    """Return the pretrained encoder so far and its errors on the test subset."""

    _output, _files = "encoder", (ENCODER_FILE,)
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

    _output, _files = "model", (MODEL_FILE,)
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

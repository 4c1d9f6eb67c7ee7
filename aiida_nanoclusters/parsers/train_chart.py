"""Parser of trainings of charts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiida_nanoclusters.data.chart import ChartData
from aiida_nanoclusters.parsers.network_training import NetworkTrainingParser
from aiida_nanoclusters.science.charts.chart import Chart
from aiida_nanoclusters.science.charts.settings import ChartSettings
from aiida_nanoclusters.science.charts.training_files import ARRAYS_FILE, CHART_FILE


class TrainChartParser(NetworkTrainingParser):
    """Return the chart so far, also of interrupted trainings, and the reason of a failure."""

    _output, _files, _settings = "chart", (CHART_FILE, ARRAYS_FILE), ChartSettings

    def _attach(self, folder: Path, report: dict[str, Any]) -> None:
        seed, loss = self.node.inputs.seed.value, report["best_val_loss"]
        self.out("chart", ChartData(Chart.load(folder), seed=seed, validation_loss=loss))

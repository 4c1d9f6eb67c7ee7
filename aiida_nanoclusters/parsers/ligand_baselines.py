"""Parser of the baselines of a matching model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from aiida.engine import ExitCode
from aiida.orm import ArrayData, Dict

from aiida_nanoclusters.calculations.ligands.baselines import predictions_label
from aiida_nanoclusters.parsers.network_training import WRONG, TrainingReportParser
from aiida_nanoclusters.science.ligands.baseline_settings import BaselineSettings
from aiida_nanoclusters.science.ligands.classification import (
    classification_metrics,
    summarise_seeds,
)
from aiida_nanoclusters.science.ligands.encoder_settings import TEST
from aiida_nanoclusters.science.ligands.training_files import (
    PAIR_PREDICTIONS,
    PREDICTIONS_FILE,
)


class LigandBaselinesParser(TrainingReportParser):
    """Return the predictions so far, their metrics, and the reason of a failure.

    A training whose loss became NaN fails alone: the report names it, and it has no predictions.
    """

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Read the report and the predictions."""
        folder = Path(kwargs["retrieved_temporary_folder"])
        written, progress = self.read_report()
        methods = BaselineSettings(**self.node.inputs.settings.get_dict()).methods
        seeds = self.node.inputs.seeds.get_list()
        report: dict[str, Any] = {
            "ended": None,
            "methods": methods,
            "seeds": seeds,
            "trainings_done": progress.get("done", 0),
            "trainings": len(methods) * len(seeds),
            "failed": [],
            "checkpoint": bool(progress),
            "wall_seconds": None,
            **written,
        }
        problem = ""
        try:
            with np.load(folder / PREDICTIONS_FILE, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in PAIR_PREDICTIONS}
            report["metrics"] = self._attach(arrays, methods, seeds)
        except (*WRONG, IndexError) as error:
            problem = str(error)
        self.out("report", Dict(report))
        return self._exit_code(report, problem)

    def _attach(
        self, arrays: Mapping[str, Any], methods: list[str], seeds: list[int]
    ) -> dict[str, Any]:
        """Attach the predictions of each training; return the metrics of each method."""
        found, labels, subset = (arrays[name] for name in PAIR_PREDICTIONS)
        if found.shape != (len(methods), len(seeds), len(labels)) or subset.shape != labels.shape:
            raise ValueError(f"probabilities of shape {found.shape}")
        test, metrics = subset == TEST, {}
        for method, rows in zip(methods, found, strict=True):
            tables = []
            for seed, probability in zip(seeds, rows, strict=True):
                if not np.isfinite(probability).all():
                    continue  # not done, or failed: the report says which
                node = ArrayData()
                values = (probability, labels, subset)
                for name, value in zip(PAIR_PREDICTIONS, values, strict=True):
                    node.set_array(name, value)
                self.out(f"predictions.{predictions_label(method, seed)}", node)
                table = classification_metrics(labels[test], probability[test])
                tables.append({"seed": seed, **table})
            metrics[method] = {"members": tables, "summary": summarise_seeds(tables)}
        return metrics

    def _exit_code(self, report: Mapping[str, Any], problem: str) -> ExitCode | None:
        codes, ended = self.exit_codes, report["ended"]
        if ended is None:
            return self.no_report()
        if ended == "time":
            if not report["checkpoint"]:
                return codes.ERROR_OUT_OF_WALLTIME_NO_CHECKPOINT
            done, planned = report["trainings_done"], report["trainings"]
            return codes.ERROR_OUT_OF_WALLTIME.format(done=done, planned=planned)
        if problem:
            return codes.ERROR_NO_REPORT.format(message=problem)
        return None

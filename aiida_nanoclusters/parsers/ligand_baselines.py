"""Parser of the baselines of a matching model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from aiida.engine import ExitCode
from aiida.orm import ArrayData, Dict
from aiida.parsers import Parser

from aiida_nanoclusters.calculations.ligands.baselines import LOG, predictions_label
from aiida_nanoclusters.formats.limits import load_json
from aiida_nanoclusters.parsers.faults import fault_of
from aiida_nanoclusters.parsers.retrieved import retrieved_text
from aiida_nanoclusters.parsers.train import traceback_message
from aiida_nanoclusters.science.ligands.baseline_settings import BaselineSettings
from aiida_nanoclusters.science.ligands.classification import (
    classification_metrics,
    summarise_seeds,
)
from aiida_nanoclusters.science.ligands.encoder_settings import TEST
from aiida_nanoclusters.science.ligands.training_files import (
    PAIR_PREDICTIONS,
    PREDICTIONS_FILE,
    PROGRESS_FILE,
    REPORT_FILE,
)


class LigandBaselinesParser(Parser):
    """Return the predictions so far, their metrics, and the reason of a failure.

    A training whose loss became NaN fails alone: the report names it, and it has no predictions.
    """

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Read the report and the predictions."""
        folder = Path(kwargs["retrieved_temporary_folder"])
        written, progress = self._json(REPORT_FILE), self._json(PROGRESS_FILE)
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
        except (OSError, ValueError, KeyError, EOFError, IndexError) as error:
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
        errors = retrieved_text(self, f"{LOG}.err")
        if ended is None:
            fault = fault_of(self, errors)
            if fault is not None:
                return fault
            message = traceback_message(errors) or errors.strip()[-500:]
            return codes.ERROR_NO_REPORT.format(message=message) if message else codes.ERROR_DIED
        if ended == "time":
            if not report["checkpoint"]:
                return codes.ERROR_OUT_OF_WALLTIME_NO_CHECKPOINT
            done, planned = report["trainings_done"], report["trainings"]
            return codes.ERROR_OUT_OF_WALLTIME.format(done=done, planned=planned)
        if problem:
            return codes.ERROR_NO_REPORT.format(message=problem)
        return None

    def _json(self, name: str) -> dict[str, Any]:
        try:
            found = load_json(retrieved_text(self, name))
        except ValueError:  # absent, or cut short by a full disk
            return {}
        return found if isinstance(found, dict) else {}

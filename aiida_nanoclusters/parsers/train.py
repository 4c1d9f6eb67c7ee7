"""Parser of trainings by nequip."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from aiida.engine import ExitCode
from aiida.orm import Dict
from aiida.parsers import Parser

from aiida_nanoclusters.calculations.learning.train import (
    ALIGN_LOG,
    PACKAGE_FILE,
    PACKAGE_LOG,
    RESUME_LOG,
    TRAIN_LOG,
    best_epoch,
    learning_curve_node,
)
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import trust_as_made_here
from aiida_nanoclusters.formats.nequip.alignment import ALIGNMENT_REPORT
from aiida_nanoclusters.formats.nequip.config import LAST_CHECKPOINT, METRICS_FILE, read_metrics
from aiida_nanoclusters.parsers.faults import fault_of
from aiida_nanoclusters.parsers.retrieved import retrieved_text

_STAMP = re.compile(r"^\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\].*", re.MULTILINE)
_VERSION = re.compile(r"\[rank: 0\] (torch|e3nn|nequip|allegro) (\S+)$", re.MULTILINE)
_TEST = re.compile(r"test0_epoch/(\w+)\s*│\s*(\S+)")
_EXCEPTION = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Compiler)\b.*", re.MULTILINE)
#: Metric in the log (eV) -> key in the report (meV).
_TEST_NAMES = {
    f"{theirs}_{kind}": f"{ours}_{kind}"
    for theirs, ours in (("per_atom_energy", "energy"), ("forces", "forces"))
    for kind in ("rmse", "mae")
}


class TrainParser(Parser):
    """Return the results so far, also of interrupted trainings, and the reason of a failure."""

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Read the learning curve, the logs and the package."""
        if "remote_folder" in self.node.outputs:  # a later training may continue from it
            trust_as_made_here(self.node.outputs.remote_folder)
        folder = Path(kwargs["retrieved_temporary_folder"])
        curve, log = self._curve(), retrieved_text(self, f"{TRAIN_LOG}.out")
        settings = self.node.inputs.settings.get_dict()
        report = _report(curve, log, settings["training"]["epochs"])
        if settings.get("alignment") is not None:
            report["alignment"] = self._alignment()
        report["seed"] = self.node.inputs.seed.value
        report["checkpoint"] = zipfile.is_zipfile(folder / LAST_CHECKPOINT)
        package = folder / PACKAGE_FILE
        report["packaged"] = zipfile.is_zipfile(package)
        if curve is not None:
            self.out("learning_curve", learning_curve_node(curve))
        if report["packaged"] and report["nan_from"] is None:
            self.out("potential", self._potential(package))
        self.out("report", Dict(report))
        return self._exit_code(report, log)

    def _exit_code(self, report: Mapping[str, Any], log: str) -> ExitCode | None:
        codes = self.exit_codes
        if report["nan_from"] is not None:
            return codes.ERROR_NAN_LOSS.format(epoch=report["nan_from"])
        errors = self._errors(RESUME_LOG) + self._errors(TRAIN_LOG)
        if not (report["packaged"] and "TRAIN RUN END" in log):
            fault = fault_of(self, errors + self._errors(PACKAGE_LOG))
            if fault is not None:
                return fault
        message = traceback_message(errors)
        if message:
            return codes.ERROR_NEQUIP.format(message=message)
        if not log:
            said = errors.strip() or (self.node.get_scheduler_stderr() or "").strip()
            return codes.ERROR_NO_LOG.format(message=said[-500:] or "no message")
        if "Time limit reached" in log and report["epochs_done"] < report["epochs"]:
            if not report["checkpoint"]:
                return codes.ERROR_OUT_OF_WALLTIME_NO_CHECKPOINT
            return codes.ERROR_OUT_OF_WALLTIME.format(
                done=report["epochs_done"], epochs=report["epochs"]
            )
        if "TRAIN RUN END" not in log:
            return codes.ERROR_DIED
        if not report["packaged"]:
            said = traceback_message(self._errors(PACKAGE_LOG)) or "the job was interrupted"
            return codes.ERROR_NO_PACKAGE.format(message=said)
        return None

    def _alignment(self) -> dict[str, Any]:
        """Return the report of the alignment, or why there is none."""
        try:
            return dict(json.loads(retrieved_text(self, ALIGNMENT_REPORT)))
        except ValueError:  # absent, or incomplete as the job was interrupted
            said = traceback_message(self._errors(ALIGN_LOG)) or "the job was interrupted"
            return {"applied": False, "reason": said}

    def _errors(self, step: str) -> str:
        return retrieved_text(self, f"{step}.err")

    def _curve(self) -> dict[str, np.ndarray] | None:
        text = retrieved_text(self, Path(METRICS_FILE).name)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "metrics.csv"
            path.write_text(text, encoding="utf-8")
            try:
                return read_metrics(path)
            except ValueError as error:
                self.logger.info(f"no learning curve: {error}")
                return None

    def _potential(self, package: Path) -> PotentialData:
        training = self.node.inputs.training
        start = self.node.inputs.start_from if "start_from" in self.node.inputs else training
        return PotentialData.from_file(
            package,
            "allegro",
            level_of_theory=training.level_of_theory,
            atom_energies={**start.atom_energies, **training.atom_energies},
            training_set=training.uuid,
        )


def _report(curve: Mapping[str, np.ndarray] | None, log: str, epochs: int) -> dict[str, Any]:
    """Return the report on a training: errors in meV/atom and meV/Å, times in s."""
    stamps = [datetime.strptime(s, "%Y-%m-%d %H:%M:%S,%f") for s in _STAMP.findall(log)]
    test = {
        _TEST_NAMES[name]: 1000 * float(value)
        for name, value in _TEST.findall(log)
        if name in _TEST_NAMES and np.isfinite(float(value))
    }
    report: dict[str, Any] = {
        "epochs": epochs,
        "epochs_done": 0,
        "nan_from": None,
        "wall_seconds": (stamps[-1] - stamps[0]).total_seconds() if stamps else None,
        "versions": dict(_VERSION.findall(log)),
        "test": test,
        **best_epoch({"val_loss": np.array([np.nan])}),
    }
    if curve is not None:
        bad = curve["epoch"][~np.isfinite(curve["val_loss"])]
        report["nan_from"] = int(bad[0]) if len(bad) and bad[-1] == curve["epoch"][-1] else None
        # An interrupted epoch is validated as well, but not complete.
        cut = "Time limit reached" in log
        report["epochs_done"] = int(curve["epoch"][-1]) + (0 if cut else 1)
        report |= best_epoch(curve)
    return report


def traceback_message(text: str) -> str:
    """Return the last exception in `text` with its message, at most 500 characters."""
    if "Traceback (most recent call last)" not in text:
        return ""
    text = text[text.rindex("Traceback (most recent call last)") :]
    found = list(_EXCEPTION.finditer(text))
    return text[found[-1].start() :].strip()[:500] if found else text.strip()[-500:]

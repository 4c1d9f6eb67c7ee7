"""What a finished training means."""

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

from aiida_nanoclusters.calculations.train import (
    ALIGN_LOG,
    PACKAGE_FILE,
    PACKAGE_LOG,
    RESUME_LOG,
    TRAIN_LOG,
    best_epoch,
    learning_curve_node,
)
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.formats.nequip import LAST_CHECKPOINT, METRICS_FILE, read_metrics
from aiida_nanoclusters.formats.nequip_alignment import ALIGNMENT_REPORT
from aiida_nanoclusters.parsers.faults import fault_of

_STAMP = re.compile(r"^\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\].*", re.MULTILINE)
_VERSION = re.compile(r"\[rank: 0\] (torch|e3nn|nequip|allegro) (\S+)$", re.MULTILINE)
_TEST = re.compile(r"test0_epoch/(\w+)\s*│\s*(\S+)")
_EXCEPTION = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Compiler)\b.*", re.MULTILINE)
#: Metric in the log -> key in the report; eV becomes meV.
_TEST_NAMES = {
    f"{theirs}_{kind}": f"{ours}_{kind}"
    for theirs, ours in (("per_atom_energy", "energy"), ("forces", "forces"))
    for kind in ("rmse", "mae")
}


class TrainParser(Parser):
    """Attach whatever was reached, then say what is wrong."""

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Read the learning curve, the logs and the package."""
        folder = Path(kwargs["retrieved_temporary_folder"])
        curve, log = self._curve(), self._text(f"{TRAIN_LOG}.out")
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
        errors = self._text(f"{RESUME_LOG}.err") + self._text(f"{TRAIN_LOG}.err")
        if not (report["packaged"] and "TRAIN RUN END" in log):
            fault = fault_of(self, errors + self._text(f"{PACKAGE_LOG}.err"))
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
            said = traceback_message(self._text(f"{PACKAGE_LOG}.err")) or "the job was cut short"
            return codes.ERROR_NO_PACKAGE.format(message=said)
        return None

    def _alignment(self) -> dict[str, Any]:
        """Return what the alignment reports, or why it reports nothing."""
        try:
            return dict(json.loads(self._text(ALIGNMENT_REPORT)))
        except ValueError:  # absent, or cut short with the job
            said = traceback_message(self._text(f"{ALIGN_LOG}.err")) or "the job was cut short"
            return {"applied": False, "reason": said}

    def _text(self, name: str) -> str:
        repository = self.retrieved.base.repository
        if name not in repository.list_object_names():
            return ""
        return repository.get_object_content(name, mode="rb").decode("utf-8", "replace")

    def _curve(self) -> dict[str, np.ndarray] | None:
        text = self._text(Path(METRICS_FILE).name)
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
    """Return what a training did: errors in meV/atom and meV/Å, times in s."""
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
        # an epoch that was cut short is validated as well, but not yet done
        cut = "Time limit reached" in log
        report["epochs_done"] = int(curve["epoch"][-1]) + (0 if cut else 1)
        report |= best_epoch(curve)
    return report


def traceback_message(text: str) -> str:
    """Return the last exception in `text` with what was said of it, at most 500 characters."""
    if "Traceback (most recent call last)" not in text:
        return ""
    text = text[text.rindex("Traceback (most recent call last)") :]
    found = list(_EXCEPTION.finditer(text))
    return text[found[-1].start() :].strip()[:500] if found else text.strip()[-500:]

"""TrainCalculation: an Allegro model from labelled frames, trained and packaged in one job."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from aiida.common import CalcInfo, CodeInfo
from aiida.common.datastructures import CodeRunMode
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec, calcfunction
from aiida.orm import ArrayData, Dict, FolderData, Int, RemoteData

from aiida_nanoclusters.calculations.faults import new_job
from aiida_nanoclusters.calculations.job_options import carry_script, set_job_options, validate_seed
from aiida_nanoclusters.calculations.learning.labelled_sets import sets_problem
from aiida_nanoclusters.calculations.learning.warm_start import (
    is_from_elsewhere,
    package_model,
    start_problem,
    start_symbols,
    start_zero,
)
from aiida_nanoclusters.calculations.training_codes import set_training_codes
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import may_run, refusal
from aiida_nanoclusters.formats.extxyz import write_extxyz
from aiida_nanoclusters.formats.lammps.potential_lines import FILENAMES
from aiida_nanoclusters.formats.nequip.alignment import (
    ALIGNED_CHECKPOINT,
    ALIGNMENT_FILE,
    ALIGNMENT_REPORT,
    ALIGNMENT_SCRIPT,
    render_alignment,
)
from aiida_nanoclusters.formats.nequip.config import (
    BEST_CHECKPOINT,
    LAST_CHECKPOINT,
    METRICS_FILE,
    config_yaml,
    read_metrics,
    render_config,
)
from aiida_nanoclusters.formats.nequip.warm_start import START_PACKAGE, START_SCRIPT, start_from
from aiida_nanoclusters.science.learning.training_settings import TrainingSettings

CONFIG_FILE = "config.yaml"
#: Key of a port -> key of the split in nequip's configuration.
SPLITS = {"training": "train", "validation": "val", "test": "test"}
PACKAGE_FILE = "model.nequip.zip"
RESUME_SCRIPT = "nequip_resume.py"
PREVIOUS_CHECKPOINT = "previous.ckpt"
START_CHECKPOINT = "start.ckpt"
#: Stems of the files with the output (`.out`) and the errors (`.err`) of each step of the job.
RESUME_LOG, TRAIN_LOG, ALIGN_LOG, PACKAGE_LOG = "resume", "train", "align", "package"

_METRICS = Path(METRICS_FILE).name  # as retrieved

#: Arrays of a `learning_curve`, one value per epoch, and their units.
LEARNING_CURVE_UNITS = {
    "epoch": "",
    "stage": "",
    "learning_rate": "",
    "train_loss": "",
    "val_loss": "",
    **{
        f"{split}_{quantity}_{kind}": unit
        for split in ("train", "val")
        for quantity, unit in (("energy", "meV/atom"), ("forces", "meV/Å"))
        for kind in ("rmse", "mae")
    },
}


def validate_settings(value: Dict, _: Any) -> str | None:
    """Refuse settings that are missing, unknown or out of their limits."""
    problem = TrainingSettings.problem(value.get_dict())
    return problem and f"settings: {problem}"


def frames_problem(inputs: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the frames, or with the package to start from, or None."""
    if problem := sets_problem(inputs, SPLITS):
        return problem
    if "start_from" in inputs and "settings" in inputs:
        return start_problem(inputs["start_from"], inputs["training"], inputs["settings"])
    return None


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse unlabelled frames, labels of two levels, and restarts without a checkpoint."""
    if "training" not in value or "validation" not in value:
        return None  # the ports report it
    if "restart_from" in value:
        remote = value["restart_from"]
        if remote.is_cleaned:
            return "`restart_from` was cleaned, its checkpoint is deleted: start again without it"
        # nequip unpickles checkpoints, which runs code: they are the job's own, or of a training
        # that was made or trusted here. The scripts of the job also hold them to weights.
        if not may_run(remote):
            return refusal(f"`restart_from` {remote.uuid}", "a checkpoint carries code", [remote])
        if "code" in value and value["code"].computer.uuid != remote.computer.uuid:
            return (
                f"`restart_from` lies on {remote.computer.label}, the code on "
                f"{value['code'].computer.label}: continue on the same computer"
            )
    return frames_problem(value)


def time_kept_back(walltime: float, aligned: bool = False) -> float:
    """Return the time (s) of a job of `walltime` seconds that is reserved for other than training.

    A tenth, from 2 to 30 minutes, is reserved to start, to test and to package, and as much again
    to align; at most half in all.
    """
    reserve = min(max(0.1 * walltime, 120.0), 1800.0)
    return min(2 * reserve if aligned else reserve, walltime / 2)


def max_time(walltime: int | None, aligned: bool = False) -> str | None:
    """Return the time ``DD:HH:MM:SS`` for training in a job of `walltime` seconds."""
    if walltime is None:
        return None
    seconds = max(1, int(walltime - time_kept_back(walltime, aligned)))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days:02d}:{hours:02d}:{minutes:02d}:{seconds:02d}"


class TrainCalculation(CalcJob):
    """Train one Allegro model, align the energies of its best epoch if asked to, and package it."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare ports and exit codes."""
        super().define(spec)
        spec.inputs["code"].help = "A Python that has nequip and nequip-allegro."
        for name, purpose, required in (
            ("training", "to train on", True),
            ("validation", "by which the best epoch is chosen", True),
            ("test", "to compare the best epoch with", False),
        ):
            help_text = f"Labelled frames {purpose}."
            spec.input(name, valid_type=FramesData, required=required, help=help_text)
        spec.input(
            "settings",
            valid_type=Dict,
            validator=validate_settings,
            help="`model`, `training` and, optionally, `alignment`, see protocols/train.yaml.",
        )
        spec.input(
            "seed",
            valid_type=Int,
            validator=validate_seed,
            help="Random seed of the initial weights and of the batches, from 0.",
        )
        spec.input(
            "start_from",
            valid_type=PotentialData,
            required=False,
            help="Package of the same model, whose weights are the initial ones, for the elements "
            "of `training`. Default: random.",
        )
        spec.input(
            "restart_from",
            valid_type=RemoteData,
            required=False,
            help="Remote folder of an interrupted training of the same inputs, which is continued.",
        )
        spec.inputs.validator = validate_inputs
        set_job_options(spec, "nanoclusters.train")

        for name, valid_type, what in (
            (
                "potential",
                PotentialData,
                "Package of the best epoch so far, also of an interrupted training.",
            ),
            (
                "learning_curve",
                ArrayData,
                "One value per epoch: losses, learning rate, errors in meV/atom and meV/Å.",
            ),
            (
                "report",
                Dict,
                "Epochs, errors of the best one (meV/atom, meV/Å), wall time (s), versions.",
            ),
        ):
            spec.output(name, valid_type=valid_type, required=name == "report", help=what)
        spec.default_output_node = "report"

        cls._set_exit_codes(spec)

    @classmethod
    def _set_exit_codes(cls, spec: CalcJobProcessSpec) -> None:
        # Failures that may not occur again must not come from the cache.
        for status, label, message in (
            (310, "ERROR_NO_LOG", "nequip did not start: {message}"),
            (312, "ERROR_NO_PACKAGE", "No packaged model: {message}"),
            (313, "ERROR_NEQUIP", "nequip stopped: {message}"),
        ):
            spec.exit_code(status, label, message=message, invalidates_cache=True)
        set_training_codes(
            spec,
            "nequip ended without an error message: it was killed or crashed.",
            "lower the learning rate",
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write frames and configuration; train, align if asked to, then package."""
        inputs, names = self.inputs, {}
        settings = inputs.settings.get_dict()
        walltime = self.node.get_option("max_wallclock_seconds")
        aligned = settings.get("alignment") is not None
        for port, split in SPLITS.items():
            if port in inputs:
                names[split] = f"{port}.extxyz"
                write_extxyz(inputs[port].frames, str(folder.get_abs_path(names[split])))
        with folder.open(CONFIG_FILE, "w", encoding="utf-8") as handle:
            handle.write(config_yaml(self._config(names, max_time(walltime, aligned))))

        info = new_job()
        train = ["-m", "nequip.scripts.train", "-cn", CONFIG_FILE]
        package = ["-m", "nequip.scripts.package", "build", BEST_CHECKPOINT, PACKAGE_FILE]
        steps = [(TRAIN_LOG, train), (PACKAGE_LOG, package)]
        if aligned:
            package[3] = ALIGNED_CHECKPOINT
            steps.insert(
                1, (ALIGN_LOG, _write_alignment(folder, settings, names, inputs.seed, walltime))
            )
        if "restart_from" in inputs:
            carry_script(folder, "aiida_nanoclusters.formats.nequip", RESUME_SCRIPT)
            steps.insert(0, (RESUME_LOG, [RESUME_SCRIPT, PREVIOUS_CHECKPOINT, START_CHECKPOINT]))
            train.append(f"++ckpt_path={START_CHECKPOINT}")
            remote, path = inputs.restart_from, inputs.restart_from.get_remote_path()
            info.remote_copy_list = [
                (remote.computer.uuid, f"{path}/{LAST_CHECKPOINT}", PREVIOUS_CHECKPOINT),
                (remote.computer.uuid, f"{path}/{BEST_CHECKPOINT}", BEST_CHECKPOINT),
            ]
        elif "start_from" in inputs:
            carry_script(folder, "aiida_nanoclusters.formats.nequip", START_SCRIPT)
            uuid = inputs.start_from.uuid
            info.local_copy_list = [(uuid, FILENAMES["allegro"], START_PACKAGE)]
        info.codes_info = [_step(inputs.code.uuid, log, params) for log, params in steps]
        info.codes_run_mode = CodeRunMode.SERIAL
        logs = [f"{log}.{end}" for log, _ in steps for end in ("out", "err")]
        info.retrieve_list = [METRICS_FILE, *logs, *([ALIGNMENT_REPORT] if aligned else [])]
        info.retrieve_temporary_list = [PACKAGE_FILE, LAST_CHECKPOINT]
        return info

    def _config(self, names: dict[str, str], limit: str | None) -> dict[str, Any]:
        """Return nequip's configuration; a continued training takes its state from a checkpoint."""
        inputs = self.inputs
        start, training = inputs.get("start_from"), inputs.training
        symbols = training.elements if start is None else start_symbols(start, training)
        zero = training.atom_energies if start is None else start_zero(start, training)
        common = {"files": names, "seed": inputs.seed.value, "max_time": limit}
        settings = inputs.settings.get_dict()
        config = render_config(settings, symbols=symbols, atom_energies=zero, **common)
        if start is None or "restart_from" in inputs:
            return config
        keep = is_from_elsewhere(start)
        return start_from(config, package_model(start), start.types, keep_shifts=keep)


def _write_alignment(
    folder: Folder, settings: dict[str, Any], names: dict[str, str], seed: Int, walltime: int | None
) -> list[str]:
    """Write the script and the settings of the alignment, and return its command line."""
    # The other half of the reserved time is for testing and packaging.
    seconds = None if walltime is None else time_kept_back(walltime, aligned=True) / 2
    carry_script(folder, "aiida_nanoclusters.science.learning", ALIGNMENT_SCRIPT)
    with folder.open(ALIGNMENT_FILE, "w", encoding="utf-8") as handle:
        handle.write(render_alignment(settings, seed=seed.value, max_seconds=seconds) or "")
    checkpoints = [BEST_CHECKPOINT, ALIGNED_CHECKPOINT, names["train"]]
    options = ["--validation", names["val"], "--settings", ALIGNMENT_FILE]
    return [ALIGNMENT_SCRIPT, *checkpoints, *options, "--report", ALIGNMENT_REPORT]


def _step(code: str, log: str, params: list[str]) -> CodeInfo:
    info = CodeInfo()
    info.code_uuid = code
    info.cmdline_params = params
    info.stdout_name, info.stderr_name = f"{log}.out", f"{log}.err"
    return info


@calcfunction
def halve_learning_rate(settings: Dict) -> Dict:
    """Return the settings with half the learning rate, and a final one that is not above it."""
    changed = settings.get_dict()
    training = changed["training"]
    training["learning_rate"] /= 2
    training["final_learning_rate"] = min(
        training["final_learning_rate"], training["learning_rate"]
    )
    return Dict(changed)


@calcfunction
def join_learning_curves(**retrieved: FolderData) -> ArrayData:
    """Return one curve of a training and its continuations, `retrieved` in the order of keys."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, key in enumerate(sorted(retrieved)):  # a key may be a path
            paths.append(Path(folder) / f"{number}.csv")
            text = retrieved[key].base.repository.get_object_content(_METRICS, mode="r")
            paths[-1].write_text(text, encoding="utf-8")
        return learning_curve_node(read_metrics(paths))


@calcfunction
def join_reports(learning_curve: ArrayData, **reports: Dict) -> Dict:
    """Return one report of a training and its continuations, `reports` in the order of keys."""
    parts = [reports[key].get_dict() for key in sorted(reports)]
    curve = {name: learning_curve.get_array(name) for name in learning_curve.get_arraynames()}
    times = [part["wall_seconds"] for part in parts]
    joined = {**parts[-1], **best_epoch(curve), "jobs": len(parts)}
    joined["wall_seconds"] = sum(times) if None not in times else None
    return Dict(joined)


def best_epoch(curve: Mapping[str, Any]) -> dict[str, Any]:
    """Return the epoch of the lowest validation loss, and the validation errors there."""
    losses = np.where(np.isfinite(curve["val_loss"]), curve["val_loss"], np.inf)
    if np.isinf(losses).all():
        return {"best_epoch": None, "best": {}}
    best = int(np.argmin(losses))
    errors = {
        name.removeprefix("val_"): float(values[best])
        for name, values in sorted(curve.items())
        if name.startswith("val_") and np.isfinite(values[best])
    }
    return {"best_epoch": int(curve["epoch"][best]), "best": errors}


def learning_curve_node(curve: Mapping[str, Any]) -> ArrayData:
    """Return the arrays of a learning curve as a node, with their units."""
    node = ArrayData()
    for name in LEARNING_CURVE_UNITS:
        node.set_array(name, curve[name])
    node.base.attributes.set("units", LEARNING_CURVE_UNITS)
    return node

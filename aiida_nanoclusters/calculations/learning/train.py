"""TrainCalculation: an Allegro model from labelled frames, trained and packaged in one job."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from aiida.common import CalcInfo, CodeInfo
from aiida.common.datastructures import CodeRunMode
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec, calcfunction
from aiida.orm import ArrayData, Dict, FolderData, Int, RemoteData

from aiida_nanoclusters.calculations.faults import new_job
from aiida_nanoclusters.calculations.job_options import set_job_options
from aiida_nanoclusters.calculations.warm_start import package_model, start_problem
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import may_run
from aiida_nanoclusters.formats.extxyz import write_extxyz
from aiida_nanoclusters.formats.nequip import (
    BEST_CHECKPOINT,
    LAST_CHECKPOINT,
    METRICS_FILE,
    config_yaml,
    read_metrics,
    render_config,
)
from aiida_nanoclusters.formats.nequip_alignment import (
    ALIGNED_CHECKPOINT,
    ALIGNMENT_FILE,
    ALIGNMENT_REPORT,
    ALIGNMENT_SCRIPT,
    render_alignment,
)
from aiida_nanoclusters.formats.nequip_warm import START_PACKAGE, START_SCRIPT, start_from
from aiida_nanoclusters.science.interactions import FILENAMES

CONFIG_FILE = "config.yaml"
#: Key of a port -> key of the split in nequip's configuration.
SPLITS = {"training": "train", "validation": "val", "test": "test"}
PACKAGE_FILE = "model.nequip.zip"
RESUME_SCRIPT = "nequip_resume.py"
PREVIOUS_CHECKPOINT = "previous.ckpt"
START_CHECKPOINT = "start.ckpt"
#: What each step of the job prints, `.out` and `.err`.
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


def labels_problem(frames: FramesData, name: str) -> str | None:
    """Return why frames cannot be trained on or compared with, or None."""
    if not frames.is_labelled:
        first = int((~frames.frames.labelled).argmax())
        return (
            f"`{name}`: frame {first} has no energy or no forces: label all frames "
            "(`nanoclusters.label`) or leave it out"
        )
    missing = [e for e in frames.elements if e not in frames.atom_energies]
    if missing:
        return (
            f"`{name}`: no isolated-atom energy of {', '.join(missing)}: give `atom_energies`, or "
            "label one frame of a single atom of each element with the set"
        )
    return None


def compatibility_problem(training: FramesData, other: FramesData, name: str) -> str | None:
    """Return why the labels of two sets must not be mixed or compared, or None."""
    if other.level_of_theory != training.level_of_theory:
        return (
            f"`{name}` is labelled by `{other.level_of_theory}`, `training` by "
            f"`{training.level_of_theory}`: label both at one level"
        )
    unknown = [e for e in other.elements if e not in training.elements]
    if unknown:
        return f"`{name}` holds {', '.join(unknown)}, which `training` does not: add such frames"
    for element in other.elements:
        ours, theirs = training.atom_energies[element], other.atom_energies[element]
        if abs(ours - theirs) > 1e-6:
            return (
                f"`{name}`: an isolated {element} atom has {theirs:.6f} eV but {ours:.6f} eV in "
                "`training`: shift one set to the other's zero"
            )
    return None


def validate_settings(value: Dict, _: Any) -> str | None:
    """Refuse settings from which no training can be made."""
    try:
        render_config(
            value.get_dict(),
            symbols=["H"],
            atom_energies={"H": 0.0},
            files={"train": "train", "val": "val"},
            seed=0,
        )
        render_alignment(value.get_dict(), seed=0)
    except ValueError as error:
        return f"settings: {error}"
    return None


def validate_seed(value: Int, _: Any) -> str | None:
    """Seeds are whole numbers from 0."""
    return None if value.value >= 0 else f"seed is {value.value}: give a whole number from 0"


def frames_problem(inputs: Mapping[str, Any]) -> str | None:
    """Return what is wrong with frames, and with the model to begin from, or None."""
    for name in SPLITS:
        if name in inputs:
            problem = labels_problem(inputs[name], name)
            if problem is None and name != "training":
                problem = compatibility_problem(inputs["training"], inputs[name], name)
            if problem:
                return problem
    if "start_from" in inputs and "settings" in inputs:
        return start_problem(inputs["start_from"], inputs["training"], inputs["settings"])
    return None


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse unlabelled frames, labels of two levels, and a restart from nowhere."""
    if "training" not in value or "validation" not in value:
        return None  # the ports say so themselves
    if "restart_from" in value:
        remote = value["restart_from"]
        if remote.is_cleaned:
            return "`restart_from` was cleaned, its checkpoint is gone: start anew without it"
        if not may_run(remote):
            return (
                f"`restart_from` {remote.uuid} was imported, and a checkpoint carries code: if you "
                f"trust its maker, run `aiida-nanoclusters trust {remote.uuid}`"
            )
        if "code" in value and value["code"].computer.uuid != remote.computer.uuid:
            return (
                f"`restart_from` lies on {remote.computer.label}, the code on "
                f"{value['code'].computer.label}: continue on the same computer"
            )
    return frames_problem(value)


def time_kept_back(walltime: float, aligned: bool = False) -> float:
    """Return the seconds of a job of `walltime` seconds that are not for training.

    A tenth is kept back to start, to test and to package, from 2 to 30 minutes, and as much again
    to align; but never more than half.
    """
    reserve = min(max(0.1 * walltime, 120.0), 1800.0)
    return min(2 * reserve if aligned else reserve, walltime / 2)


def max_time(walltime: int | None, aligned: bool = False) -> str | None:
    """Return ``DD:HH:MM:SS`` that a training may take in a job of `walltime` seconds."""
    if walltime is None:
        return None
    seconds = max(1, int(walltime - time_kept_back(walltime, aligned)))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days:02d}:{hours:02d}:{minutes:02d}:{seconds:02d}"


class TrainCalculation(CalcJob):
    """Train one Allegro model, align its best epoch where asked to, and package it."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare ports and exit codes."""
        super().define(spec)
        spec.inputs["code"].help = "A Python that has nequip and nequip-allegro."
        spec.input("training", valid_type=FramesData, help="Labelled frames to learn.")
        spec.input("validation", valid_type=FramesData, help="Labelled frames to choose by.")
        spec.input(
            "test", valid_type=FramesData, required=False, help="Labelled frames never learnt."
        )
        spec.input(
            "settings",
            valid_type=Dict,
            validator=validate_settings,
            help="`model`, `training` and, optionally, `alignment`, as in protocols/train.yaml.",
        )
        spec.input("seed", valid_type=Int, validator=validate_seed, help="Of weights and batches.")
        spec.input(
            "start_from",
            valid_type=PotentialData,
            required=False,
            help="Package of the same model: begin from its weights instead of random ones.",
        )
        spec.input(
            "restart_from",
            valid_type=RemoteData,
            required=False,
            help="Folder of a training of the same inputs that was cut short: go on from there.",
        )
        spec.inputs.validator = validate_inputs
        set_job_options(spec, "nanoclusters.train")

        spec.output(
            "potential",
            valid_type=PotentialData,
            required=False,
            help="Package of the best epoch so far, also where the training was cut short.",
        )
        spec.output("learning_curve", valid_type=ArrayData, required=False)
        spec.output("report", valid_type=Dict)
        spec.default_output_node = "report"

        # What may go well the next time must not be taken from the cache as a failure.
        again = {"invalidates_cache": True}
        spec.exit_code(310, "ERROR_NO_LOG", message="nequip did not start: {message}", **again)
        spec.exit_code(
            311,
            "ERROR_DIED",
            message="nequip ended without a word: it was killed or crashed.",
            **again,
        )
        spec.exit_code(312, "ERROR_NO_PACKAGE", message="No packaged model: {message}", **again)
        spec.exit_code(313, "ERROR_NEQUIP", message="nequip stopped: {message}", **again)
        spec.exit_code(
            400,
            "ERROR_OUT_OF_WALLTIME",
            message="Out of walltime in epoch {done} of {epochs}: go on with `restart_from` its "
            "remote folder.",
        )
        spec.exit_code(
            401,
            "ERROR_OUT_OF_WALLTIME_NO_CHECKPOINT",
            message="Out of walltime before the first epoch was done: raise max_wallclock_seconds.",
            **again,
        )
        spec.exit_code(
            410,
            "ERROR_NAN_LOSS",
            message="The loss is no number from epoch {epoch}: lower the learning rate.",
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write frames and configuration; train, align where asked to, then package."""
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
            _carry(folder, "aiida_nanoclusters.formats", RESUME_SCRIPT)
            steps.insert(0, (RESUME_LOG, [RESUME_SCRIPT, PREVIOUS_CHECKPOINT, START_CHECKPOINT]))
            train.append(f"++ckpt_path={START_CHECKPOINT}")
            remote, path = inputs.restart_from, inputs.restart_from.get_remote_path()
            info.remote_copy_list = [
                (remote.computer.uuid, f"{path}/{LAST_CHECKPOINT}", PREVIOUS_CHECKPOINT),
                (remote.computer.uuid, f"{path}/{BEST_CHECKPOINT}", BEST_CHECKPOINT),
            ]
        elif "start_from" in inputs:
            _carry(folder, "aiida_nanoclusters.formats", START_SCRIPT)
            uuid = inputs.start_from.uuid
            info.local_copy_list = [(uuid, FILENAMES["allegro"], START_PACKAGE)]
        info.codes_info = [_step(inputs.code.uuid, log, params) for log, params in steps]
        info.codes_run_mode = CodeRunMode.SERIAL
        logs = [f"{log}.{end}" for log, _ in steps for end in ("out", "err")]
        info.retrieve_list = [METRICS_FILE, *logs, *([ALIGNMENT_REPORT] if aligned else [])]
        info.retrieve_temporary_list = [PACKAGE_FILE, LAST_CHECKPOINT]
        return info

    def _config(self, names: dict[str, str], limit: str | None) -> dict[str, Any]:
        """Return nequip's configuration; one that goes on takes all from its checkpoint."""
        inputs = self.inputs
        known = inputs.get("start_from", inputs.training)
        zero, settings = known.atom_energies, inputs.settings.get_dict()
        common = {"files": names, "seed": inputs.seed.value, "max_time": limit}
        config = render_config(settings, symbols=known.elements, atom_energies=zero, **common)
        if "start_from" not in inputs or "restart_from" in inputs:
            return config
        return start_from(config, package_model(inputs.start_from))


def _carry(folder: Folder, package: str, name: str) -> None:
    """Write a script of ours that runs where this package is not installed."""
    with folder.open(name, "w", encoding="utf-8") as handle:
        handle.write((files(package) / name).read_text("utf-8"))


def _write_alignment(
    folder: Folder, settings: dict[str, Any], names: dict[str, str], seed: Int, walltime: int | None
) -> list[str]:
    """Write what the alignment needs and return its command line."""
    # the rest of the time kept back is for testing and packaging
    seconds = None if walltime is None else time_kept_back(walltime, aligned=True) / 2
    _carry(folder, "aiida_nanoclusters.science", ALIGNMENT_SCRIPT)
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
    """Return the settings with half the learning rate; the final one is lowered where above it."""
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
        for key in sorted(retrieved):
            paths.append(Path(folder) / f"{key}.csv")
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
    """Return the arrays of a learning curve as a node that knows their units."""
    node = ArrayData()
    for name in LEARNING_CURVE_UNITS:
        node.set_array(name, curve[name])
    node.base.attributes.set("units", LEARNING_CURVE_UNITS)
    return node

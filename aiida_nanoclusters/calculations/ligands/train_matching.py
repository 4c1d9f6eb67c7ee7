"""Trainings of the core encoder and of the matching model, each in one job."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida.common import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec, calcfunction
from aiida.orm import ArrayData, Dict, Int, RemoteData
from ase.data import atomic_numbers

from aiida_nanoclusters.calculations.faults import new_job
from aiida_nanoclusters.calculations.job_options import carry_script, set_job_options, validate_seed
from aiida_nanoclusters.calculations.training_codes import set_training_codes
from aiida_nanoclusters.data.core_encoder import CoreEncoderData
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.matching_model import MatchingModelData
from aiida_nanoclusters.data.pairs import PairsData
from aiida_nanoclusters.science.ligands.encoder_settings import (
    TRAINING,
    VALIDATION,
    MatchingSettings,
    PretrainingSettings,
    of_training,
)
from aiida_nanoclusters.science.ligands.formation_energies import prepare_energies
from aiida_nanoclusters.science.ligands.splits import ASSIGNMENT
from aiida_nanoclusters.science.ligands.training_arrays import matching_arrays
from aiida_nanoclusters.science.ligands.training_files import (
    CARRIED,
    CHECKPOINT_FILE,
    CORES_FILE,
    CURVE_FILE,
    ENCODER_ARRAYS_FILE,
    ENCODER_FILE,
    ENERGIES_FILE,
    LIGANDS_FILE,
    MODEL_ARRAYS_FILE,
    MODEL_FILE,
    PACKAGE,
    PAIRS_FILE,
    PREDICTIONS_FILE,
    PRETRAINED_FILE,
    PREVIOUS_FILE,
    PROGRESS_FILE,
    REPORT_FILE,
)
from aiida_nanoclusters.science.ligands.unimol import unimol_problem

JOB_FILE, LOG = "job.json", "train"
#: Pairs that a training needs at least.
FEWEST_PAIRS = 8
#: Frames up to which a pretraining is prepared once more to check its inputs (some seconds).
MOST_CHECKED = 10_000


class EncoderJob(CalcJob):
    """Base of both trainings: what they carry, retrieve and report."""

    #: Module of the package that is run, and files of the result.
    _module: str
    _results: tuple[str, str]

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare the ports and exit codes of both."""
        super().define(spec)
        spec.inputs["code"].help = "A Python that has numpy, scipy, torch and torch_geometric."
        spec.input(
            "seed",
            valid_type=Int,
            validator=validate_seed,
            help="Random seed of the initial weights, of the batches and of the dropout, from 0.",
        )
        spec.input(
            "restart_from",
            valid_type=RemoteData,
            required=False,
            help="Remote folder of an interrupted training of the same inputs, which is continued.",
        )
        spec.output(
            "learning_curve",
            valid_type=ArrayData,
            required=False,
            help="`train_loss`, `val_loss` and `learning_rate`, one value per epoch.",
        )
        spec.exit_code(
            310,
            "ERROR_NO_REPORT",
            message="The training ended with an error: {message}",
            invalidates_cache=True,
        )
        set_training_codes(
            spec,
            "The training was killed or crashed without an error message.",
            "lower `training.learning_rate`",
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write arrays and program; the graphs of the cores are made where the job runs."""
        folder.get_subfolder(PACKAGE, create=True)
        for name in CARRIED:
            carry_script(folder, "aiida_nanoclusters.science.ligands", name, f"{PACKAGE}/{name}")
        job, files = self._content()
        walltime = self.node.get_option("max_wallclock_seconds")
        job["seed"] = self.inputs.seed.value
        # A tenth is left for the predictions.
        job["max_seconds"] = None if walltime is None else 0.9 * walltime
        with folder.open(JOB_FILE, "w", encoding="utf-8") as handle:
            json.dump(job, handle, indent=1, sort_keys=True)
        for name, arrays in files.items():
            buffer = io.BytesIO()
            np.savez(buffer, **arrays)
            with folder.open(name, "wb") as handle:
                handle.write(buffer.getvalue())
        info = new_job()
        info.local_copy_list = self._copied()
        if "restart_from" in self.inputs:
            remote = self.inputs.restart_from
            path = f"{remote.get_remote_path()}/{CHECKPOINT_FILE}"
            info.remote_copy_list = [(remote.computer.uuid, path, PREVIOUS_FILE)]
        step = CodeInfo()
        step.code_uuid = self.inputs.code.uuid
        step.cmdline_params = ["-m", f"{PACKAGE}.{self._module}", JOB_FILE]
        step.stdout_name, step.stderr_name = f"{LOG}.out", f"{LOG}.err"
        info.codes_info = [step]
        logs = [f"{LOG}.out", f"{LOG}.err"]
        info.retrieve_list = [REPORT_FILE, PROGRESS_FILE, CURVE_FILE, *logs]
        info.retrieve_temporary_list = [*self._results, PREDICTIONS_FILE]
        return info

    def _content(self) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Return the job, and the arrays of its files by their names."""
        raise NotImplementedError

    def _copied(self) -> list[tuple[str, str, str]]:
        """Return the files of nodes that the job has as they are."""
        return []


# -- pretraining -------------------------------------------------------------------------------


def validate_pretraining(value: Dict, _: Any) -> str | None:
    """Refuse settings that are missing, unknown or out of their limits."""
    problem = PretrainingSettings.problem(value.get_dict())
    return problem and f"settings: {problem}"


def validate_references(value: Dict | None, _: Any) -> str | None:
    """Refuse what is no energy per atom of an element."""
    if value is None:
        return None
    for symbol, energy in value.get_dict().items():
        if symbol not in atomic_numbers:
            return f"`references` names `{symbol}`, which is no element"
        if isinstance(energy, bool) or not isinstance(energy, int | float):
            return f"the reference of {symbol} is {energy!r}: give it in eV/atom"
    return None


def pretraining_problem(value: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the structures of a pretraining, or None."""
    if "frames" not in value or "settings" not in value:
        return None  # the ports report it
    frames = value["frames"].frames
    if len(frames) > MOST_CHECKED:
        return None
    given = value["references"].get_dict() if "references" in value else None
    try:
        prepare_energies(frames, PretrainingSettings(**value["settings"].get_dict()), given)
    except ValueError as error:
        return str(error)
    return None


def restart_problem(value: Mapping[str, Any]) -> str | None:
    """Return why a restart has no checkpoint, or None."""
    remote = value.get("restart_from")
    if remote is None:
        return None
    if remote.is_cleaned:
        return "`restart_from` was cleaned, its checkpoint is deleted: start again without it"
    if "code" in value and value["code"].computer.uuid != remote.computer.uuid:
        return (
            f"`restart_from` lies on {remote.computer.label}, the code on "
            f"{value['code'].computer.label}: continue on the same computer"
        )
    return None


class PretrainCoreCalculation(EncoderJob):
    """Pretrain the core encoder on the formation energies of clusters."""

    _module, _results = "pretraining", (ENCODER_FILE, ENCODER_ARRAYS_FILE)

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare ports and exit codes."""
        super().define(spec)
        spec.input(
            "frames",
            valid_type=FramesData,
            help="Clusters with energies, of any sizes and elements; forces are not needed.",
        )
        spec.input(
            "settings",
            valid_type=Dict,
            validator=validate_pretraining,
            help="The fields of `PretrainingSettings` in `science/ligands/encoder_settings.py`.",
        )
        spec.input(
            "references",
            valid_type=Dict,
            required=False,
            validator=validate_references,
            help="Energy per atom of each element from which formation energies count, eV/atom. "
            "Default: the isolated atoms of the level of theory, where it has all; else the lowest "
            "energy per atom of each element among the structures that are trained on.",
        )
        spec.inputs.validator = _validate_pretraining_inputs
        set_job_options(spec, "nanoclusters.pretrain_core")
        for name, valid_type, what in (
            ("encoder", CoreEncoderData, "Encoder of the best epoch, also of an interrupted one."),
            (
                "predictions",
                ArrayData,
                "`predicted` and `target` (formation energies, eV/atom), `subset` (0 training, 1 "
                "validation, 2 test) and `frame` (index in `frames`) of each structure.",
            ),
            (
                "report",
                Dict,
                "Epochs, losses, wall time (s), versions; references and where they come from; "
                "frames left out and why; `errors`: mean absolute errors (eV/atom) on the test "
                "subset, by element and size, beside those of the composition alone.",
            ),
        ):
            spec.output(name, valid_type=valid_type, required=name == "report", help=what)
        spec.default_output_node = "report"

    def _content(self) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        settings = PretrainingSettings(**self.inputs.settings.get_dict())
        given = self.inputs.references.get_dict() if "references" in self.inputs else None
        energies = prepare_energies(self.inputs.frames.frames, settings, given)
        job = {**of_training(settings), "about": energies.about(), "notes": energies.notes()}
        return job, {CORES_FILE: energies.core_arrays(), ENERGIES_FILE: energies.energy_arrays()}


def _validate_pretraining_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    return restart_problem(value) or pretraining_problem(value)


# -- matching ----------------------------------------------------------------------------------


def validate_matching(value: Dict, _: Any) -> str | None:
    """Refuse settings that are missing, unknown or out of their limits."""
    problem = MatchingSettings.problem(value.get_dict())
    return problem and f"settings: {problem}"


def assignment_of(node: ArrayData) -> np.ndarray:
    """Return the subset of each pair, 0 training, 1 validation, 2 test, -1 none; shape (P,).

    Raises
    ------
    ValueError
        If the node has no such array.
    """
    names = node.get_arraynames()
    if ASSIGNMENT not in names:
        raise ValueError(f"`assignment` has no array `{ASSIGNMENT}`: give that of a split")
    return np.asarray(node.get_array(ASSIGNMENT))


def matching_problem(value: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the pairs of a training, their split or the encoder, or None."""
    if any(name not in value for name in ("pairs", "assignment", "settings")):
        return None  # the ports report it
    settings = MatchingSettings(**value["settings"].get_dict())
    labels = np.array([pair.label for pair in value["pairs"].pairs.pairs])
    try:
        subset = assignment_of(value["assignment"])
    except ValueError as error:
        return str(error)
    if subset.shape != labels.shape or not np.isin(subset, (-1, 0, 1, 2)).all():
        return (
            f"`assignment` has shape {subset.shape} for {len(labels)} pairs, or other numbers than "
            "0, 1, 2 and -1: give that of a split of these pairs"
        )
    for number, name in ((TRAINING, "training"), (VALIDATION, "validation")):
        own = labels[subset == number]
        if len(own) < (FEWEST_PAIRS if number == TRAINING else 2):
            return f"{len(own)} {name} pairs are too few: give more pairs, or another split"
        if number == TRAINING and len(set(own.tolist())) < 2:
            return f"all {name} pairs have the label {own[0]}: add negatives, or split otherwise"
    if settings.ligand.kind == "unimol" and (problem := unimol_problem()):
        return problem
    if "encoder" in value:
        own_kind = value["encoder"].encoder.head.core
        if own_kind != settings.core:
            return (
                f"`encoder` has the settings {own_kind.model_dump()}, other than `core` of the "
                "settings: give the same to both"
            )
    elif settings.training.freeze_core:
        return "`training.freeze_core` keeps an encoder that was not pretrained: give `encoder`"
    return None


class TrainMatchingCalculation(EncoderJob):
    """Train one matching model of cores and ligand sets."""

    _module, _results = "matching", (MODEL_FILE, MODEL_ARRAYS_FILE)

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare ports and exit codes."""
        super().define(spec)
        spec.input("pairs", valid_type=PairsData, help="Labelled pairs of cores and ligand sets.")
        spec.input(
            "assignment",
            valid_type=ArrayData,
            help=f"Array `{ASSIGNMENT}`: 0 training, 1 validation, 2 test, -1 none for each pair.",
        )
        spec.input(
            "settings",
            valid_type=Dict,
            validator=validate_matching,
            help="The fields of `MatchingSettings` in `science/ligands/encoder_settings.py`.",
        )
        spec.input(
            "encoder",
            valid_type=CoreEncoderData,
            required=False,
            help="Pretrained core encoder from which the training starts. Default: none.",
        )
        spec.inputs.validator = _validate_matching_inputs
        set_job_options(spec, "nanoclusters.train_matching")
        for name, valid_type, what in (
            ("model", MatchingModelData, "Model of the best epoch, also of an interrupted one."),
            (
                "predictions",
                ArrayData,
                "`probability`, `label` and `subset` (0 training, 1 validation, 2 test, -1 none) "
                "of each pair.",
            ),
            (
                "report",
                Dict,
                "Epochs, losses, wall time (s), versions; `metrics` of each subset.",
            ),
        ):
            spec.output(name, valid_type=valid_type, required=name == "report", help=what)
        spec.default_output_node = "report"

    def _content(self) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        settings = MatchingSettings(**self.inputs.settings.get_dict())
        subset = assignment_of(self.inputs.assignment)
        about, arrays = matching_arrays(self.inputs.pairs.pairs, subset, settings)
        about["about"]["pretrained"] = "encoder" in self.inputs
        names = {"cores": CORES_FILE, "ligands": LIGANDS_FILE, "pairs": PAIRS_FILE}
        files = {names[key]: value for key, value in arrays.items()}
        return {**of_training(settings), **about}, files

    def _copied(self) -> list[tuple[str, str, str]]:
        if "encoder" not in self.inputs:
            return []
        return [(self.inputs.encoder.uuid, ENCODER_ARRAYS_FILE, PRETRAINED_FILE)]


def _validate_matching_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    return restart_problem(value) or matching_problem(value)


@calcfunction
def lower_encoder_rate(settings: Dict) -> Dict:
    """Return settings of a pretraining or of a matching model with half the learning rate."""
    changed = settings.get_dict()
    kind = MatchingSettings if {"ligand", "classifier"} & set(changed) else PretrainingSettings
    training = changed.setdefault("training", {})
    training["learning_rate"] = kind(**settings.get_dict()).training.learning_rate / 2
    return Dict(changed)

"""Trainings of the core encoder and of the matching model, each in one job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec, calcfunction
from aiida.orm import ArrayData, Dict
from ase.data import atomic_numbers

from aiida_nanoclusters.calculations.job_options import set_job_options
from aiida_nanoclusters.calculations.network_training import (
    NetworkTrainingJob,
    restart_problem,
    write_arrays,
)
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
    CORES_FILE,
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
)
from aiida_nanoclusters.science.ligands.unimol import unimol_problem
from aiida_nanoclusters.science.network_state import ARCHITECTURES

#: Libraries of the Python of the job, in words.
NEEDS = "numpy, scipy, torch and torch_geometric"
#: Pairs that a training needs at least.
FEWEST_PAIRS = 8
#: Frames up to which a pretraining is prepared once more to check its inputs (some seconds).
MOST_CHECKED = 10_000


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


class PretrainCoreCalculation(NetworkTrainingJob):
    """Pretrain the core encoder on the formation energies of clusters."""

    _module, _carried, _needs = f"{PACKAGE}.pretraining", CARRIED, NEEDS
    _results = (ENCODER_FILE, ENCODER_ARRAYS_FILE, PREDICTIONS_FILE)
    CACHE_VERSION = ARCHITECTURES["core encoder"]

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

    def _write(self, folder: Folder) -> dict[str, Any]:
        settings = PretrainingSettings(**self.inputs.settings.get_dict())
        given = self.inputs.references.get_dict() if "references" in self.inputs else None
        energies = prepare_energies(self.inputs.frames.frames, settings, given)
        files = {CORES_FILE: energies.core_arrays(), ENERGIES_FILE: energies.energy_arrays()}
        write_arrays(folder, files)
        return {**of_training(settings), "about": energies.about(), "notes": energies.notes()}


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


class TrainMatchingCalculation(NetworkTrainingJob):
    """Train one matching model of cores and ligand sets."""

    _module, _carried, _needs = f"{PACKAGE}.matching", CARRIED, NEEDS
    _results = (MODEL_FILE, MODEL_ARRAYS_FILE, PREDICTIONS_FILE)
    CACHE_VERSION = ARCHITECTURES["matching model"]

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

    def _write(self, folder: Folder) -> dict[str, Any]:
        settings = MatchingSettings(**self.inputs.settings.get_dict())
        subset = assignment_of(self.inputs.assignment)
        about, arrays = matching_arrays(self.inputs.pairs.pairs, subset, settings)
        about["about"]["pretrained"] = "encoder" in self.inputs
        names = {"cores": CORES_FILE, "ligands": LIGANDS_FILE, "pairs": PAIRS_FILE}
        write_arrays(folder, {names[key]: value for key, value in arrays.items()})
        return {**of_training(settings), **about}

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

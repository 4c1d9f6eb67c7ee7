"""Ports and checks of the inputs of a CompatibilityWorkChain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import ProcessSpec
from aiida.orm import AbstractCode, Dict, Int, List

from aiida_nanoclusters.calculations.job_options import validate_seed
from aiida_nanoclusters.calculations.ligands.train_matching import pretraining_problem
from aiida_nanoclusters.data.core_encoder import CoreEncoderData
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.pairs import PairsData
from aiida_nanoclusters.science.ligands.baseline_settings import BaselineSettings
from aiida_nanoclusters.science.ligands.encoder_settings import (
    MatchingSettings,
    PretrainingSettings,
)
from aiida_nanoclusters.science.ligands.method_settings import MethodSettings
from aiida_nanoclusters.science.ligands.pair_settings import (
    SPLIT_KINDS,
    PairSettings,
    checked_shares,
)
from aiida_nanoclusters.workflows.parts.validators import (
    optional,
    settings_validator,
    validate_seeds,
)

#: Port, its settings, and whether it must be given.
_SETTINGS = (
    ("pair_settings", PairSettings, True, "Division of clusters, pairs and negatives"),
    ("matching_settings", MatchingSettings, True, "Encoders and training of the models"),
    ("comparison_settings", MethodSettings, True, "Intervals of the metrics"),
    ("pretraining_settings", PretrainingSettings, False, "Pretraining of the core encoder"),
    ("baseline_settings", BaselineSettings, False, "Methods beside which the models are measured"),
)


def validate_splits(value: List, _: Any) -> str | None:
    """Refuse kinds of splits that are unknown or given twice."""
    kinds = value.get_list()
    if unknown := [kind for kind in kinds if kind not in SPLIT_KINDS]:
        return f"unknown split `{unknown[0]}`: choose among {', '.join(SPLIT_KINDS)}"
    if len(set(kinds)) != len(kinds):
        return "a kind of split is given twice: give each once"
    return None


def validate_shares(value: List, _: Any) -> str | None:
    """Refuse shares that do not add up to one, or leave nothing to stop a training by."""
    try:
        _, validation, _ = checked_shares(value.get_list())
    except (TypeError, ValueError) as error:
        return str(error)
    return None if validation else "the share of the validation is 0: give it more, such as 0.1"


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse data that are given twice or not at all, and encoders that do not fit."""
    if ("frames" in value) == ("pairs" in value):
        return "give either `frames`, whole clusters, or `pairs`"
    if "matching_settings" not in value:
        return None  # the port reports it
    core = MatchingSettings(**value["matching_settings"].get_dict()).core
    if "encoder" in value and value["encoder"].encoder.head.core != core:
        return "`encoder` has other settings than `matching_settings.core`: give the same to both"
    if ("labelled" in value) != ("pretraining_settings" in value):
        return "a pretraining needs both `labelled` clusters and `pretraining_settings`"
    if "labelled" in value:
        if "encoder" in value:
            return "give either `encoder`, or `labelled` clusters on which one is pretrained"
        settings = value["pretraining_settings"]
        if PretrainingSettings(**settings.get_dict()).core != core:
            return "`core` of the pretraining and of the matching differ: give the same to both"
        return pretraining_problem({"frames": value["labelled"], "settings": settings})
    return None


def compatibility_ports(spec: ProcessSpec) -> None:
    """Declare data, settings, splits and seeds."""
    spec.input(
        "code",
        valid_type=AbstractCode,
        help="A Python with numpy, scipy, torch and torch_geometric; for the baselines featomic, "
        "scikit-learn and xgboost as well.",
    )
    for name, valid_type, what in (
        ("frames", FramesData, "Whole clusters with their ligands, in place of `pairs`."),
        ("pairs", PairsData, "Pairs; negatives are added where there are none."),
        (
            "labelled",
            FramesData,
            "Clusters with energies, on which the core encoder is pretrained.",
        ),
        ("encoder", CoreEncoderData, "A pretrained core encoder, in place of `labelled`."),
    ):
        spec.input(name, valid_type=valid_type, required=False, help=what)
    for name, model, required, what in _SETTINGS:
        file = model.__module__.removeprefix("aiida_nanoclusters.").replace(".", "/")
        check = settings_validator(model)
        spec.input(
            name,
            valid_type=Dict,
            required=required,
            validator=check if required else optional(check),
            help=f"{what}: the fields of `{model.__name__}` in `{file}.py`.",
        )
    spec.input(
        "seeds",
        valid_type=List,
        validator=validate_seeds,
        help="Random seed of each member of the committee, from 0; of its split as well.",
    )
    spec.input(
        "splits",
        valid_type=List,
        validator=validate_splits,
        help="Kinds of splits on which the methods are measured; none where they are not.",
    )
    spec.input(
        "shares",
        valid_type=List,
        validator=validate_shares,
        help="Shares of training, validation and test in each split.",
    )
    spec.input(
        "negative_seed",
        valid_type=Int,
        default=lambda: Int(1),
        validator=validate_seed,
        help="Random seed of the negatives. Default: 1.",
    )
    spec.input("options", valid_type=dict, default=dict, is_metadata=True)
    spec.inputs.validator = validate_inputs

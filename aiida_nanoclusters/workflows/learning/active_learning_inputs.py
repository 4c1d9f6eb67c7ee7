"""Inputs of active learning: its ports, its builder and their checks before a submission."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from aiida.engine import ProcessSpec
from aiida.orm import Dict, Int

from aiida_nanoclusters.calculations.learning.labelled_sets import (
    predictions_problem,
    sets_problem,
)
from aiida_nanoclusters.calculations.learning.train import validate_settings as validate_training
from aiida_nanoclusters.calculations.learning.warm_start import start_problem
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.labels.levels import is_prediction
from aiida_nanoclusters.science.learning.settings import ActiveLearningSettings
from aiida_nanoclusters.workflows.labels.label import LabelWorkChain, level_of_labels, limit_jobs
from aiida_nanoclusters.workflows.learning.explore import ExploreWorkChain
from aiida_nanoclusters.workflows.learning.recipe import structures_problem
from aiida_nanoclusters.workflows.learning.train import TrainWorkChain
from aiida_nanoclusters.workflows.learning.train_inputs import LEARNT, validate_sets
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.codes import JobCodes
from aiida_nanoclusters.workflows.parts.former_names import FormerPorts
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.parts.resources import options_at
from aiida_nanoclusters.workflows.parts.validators import potentials_problem

#: Sets of labelled frames, and what each is for.
FRAMES = {
    "training": "Labelled frames to begin with.",
    "validation": "Labelled frames by which the epoch of a training is chosen.",
    "test": "Labelled frames; no label is ever added to them.",
    "extrapolation": "Extrapolation set: labelled clusters of sizes that no training frame has. "
    "Default: none.",
    "calibration": "Calibration set of an earlier run: labelled frames, drawn at random and never "
    "learnt. Default: none.",
}
#: Sets without which a loop can begin.
OPTIONAL = ("extrapolation", "calibration")
#: Inputs of a training that the work chain fills in itself.
OWN_TRAINING = (
    *("training", "validation", "test", "extrapolation", "seeds", "settings", "start_from"),
    *("restart_from", "trained"),
)
#: Inputs of an exploration that depend on the committee of the round.
OWN_EXPLORATION = (
    *common_ports.ELEMENTS,
    "seed",
    "stages",
    "sampler.lammps.potential",
    "evaluate.potentials",
)


def training_settings(named: Mapping[str, Any]) -> Dict:
    """Return the settings of the training protocol that is named, with what is changed in it."""
    changes = {key: value for key, value in named.items() if key != "protocol"}
    values = load_protocol("train", named["protocol"], changes)
    return Dict({key: value for key, value in values.items() if key != "seeds"})


def train_inputs(
    codes: JobCodes,
    protocol: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the inputs of a training except its frames; its evaluations run LAMMPS."""
    builder = TrainWorkChain.get_builder_from_protocol(
        codes.nequip,
        codes.lammps,
        protocol=protocol,
        overrides=overrides,
        options=codes.nequip_options,
    )
    builder.options["evaluate"] = options_at(codes.lammps_options, "evaluate")
    return dict(builder._inputs(prune=True))


def explore_inputs(
    codes: JobCodes,
    element: str | Sequence[str],
    protocol: str | None,
    overrides: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the inputs that all explorations share."""
    builder = ExploreWorkChain.get_builder_from_protocol(
        codes.lammps, element, {}, protocol, overrides, codes.lammps_options
    )
    given = builder._inputs(prune=True)
    return {key: given[key] for key in given if key not in common_ports.ELEMENTS}


def validate_settings(value: Dict, _: Any) -> str | None:
    """Refuse settings that are missing, unknown or out of their limits."""
    problem = ActiveLearningSettings.problem(value.get_dict())
    return problem and f"settings: {problem}"


def validate_inputs(inputs: Mapping[str, Any], ports: Any) -> str | None:
    """The sets must fit each other and the reference engine, and weights the next training."""
    if problem := validate_sets(inputs, None):
        return problem
    if problem := common_ports.elements_problem(inputs, ports):
        return problem
    if not {"training", "label"} <= set(inputs):
        return None if "label" in inputs else "give the reference engine: the inputs of `label`"
    training = inputs["training"]
    if problem := sets_problem(inputs, ("calibration",)):
        return problem
    symbols = common_ports.elements_of(inputs)
    explore = inputs.get("explore", {})
    recipe = explore["recipe"].get_list() if "recipe" in explore else []
    if recipe and (problem := structures_problem(recipe, explore, symbols)):
        return problem
    if training.elements != sorted(symbols):
        return (
            f"`training` holds {', '.join(training.elements)}, not {', '.join(symbols)}: give "
            "frames of these elements alone"
        )
    if problem := potentials_problem(inputs, symbols):
        return problem
    level = level_of_labels(inputs["label"])
    if level is not None and level != training.level_of_theory:
        return (
            f"`training` is labelled by `{training.level_of_theory}`, new frames would be by "
            f"`{level}`: label all at one level"
        )
    asked = is_prediction(level or "") or inputs.get("train", {}).get("predictions", False)
    if not asked and (problem := predictions_problem(inputs, LEARNT)):
        return problem
    if ("state" in inputs) != bool(inputs.get("start_from")):
        return "to continue from a round give both its `state` and its potentials as `start_from`"
    return weights_problem(inputs)


def weights_problem(inputs: Mapping[str, Any]) -> str | None:
    """Return why weights of one round could not be those that the next one begins with, or None."""
    if not {"warm_settings", "train_settings"} <= set(inputs):
        return None  # all begin with random ones
    warm = inputs["warm_settings"]
    if warm["model"] != inputs["train_settings"]["model"]:
        return (
            "`warm_settings` has another `model` than `train_settings`: weights do not fit; give "
            "both the same"
        )
    problems = (
        start_problem(package, inputs["training"], warm, f"start_from.{key}")
        for key, package in sorted(dict(inputs.get("start_from", {})).items())
    )
    return next((problem for problem in problems if problem), None)


class ActiveLearningInputs(FormerPorts):
    """Ports and builder of active learning."""

    FORMER_PORTS: ClassVar[Mapping[str, str]] = {
        "unseen": "extrapolation",
        "checks": "calibration",
    }

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare the inputs."""
        super().define(spec)
        for name, text in FRAMES.items():
            spec.input(name, valid_type=FramesData, required=name not in OPTIONAL, help=text)
        spec.input(
            "settings",
            valid_type=Dict,
            validator=validate_settings,
            help="`loop`, `choice`, `calibration` and `sets`, see protocols/active_learning.yaml.",
        )
        spec.input("seed", valid_type=Int, default=lambda: Int(1), help="Random seed. Default: 1.")
        common_ports.elements_port(spec)
        spec.input(
            "train_settings",
            valid_type=Dict,
            validator=validate_training,
            help="Settings of the training of members that begin with random weights.",
        )
        spec.input(
            "warm_settings",
            valid_type=Dict,
            required=False,
            validator=validate_training,
            help="Settings of the training of members that begin with the weights of the round "
            "before. Default: all begin with random weights.",
        )
        spec.input(
            "state",
            valid_type=Dict,
            required=False,
            help="State of the loop after a round of an earlier run. Default: a new loop.",
        )
        spec.input_namespace(
            "start_from",
            valid_type=PotentialData,
            dynamic=True,
            required=False,
            help="Packages whose weights the first training begins with, in the order of keys. "
            "Default: random weights.",
        )
        optional = {"required": False, "populate_defaults": False}
        spec.expose_inputs(TrainWorkChain, namespace="train", exclude=OWN_TRAINING)
        spec.expose_inputs(ExploreWorkChain, namespace="explore", exclude=OWN_EXPLORATION)
        spec.expose_inputs(
            LabelWorkChain, namespace="label", exclude=("frames",), namespace_options=optional
        )
        spec.inputs.validator = validate_inputs

    @classmethod
    def get_builder_from_protocol(
        cls,
        codes,
        element,
        training,
        validation,
        test,
        reference=None,
        protocol=None,
        overrides=None,
        label=None,
    ):
        """Return a builder; numbers and recipe from `protocols/active_learning.yaml`.

        Parameters
        ----------
        codes
            :class:`.workflows.parts.codes.JobCodes`.
        element
            Chemical symbol, or a list of those of an alloy.
        training, validation, test
            Labelled FramesData, for instance of a DatasetWorkChain; None where a parent fills them
            in.
        reference
            PotentialData, the reference engine where `label` is not given.
        protocol, overrides
            Name of a protocol, and changes to it.
        label
            Inputs of a LabelWorkChain with another reference engine, from its `engine_inputs`.
        """
        values = load_protocol("active_learning", protocol, overrides, element=element)
        builder = cls.get_builder()
        common_ports.set_elements(builder, element)
        sets = {"training": training, "validation": validation, "test": test}
        for part, frames in sets.items():
            if frames is not None:
                builder[part] = frames
        builder.settings = Dict(values["settings"])
        builder.train_settings = training_settings(values["train"])
        if values["warm"] is not None:
            builder.warm_settings = training_settings(values["warm"])
        train = train_inputs(codes)
        builder.train = {key: train[key] for key in train if key not in OWN_TRAINING}
        own = (overrides or {}).get("explore")
        builder.explore = explore_inputs(codes, element, protocol, own)
        if label is None:
            evaluate = job(codes.lammps, codes.lammps_options, "label")
            label = {"potential": {"potential": reference, "evaluate": evaluate}}
        builder.label = label
        codes.limit(builder.train, builder.explore)
        limit_jobs(builder.label, codes.max_concurrent)
        return builder

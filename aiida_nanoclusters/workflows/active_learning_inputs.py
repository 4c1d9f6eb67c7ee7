"""What an active learning is given: inputs of its parts, checked before anything is submitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.orm import Dict

from aiida_nanoclusters.calculations.select import validate_calibration, validate_choice
from aiida_nanoclusters.calculations.warm_start import start_problem
from aiida_nanoclusters.science.active_learning import ActiveLearning
from aiida_nanoclusters.workflows.explore import ExploreWorkChain
from aiida_nanoclusters.workflows.label import level_of_labels
from aiida_nanoclusters.workflows.protocol import load_protocol
from aiida_nanoclusters.workflows.resources import options_at
from aiida_nanoclusters.workflows.train import TrainWorkChain, fit_problem
from aiida_nanoclusters.workflows.train import validate_inputs as validate_sets
from aiida_nanoclusters.workflows.validators import names_problem

#: Parts of `settings`: when the loop ends, how frames are chosen, when a frame counts as known, and
#: where labels go.
SETTINGS = ("loop", "choice", "calibration", "sets")

#: Inputs of a training that the work chain fills in itself.
OWN_TRAINING = ("training", "validation", "test", "unseen", "seeds", "settings", "start_from")
#: Inputs of an exploration that depend on the committee of the round.
OWN_EXPLORATION = ("element", "seed", "stages", "sampler.lammps.potential", "evaluate.potentials")


def training_settings(named: Mapping[str, Any]) -> Dict:
    """Return the settings of the training protocol that is named, with what is changed in it."""
    changes = {key: value for key, value in named.items() if key != "protocol"}
    values = load_protocol("train", named["protocol"], changes)
    return Dict({key: value for key, value in values.items() if key != "seeds"})


def train_inputs(nequip, lammps, nequip_options, lammps_options) -> dict[str, Any]:
    """Return what all trainings share."""
    builder = TrainWorkChain.get_builder_from_protocol(nequip, lammps, options=nequip_options)
    builder.options["evaluate"] = options_at(lammps_options, "evaluate")
    given = builder._inputs(prune=True)
    return {key: given[key] for key in given if key not in OWN_TRAINING}


def explore_inputs(lammps, element, protocol, overrides, options) -> dict[str, Any]:
    """Return what all explorations share."""
    builder = ExploreWorkChain.get_builder_from_protocol(
        lammps, element, {}, protocol, overrides, options
    )
    given = builder._inputs(prune=True)
    return {key: given[key] for key in given if key != "element"}


def validate_settings(value: Dict, _: Any) -> str | None:
    """Every part must make sense."""
    settings = value.get_dict()
    if problem := names_problem(settings, SETTINGS):
        return problem
    try:
        loop = ActiveLearning(**settings["loop"], seed=0).state["settings"]
    except (TypeError, ValueError) as error:
        return f"settings: `loop`: {error}"
    limits = {"low": loop["low"], "high": loop["high"]}
    choice = {**settings["choice"], "budget": loop["per_round"], "checks": loop["checks"]}
    if problem := validate_choice(Dict(choice), None):
        return f"settings: `choice`: {problem}"
    if settings["calibration"] is not None:
        if problem := validate_calibration(Dict({**settings["calibration"], **limits}), None):
            return f"settings: `calibration`: {problem}"
    return sets_problem(settings["sets"])


def sets_problem(sets: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the part of the settings that says where labels go."""
    if set(sets) != {"validation", "max_force"}:
        return "settings: `sets` needs `validation` (share) and `max_force` (eV/Å), no more"
    if not 0 < sets["validation"] < 1 or not sets["max_force"] > 0:
        return "settings: `sets`: `validation` lies between 0 and 1, `max_force` is positive"
    return None


def validate_inputs(inputs: Mapping[str, Any], _: Any) -> str | None:
    """The sets must fit each other, and the potential that labels must fit them."""
    if problem := validate_sets(inputs, None):
        return problem
    if not {"training", "element", "label"} <= set(inputs):
        return None if "label" in inputs else "give what labels: the inputs of `label`"
    training = inputs["training"]
    if problem := fit_problem(inputs, ("checks",)):
        return problem
    if training.elements != [inputs["element"].value]:
        return (
            f"`training` holds {', '.join(training.elements)}, `element` is "
            f"{inputs['element'].value}: give frames of that element alone"
        )
    level = level_of_labels(inputs["label"])
    if level is not None and level != training.level_of_theory:
        return (
            f"`training` is labelled by `{training.level_of_theory}`, new frames would be by "
            f"`{level}`: label all at one level"
        )
    if ("state" in inputs) != bool(inputs.get("start_from")):
        return "to go on from a round give both its `state` and its potentials as `start_from`"
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

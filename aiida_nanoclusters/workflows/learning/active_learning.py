"""ActiveLearningWorkChain: grows a training set until a committee agrees on larger clusters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import ExitCode, ProcessSpec, if_, while_
from aiida.orm import Bool, Dict, Int, List

from aiida_nanoclusters.calculations.frames import concatenate_frames
from aiida_nanoclusters.calculations.learning import active_learning as steps
from aiida_nanoclusters.calculations.learning.acquisition import (
    PREDICTED,
    assess_frames,
    calibrate_thresholds,
    select_to_label,
)
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.labels.levels import is_prediction
from aiida_nanoclusters.science.learning.active_learning import (
    EXPLORE,
    LABEL,
    SELECT,
    TRAIN,
    ActiveLearning,
)
from aiida_nanoclusters.science.learning.settings import ActiveLearningSettings, ThresholdSettings
from aiida_nanoclusters.science.structures.recipe import largest_convergence_test
from aiida_nanoclusters.workflows.base.evaluate import EvaluateBaseWorkChain
from aiida_nanoclusters.workflows.labels.label import LabelWorkChain
from aiida_nanoclusters.workflows.learning import active_learning_inputs as ports
from aiida_nanoclusters.workflows.learning.explore import ExploreWorkChain
from aiida_nanoclusters.workflows.learning.train import TrainWorkChain
from aiida_nanoclusters.workflows.learning.train_inputs import LEARNT, member_keys
from aiida_nanoclusters.workflows.parts.batches import describe_child
from aiida_nanoclusters.workflows.parts.common_ports import ELEMENTS

#: Sets of frames that grow.
SETS = (*LEARNT, "calibration")


class ActiveLearningWorkChain(ports.ActiveLearningInputs):
    """Train, explore, select, label, and repeat: the loop decides, this work chain submits.

    A member, a run or a label that fails is left out. The outputs of every round are sufficient to
    continue from it.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare outputs and outline."""
        super().define(spec)
        for name in SETS:
            spec.output(name, valid_type=FramesData, required=False)
        spec.output_namespace(
            "rounds", dynamic=True, help="Outputs of each round, to continue from."
        )
        spec.output("history", valid_type=Dict, required=False, help="Table of the rounds.")
        spec.expose_outputs(TrainWorkChain, namespace_options={"required": False})
        spec.outline(
            cls.start,
            while_(cls.should_continue)(
                if_(cls.is_to_train)(
                    cls.train,
                    cls.keep_committee,
                    if_(cls.can_calibrate)(cls.evaluate_calibration_set),
                    cls.inspect_training,
                ),
                if_(cls.is_to_explore)(cls.explore, cls.inspect_exploration),
                if_(cls.is_to_select)(cls.select),
                if_(cls.is_to_label)(cls.label, cls.add_labels),
            ),
            cls.results,
        )
        spec.exit_code(400, "ERROR_GAVE_UP", message="The loop gave up: {reason}")
        spec.exit_code(
            401, "ERROR_OTHER_LABELS", message="New labels cannot join the earlier ones: {reason}"
        )

    # -- the loop --------------------------------------------------------------------------

    def start(self) -> None:
        """Begin with the frames given, or after a round of an earlier run."""
        given = self.inputs
        self.ctx.settings = ActiveLearningSettings(**given.settings.get_dict()).model_dump()
        earlier = {"state": given.state} if "state" in given else {}
        self.ctx.state = steps.start_active_learning(
            Dict(self.ctx.settings["loop"]), given.seed, **earlier
        )
        self.ctx.sets = {name: given[name] for name in SETS if name in given}
        packages = sorted(dict(given.get("start_from", {})).items())
        del packages[self.ctx.state["settings"]["members"] :]
        self.ctx.packages = {str(k): package for k, (_, package) in enumerate(packages)}
        self.ctx.errors = {}

    def should_continue(self) -> bool:
        """Whether there is anything left to do."""
        return not self.ctx.state["is_finished"]

    @property
    def _task(self) -> dict[str, Any]:
        return self.ctx.state["task"]

    def is_to_train(self) -> bool:
        """Whether the next task is a training."""
        return self._task.get("action") == TRAIN

    def is_to_explore(self) -> bool:
        """Whether the next task is an exploration."""
        return self._task.get("action") == EXPLORE

    def is_to_select(self) -> bool:
        """Whether the next task is a choice of candidates."""
        return self._task.get("action") == SELECT

    def is_to_label(self) -> bool:
        """Whether the next task is to label the chosen frames."""
        return self._task.get("action") == LABEL

    def _update(self, outcome: Mapping[str, Any], **found: Dict) -> None:
        """Record the outcome of the loop's task."""
        self.ctx.state = steps.update_active_learning(self.ctx.state, Dict(dict(outcome)), **found)

    # -- train -----------------------------------------------------------------------------

    @property
    def _seeds(self) -> List:
        task = self._task
        return List([task["seed"] + k for k in range(1, task["members"] + 1)])

    def train(self) -> None:
        """Train the committee on all labels, from earlier weights where all members have some."""
        given, seeds = self.inputs, self._seeds
        keys = member_keys(seeds)
        inputs = self.exposed_inputs(TrainWorkChain, namespace="train")
        inputs |= {name: self.ctx.sets[name] for name in LEARNT}
        inputs |= {name: given[name] for name in ("test", "extrapolation") if name in given}
        inputs |= {"seeds": seeds, "settings": given.train_settings}
        weights = {key: self.ctx.packages.get(str(k)) for k, key in enumerate(keys)}
        if is_prediction(self.ctx.sets["training"].level_of_theory):
            inputs["predictions"] = Bool(True)  # of the potential that labels
        if "warm_settings" in given and None not in weights.values():
            inputs |= {"settings": given.warm_settings, "start_from": weights}
        self.to_context(training=self.submit(TrainWorkChain, **inputs | self._link(TRAIN)))

    def _link(self, action: str) -> dict[str, Any]:
        return {"metadata": {"call_link_label": f"round_{self._task['round']:03d}_{action}"}}

    @property
    def _committee(self) -> dict[str, PotentialData]:
        outputs = self.ctx.training.outputs
        return dict(outputs.compiled) if "compiled" in outputs else {}

    def keep_committee(self) -> None:
        """Keep weights to begin the next round with, and the errors of the round's committee."""
        outputs, number = self.ctx.training.outputs, self._task["round"]
        packages = dict(outputs.potentials) if "potentials" in outputs else {}
        for k, key in enumerate(member_keys(self._seeds)):
            if key in packages:
                self.ctx.packages[str(k)] = packages[key]
        if "errors" in outputs:
            self.ctx.errors[f"round_{number:03d}"] = outputs.errors

    def can_calibrate(self) -> bool:
        """Whether thresholds are calibrated, and there are labels for it that no member learnt."""
        calibrates = self.ctx.settings["calibration"] is not None
        return calibrates and "calibration" in self.ctx.sets and len(self._committee) > 1

    def evaluate_calibration_set(self) -> None:
        """Evaluate the calibration set with the new committee."""
        inputs = self.exposed_inputs(ExploreWorkChain, namespace="explore")
        own = {"frames": self.ctx.sets["calibration"], "potentials": self._committee}
        self.to_context(run=self.submit(EvaluateBaseWorkChain, evaluate=inputs["evaluate"] | own))

    def inspect_training(self) -> None:
        """Report the number of members, and the threshold below which frames are accurate."""
        found = self._calibrated() if self.can_calibrate() else {}
        committee = self._committee
        lost = sorted(set(member_keys(self._seeds)) - set(committee))
        failed = dict.fromkeys(lost, describe_child(self.ctx.training))
        self._update({"members": len(committee), "failed": failed}, **found)

    def _calibrated(self) -> dict[str, Dict]:
        """Return calibrated `thresholds`; nothing where fewer than two members were evaluated."""
        child = self.ctx.run
        evaluated = dict(child.outputs.labelled) if "labelled" in child.outputs else {}
        if len(evaluated) < 2:
            self.report(
                f"`accurate_below` stays: {len(evaluated)} members evaluated the calibration set "
                f"({describe_child(child)})"
            )
            return {}
        limits = {name: self.ctx.settings["loop"][name] for name in ThresholdSettings.model_fields}
        settings = Dict({**self.ctx.settings["calibration"], **limits})
        found = calibrate_thresholds(
            settings, self.ctx.sets["calibration"], **_predictions(evaluated)
        )
        note = f" ({found['message']})" if found["message"] else ""
        self.report(
            f"`accurate_below` is {found['accurate_below']:.3g} eV/Å by {found['n_labels']} "
            f"calibration frames{note}"
        )
        return {"thresholds": found}

    # -- explore, select -------------------------------------------------------------------

    def explore(self) -> None:
        """Sample with one member, another one each round, and evaluate the frames with all."""
        committee, task = self._committee, self._task
        inputs = self.exposed_inputs(ExploreWorkChain, namespace="explore")
        driver = sorted(committee)[(task["round"] - 1) % len(committee)]
        inputs["sampler"]["lammps"]["potential"] = committee[driver]
        inputs["evaluate"]["potentials"] = committee
        inputs |= {name: self.inputs[name] for name in ELEMENTS if name in self.inputs}
        inputs["seed"] = Int(task["seed"])
        self.to_context(run=self.submit(ExploreWorkChain, **inputs | self._link(EXPLORE)))

    def inspect_exploration(self) -> None:
        """Count the candidates that two members or more have evaluated."""
        child = self.ctx.run
        if not child.is_finished_ok:
            self.report(describe_child(child))
        evaluated = "predicted" in child.outputs and len(dict(child.outputs.predicted)) > 1
        frames = len(child.outputs.candidates) if evaluated else 0
        self._update({"frames": frames, "why": "" if frames else describe_child(child)})

    def select(self) -> None:
        """Choose what to label, and assess the convergence test."""
        outputs, task = self.ctx.run.outputs, self._task
        thresholds, found = Dict(task["thresholds"]), {}
        self.ctx.chosen = select_to_label(
            outputs.candidates,
            thresholds,
            Dict({**self.ctx.settings["choice"], **task["settings"]}),
            Int(task["seed"]),
            known=concatenate_frames(**{name: self.ctx.sets[name] for name in LEARNT}),
            held_out=concatenate_frames(**self._held_out),
            **_predictions(outputs.predicted),
        )
        tested = outputs.convergence_test_predicted if "convergence_test" in outputs else {}
        if len(dict(tested)) > 1:
            found["convergence_test"] = assess_frames(
                outputs.convergence_test, thresholds, **_predictions(tested)
            )
        size = largest_convergence_test(self.inputs.explore.recipe.get_list())
        outcome = {"convergence_test_size": size}
        self._update(outcome, report=self.ctx.chosen["report"], **found)
        self.report(ActiveLearning.from_state(self.ctx.state.get_dict()).last_selection)

    @property
    def _held_out(self) -> dict[str, FramesData]:
        """Frames that measure errors: if one of them were learnt, errors would seem too small."""
        sets = {**self.inputs, **self.ctx.sets}
        names = ("test", "extrapolation", "calibration")
        return {name: sets[name] for name in names if name in sets}

    # -- label -----------------------------------------------------------------------------

    def label(self) -> None:
        """Label the chosen frames with the reference engine."""
        inputs = self.exposed_inputs(LabelWorkChain, namespace="label")
        inputs["frames"] = self.ctx.chosen["frames"]
        self.to_context(run=self.submit(LabelWorkChain, **inputs | self._link(LABEL)))

    def add_labels(self) -> ExitCode | None:
        """Add the labels to the sets they belong to, and return the outputs of the round."""
        child, chosen, number = self.ctx.run, self.ctx.chosen, self._task["round"]
        if not child.is_finished_ok:
            self.report(describe_child(child))
        labelled = child.outputs.frames if "frames" in child.outputs else None
        if labelled is not None:
            how = (Dict(self.ctx.settings["sets"]), Int(self._task["seed"]))
            try:
                self.ctx.sets = steps.add_labels(
                    labelled, chosen["frames"], chosen["report"], *how, **self.ctx.sets
                )
            except ValueError as error:
                self._return_sets()
                return self.exit_codes.ERROR_OTHER_LABELS.format(reason=str(error))
        count = 0 if labelled is None else len(labelled)
        self._update({"labelled": count, "failed": len(chosen["frames"]) - count})
        left = {"state": self.ctx.state, **self.ctx.sets}
        left |= {f"potentials.member_{k}": package for k, package in self.ctx.packages.items()}
        for name, node in left.items():
            self.out(f"rounds.round_{number:03d}.{name}", node)
        return None

    # -- results ---------------------------------------------------------------------------

    def results(self) -> ExitCode | None:
        """Report why the loop ended."""
        history = self._return_sets()
        self.report(history["reason"])
        if history["gave_up"]:
            return self.exit_codes.ERROR_GAVE_UP.format(reason=history["reason"])
        return None

    def _return_sets(self) -> Dict:
        """Output the sets, the last committee and the rounds so far; return the rounds."""
        for name, node in self.ctx.sets.items():
            self.out(name, node)
        if "training" in self.ctx:
            self.out_many(self.exposed_outputs(self.ctx.training, TrainWorkChain))
        history = steps.summarise_rounds(self.ctx.state, **self.ctx.errors)
        self.out("history", history)
        return history


def _predictions(labelled: Mapping[str, FramesData]) -> dict[str, FramesData]:
    return {f"{PREDICTED}{key}": frames for key, frames in dict(labelled).items()}

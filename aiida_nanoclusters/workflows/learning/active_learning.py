"""ActiveLearningWorkChain: a training set grown until a committee agrees on larger clusters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import ExitCode, ProcessSpec, WorkChain, if_, while_
from aiida.orm import Dict, Int, List, Str

from aiida_nanoclusters.calculations import active_learning as steps
from aiida_nanoclusters.calculations.frames import concatenate_frames
from aiida_nanoclusters.calculations.select import (
    PREDICTED,
    assess_frames,
    calibrate_thresholds,
    select_to_label,
)
from aiida_nanoclusters.calculations.train import validate_settings as validate_training
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.active_learning import EXPLORE, LABEL, SELECT, TRAIN, ActiveLearning
from aiida_nanoclusters.science.recipe import largest_probe
from aiida_nanoclusters.workflows import active_learning_inputs as ports
from aiida_nanoclusters.workflows.batches import told_by
from aiida_nanoclusters.workflows.evaluate import EvaluateBaseWorkChain
from aiida_nanoclusters.workflows.explore import ExploreWorkChain
from aiida_nanoclusters.workflows.jobs import job
from aiida_nanoclusters.workflows.label import LabelWorkChain, limit_jobs
from aiida_nanoclusters.workflows.protocol import load_protocol
from aiida_nanoclusters.workflows.train import TrainWorkChain, member_keys

#: Sets of frames that grow.
LEARNT = ("training", "validation")
SETS = (*LEARNT, "checks")


class ActiveLearningWorkChain(WorkChain):
    """Train, explore, select, label, and again: the loop decides, this work chain runs its errands.

    A member, a run or a label that fails costs only itself. Every round hands on what is needed to
    go on from there.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input("training", valid_type=FramesData, help="Labelled frames to begin with.")
        spec.input("validation", valid_type=FramesData, help="Labelled frames to choose epochs by.")
        spec.input(
            "test", valid_type=FramesData, help="Labelled frames; no label is ever added to them."
        )
        spec.input(
            "unseen", valid_type=FramesData, required=False, help="Clusters of sizes not learnt."
        )
        spec.input(
            "settings",
            valid_type=Dict,
            validator=ports.validate_settings,
            help="`loop`, `choice`, `calibration` and `sets`, see protocols/active_learning.yaml.",
        )
        spec.input("seed", valid_type=Int, default=lambda: Int(1))
        spec.input("element", valid_type=Str)
        spec.input(
            "train_settings",
            valid_type=Dict,
            validator=validate_training,
            help="Of members that begin with random weights.",
        )
        spec.input(
            "warm_settings",
            valid_type=Dict,
            required=False,
            validator=validate_training,
            help="Of members that begin with the weights of the round before; without it all "
            "begin with random ones.",
        )
        spec.input("checks", valid_type=FramesData, required=False, help="Of the earlier run.")
        spec.input("state", valid_type=Dict, required=False, help="Of a round of an earlier run.")
        spec.input_namespace(
            "start_from",
            valid_type=PotentialData,
            dynamic=True,
            required=False,
            help="Packages whose weights the first training begins with, in the order of keys.",
        )
        optional = {"required": False, "populate_defaults": False}
        spec.expose_inputs(TrainWorkChain, namespace="train", exclude=ports.OWN_TRAINING)
        spec.expose_inputs(ExploreWorkChain, namespace="explore", exclude=ports.OWN_EXPLORATION)
        spec.expose_inputs(
            LabelWorkChain, namespace="label", exclude=("frames",), namespace_options=optional
        )
        spec.inputs.validator = ports.validate_inputs
        for name in SETS:
            spec.output(name, valid_type=FramesData, required=False)
        spec.output_namespace("rounds", dynamic=True, help="What each round leaves to go on from.")
        spec.output("history", valid_type=Dict, required=False, help="The rounds in a table.")
        spec.expose_outputs(TrainWorkChain, namespace_options={"required": False})
        spec.outline(
            cls.start,
            while_(cls.goes_on)(
                if_(cls.is_to_train)(
                    cls.train,
                    cls.take_committee,
                    if_(cls.has_checks)(cls.evaluate_checks),
                    cls.take_training,
                ),
                if_(cls.is_to_explore)(cls.explore, cls.take_frames),
                if_(cls.is_to_select)(cls.select),
                if_(cls.is_to_label)(cls.label, cls.take_labels),
            ),
            cls.results,
        )
        spec.exit_code(400, "ERROR_GAVE_UP", message="The loop gave up: {reason}")
        spec.exit_code(
            401, "ERROR_OTHER_LABELS", message="New labels do not fit the old ones: {reason}"
        )

    @classmethod
    def get_builder_from_protocol(
        cls,
        lammps,
        nequip,
        element,
        training,
        validation,
        test,
        reference=None,
        protocol=None,
        overrides=None,
        lammps_options=None,
        nequip_options=None,
        max_concurrent=2,
        label=None,
    ):
        """Return a builder; numbers and recipe from `protocols/active_learning.yaml`.

        Parameters
        ----------
        lammps, nequip
            Codes: LAMMPS, and a Python with nequip.
        element
            Chemical symbol.
        training, validation, test
            Labelled FramesData, for instance of a DatasetWorkChain.
        reference
            PotentialData that labels, where `label` is not given.
        protocol, overrides
            Name of a protocol, and what to change in it.
        lammps_options, nequip_options
            `metadata.options` of the jobs of either code.
        max_concurrent
            Jobs of one part that may run at once.
        label
            Inputs of a LabelWorkChain, from its `engine_inputs`: a program of first principles.
        """
        values = load_protocol("active_learning", protocol, overrides, element=element)
        builder = cls.get_builder()
        builder.element = Str(element)
        builder.training, builder.validation, builder.test = training, validation, test
        builder.settings = Dict(values["settings"])
        builder.train_settings = ports.training_settings(values["train"])
        if values["warm"] is not None:
            builder.warm_settings = ports.training_settings(values["warm"])
        builder.train = ports.train_inputs(nequip, lammps, nequip_options, lammps_options)
        own = (overrides or {}).get("explore")
        builder.explore = ports.explore_inputs(lammps, element, protocol, own, lammps_options)
        if label is None:
            evaluate = job(lammps, lammps_options, "label")
            label = {"potential": {"potential": reference, "evaluate": evaluate}}
        builder.label = label
        for part in (builder.train, builder.explore):
            part["max_concurrent"] = Int(max_concurrent)
        limit_jobs(builder.label, max_concurrent)
        return builder

    # -- the loop --------------------------------------------------------------------------

    def start(self) -> None:
        """Begin with the frames given, or where an earlier run has stopped."""
        given = self.inputs
        earlier = {"state": given.state} if "state" in given else {}
        self.ctx.state = steps.start_active_learning(
            Dict(given.settings["loop"]), given.seed, **earlier
        )
        self.ctx.sets = {name: given[name] for name in SETS if name in given}
        packages = sorted(dict(given.get("start_from", {})).items())
        del packages[self.ctx.state["settings"]["members"] :]
        self.ctx.packages = {str(k): package for k, (_, package) in enumerate(packages)}
        self.ctx.errors = {}

    def goes_on(self) -> bool:
        """Whether there is anything left to do."""
        return not self.ctx.state["is_finished"]

    @property
    def _task(self) -> dict[str, Any]:
        return self.ctx.state["task"]

    def is_to_train(self) -> bool:
        """Whether the next task is a training."""
        return self._task.get("action") == TRAIN

    def is_to_explore(self) -> bool:
        """Whether the next task is to find candidates."""
        return self._task.get("action") == EXPLORE

    def is_to_select(self) -> bool:
        """Whether the next task is to choose among them."""
        return self._task.get("action") == SELECT

    def is_to_label(self) -> bool:
        """Whether the next task is to label what was chosen."""
        return self._task.get("action") == LABEL

    def _tell(self, outcome: Mapping[str, Any], **found: Dict) -> None:
        """Tell the loop what came of its task."""
        self.ctx.state = steps.update_active_learning(self.ctx.state, Dict(dict(outcome)), **found)

    # -- train -----------------------------------------------------------------------------

    @property
    def _seeds(self) -> List:
        task = self._task
        return List([task["seed"] + k for k in range(1, task["members"] + 1)])

    def train(self) -> None:
        """Train the committee on all labels, from the weights it has where no member lacks some."""
        given, seeds = self.inputs, self._seeds
        keys = member_keys(seeds)
        inputs = self.exposed_inputs(TrainWorkChain, namespace="train")
        inputs |= {name: self.ctx.sets[name] for name in ("training", "validation")}
        inputs |= {name: given[name] for name in ("test", "unseen") if name in given}
        inputs |= {"seeds": seeds, "settings": given.train_settings}
        weights = {key: self.ctx.packages.get(str(k)) for k, key in enumerate(keys)}
        if "warm_settings" in given and None not in weights.values():
            inputs |= {"settings": given.warm_settings, "start_from": weights}
        self.to_context(training=self.submit(TrainWorkChain, **inputs | self._link(TRAIN)))

    def _link(self, action: str) -> dict[str, Any]:
        return {"metadata": {"call_link_label": f"round_{self._task['round']:03d}_{action}"}}

    @property
    def _committee(self) -> dict[str, PotentialData]:
        outputs = self.ctx.training.outputs
        return dict(outputs.compiled) if "compiled" in outputs else {}

    def take_committee(self) -> None:
        """Keep weights to begin the next round with, and what the round's committee is worth."""
        outputs, number = self.ctx.training.outputs, self._task["round"]
        packages = dict(outputs.potentials) if "potentials" in outputs else {}
        for k, key in enumerate(member_keys(self._seeds)):
            if key in packages:
                self.ctx.packages[str(k)] = packages[key]
        if "errors" in outputs:
            self.ctx.errors[f"round_{number:03d}"] = outputs.errors

    def has_checks(self) -> bool:
        """Whether thresholds can be calibrated: by labels that no member has learnt."""
        wanted = self.inputs.settings["calibration"] is not None
        return wanted and "checks" in self.ctx.sets and len(self._committee) > 1

    def evaluate_checks(self) -> None:
        """Ask the new committee about frames whose labels it does not know."""
        inputs = self.exposed_inputs(ExploreWorkChain, namespace="explore")
        own = {"frames": self.ctx.sets["checks"], "potentials": self._committee}
        self.to_context(run=self.submit(EvaluateBaseWorkChain, evaluate=inputs["evaluate"] | own))

    def take_training(self) -> None:
        """Say how many members there are, and from which deviation on frames are in doubt."""
        found = self._calibrated() if self.has_checks() else {}
        committee = self._committee
        lost = sorted(set(member_keys(self._seeds)) - set(committee))
        failed = dict.fromkeys(lost, told_by(self.ctx.training))
        self._tell({"members": len(committee), "failed": failed}, **found)

    def _calibrated(self) -> dict[str, Dict]:
        """Return the `thresholds` that the checks allow; nothing where too few members judged."""
        child = self.ctx.run
        judged = dict(child.outputs.labelled) if "labelled" in child.outputs else {}
        if len(judged) < 2:
            self.report(f"`low` stays: {len(judged)} members judged the checks ({told_by(child)})")
            return {}
        loop = self.inputs.settings["loop"]
        limits = {"low": loop["low"], "high": loop["high"]}
        settings = Dict({**self.inputs.settings["calibration"], **limits})
        found = calibrate_thresholds(settings, self.ctx.sets["checks"], **_predictions(judged))
        note = f" ({found['message']})" if found["message"] else ""
        self.report(f"{found['n_labels']} checks: `low` is {found['low']:.3g} eV/Å{note}")
        return {"thresholds": found}

    # -- explore, select -------------------------------------------------------------------

    def explore(self) -> None:
        """Sample with one member, another one each round, and ask all about the frames."""
        committee, task = self._committee, self._task
        inputs = self.exposed_inputs(ExploreWorkChain, namespace="explore")
        driver = sorted(committee)[(task["round"] - 1) % len(committee)]
        inputs["sampler"]["lammps"]["potential"] = committee[driver]
        inputs["evaluate"]["potentials"] = committee
        inputs |= {"element": self.inputs.element, "seed": Int(task["seed"])}
        self.to_context(run=self.submit(ExploreWorkChain, **inputs | self._link(EXPLORE)))

    def take_frames(self) -> None:
        """Count the candidates that a committee could be asked about."""
        child = self.ctx.run
        if not child.is_finished_ok:
            self.report(told_by(child))
        asked = "predicted" in child.outputs and len(dict(child.outputs.predicted)) > 1
        frames = len(child.outputs.candidates) if asked else 0
        self._tell({"frames": frames, "why": "" if frames else told_by(child)})

    def select(self) -> None:
        """Choose what to label, and judge the probes."""
        outputs, task = self.ctx.run.outputs, self._task
        thresholds, found = Dict(task["thresholds"]), {}
        self.ctx.chosen = select_to_label(
            outputs.candidates,
            thresholds,
            Dict({**self.inputs.settings["choice"], **task["settings"]}),
            Int(task["seed"]),
            known=concatenate_frames(**{name: self.ctx.sets[name] for name in LEARNT}),
            checked=concatenate_frames(**self._never_learnt),
            **_predictions(outputs.predicted),
        )
        if "probed" in outputs and len(dict(outputs.probed)) > 1:
            found["probes"] = assess_frames(
                outputs.probes, thresholds, **_predictions(outputs.probed)
            )
        probe = largest_probe(self.inputs.explore.recipe.get_list())
        self._tell({"probe": probe}, report=self.ctx.chosen["report"], **found)
        self.report(ActiveLearning.from_state(self.ctx.state.get_dict()).last_selection)

    @property
    def _never_learnt(self) -> dict[str, FramesData]:
        """Frames that judge: were one of them learnt, errors would flatter."""
        sets = {**self.inputs, **self.ctx.sets}
        return {name: sets[name] for name in ("test", "unseen", "checks") if name in sets}

    # -- label -----------------------------------------------------------------------------

    def label(self) -> None:
        """Ask the reference."""
        inputs = self.exposed_inputs(LabelWorkChain, namespace="label")
        inputs["frames"] = self.ctx.chosen["frames"]
        self.to_context(run=self.submit(LabelWorkChain, **inputs | self._link(LABEL)))

    def take_labels(self) -> ExitCode | None:
        """Add the labels to the sets they belong to, and hand on where the round has come to."""
        child, chosen, number = self.ctx.run, self.ctx.chosen, self._task["round"]
        if not child.is_finished_ok:
            self.report(told_by(child))
        labelled = child.outputs.frames if "frames" in child.outputs else None
        if labelled is not None:
            how = (Dict(self.inputs.settings["sets"]), Int(self._task["seed"]))
            try:
                self.ctx.sets = steps.take_labels(
                    labelled, chosen["frames"], chosen["report"], *how, **self.ctx.sets
                )
            except ValueError as error:
                self._hand_on()
                return self.exit_codes.ERROR_OTHER_LABELS.format(reason=str(error))
        count = 0 if labelled is None else len(labelled)
        self._tell({"labelled": count, "failed": len(chosen["frames"]) - count})
        left = {"state": self.ctx.state, **self.ctx.sets}
        left |= {f"potentials.member_{k}": package for k, package in self.ctx.packages.items()}
        for name, node in left.items():
            self.out(f"rounds.round_{number:03d}.{name}", node)
        return None

    # -- results ---------------------------------------------------------------------------

    def results(self) -> ExitCode | None:
        """Say why it ended."""
        history = self._hand_on()
        self.report(history["reason"])
        if history["gave_up"]:
            return self.exit_codes.ERROR_GAVE_UP.format(reason=history["reason"])
        return None

    def _hand_on(self) -> Dict:
        """Hand on the sets, the last committee and the rounds so far, which are returned."""
        for name, node in self.ctx.sets.items():
            self.out(name, node)
        if "training" in self.ctx:
            self.out_many(self.exposed_outputs(self.ctx.training, TrainWorkChain))
        history = steps.summarise_rounds(self.ctx.state, **self.ctx.errors)
        self.out("history", history)
        return history


def _predictions(labelled: Mapping[str, FramesData]) -> dict[str, FramesData]:
    return {f"{PREDICTED}{key}": frames for key, frames in dict(labelled).items()}

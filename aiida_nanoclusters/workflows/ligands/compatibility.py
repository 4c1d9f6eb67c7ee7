"""CompatibilityWorkChain: models of which ligands go with which core, and what they are worth."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode, ProcessSpec, if_, while_
from aiida.orm import ArrayData, Dict, Int, List, ProcessNode, Str

from aiida_nanoclusters.calculations.ligands.methods import (
    compare_methods,
    map_pairs,
    predictions_key,
)
from aiida_nanoclusters.calculations.ligands.pairs import (
    add_negative_pairs,
    collect_ligand_pairs,
    split_ligand_pairs,
)
from aiida_nanoclusters.calculations.ligands.train_matching import matching_problem
from aiida_nanoclusters.data.core_encoder import CoreEncoderData
from aiida_nanoclusters.data.matching_model import MatchingModelData
from aiida_nanoclusters.data.pairs import PairsData
from aiida_nanoclusters.workflows.base.ligand_baselines import LigandBaselinesBaseWorkChain
from aiida_nanoclusters.workflows.base.pretrain_core import PretrainCoreBaseWorkChain
from aiida_nanoclusters.workflows.base.train_matching import TrainMatchingBaseWorkChain
from aiida_nanoclusters.workflows.ligands.compatibility_inputs import compatibility_ports
from aiida_nanoclusters.workflows.parts.batches import BatchedWorkChain, describe_child
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.protocol import load_protocol

#: Methods: with a core encoder that was pretrained, and without; the job of all baselines.
PRETRAINED, SCRATCH, BASELINES = "pretrained", "scratch", "baselines"
#: Split of the models that are for use, of which no pairs are held out to test on.
USE = "use"


class CompatibilityWorkChain(BatchedWorkChain):
    """Learn from known clusters which ligands go with which core, and measure the models.

    Whole clusters become pairs of cores and ligand sets; negatives are added by the published
    rule. For each kind of split each method is trained once per seed, and measured on the pairs
    that are held out. The committee for use is then trained on all pairs.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        compatibility_ports(spec)
        for name, valid_type, what in (
            ("pairs", PairsData, "Labelled pairs, negatives included."),
            ("collection", Dict, "Clusters that are no pairs, and why."),
            ("negatives", Dict, "Ligands that were excluded from the negatives of each core."),
            ("encoder", CoreEncoderData, "The core encoder that was pretrained."),
            ("pretraining", Dict, "Report of the pretraining, with its errors."),
            ("methods", Dict, "Metrics of each method by kind of split, with intervals."),
        ):
            spec.output(name, valid_type=valid_type, required=False, help=what)
        for name, held, what in (
            ("models", MatchingModelData, "Committee for use: `seed_<n>`."),
            ("learning_curves", ArrayData, "Of each member of the committee."),
            ("predictions", ArrayData, "Of each training that was measured."),
            ("leaks", Dict, "What training and test of each split have in common."),
            ("maps", ArrayData, "Features of the pairs in two dimensions, of each method."),
            ("separations", Dict, "How well these features separate the labels."),
        ):
            spec.output_namespace(name, valid_type=held, dynamic=True, required=False, help=what)
        spec.outline(
            if_(cls.should_collect)(cls.collect),
            cls.label,
            cls.split,
            if_(cls.should_pretrain)(cls.pretrain, cls.inspect_pretraining),
            cls.plan,
            while_(cls.has_batches)(cls.submit_batches),
            cls.gather,
            cls.compare,
            cls.results,
        )
        spec.exit_code(400, "ERROR_NO_PAIRS", message="There are no pairs to learn from: {reason}")
        spec.exit_code(401, "ERROR_NO_MODEL", message="No model for use was trained: {message}")
        spec.exit_code(402, "ERROR_TRAININGS_MISSING", message="Trainings failed: {names}.")
        spec.exit_code(403, "ERROR_PRETRAINING", message="The pretraining failed: {message}")

    @classmethod
    def get_builder_from_protocol(
        cls,
        code,
        frames=None,
        protocol=None,
        overrides=None,
        options=None,
        *,
        pairs=None,
        labelled=None,
        encoder=None,
        seeds=None,
        splits=None,
    ):
        """Return a builder; numbers from `protocols/compatibility.yaml`.

        Parameters
        ----------
        code, frames
            A Python with torch and torch_geometric; FramesData of whole clusters.
        protocol, overrides
            Name of a protocol, and what to change in it.
        options
            `metadata.options` of the jobs.
        pairs
            PairsData, in place of `frames`.
        labelled, encoder
            FramesData with energies on which the core encoder is pretrained; or CoreEncoderData.
        seeds, splits
            Random seeds of the members, and kinds of splits. Default: those of the protocol.
        """
        values = load_protocol("compatibility", protocol, overrides)
        builder = cls.get_builder()
        builder.code = code
        given = {"frames": frames, "pairs": pairs, "labelled": labelled, "encoder": encoder}
        for name, node in given.items():
            if node is not None:
                builder[name] = node
        matching = values["matching"]
        builder.pair_settings, builder.matching_settings = Dict(values["pairs"]), Dict(matching)
        builder.comparison_settings = Dict(values["comparison"])
        if labelled is not None:
            core = matching.get("core", {})
            builder.pretraining_settings = Dict({**values["pretraining"], "core": core})
        if values.get("baselines"):
            builder.baseline_settings = Dict(values["baselines"])
        builder.seeds = List(list(values["seeds"] if seeds is None else seeds))
        builder.splits = List(list(values["splits"] if splits is None else splits))
        builder.shares, builder.negative_seed = List(values["shares"]), Int(values["negative_seed"])
        builder.options = job(code, options, "train")["metadata"]["options"]
        return builder

    # -- data ------------------------------------------------------------------------------

    def should_collect(self) -> bool:
        """Whether whole clusters were given."""
        return "frames" in self.inputs

    def collect(self) -> ExitCode | None:
        """Divide the clusters into cores and ligands."""
        found, node = collect_ligand_pairs.run_get_node(
            self.inputs.frames, self.inputs.pair_settings
        )
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_NO_PAIRS.format(reason=node.exit_message)
        self.ctx.pairs = found["pairs"]
        self.out("collection", found["report"])
        return None

    def label(self) -> ExitCode | None:
        """Add negatives, unless the pairs have some."""
        pairs = self.ctx.get("pairs", self.inputs.get("pairs"))
        self.ctx.pairs = pairs
        if pairs.base.attributes.get("n_positive") == pairs.base.attributes.get("n_pairs"):
            found, node = add_negative_pairs.run_get_node(
                pairs, self.inputs.pair_settings, self.inputs.negative_seed
            )
            if not node.is_finished_ok:
                return self.exit_codes.ERROR_NO_PAIRS.format(reason=node.exit_message)
            self.ctx.pairs = found["pairs"]
            self.out("negatives", found["report"])
        self.out("pairs", self.ctx.pairs)
        return None

    def split(self) -> None:
        """Assign the pairs to training, validation and test, for each kind of split and seed."""
        self.ctx.assignments = {}
        shares, (train, validation, _) = self.inputs.shares, self.inputs.shares.get_list()
        for_use = List([train / (train + validation), validation / (train + validation), 0.0])
        for seed in self.inputs.seeds.get_list():
            for kind in self.inputs.splits.get_list():
                self._assign(kind, kind, shares, seed)
            self._assign(USE, "random", for_use, seed)

    def _assign(self, name: str, kind: str, shares: List, seed: int) -> None:
        """Make a split, and tell where it leaves too few pairs to train on."""
        found, node = split_ligand_pairs.run_get_node(self.ctx.pairs, Str(kind), shares, Int(seed))
        if not node.is_finished_ok:
            self.report(f"split {name} of seed {seed} is left out: {node.exit_message}")
            return
        key = _key(name, seed)
        given = {
            "pairs": self.ctx.pairs, "assignment": found["assignment"],
            "settings": self.inputs.matching_settings,
        }  # fmt: skip
        if problem := matching_problem(given):
            self.report(f"split {name} of seed {seed} is left out: {problem}")
            return
        self.ctx.assignments[key] = found["assignment"]
        if name != USE:
            self.out(f"leaks.{key}", found["leaks"])

    # -- pretraining -----------------------------------------------------------------------

    def should_pretrain(self) -> bool:
        """Whether there are clusters with energies."""
        return "labelled" in self.inputs

    def pretrain(self) -> None:
        """Pretrain the core encoder on formation energies."""
        inputs = {
            **job(self.inputs.code, self.inputs.options),
            "frames": self.inputs.labelled,
            "settings": self.inputs.pretraining_settings,
            "seed": Int(self.inputs.seeds.get_list()[0]),
        }
        self.to_context(pretraining=self.submit(PretrainCoreBaseWorkChain, train=inputs))

    def inspect_pretraining(self) -> ExitCode | None:
        """Go on with the pretrained encoder."""
        child = self.ctx.pretraining
        if not child.is_finished_ok:
            said = describe_child(child)
            return self.exit_codes.ERROR_PRETRAINING.format(message=said)
        self.out("encoder", child.outputs.encoder)
        self.out("pretraining", child.outputs.report)
        return None

    @property
    def _encoder(self) -> CoreEncoderData | None:
        """The core encoder that was given or pretrained, if any."""
        return self.inputs.get("encoder", self.outputs.get("encoder"))

    @property
    def _methods(self) -> list[str]:
        """The methods, that of the models for use first."""
        return [SCRATCH] if self._encoder is None else [PRETRAINED, SCRATCH]

    # -- training --------------------------------------------------------------------------

    def plan(self) -> None:
        """Plan a training for each split, method and seed, then those of the models for use."""
        methods, seeds = self._methods, self.inputs.seeds.get_list()
        measured = [*methods, *([BASELINES] if "baseline_settings" in self.inputs else [])]
        planned = [
            (split, method, seed)
            for split in self.inputs.splits.get_list()
            for method in measured
            for seed in seeds
        ]
        planned += [(USE, methods[0], seed) for seed in seeds]
        # What pretraining changes is seen beside one model without it.
        planned += [(USE, method, seeds[0]) for method in methods[1:]]
        known = self.ctx.assignments
        self.ctx.batches = [list(row) for row in planned if _key(row[0], row[2]) in known]

    def submit_batch(self, batch) -> ProcessNode:
        """Submit one training."""
        split, method, seed = batch
        label = {"call_link_label": f"{split}_{method}_{seed}"}
        inputs: dict[str, Any] = {
            **job(self.inputs.code, self.inputs.options),
            "pairs": self.ctx.pairs,
            "assignment": self.ctx.assignments[_key(split, seed)],
        }
        if method == BASELINES:
            inputs |= {"settings": self.inputs.baseline_settings, "seeds": List([seed])}
            return self.submit(LigandBaselinesBaseWorkChain, train=inputs, metadata=label)
        inputs |= {"settings": self.inputs.matching_settings, "seed": Int(seed)}
        if method == PRETRAINED:
            inputs["encoder"] = self._encoder
        return self.submit(TrainMatchingBaseWorkChain, train=inputs, metadata=label)

    def gather(self) -> ExitCode | None:
        """Attach the models for use, and the predictions of the others."""
        self.ctx.failures, said = [], "no split leaves enough pairs to train on"
        for (split, method, seed), child in zip(
            self.ctx.batches, self.finished_batches(), strict=True
        ):
            if not child.is_finished_ok:
                said = describe_child(child)
                self.report(said)
                self.ctx.failures.append(f"{split} {method} {seed}")
            if method == BASELINES:
                self._attach_baselines(split, seed, child)
            elif not child.is_finished_ok:
                continue
            elif split != USE:
                key = predictions_key(split, method, seed)
                self.out(f"predictions.{key}", child.outputs.predictions)
            elif method == self._methods[0]:
                self.out(f"models.seed_{seed}", child.outputs.model)
                self.out(f"learning_curves.seed_{seed}", child.outputs.learning_curve)
        if "models" not in self.outputs:
            return self.exit_codes.ERROR_NO_MODEL.format(message=said)
        return None

    def _attach_baselines(self, split: str, seed: int, child: ProcessNode) -> None:
        """Attach what a job of the baselines has predicted, also one that was interrupted."""
        found = child.outputs.predictions if "predictions" in child.outputs else {}
        for label in found:
            method = label.removesuffix(f"_seed_{seed}")
            self.out(f"predictions.{predictions_key(split, method, seed)}", found[label])

    # -- results ---------------------------------------------------------------------------

    def compare(self) -> None:
        """Compare the methods, and map the features of the pairs of each."""
        pairs = self.ctx.pairs
        if "predictions" in self.outputs:
            found = compare_methods(
                pairs, self.inputs.comparison_settings, **dict(self.outputs["predictions"])
            )
            self.out("methods", found)
            self.report(found["sentence"])
        mapped = set()
        for (split, method, _), child in zip(
            self.ctx.batches, self.finished_batches(), strict=True
        ):
            if split == USE and method not in mapped and child.is_finished_ok:
                mapped.add(method)
                made = map_pairs(pairs, child.outputs.model)
                self.out(f"maps.{method}", made["map"])
                self.out(f"separations.{method}", made["separation"])

    def results(self) -> ExitCode | None:
        """End with an exit code where trainings are missing."""
        if self.ctx.failures:
            return self.exit_codes.ERROR_TRAININGS_MISSING.format(
                names=", ".join(self.ctx.failures)
            )
        return None


def _key(split: str, seed: int) -> str:
    return f"{split}_seed_{seed}"

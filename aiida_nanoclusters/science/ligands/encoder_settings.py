"""Settings of the two encoders, of their pretraining and of the matching model."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from aiida_nanoclusters.science.loop_settings import LoopSettings
from aiida_nanoclusters.science.settings import Settings, quantity

#: Encoders of a core, and of a ligand.
CORE_KINDS = ("cgcnn", "schnet", "gin")
LIGAND_KINDS = ("fingerprint", "graph", "unimol")
#: Subsets of pairs and of structures, by the number that stands for each.
TRAINING, VALIDATION, TEST = 0, 1, 2
SUBSETS = ("training", "validation", "test")


class CoreEncoderSettings(Settings):
    """Graph network that turns an inorganic core into a vector."""

    kind: Literal["cgcnn", "schnet", "gin"] = quantity(
        "Layers of the network: `cgcnn`, convolutions of crystal graphs with skip connections; "
        "`schnet`, continuous filters; `gin`, sums of neighbours with the distances on the edges.",
        default="cgcnn",
    )
    features: int = quantity("Features of an atom, and of the core.", default=128, ge=4, le=512)
    layers: int = quantity("Layers of the network.", default=3, ge=1, le=12)
    cutoff: float = quantity(
        "Distance up to which two atoms are neighbours.", unit="Å", default=6.0, gt=1, le=20
    )
    gaussians: int = quantity(
        "Gaussians that stand for a distance, evenly spaced up to the cutoff.",
        default=32,
        ge=4,
        le=256,
    )


class LigandEncoderSettings(Settings):
    """Network that turns a ligand into a vector; a set of ligands is the mean of its members."""

    kind: Literal["fingerprint", "graph", "unimol"] = quantity(
        "Input of the network: `fingerprint`, counts of circular substructures and descriptors; "
        "`graph`, atoms and bonds; `unimol`, the vector of a pretrained Uni-Mol.",
        default="fingerprint",
    )
    features: int = quantity("Features of a ligand.", default=128, ge=4, le=512)
    hidden: int = quantity("Width of the hidden layer.", default=128, ge=4, le=1024)
    layers: int = quantity("Layers of the network of `graph`.", default=3, ge=1, le=12)
    radius: int = quantity(
        "Largest radius of the substructures of `fingerprint`.", unit="bonds", default=2, ge=0, le=6
    )
    bits: int = quantity(
        "Entries to which these substructures are hashed.", default=512, ge=32, le=16384
    )


class ClassifierSettings(Settings):
    """Classification of a pair: batch normalisation, dropout, and two linear layers."""

    hidden: int = quantity("Width of the hidden layer.", default=128, ge=2, le=1024)
    dropout: float = quantity(
        "Share of the features of a pair that is set to zero in training.", default=0.2, ge=0, lt=1
    )


class TrainingSettings(LoopSettings):
    """How a network is trained; the optimiser is AdamW."""

    weight_decay: float = quantity("Weight decay.", default=1e-4, ge=0, le=1)


class PretrainingTraining(TrainingSettings):
    """How the core encoder is pretrained, and which structures are held out."""

    grouping: Literal["duplicates", "composition"] = quantity(
        "What is held out together: near duplicates and structures of one parent, or all of one "
        "composition.",
        default="duplicates",
    )
    duplicate_tolerance: float = quantity(
        "Root mean square difference of the sorted pair distances below which two structures of "
        "one composition are near duplicates.",
        unit="Å",
        default=0.1,
        ge=0,
        le=10,
    )
    validation_share: float = quantity(
        "Share of the structures by which the best epoch is chosen.", default=0.1, gt=0, lt=1
    )
    test_share: float = quantity(
        "Share of the structures on which the errors are reported.", default=0.1, gt=0, lt=1
    )
    split_seed: int = quantity("Random seed of the split.", default=0, ge=0)

    @model_validator(mode="after")
    def _check_shares(self) -> PretrainingTraining:
        if self.validation_share + self.test_share >= 0.9:
            raise ValueError(
                "`validation_share` and `test_share` leave less than a tenth to train on: lower one"
            )
        return self


class MatchingTraining(TrainingSettings):
    """How the matching model is trained."""

    freeze_core: bool = quantity(
        "Whether the core encoder keeps its pretrained numbers.", default=False
    )
    outside_quantile: float = quantity(
        "Quantile of the distances of cores and of ligand sets to the nearest of the training, "
        "beyond which a new one lies outside of what the model has seen.",
        default=0.95,
        gt=0.5,
        le=1,
    )


class PretrainingSettings(Settings):
    """Settings of a pretraining of the core encoder on formation energies."""

    core: CoreEncoderSettings = quantity("The core encoder.", default=CoreEncoderSettings())
    training: PretrainingTraining = quantity("Its training.", default=PretrainingTraining())


class MatchingSettings(Settings):
    """Settings of the training of a matching model."""

    core: CoreEncoderSettings = quantity(
        "The core encoder; equal to that of the pretraining.", default=CoreEncoderSettings()
    )
    ligand: LigandEncoderSettings = quantity("The ligand encoder.", default=LigandEncoderSettings())
    classifier: ClassifierSettings = quantity(
        "Classification of the pairs.", default=ClassifierSettings()
    )
    training: MatchingTraining = quantity("The training.", default=MatchingTraining())


def of_training(settings: PretrainingSettings | MatchingSettings) -> dict[str, Any]:
    """Return what a training depends on as plain values: equal values give equal models."""
    return settings.model_dump(mode="json")

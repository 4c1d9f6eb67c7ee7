"""Which model of settings holds for which part of a protocol."""

from __future__ import annotations

from collections.abc import Mapping

from aiida_nanoclusters.science.charts.settings import (
    ChartChoice,
    ChartTrainingSettings,
    DistributionChoice,
    FamilySettings,
    NetworkSettings,
)
from aiida_nanoclusters.science.labels.settings import Cp2kSettings, VaspSettings
from aiida_nanoclusters.science.learning.dataset_settings import DatasetSettings, SamplingSettings
from aiida_nanoclusters.science.learning.settings import ActiveLearningSettings
from aiida_nanoclusters.science.learning.training_settings import (
    AlignmentSettings,
    ModelSettings,
    OptimiserSettings,
)
from aiida_nanoclusters.science.ligands.baseline_settings import BaselineSettings
from aiida_nanoclusters.science.ligands.design_settings import EditSettings, RankingSettings
from aiida_nanoclusters.science.ligands.encoder_settings import (
    ClassifierSettings,
    CoreEncoderSettings,
    LigandEncoderSettings,
    MatchingSettings,
    MatchingTraining,
    PretrainingTraining,
)
from aiida_nanoclusters.science.ligands.method_settings import MethodSettings
from aiida_nanoclusters.science.ligands.pair_settings import PairSettings
from aiida_nanoclusters.science.melting.settings import HoldSettings, MeltingSettings
from aiida_nanoclusters.science.nucleation.settings import NucleationSettings, SolutionSettings
from aiida_nanoclusters.science.reproduction.settings import ComparisonSettings
from aiida_nanoclusters.science.sampling.lowest_settings import LowestStructuresSettings
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings
from aiida_nanoclusters.science.sampling.settings import AnnealSettings, BasinHoppingSettings
from aiida_nanoclusters.science.sampling.tempering_settings import (
    LadderSettings,
    ParallelTemperingSettings,
)
from aiida_nanoclusters.science.settings import Settings
from aiida_nanoclusters.science.stability.settings import (
    CrossoverSettings,
    SizeScanSettings,
    StudySettings,
)

#: Stem of a file of protocols: dotted path in the protocol (empty: the whole): its model.
SETTINGS: dict[str, dict[str, type[Settings]]] = {
    "active_learning": {
        "settings": ActiveLearningSettings,
        "explore.settings": SamplingSettings,
    },
    "anneal": {"settings": AnnealSettings},
    "basin_hopping": {"settings": BasinHoppingSettings},
    "lowest_structures": {"settings": LowestStructuresSettings},
    "chart": {
        "settings": ChartChoice,
        "settings.distribution": DistributionChoice,
        "settings.network": NetworkSettings,
        "settings.training": ChartTrainingSettings,
        "settings.families": FamilySettings,
    },
    "compatibility": {
        "pairs": PairSettings,
        "matching": MatchingSettings,
        "matching.core": CoreEncoderSettings,
        "matching.ligand": LigandEncoderSettings,
        "matching.classifier": ClassifierSettings,
        "matching.training": MatchingTraining,
        "pretraining.training": PretrainingTraining,
        "comparison": MethodSettings,
        "baselines": BaselineSettings,
    },
    "cp2k": {"": Cp2kSettings},
    "crossover": {"settings": CrossoverSettings},
    "dataset": {"settings": DatasetSettings},
    "match_ligands": {"ranking": RankingSettings, "edits": EditSettings},
    "melting": {
        "settings": MeltingSettings,
        "settings.equilibration": HoldSettings,
        "settings.production": HoldSettings,
    },
    "metadynamics": {"settings": MetadynamicsSettings},
    "nucleate": {"": NucleationSettings, "solution": SolutionSettings},
    "parallel_tempering": {
        "settings": ParallelTemperingSettings,
        "settings.ladder": LadderSettings,
    },
    "reproduce": {"": ComparisonSettings},
    "size_scan": {"": SizeScanSettings},
    "study": {"": StudySettings},
    "train": {
        "model": ModelSettings,
        "training": OptimiserSettings,
        "alignment": AlignmentSettings,
    },
    "vasp": {"": VaspSettings},
}


def settings_models(stem: str) -> Mapping[str, type[Settings]]:
    """Return the models of a file of protocols by the path at which they hold."""
    return SETTINGS.get(stem, {})

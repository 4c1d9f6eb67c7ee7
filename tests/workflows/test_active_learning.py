"""Rounds of real trainings, explorations, choices and labels, and what happens where they fail."""

import pytest
from aiida.engine import run_get_node

from aiida_nanoclusters.workflows.active_learning import ActiveLearningWorkChain
from aiida_nanoclusters.workflows.dataset import DatasetWorkChain
from tests.calculations.test_train import tiny

RECIPE = [
    {"kind": "atom"},
    {"kind": "dimer", "nearest": 0.75, "farthest": 1.6, "count": 6},
    {"kind": "bulk", "lattices": ["fcc"], "repeat": 1, "distort": {"strains": [-0.06, 0.06]}},
    {"kind": "cluster", "sizes": [13], "structures": 6, "sample": {"temperatures": [300, 900]}},
]


@pytest.fixture
def sets(lmp_code, eam_potential):
    """Training, validation and test set, labelled by the embedded-atom potential."""
    node = run_get_node(
        DatasetWorkChain.get_builder_from_protocol(
            lmp_code, "Cu", eam_potential, protocol="trial", overrides={"recipe": RECIPE}
        )
    )[1]
    assert node.is_finished_ok, node.exit_message
    return {name: node.outputs[name] for name in ("training", "validation", "test")}


def build(lammps, nequip, reference, sets, *, training=None, **overrides):
    builder = ActiveLearningWorkChain.get_builder_from_protocol(
        lammps, nequip, "Cu", **sets, reference=reference, protocol="trial", overrides=overrides
    )
    builder.train_settings = training or tiny()
    return builder


def test_rounds(lmp_code, nequip_code, allegro_plugin, eam_potential, sets) -> None:
    node = run_get_node(build(lmp_code, nequip_code, eam_potential, sets))[1]
    assert node.is_finished_ok, node.exit_message

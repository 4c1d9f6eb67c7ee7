"""Real provenance: frames labelled by LAMMPS with two potentials, one frame known before."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from ase import Atoms

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.clusters import mackay_icosahedron
from aiida_nanoclusters.workflows.label import LabelWorkChain
from tests.workflows.engines.conftest import family, vasp  # noqa: F401


def images(seed: int) -> list[Atoms]:
    """A dimer and two icosahedra of 13 atoms, one of them nearly as it wants to be."""
    rng = np.random.default_rng(seed)
    found = [
        Atoms("Cu2", positions=[[0, 0, 0], [2.2, 0.3, 0]]),
        mackay_icosahedron("Cu", 1, 2.45),
        mackay_icosahedron("Cu", 1, 2.8),
    ]
    for k, atoms in enumerate(found):
        atoms.positions += rng.normal(scale=0.01, size=atoms.positions.shape)
        atoms.info.update(config_type="cluster", parent=f"t{k}", seed=seed)
    return found


@pytest.fixture
def other_potential(aiida_profile_clean, eam_file) -> PotentialData:
    """Another EAM of copper."""
    path = eam_file.with_name("Cu_u3.eam")
    return PotentialData.from_file(path, "eam", level_of_theory="EAM/u3").store()


@pytest.fixture
def labellings(aiida_profile_clean, lmp_code, eam_file, other_potential):
    """Frames labelled by one potential, by another, and with a new one by the first again."""
    mishin = PotentialData.from_file(eam_file, "eam/alloy", level_of_theory="EAM/Mishin2001")
    asked = FramesData(images(1)).store()
    more = FramesData([*images(1)[:1], *images(2)[1:2]]).store()
    runs = []
    for frames, potential in ((asked, mishin), (asked, other_potential), (more, mishin)):
        builder = LabelWorkChain.get_builder_for_potential(lmp_code, frames, potential)
        _, node = run_get_node(builder)
        assert node.is_finished_ok, node.exit_message
        runs.append(node)
    return runs

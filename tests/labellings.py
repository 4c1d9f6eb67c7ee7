"""Real provenance: frames labelled by LAMMPS with two potentials, one frame known before."""

from pathlib import Path

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import WorkChainNode, load_node
from aiida.tools.archive import create_archive, import_archive
from ase import Atoms

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron
from aiida_nanoclusters.workflows.labels.label import LabelWorkChain


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


@pytest.fixture(scope="session")
def labellings_archive(tmp_path_factory) -> Path:
    """Where the first test of a run that needs them leaves them for the others."""
    return tmp_path_factory.mktemp("labellings") / "labellings.aiida"


@pytest.fixture
def labellings(aiida_profile_clean, lmp_code, eam_file, labellings_archive) -> list[WorkChainNode]:
    """Frames labelled by one potential, by another, and with a new one by the first again."""
    if not labellings_archive.exists():
        made = label_thrice(lmp_code, eam_file)
        create_archive(made, filename=labellings_archive)
        labellings_archive.with_suffix(".txt").write_text(" ".join(node.uuid for node in made))
        aiida_profile_clean.reset_storage()
    import_archive(labellings_archive, create_group=False)
    return [load_node(u) for u in labellings_archive.with_suffix(".txt").read_text().split()]


@pytest.fixture
def other_potential(aiida_profile_clean, eam_file, request) -> PotentialData:
    """The potential of the second labelling, alone where there is none."""
    if "labellings" in request.fixturenames:
        return request.getfixturevalue("labellings")[1].inputs.potential.potential
    return other_eam(eam_file).store()


def other_eam(eam_file) -> PotentialData:
    path = eam_file.with_name("Cu_u3.eam")
    return PotentialData.from_file(path, "eam", level_of_theory="EAM/u3")


def label_thrice(lmp_code, eam_file) -> list[WorkChainNode]:
    mishin = PotentialData.from_file(eam_file, "eam/alloy", level_of_theory="EAM/Mishin2001")
    asked = FramesData(images(1)).store()
    more = FramesData([*images(1)[:1], *images(2)[1:2]]).store()
    runs = []
    for frames, potential in ((asked, mishin), (asked, other_eam(eam_file)), (more, mishin)):
        builder = LabelWorkChain.get_builder_for_potential(lmp_code, frames, potential)
        _, node = run_get_node(builder)
        assert node.is_finished_ok, node.exit_message
        runs.append(node)
    return runs

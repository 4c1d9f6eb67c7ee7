"""Labels are used again where this profile computed them, and not where an archive says so."""

import numpy as np
import pytest
from aiida.common.links import LinkType
from aiida.orm import WorkChainNode
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.workflows.parts.label_store import (
    METHOD,
    SEAL,
    find_labels,
    method_key,
    remember,
    seal_method,
    seal_methods_made_here,
)

KEY = method_key("potential", {"x": 1})


def labelled(energy: float) -> FramesData:
    atoms = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.3]])
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=np.zeros((2, 3)))
    return FramesData([atoms])


def engine_with(frames: FramesData, extras: dict) -> WorkChainNode:
    process = WorkChainNode().store()
    process.base.extras.set_many(extras)
    frames.base.links.add_incoming(process, LinkType.RETURN, "frames")
    frames.store() if not frames.is_stored else None
    process.seal()
    return process


@pytest.fixture
def forged(aiida_profile_clean) -> FramesData:
    """What AiiDA's own import would bring: labels that say by which method they were made."""
    frames = labelled(-999.0).store()
    engine_with(frames, {METHOD: KEY})
    return frames


def hashes(node: FramesData) -> list[str]:
    return list(node.frames.content_hashes())


def test_only_what_this_profile_computed(forged) -> None:
    wanted = hashes(forged)
    assert find_labels(KEY, wanted) == {}
    own = labelled(-3.0).store()
    process = engine_with(own, {})
    remember(process, KEY)
    engine_with(labelled(-999.0).store(), {METHOD: KEY, SEAL: process.base.extras.get(SEAL)})
    engine_with(labelled(-999.0).store(), {METHOD: KEY, SEAL: "é"})
    (found,) = find_labels(KEY, wanted).values()
    assert found.uuid == own.uuid


def test_after_an_upgrade(forged) -> None:
    """Labels of a version that set no seals are used again once the user says whose they are."""
    seal_methods_made_here()
    assert [node.uuid for node in find_labels(KEY, hashes(forged)).values()] == [forged.uuid]


def test_a_process_without_a_method_gets_no_seal(aiida_profile_clean) -> None:
    process = engine_with(labelled(-1.0).store(), {})
    seal_method(process)
    assert SEAL not in process.base.extras.keys()

"""Nodes whose content is not what their type says: named in one line, and the rest goes on."""

import logging

import pytest
from aiida.orm import CalcJobNode, Dict, Int, Str
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.cluster import Icosahedron

from aiida_nanoclusters.cli.find.explain import explain as explain_command
from aiida_nanoclusters.cli.find.find import find
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.queries import (
    find_datasets,
    find_dependents,
    find_potentials,
    find_structures,
)
from aiida_nanoclusters.queries.captions import describe
from aiida_nanoclusters.queries.explanation import explain
from aiida_nanoclusters.queries.jobs import job_times
from tests.cli.published import make_study, run

#: Attributes as an import by AiiDA itself may leave them.
BAD = [None, [1, 2], {}, {"n_frames": None}, {"sizes": 5, "elements": 5, "n_frames": "x"}]
BAD_FIELDS = {"elements": 5, "sizes": "x", "level_of_theory": ["EMT"], "lowest_energies": 3}


def spoil(node, attributes) -> str:
    """Store other attributes in the database, past all checks; the UUID."""
    model = node.backend_entity.model
    model.attributes = attributes
    model.save()
    return node.uuid


def lowest(n: int) -> FramesData:
    atoms = Icosahedron("Cu", 3)[:n]
    atoms.set_tags(0)
    atoms.calc = EMT()
    atoms.get_forces()
    from aiida_nanoclusters.science.frames import Frames

    return FramesData(Frames.from_atoms([atoms], level_of_theory="EMT")).store()


@pytest.fixture
def named(caplog):
    """Whether a node was named as one that cannot be read, each in a line of its own."""
    caplog.set_level(logging.WARNING)

    def check(uuid: str) -> bool:
        lines = [r.getMessage() for r in caplog.records if uuid in r.getMessage()]
        assert all("\n" not in line and "cannot be read" in line for line in lines)
        return bool(lines)

    return check


@pytest.mark.parametrize("attributes", BAD, ids=range(len(BAD)))
def test_datasets(aiida_profile_clean, named, attributes) -> None:
    good = FramesData([molecule("H2O")]).store()
    bad = spoil(FramesData([molecule("H2O")]).store(), attributes)
    assert [row.uuid for row in find_datasets()] == [good.uuid]
    assert named(bad)
    assert [row.uuid for row in find_datasets(elements=["H", "O"])] == [good.uuid]
    assert [row.uuid for row in find_datasets(sizes=3)] == [good.uuid]
    assert [row.uuid for row in find_datasets(sizes=(2, 4))] == [good.uuid]
    code, text = run(find, "datasets", "--element", "H")
    assert code == 0 and good.uuid in text and bad not in text


def test_each_wrong_attribute(aiida_profile_clean, named) -> None:
    good = lowest(13)
    for key, value in BAD_FIELDS.items():
        node = lowest(13)
        spoil(node, {**node.base.attributes.all, key: value})
        find_datasets(level="EMT")
        assert good.uuid in [row.uuid for row in find_datasets(elements=["Cu"], sizes=13)]
        assert [row.uuid for row in find_structures("Cu13")] == [good.uuid]


@pytest.mark.parametrize("attributes", BAD, ids=range(len(BAD)))
def test_potentials(aiida_profile_clean, named, attributes) -> None:
    make = PotentialData.lennard_jones
    good = make("Ar", epsilon=0.01, sigma=3.4, cutoff=8.0).store()
    bad = make("Ne", epsilon=0.01, sigma=3.0, cutoff=8.0).store()
    spoil(bad, attributes)
    assert [row.uuid for row in find_potentials()] == [good.uuid]
    assert named(bad.uuid)
    assert [row.uuid for row in find_potentials(elements=["Ar"])] == [good.uuid]


def test_structures_whose_file_is_gone(aiida_profile_clean, named) -> None:
    good, bad = lowest(13), lowest(13)
    model = bad.backend_entity.model
    model.repository_metadata = {}
    model.attributes = {**model.attributes, "lowest_energies": {"Cu13": -100.0}}
    model.save()
    assert [row.uuid for row in find_structures("Cu13")] == [good.uuid]
    assert named(bad.uuid)


@pytest.mark.parametrize("attributes", BAD, ids=range(len(BAD)))
def test_explain(aiida_profile_clean, tmp_path, named, attributes) -> None:
    """What was made of a bad node, and the node itself, are explained all the same."""
    frames, process = make_study(tmp_path)
    made = process.outputs.magic
    spoil(frames, attributes)
    found = explain(made)
    assert named(frames.uuid)
    assert [s.what for s in found.sources] == ["FramesData that cannot be read"]
    assert describe(frames) == "FramesData that cannot be read"
    assert made.uuid in [d.uuid for d in find_dependents(frames, everything=True)]
    for uuid in (frames.uuid, made.uuid):
        code, text = run(explain_command, uuid)
        assert code == 0 and "cannot be read" in text


def test_plain_values_and_processes(aiida_profile_clean, tmp_path, named) -> None:
    _, process = make_study(tmp_path)
    attributes = process.base.attributes.all
    element = process.inputs.element
    for node, wrong in (
        (element, None),
        (element, {"value": ["Cu"]}),
        (process, {**attributes, "version": [1]}),
        (process, {**attributes, "process_state": "lost", "exit_status": "x"}),
        (process, {"process_label": 5}),
    ):
        spoil(node, wrong)
        code, text = run(explain_command, process.uuid)
        assert code == 0 and process.uuid in text
        code, _ = run(explain_command, process.outputs.magic.uuid, "--json")
        assert code == 0


def test_times_of_jobs(aiida_profile_clean, named) -> None:
    good = CalcJobNode().store()
    spoil(good, {"last_job_info": {"wallclock_time_seconds": 3}, "resources": {}})
    for wrong in (
        {"resources": [1]},
        {"resources": {"num_machines": "many"}},
        {"last_job_info": {"wallclock_time_seconds": "long"}},
        {"scheduler_lastchecktime": "yesterday"},
    ):
        bad = CalcJobNode().store()
        spoil(bad, wrong)
        assert [job.pk for job in job_times([good.pk, bad.pk])] == [good.pk]
        assert named(bad.uuid)


def test_circle_of_calls_ends(aiida_profile_clean) -> None:
    """AiiDA's own import takes a work chain that is among its own callers."""
    from aiida.common.links import LinkType
    from aiida.manage import get_manager
    from aiida.orm import WorkChainNode
    from aiida.orm.entities import EntityTypes

    chains = [WorkChainNode().store() for _ in range(2)]
    one, other = (node.pk for node in chains)
    get_manager().get_profile_storage().bulk_insert(
        EntityTypes.LINK,
        [
            {"input_id": a, "output_id": b, "label": "CALL", "type": LinkType.CALL_WORK.value}
            for a, b in ((one, other), (other, one))
        ],
    )
    found = explain(chains[0])
    assert [caller.uuid for caller in found.callers] == [chains[1].uuid]


def test_half_characters_are_printed(aiida_profile_clean) -> None:
    node = Str("x").store()
    spoil(node, {"value": "a\ud800\x1b[2J\u202e"})
    other = Dict({"sentence": "x"}).store()
    spoil(other, {"sentence": "\x1b]0;x\x07"})
    for uuid in (node.uuid, other.uuid, Int(3).store().uuid):
        code, text = run(explain_command, uuid, "--json")
        assert code == 0 and text.isprintable()

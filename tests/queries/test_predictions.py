"""A prediction is not a label: new sets say so, old ones are known by what computed them."""

import json

import pytest
from aiida.common.links import LinkType
from aiida.orm import CalcFunctionNode, CalcJobNode, Group, WorkChainNode
from click.testing import CliRunner

from aiida_nanoclusters import queries
from aiida_nanoclusters.calculations.labels.predictions import level_of
from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.queries.captions import describe
from aiida_nanoclusters.science.frames import Frames
from tests.queries.test_queries import chain


def labelled(energy: float, level: str) -> FramesData:
    return FramesData(Frames.from_atoms([chain("Cu", 13, energy)], level_of_theory=level))


def made(node: FramesData, by, label: str) -> FramesData:
    node.base.links.add_incoming(by, LinkType.CREATE, label)
    return node.store()


def job(**inputs) -> CalcJobNode:
    node = CalcJobNode()
    node.set_process_label("EvaluateCalculation")
    for label, value in inputs.items():
        node.base.links.add_incoming(value, LinkType.INPUT_CALC, label)
    return node.store()


@pytest.fixture
def model(aiida_profile_clean, allegro_package) -> PotentialData:
    """A package of Allegro, trained at PBE."""
    return PotentialData.from_file(allegro_package, "allegro", level_of_theory="PBE").store()


def test_a_compiled_model_has_the_name_of_its_package(model, allegro_compiled):
    compiling = job(potential=model)
    compiled = PotentialData.from_file(allegro_compiled, "allegro-compiled", level_of_theory="PBE")
    compiled.base.links.add_incoming(compiling, LinkType.CREATE, "potential")
    compiled.store()
    name = f"Allegro {model.uuid[:8]} (PBE)"
    assert model.computed_level == compiled.computed_level == name
    assert compiled.level_of_theory == "PBE"  # of the labels it was trained on


def test_a_label_of_a_potential_is_at_its_own_level(eam_potential):
    assert eam_potential.computed_level == eam_potential.level_of_theory
    assert not eam_potential.architecture


def test_old_predictions_are_told_apart(model, eam_potential):
    """One job evaluates by a model and by an embedded-atom potential, both said to be `PBE`."""
    run = job(potentials__model=model, potentials__eam=eam_potential)
    wrong = made(labelled(-40.0, "PBE"), run, "labelled__model")
    right = made(labelled(-39.0, "PBE"), run, "labelled__eam")
    function = CalcFunctionNode()
    function.set_process_label("merge_evaluations")
    asked = labelled(-38.0, "PBE").store()
    for label, value in (("frames", asked), ("labelled_000_model", wrong)):
        function.base.links.add_incoming(value, LinkType.INPUT_CALC, label)
    function.store()
    merged = made(labelled(-40.0, "PBE"), function, "labelled__model")

    name = f"Allegro {model.uuid[:8]} (PBE)"
    assert [level_of(node) for node in (wrong, merged, right, asked)] == [name, name, "PBE", "PBE"]
    assert wrong.level_of_theory == "PBE"  # what it said is not changed
    assert f"energies predicted by {name}" in describe(merged)
    assert "all labelled by PBE" in describe(right)

    found = {s.level_of_theory: s for s in queries.find_structures("Cu13")}
    assert {level: (s.energy, s.predicted) for level, s in found.items()} == {
        name: (-40.0, True),
        "PBE": (-39.0, False),
    }
    assert [s.energy for s in queries.find_structures("Cu13", level="PBE")] == [-39.0]
    assert [s.energy for s in queries.find_structures("Cu13", level=name)] == [-40.0]
    sets = {d.uuid for d in queries.find_datasets(level=name)}
    assert sets == {wrong.uuid, merged.uuid}
    assert {d.uuid for d in queries.find_datasets(level="PBE", labelled=True)} == {
        right.uuid,
        asked.uuid,
    }
    shown = CliRunner().invoke(cli, ["find", "structures", "Cu13"]).output
    assert f"predicted by {name}" in shown


def test_what_mixes_labels_with_predictions_is_refused(model):
    label, prediction = labelled(-1.0, "PBE").frames, labelled(-1.0, model.computed_level).frames
    with pytest.raises(ValueError, match="what a model predicts is at a level of its own"):
        Frames.concatenate([label, prediction])


def test_steps_in_between_are_hidden(aiida_profile_clean):
    """Shown are a person's own sets, results of what a person launched, and those with a name."""
    study, part = WorkChainNode(), WorkChainNode()
    study.store()
    part.base.links.add_incoming(study, LinkType.CALL_WORK, "part")
    part.store()
    calculation = CalcJobNode()
    calculation.base.links.add_incoming(part, LinkType.CALL_CALC, "job")
    calculation.store()
    step, named, grouped, result = (
        made(labelled(-float(k), "PBE"), calculation, f"set_{k}") for k in range(4)
    )
    own = labelled(-9.0, "PBE").store()
    named.label = "to keep"
    Group("mine").store().add_nodes(grouped)
    for caller in (part, study):
        result.base.links.add_incoming(caller, LinkType.RETURN, "frames")
    step.base.links.add_incoming(part, LinkType.RETURN, "frames_of_the_part")

    shown = {d.uuid: d for d in queries.find_datasets(intermediate=False)}
    assert set(shown) == {own.uuid, named.uuid, grouped.uuid, result.uuid}
    assert (shown[named.uuid].label, shown[grouped.uuid].groups) == ("to keep", ("mine",))
    assert len(queries.find_datasets()) == 5
    output = CliRunner().invoke(cli, ["find", "datasets"]).output
    assert step.uuid not in output
    assert "“to keep”" in output and "in the group mine" in output
    everything = CliRunner().invoke(cli, ["find", "datasets", "--all", "--json"]).output
    assert step.uuid in {row["uuid"] for row in json.loads(everything)}

"""A committee, trained by a stand-in and evaluated by LAMMPS."""

import pytest
from aiida.common.links import LinkType
from aiida.engine import run_get_node
from aiida.orm import ArrayData, Bool, CalcJobNode, Dict, List
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.cluster import Icosahedron, Octahedron

from aiida_nanoclusters.cli.launch.continued import continue_training
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.queries import explain, find_potentials
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.learning.metrics import parity_name
from aiida_nanoclusters.workflows.learning.train import (
    TrainWorkChain,
    validate_inputs,
    validate_seeds,
)
from aiida_nanoclusters.workflows.reproduction.rebuild import codes_of, rebuild
from tests.allegro_model import isolated_atom_energies
from tests.calculations.learning.test_train import labelled, tiny

EXIT = TrainWorkChain.exit_codes
OPTIONS = {"max_wallclock_seconds": 600}


def motifs() -> FramesData:
    """Closed shells with EMT labels, on the training set's zero of energy."""
    images = []
    for kind, atoms in (
        ("icosahedron", Icosahedron("Cu", 2)),
        ("icosahedron", Icosahedron("Cu", 3)),
        ("truncated octahedron", Octahedron("Cu", 4, 1)),
    ):
        atoms.set_tags(0)
        atoms.calc = EMT()
        energy = atoms.get_potential_energy() + 0.5 * len(atoms)
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=atoms.get_forces())
        atoms.info["config_type"] = kind
        images.append(atoms)
    zero = isolated_atom_energies(["Cu"])
    return FramesData(Frames.from_atoms(images, level_of_theory="EMT", atom_energies=zero))


def builder_for(nequip, lammps, seeds, **inputs):
    builder = TrainWorkChain.get_builder_from_protocol(
        nequip,
        lammps,
        labelled([0, 1, 2, 3]),
        labelled([4, 5]),
        labelled([6, 7]),
        protocol="tutorial",
        options=OPTIONS,
        seeds=seeds,
    )
    builder.settings = tiny()
    for name, value in inputs.items():
        setattr(builder, name, value)
    return builder


def test_lost_member_costs_only_itself(stand_in, lmp_code, allegro_plugin, allegro_compiled):
    """One of three trainings fails: two members are compiled, evaluated and compared."""
    code = stand_in(BROKEN_SEEDS="2", COMPILED=allegro_compiled)
    shells = motifs()
    builder = builder_for(code, lmp_code, [10, 2, 3], motifs=shells, extrapolation=labelled([1]))
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    for name in ("potentials", "compiled", "learning_curves", "reports"):
        assert sorted(outputs[name]) == ["seed_10", "seed_3"]
    assert outputs["compiled"]["seed_3"].runs_in_lammps
    assert isinstance(outputs["learning_curves"]["seed_3"], ArrayData)

    errors = outputs["errors"].get_dict()
    assert errors["members"] == ["seed_10", "seed_3"]
    assert sorted(errors["sets"]) == ["extrapolation", "motifs", "test"]
    test = errors["sets"]["test"]
    assert test["n_frames"] == 2
    # the stand-in hands out one and the same model: members agree, and with their mean
    assert test["committee"]["max_force_deviation"]["max"] == pytest.approx(0, abs=1e-9)
    rows = [test["members"][key]["overall"] for key in errors["members"]]
    assert rows[0] == rows[1] == pytest.approx(test["committee"]["overall"])
    called = {link.link_label: link.node for link in node.base.links.get_outgoing().all()}
    predicted = called["evaluate_test"].outputs.labelled["seed_3"]
    package = outputs["potentials"]["seed_3"]
    assert predicted.level_of_theory == f"Allegro {package.uuid[:8]} (EMT)"
    job = next(iter(called["evaluate_test"].called))
    assert job.base.attributes.get("cache_version") == {"calc_job": 1}
    difference = errors["motif_difference"]
    assert difference["spread"] == pytest.approx(0, abs=1e-9)
    assert difference["mean"] == difference["members"]["seed_3"]["difference"]

    parity = outputs["parity"]
    energies = parity.get_array(parity_name("motifs", "energies"))
    frames = shells.frames
    assert energies == pytest.approx(frames.energies / frames.sizes - 0.5)
    errors_here = parity.get_array(parity_name("motifs", "energies", "seed_3")) - energies
    expected = 1000 * (errors_here[:2].mean() - errors_here[2])
    assert difference["mean"] == pytest.approx(expected)
    assert parity.base.attributes.get("config_types")["motifs"][2] == "truncated octahedron"

    labels = [link.link_label for link in node.base.links.get_outgoing().all()]
    assert {"seed_10", "seed_2", "seed_3", "compile_seed_3", "evaluate_test"} <= set(labels)
    assert "compile_seed_2" not in labels
    again = node.get_builder_restart()
    assert again.options["train"]["max_wallclock_seconds"] == 600


def test_members_begin_from_their_own(
    stand_in, lmp_code, allegro_plugin, allegro_compiled, tiny_potential
):
    """One of two members has initial weights; the graph and `explain` show which."""
    code = stand_in(COMPILED=allegro_compiled)
    starts = {"seed_2": tiny_potential}
    outputs, node = run_get_node(builder_for(code, lmp_code, [1, 2], start_from=starts))
    assert node.is_finished_ok, node.exit_message
    called = {link.link_label: link.node for link in node.base.links.get_outgoing().all()}
    assert called["seed_2"].inputs.train.start_from.uuid == tiny_potential.uuid
    assert "start_from" not in called["seed_1"].inputs.train
    sources = [row.uuid for row in explain(outputs["potentials"]["seed_2"]).sources]
    assert tiny_potential.uuid in sources
    known = {row.uuid for row in find_potentials(kind="allegro")}
    assert {tiny_potential.uuid, outputs["potentials"]["seed_2"].uuid} <= known
    _, again = rebuild(node, {one.uuid: one for one in codes_of(node)})
    assert {key: start.uuid for key, start in again["start_from"].items()} == {
        "seed_2": tiny_potential.uuid
    }


def test_a_training_is_continued(stand_in, lmp_code, allegro_plugin, allegro_compiled, tmp_path):
    """The member that stopped goes on from its checkpoint, the other is taken as it is."""
    code = stand_in(COMPILED=allegro_compiled, EPOCHS_PER_JOB=2, KILLED_ONCE=tmp_path / "killed")
    builder = builder_for(code, lmp_code, [1, 2])
    builder.settings = tiny(epochs=4)
    outputs, node = run_get_node(builder)
    (whole,) = outputs["potentials"]  # either may be the one that was killed
    killed = "seed_1" if whole == "seed_2" else "seed_2"
    stopped = next(
        c for c in node.called if c.process_label == "TrainBaseWorkChain" and c.exit_status
    )

    again = continue_training(node)
    assert list(again.trained) == [whole] and list(again.restart_from) == [killed]
    assert again.restart_from[killed].creator.caller.uuid == stopped.uuid
    more, finished = run_get_node(again)
    assert finished.is_finished_ok, finished.exit_message
    assert sorted(more["compiled"]) == ["seed_1", "seed_2"]
    assert more["potentials"][whole].uuid == outputs["potentials"][whole].uuid
    curve = more["learning_curves"][killed]
    assert curve.get_array("epoch").tolist() == [0, 1, 2, 3]
    assert more["reports"][killed]["jobs"] == 2
    assert more["reports"][whole].uuid == outputs["reports"][whole].uuid
    with pytest.raises(Fixable, match=f"--start-from {finished.uuid}"):
        continue_training(finished)


def test_a_member_to_continue_is_one(tiny_potential):
    inputs = {name: labelled([0]) for name in ("training", "validation", "test")}
    inputs |= {"seeds": List([1, 2]), "settings": tiny(), "trained": {"seed_1": tiny_potential}}
    problem = validate_inputs(inputs, None)
    assert problem.startswith("`trained.seed_1` was trained on ") and "leave it out" in problem
    inputs["trained"] = {"seed_3": tiny_potential}
    assert validate_inputs(inputs, None).startswith("`trained.seed_3` is not a member")


def test_predictions_are_learnt_only_where_that_is_asked_for(allegro_compiled):
    """By what their level says, and of sets that earlier versions stored by what computed them."""
    model = PotentialData.from_file(allegro_compiled, "allegro-compiled", level_of_theory="EMT")
    model.store()
    job = CalcJobNode()
    job.base.links.add_incoming(model, LinkType.INPUT_CALC, "potentials__seed_1")
    job.store()
    old = labelled([0])
    old.base.links.add_incoming(job, LinkType.CREATE, "labelled__seed_1")
    old.store()
    assert old.level_of_theory == "EMT"
    named = f"Allegro {model.uuid[:8]}"
    for frames in (old, labelled([0], level=f"{named} (EMT)")):
        inputs = {name: frames for name in ("training", "validation", "test")}
        assert f"`training` holds predictions of {named}" in validate_inputs(inputs, None)
        assert validate_inputs({**inputs, "predictions": Bool(True)}, None) is None


def test_starts_are_checked(tiny_potential, eam_potential):
    """Members are named; what does not fit is, too."""
    inputs = {name: labelled([0]) for name in ("training", "validation", "test")}
    inputs |= {"seeds": List([1, 2]), "settings": tiny()}
    assert validate_inputs({**inputs, "start_from": {"seed_1": tiny_potential}}, None) is None
    wrong = validate_inputs({**inputs, "start_from": {"seed_3": tiny_potential}}, None)
    assert wrong == "`start_from.seed_3` is not a member: use one of seed_1, seed_2"
    wrong = validate_inputs({**inputs, "start_from": {"seed_2": eam_potential}}, None)
    assert wrong.startswith("`start_from.seed_2` is a potential of kind `eam/alloy`")
    inputs["settings"] = tiny()
    inputs["settings"]["model"] = {**inputs["settings"]["model"], "num_layers": 2}
    wrong = validate_inputs({**inputs, "start_from": {"seed_2": tiny_potential}}, None)
    assert "model.num_layers is 2 in the settings and 1 in the package" in wrong


def test_nothing_is_left(stand_in, lmp_code):
    builder = builder_for(stand_in(BROKEN_SEEDS="1 2"), lmp_code, [1, 2])
    outputs, node = run_get_node(builder)
    assert node.exit_status == EXIT.ERROR_NO_MEMBER.status
    assert "training of seed_1" in node.exit_message and "no such thing" in node.exit_message
    assert "potentials" not in outputs


def test_nothing_compiles(stand_in, lmp_code, tmp_path):
    builder = builder_for(stand_in(COMPILED=tmp_path / "none"), lmp_code, [1])
    outputs, node = run_get_node(builder)
    assert node.exit_status == EXIT.ERROR_NOT_COMPILED.status
    assert list(outputs["potentials"]) == ["seed_1"]


def test_builder(nequip_code, lmp_code):
    builder = TrainWorkChain.get_builder_from_protocol(nequip_code, lmp_code, protocol="tutorial")
    assert builder.seeds.get_list() == [1, 2, 3, 4]
    changed = TrainWorkChain.get_builder_from_protocol(
        nequip_code, lmp_code, overrides={"training": {"epochs": 3}}, seeds=[7]
    )
    assert changed.settings["training"]["epochs"] == 3
    assert changed.seeds.get_list() == [7]
    assert set(changed.settings.get_dict()) == {"model", "training", "alignment"}


def test_validators(aiida_profile):
    assert validate_seeds(List([0, 5]), None) is None
    assert "whole numbers" in validate_seeds(List([]), None)
    assert "whole numbers" in validate_seeds(List([1, -1]), None)
    assert "not distinct" in validate_seeds(List([1, 1]), None)
    frames = labelled([0])
    good = {"training": frames, "validation": frames, "test": frames, "motifs": motifs()}
    assert validate_inputs(good, None) is None
    strange = labelled([1], level="PBE")
    assert "`motifs` is labelled by `PBE`" in validate_inputs({**good, "motifs": strange}, None)
    bare = FramesData([Icosahedron("Cu", 2)])
    assert "`extrapolation`: frame 0 has no energy" in validate_inputs(
        {**good, "extrapolation": bare}, None
    )


def test_settings_are_checked(nequip_code, lmp_code):
    builder = TrainWorkChain.get_builder_from_protocol(nequip_code, lmp_code)
    with pytest.raises(ValueError, match="settings"):
        builder.settings = Dict({"model": {}})


def test_the_extrapolation_set_has_a_former_name(aiida_profile):
    """`unseen` of earlier versions is taken for it, where a builder is filled and where it runs."""
    frames = labelled([0])
    builder = TrainWorkChain.get_builder()
    with pytest.warns(DeprecationWarning, match="`unseen` of TrainWorkChain is called"):
        builder.unseen = frames
    assert builder.extrapolation is frames
    with pytest.warns(DeprecationWarning, match="is called `extrapolation` now"):
        assert TrainWorkChain.with_present_names({"unseen": frames}) == {"extrapolation": frames}

"""Rounds of trainings, explorations, choices and labels, and what happens where they fail.

Most replace nequip by a stand-in: all members are then the same model, so that their deviation is
zero, and the frames to label are drawn at random. One test runs the real programs.
"""

import re
from importlib import import_module

import pytest
import torch
from aiida.cmdline.utils.common import get_workchain_report
from aiida.engine import run_get_node
from aiida.orm import Bool, Dict, List, Str
from ase.calculators.eam import EAM
from ase.calculators.singlepoint import SinglePointCalculator
from click.testing import CliRunner

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.learning.splitting import largest_forces
from aiida_nanoclusters.science.structures.recipe import convergence_test_entries
from aiida_nanoclusters.science.structures.recipe_checks import recipe_problem
from aiida_nanoclusters.workflows.labels.label import limit_jobs
from aiida_nanoclusters.workflows.learning.active_learning import ActiveLearningWorkChain
from aiida_nanoclusters.workflows.learning.active_learning_inputs import (
    validate_inputs,
    validate_settings,
)
from aiida_nanoclusters.workflows.parts.codes import JobCodes
from aiida_nanoclusters.workflows.parts.protocol import load_protocol, protocol_names
from tests.allegro_model import training_frames
from tests.calculations.learning.test_train import labelled, tiny
from tests.calculations.learning.test_warm_start import weights_of

EXPLORED = [
    {"kind": "cluster", "sizes": [13], "structures": 2, "sample": {"temperatures": [300]}},
    {"kind": "motif", "motif": "icosahedron", "sizes": [55], "convergence_test": True,
     "sample": {"temperatures": [300]}},
]  # fmt: skip
LEVEL = "EAM/Mishin2001"
AT_RANDOM = {"by": "random", "classes": ["accurate", "candidate"]}


@pytest.fixture
def sets(aiida_profile, eam_file) -> dict[str, FramesData]:
    """Training, validation and test set, labelled by the embedded-atom potential."""
    images = training_frames(["Cu"])
    for atoms in images:
        atoms.calc = EAM(potential=str(eam_file))
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **labels)
    level = {"level_of_theory": LEVEL, "atom_energies": {"Cu": 0.0}}
    parts = {"training": images[:4], "validation": images[4:6], "test": images[6:]}
    return {name: FramesData(Frames.from_atoms(own, **level)) for name, own in parts.items()}


def build(lammps, nequip, reference, sets, **overrides):
    builder = ActiveLearningWorkChain.get_builder_from_protocol(
        JobCodes(lammps, nequip),
        "Cu",
        **sets,
        reference=reference,
        protocol="trial",
        overrides=overrides,
    )
    builder.train_settings = tiny()
    return builder


def history(node):
    return node.outputs.history["rows"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_rounds(lmp_code, nequip_code, allegro_plugin, eam_potential, sets, tmp_path) -> None:
    """Trained, aligned, compiled; the second round begins with the aligned weights of the first."""
    settings = {"loop": {"budget": 6, "max_rounds": 1}}
    builder = build(lmp_code, nequip_code, eam_potential, sets, settings=settings)
    builder.train_settings = Dict({**tiny().get_dict(), "alignment": {"dampings": [1e-2]}})
    builder.warm_settings = tiny()
    node = run_get_node(builder)[1]
    assert node.is_finished_ok, node.exit_message
    found = node.outputs.history
    assert found["reason"] == "budget: 6 labels requested, 6 obtained"
    assert [row["labels"] for row in found["rows"]] == [0, 6]
    assert [row.get("labelled") for row in found["rows"]] == [6, None]
    assert all(row["members"] == 2 and row["errors"]["test"]["overall"] for row in found["rows"])
    # Every label is in a set, none in the test set, and no convergence-test frame is labelled.
    before = {name: set(frames.frames.content_hashes()) for name, frames in sets.items()}
    after = {name: node.outputs[name].frames for name in ("training", "validation")}
    hashes = {name: set(frames.content_hashes()) for name, frames in after.items()}
    added = set().union(*hashes.values()) - before["training"] - before["validation"]
    (child,) = [c for c in node.called if c.process_label == "LabelWorkChain"]
    new = child.outputs.frames.frames
    limit = node.inputs.settings["sets"]["max_force"]
    assert added == set(new.select(largest_forces(new) <= limit).content_hashes())
    assert not added & before["test"]
    assert 55 not in {*after["training"].sizes, *after["validation"].sizes}
    report = get_workchain_report(node, "REPORT")
    assert re.search(
        r"round 1: [\d.]+ % of the convergence-test frames of 55 atoms uncertain", report
    )
    assert after["training"].labelled.all()
    assert node.inputs.test.uuid == sets["test"].uuid
    assert set(node.outputs.rounds) == {"round_001"}
    assert len(dict(node.outputs.rounds.round_001.potentials)) == 2
    trainings = [c for c in node.called if c.process_label == "TrainWorkChain"]
    assert len(trainings) == 2
    jobs = []
    for training in trainings:
        errors = training.outputs.errors["sets"]["test"]["committee"]
        assert errors["overall"]["n_frames"] == len(sets["test"])
        assert errors["max_force_deviation"]["max"] > 0
        called = training.called_descendants
        jobs += [job for job in called if job.process_label == "TrainCalculation"]
    later = [job for job in jobs if "start_from" in job.inputs]
    assert len(later) == len(jobs) - len(later) == 2
    for job in later:
        old, new = (weights_of(p, tmp_path) for p in (job.inputs.start_from, job.outputs.potential))
        assert set(old) == set(new)
        assert any(not torch.equal(old[name], new[name]) for name in old)


@pytest.fixture
def play(stand_in, lmp_code, allegro_plugin, allegro_compiled, eam_potential, sets):
    """Run a loop whose members are one and the same model, within seconds."""

    def run(*, environment=None, prepare=None, choice=AT_RANDOM, calibration=None, **loop):
        code = stand_in(COMPILED=allegro_compiled, **(environment or {}))
        loop = {"members": 2, "failed_above": 1e3, "max_rounds": 2, **loop}
        settings = {"loop": loop, "choice": choice, "calibration": calibration}
        explore = {"recipe": EXPLORED}
        builder = build(lmp_code, code, eam_potential, sets, settings=settings, explore=explore)
        if prepare:
            prepare(builder)
        return run_get_node(builder)[1]

    return run


@pytest.mark.slow
def test_members_that_agree_on_the_convergence_test_end_the_loop(play) -> None:
    node = play(choice={}, max_rounds=5)
    assert node.is_finished_ok, node.exit_message
    assert node.outputs.history["converged"]
    assert node.outputs.history["reason"] == (
        "converged: 0 % of the frames of 55 atoms uncertain, below 5 % in 2 rounds in a row"
    )
    assert len(node.outputs.training) == len(node.inputs.training)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_lost_member_a_calibration_and_a_later_run(play) -> None:
    """A member is left out, calibration frames are not learnt; a run continues from round 1."""
    calibrated = {
        "members": 3,
        "calibration": {"max_error": 5.0, "share": 0.5, "confidence": 0.5},
        "calibration_frames": 2,
        "converged_rounds": 9,
    }
    whole = play(environment={"BROKEN_SEEDS": "1000002"}, **calibrated)
    assert whole.is_finished_ok, whole.exit_message
    rows = history(whole)
    assert [row["members"] for row in rows] == [2, 3, 3]
    # At 50 % of each, two calibration frames of such a model are enough to change the threshold.
    assert rows[0]["accurate_below"] == 0.02 and rows[1]["accurate_below"] != 0.02
    drawn = set(whole.outputs.calibration.frames.content_hashes())
    assert len(drawn) == 4
    for name in ("training", "validation"):
        assert not drawn & set(whole.outputs[name].frames.content_hashes())
    # Each round splits its trajectories with another seed, and chooses no held-out frame.
    steps = [(child.process_label, child.inputs) for child in whole.called]
    assert len({inputs.seed.value for label, inputs in steps if label == "add_labels"}) == 2
    for label, inputs in steps:
        if label == "select_to_label":
            aside = set(inputs.held_out.frames.content_hashes())
            assert set(whole.inputs.test.frames.content_hashes()) <= aside

    def restart(builder):
        left = dict(whole.outputs.rounds.round_001)
        builder.start_from = dict(left.pop("potentials"))
        for name, node in left.items():
            builder[name] = node

    again = play(prepare=restart, **calibrated)
    for node in (whole, again):
        assert node.outputs.history["reason"] == "budget: 12 labels requested, 12 obtained"
    for name in ("training", "validation"):
        ours, theirs = (n.outputs[name].frames.content_hashes() for n in (again, whole))
        assert ours == theirs
    assert len(again.outputs.training) + len(again.outputs.validation) > len(
        again.inputs.training
    ) + len(again.inputs.validation)


@pytest.mark.parametrize(
    ("environment", "breaks", "reason"),
    [
        (
            {"BROKEN_SEEDS": "1000001 1000002"},
            None,
            "training failed: a committee of 0 has no deviation",
        ),
        ({}, "label", "labelling failed: none of 6 frames"),
        ({}, "explore", "exploration failed: ExploreWorkChain<"),
    ],
)
def test_a_step_that_always_fails_ends_the_loop(play, code_on, environment, breaks, reason) -> None:
    def break_it(builder):
        if breaks == "label":
            builder.label.reuse = Bool(False)
            builder.label.potential.evaluate.code = code_on("broken", "/bin/false")
        elif breaks == "explore":
            builder.explore.sampler.lammps.code = code_on("broken", "/bin/false")

    node = play(environment=environment, prepare=break_it, patience=1)
    assert node.exit_status == ActiveLearningWorkChain.exit_codes.ERROR_GAVE_UP.status
    assert node.outputs.history["reason"].startswith(reason)
    assert len(node.outputs.training) == len(node.inputs.training)


@pytest.mark.parametrize("engine", ["cp2k", "vasp"])
def test_jobs_are_limited_where_they_are_submitted(aiida_profile, engine) -> None:
    inputs = {"engine": Str(engine), engine: {}}
    limit_jobs(inputs, 5)
    bound = {"cp2k": (5, None), "vasp": (1, 5)}[engine]
    assert (inputs["max_concurrent"], inputs[engine].get("max_concurrent")) == bound


@pytest.mark.parametrize("protocol", protocol_names("active_learning"))
def test_protocols_are_valid(protocol) -> None:
    values = load_protocol("active_learning", protocol, element="Ni")
    assert validate_settings(Dict(values["settings"]), None) is None
    recipe = values["explore"]["recipe"]
    assert recipe_problem(recipe) is None
    tested, sizes = convergence_test_entries(recipe), [e.get("sizes", []) for e in recipe]
    labelled_sizes = {n for k, own in enumerate(sizes) if k not in tested for n in own}
    if protocol.startswith("solution"):  # all structures are handed in
        assert {entry["kind"] for entry in recipe} == {"given"} and not tested
    else:
        assert tested and min(n for k in tested for n in sizes[k]) >= max(labelled_sizes)
    for name in ("train", "warm"):
        if values[name] is not None:
            assert load_protocol("train", values[name]["protocol"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loop": {"share": 0.0}}, "`loop.share` is 0.0"),
        ({"loop": {"epochs": 3}}, "unknown setting `loop.epochs`"),
        ({"choice": {"classes": ["bad"]}}, "only accurate, candidate, failed"),
        ({"calibration": {"share": 0.1}}, "`calibration.max_error` is missing"),
        ({"sets": {"validation": 1.0}}, "`sets.validation` is 1.0: input should be less than 1"),
        ({"more": {}}, "unknown setting `more`"),
    ],
)
def test_settings_out_of_their_limits(change, message) -> None:
    values = load_protocol("active_learning", "trial", {"settings": change})["settings"]
    assert message in validate_settings(Dict(values), None)


def test_inputs_that_do_not_fit(aiida_profile, eam_potential, lmp_code, nequip_code) -> None:
    sets = {"training": labelled([0, 1]), "validation": labelled([2]), "test": labelled([3])}
    label = {"potential": {"potential": eam_potential}}
    given = {**sets, "element": Str("Cu"), "label": label}
    assert "label all at one level" in validate_inputs(given, None)
    silver = validate_inputs({**given, "element": Str("Ag")}, None)
    assert "`training` holds Cu, not Ag: give frames of these elements alone" in silver
    alloy = {key: value for key, value in given.items() if key != "element"}
    message = validate_inputs({**alloy, "elements": List(["Cu", "Ni"])}, None)
    assert "`training` holds Cu, not Cu, Ni" in message
    assert "give either `element`" in validate_inputs(alloy, None)
    other = {**given, "validation": labelled([2], level="PBE")}
    assert "label both at one level" in validate_inputs(other, None)
    settings = Dict(load_protocol("cp2k", "gfn1-xtb"))
    by_cp2k = {"engine": Str("cp2k"), "cp2k": {"job": {"settings": settings}}}
    message = validate_inputs({**given, "label": by_cp2k}, None)
    assert "new frames would be by `CP2K/GFN1-xTB`" in message
    own = {**given, "label": {"cp2k": {}}}
    assert "`calibration` is labelled by" in validate_inputs(
        {**own, "calibration": labelled([4], level="PBE")}, None
    )
    assert validate_inputs(own, None) is None
    assert "give both its `state`" in validate_inputs({**own, "state": Dict({})}, None)
    cold = load_protocol("train", "tutorial")
    warm = {**own, "train_settings": Dict(cold), "warm_settings": Dict(cold)}
    assert validate_inputs(warm, None) is None
    wider = Dict({**cold, "model": {**cold["model"], "r_max": 6.0}})
    message = validate_inputs({**warm, "warm_settings": wider}, None)
    assert "`warm_settings` has another `model`" in message
    later = {**warm, "state": Dict({}), "start_from": {"member_0": eam_potential}}
    assert "`start_from.member_0` is a potential of kind" in validate_inputs(later, None)


def test_ports_of_an_earlier_version(sets) -> None:
    """Sets of a run recorded earlier are taken under their former names."""
    builder = ActiveLearningWorkChain.get_builder()
    with pytest.warns(DeprecationWarning, match="`unseen` of Act.* is called `extrapolation` now"):
        builder.unseen = sets["test"]
    with pytest.warns(DeprecationWarning, match="`checks` of Act.* is called `calibration` now"):
        builder.checks = sets["test"]
    assert builder.extrapolation.uuid == builder.calibration.uuid == sets["test"].uuid


def test_options_of_the_launch_script(monkeypatch, sets, lmp_code, nequip_code, eam_file) -> None:
    script = import_module("aiida_nanoclusters.cli.run.active_learning")
    built = []

    def launch(builder, here):
        built.append(builder)
        raise SystemExit(0)

    monkeypatch.setattr(script.cli, "get_sets", lambda uuid: dict(sets))
    monkeypatch.setattr(script.cli, "launch", launch)
    codes = ["--lammps", lmp_code.uuid, "--nequip", nequip_code.uuid]
    given = ["--dataset", "x", "--potential-file", str(eam_file), "--level", LEVEL, *codes]
    thresholds = ["--low", "0.3", "--high", "2.5", "--calibrate", "0.4"]
    done = CliRunner().invoke(script.main, [*given, *thresholds])
    assert "give --calibration N as well" in done.output and not built
    done = CliRunner().invoke(
        script.main, [*given, *thresholds, "--checks", "4", "--labels-per-round", "12"]
    )
    assert done.exit_code == 0, done.output
    settings = built[0].settings.get_dict()
    loop = settings["loop"]
    assert (loop["accurate_below"], loop["failed_above"]) == (0.3, 2.5)
    assert (loop["calibration_frames"], loop["per_round"]) == (4, 12)
    assert settings["calibration"] == {"max_error": 0.4, "share": 0.1, "confidence": 0.9}

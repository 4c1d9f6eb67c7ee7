"""Rounds of trainings, explorations, choices and labels, and what happens where they fail.

Most play nequip: all members are then the same model, so that they never disagree, and what is
labelled is drawn by chance. Once all of it is real.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from aiida.cmdline.utils.common import get_workchain_report
from aiida.common import AttributeDict
from aiida.engine import run_get_node
from aiida.orm import Bool, Dict, Int, List, Str
from ase.build import bulk
from ase.calculators.eam import EAM
from ase.calculators.singlepoint import SinglePointCalculator
from click.testing import CliRunner

from aiida_nanoclusters.calculations.active_learning import split_probes, take_labels
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recipe_checks import recipe_problem
from aiida_nanoclusters.science.selection import largest_forces
from aiida_nanoclusters.workflows.active_learning import ActiveLearningWorkChain
from aiida_nanoclusters.workflows.active_learning_inputs import validate_inputs, validate_settings
from aiida_nanoclusters.workflows.label import limit_jobs
from aiida_nanoclusters.workflows.protocol import load_protocol, protocol_names
from tests.allegro_model import training_frames
from tests.calculations.test_train import labelled, tiny

EXPLORED = [
    {"kind": "cluster", "sizes": [13], "structures": 2, "sample": {"temperatures": [300]}},
    {"kind": "motif", "motif": "icosahedron", "sizes": [55], "probe": True,
     "sample": {"temperatures": [300]}},
]  # fmt: skip
LEVEL = "EAM/Mishin2001"
BY_CHANCE = {"by": "chance", "wanted": ["good", "decent"]}


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
        lammps, nequip, "Cu", **sets, reference=reference, protocol="trial", overrides=overrides
    )
    builder.train_settings = tiny()
    return builder


def history(node):
    return node.outputs.history["rows"]


def test_rounds(lmp_code, nequip_code, allegro_plugin, eam_potential, sets) -> None:
    settings = {"loop": {"budget": 6, "max_rounds": 1}}
    node = run_get_node(build(lmp_code, nequip_code, eam_potential, sets, settings=settings))[1]
    assert node.is_finished_ok, node.exit_message
    found = node.outputs.history
    assert found["reason"] == "budget: 6 labels asked for, 6 obtained"
    assert [row["labels"] for row in found["rows"]] == [0, 6]
    assert [row.get("labelled") for row in found["rows"]] == [6, None]
    assert all(row["members"] == 2 and row["errors"]["test"]["overall"] for row in found["rows"])
    # Every label has gone somewhere, none to the test set, and no probe was labelled.
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
    assert "round 1: probes of 55 atoms in doubt " in get_workchain_report(node, "REPORT")
    assert after["training"].labelled.all()
    assert node.inputs.test.uuid == sets["test"].uuid
    assert set(node.outputs.rounds) == {"round_001"}
    assert len(dict(node.outputs.rounds.round_001.potentials)) == 2


@pytest.fixture
def play(stand_in, lmp_code, allegro_plugin, allegro_compiled, eam_potential, sets):
    """Run a loop whose members are one and the same model, in no time."""

    def run(*, environment=None, prepare=None, choice=BY_CHANCE, calibration=None, **loop):
        code = stand_in(COMPILED=allegro_compiled, **(environment or {}))
        loop = {"members": 2, "high": 1e3, "max_rounds": 2, **loop}
        settings = {"loop": loop, "choice": choice, "calibration": calibration}
        explore = {"recipe": EXPLORED}
        builder = build(lmp_code, code, eam_potential, sets, settings=settings, explore=explore)
        if prepare:
            prepare(builder)
        return run_get_node(builder)[1]

    return run


def test_members_that_agree_on_the_probes_are_done(play) -> None:
    node = play(choice={}, max_rounds=5)
    assert node.is_finished_ok, node.exit_message
    assert node.outputs.history["converged"]
    assert node.outputs.history["reason"] == (
        "converged: 0 % of the frames of 55 atoms in doubt, below 5 % in 2 rounds in a row"
    )
    assert len(node.outputs.training) == len(node.inputs.training)


def test_a_lost_member_costs_only_itself_and_checks_are_not_learnt(play) -> None:
    calibration = {"error": 5.0, "share": 0.5, "confidence": 0.5}
    node = play(
        environment={"BROKEN_SEEDS": "1000002"}, members=3, calibration=calibration, checks=2
    )
    assert node.is_finished_ok, node.exit_message
    rows = history(node)
    assert [row["members"] for row in rows] == [2, 3, 3]
    # At 50 % of each, two checks of such a model can show something: the threshold has moved.
    assert rows[0]["low"] == 0.02 and rows[1]["low"] != 0.02
    checks = set(node.outputs.checks.frames.content_hashes())
    assert len(checks) == 4
    for name in ("training", "validation"):
        assert not checks & set(node.outputs[name].frames.content_hashes())


def test_a_later_run_goes_on_from_a_round(play) -> None:
    whole = play(calm_rounds=9)

    def go_on(builder):
        left = dict(whole.outputs.rounds.round_001)
        builder.start_from = dict(left.pop("potentials"))
        for name, node in left.items():
            builder[name] = node

    # Each round deals its trajectories anew, and keeps away from the frames that judge.
    steps = [(child.process_label, child.inputs) for child in whole.called]
    assert len({inputs.seed.value for label, inputs in steps if label == "take_labels"}) == 2
    for label, inputs in steps:
        if label == "select_to_label":
            aside = set(inputs.checked.frames.content_hashes())
            assert set(whole.inputs.test.frames.content_hashes()) <= aside
    again = play(prepare=go_on, calm_rounds=9)
    for node in (whole, again):
        assert node.outputs.history["reason"] == "budget: 12 labels asked for, 12 obtained"
    for name in ("training", "validation"):
        ours, theirs = (n.outputs[name].frames.content_hashes() for n in (again, whole))
        assert ours == theirs
    assert len(again.outputs.training) + len(again.outputs.validation) > len(
        again.inputs.training
    ) + len(again.inputs.validation)


@pytest.mark.parametrize(
    ("environment", "breaks", "reason"),
    [
        ({"BROKEN_SEEDS": "1000001 1000002"}, None, "training failed: a committee of 0 cannot"),
        ({}, "label", "labelling failed: none of 6 frames"),
        ({}, "explore", "exploration failed: ExploreWorkChain<"),
    ],
)
def test_what_never_works_is_given_up(play, code_on, environment, breaks, reason) -> None:
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


def test_probes_are_parted_from_candidates(aiida_profile) -> None:
    images = [bulk("Cu"), bulk("Cu", cubic=True), bulk("Cu")]
    for k, atoms in zip((0, 1, 0), images, strict=True):
        atoms.info["parent"] = f"{k:02d}-bulk-{len(atoms)}-000 300 K"
        atoms.rattle(0.01 * (k + 1))
    frames = FramesData(Frames.from_atoms(images))
    recipe = List([{"kind": "bulk"}, {"kind": "bulk", "probe": True}])
    parts = split_probes(recipe, frames)
    assert list(parts["candidates"].frames.sizes) == [1, 1]
    assert list(parts["probes"].frames.sizes) == [4]
    assert set(split_probes(List([{}, {}]), frames)) == {"candidates"}


def test_labels_go_where_they_belong(aiida_profile) -> None:
    """Of eight: one failed, two are checks, one has too large a force; the others are dealt out."""
    chosen = labelled(range(8))
    frames = chosen.frames.with_origin(parents=[f"run {k}" for k in range(8)])
    largest = int(np.argmax(largest_forces(frames)[2:7])) + 2
    limit = float(np.sort(largest_forces(frames)[2:7])[-1] - 1e-6)
    start = {
        "training": FramesData(frames.select([2])),
        "validation": FramesData(frames.select([2])),
    }
    settings = Dict({"validation": 0.5, "max_force": limit})
    given = (FramesData(frames.select(range(7))), chosen, Dict({"checks": 2}), settings, Int(3))
    sets = take_labels(*given, **start)
    hashes = frames.content_hashes()
    found = {name: set(node.frames.content_hashes()) for name, node in sets.items()}
    assert found["checks"] == set(hashes[:2])
    learnt = set(hashes[2:7]) - {hashes[largest]} | {hashes[2]}
    assert found["training"] | found["validation"] == learnt
    assert not found["checks"] & learnt
    # A trajectory stays on its side, whatever comes with it.
    later = take_labels(FramesData(frames.select([4, 5])), *given[1:], **start)
    for name in ("training", "validation"):
        added = set(later[name].frames.content_hashes()) - {hashes[2]}
        assert added <= found[name] | {hashes[largest]}


def test_each_round_deals_anew(aiida_profile) -> None:
    """Runs of later rounds have the names of earlier ones, but are others."""
    chosen = labelled(range(8))
    frames = chosen.frames.with_origin(parents=[f"run {k}" for k in range(8)])
    start = {name: FramesData(frames.select([0])) for name in ("training", "validation")}
    settings = Dict({"validation": 0.5, "max_force": 1e3})
    given = (FramesData(frames.select(range(1, 8))), chosen, Dict({"checks": 0}), settings)
    dealt = {
        frozenset(take_labels(*given, Int(seed), **start)["validation"].frames.content_hashes())
        for seed in range(1, 5)
    }
    assert len(dealt) > 1


def test_thresholds_stay_where_one_member_judged_the_checks(aiida_profile) -> None:
    told: list[str] = []
    exit_message = "LAMMPS failed"
    for outputs in ({}, {"labelled": {"seed_1": labelled([0])}}):
        run = AttributeDict(
            {"outputs": outputs, "process_label": "X", "pk": 7, "exit_message": exit_message}
        )
        process = AttributeDict({"ctx": {"run": run}})
        process.report = told.append
        assert ActiveLearningWorkChain._calibrated(process) == {}
    assert told[1] == "`low` stays: 1 members judged the checks (X<7>: LAMMPS failed)"


@pytest.mark.parametrize("engine", ["cp2k", "vasp"])
def test_jobs_are_bounded_where_they_are_submitted(aiida_profile, engine) -> None:
    inputs = {"engine": Str(engine), engine: {}}
    limit_jobs(inputs, 5)
    bound = {"cp2k": (5, None), "vasp": (1, 5)}[engine]
    assert (inputs["max_concurrent"], inputs[engine].get("max_concurrent")) == bound


@pytest.mark.parametrize("protocol", protocol_names("active_learning"))
def test_protocols_make_sense(protocol) -> None:
    values = load_protocol("active_learning", protocol, element="Ni")
    assert validate_settings(Dict(values["settings"]), None) is None
    recipe = values["explore"]["recipe"]
    assert recipe_problem(recipe) is None
    labelled_sizes = {n for e in recipe if not e.get("probe") for n in e.get("sizes", [])}
    probes = {n for e in recipe if e.get("probe") for n in e["sizes"]}
    assert min(probes) >= max(labelled_sizes)
    for name in ("train", "warm"):
        if values[name] is not None:
            assert load_protocol("train", values[name]["protocol"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loop": {"share": 0.0}}, "`share` is 0.0"),
        ({"loop": {"epochs": 3}}, "unexpected keyword"),
        ({"choice": {"wanted": ["bad"]}}, "only good, decent and poor"),
        ({"calibration": {"error": 0.1}}, "is missing"),
        ({"sets": {"validation": 1.0}}, "between 0 and 1"),
        ({"more": {}}, "unknown ['more']"),
    ],
)
def test_settings_that_make_no_sense(change, message) -> None:
    values = load_protocol("active_learning", "trial", {"settings": change})["settings"]
    assert message in validate_settings(Dict(values), None)


def test_inputs_that_do_not_fit(aiida_profile, eam_potential, lmp_code, nequip_code) -> None:
    sets = {"training": labelled([0, 1]), "validation": labelled([2]), "test": labelled([3])}
    label = {"potential": {"potential": eam_potential}}
    given = {**sets, "element": Str("Cu"), "label": label}
    assert "label all at one level" in validate_inputs(given, None)
    assert "frames of that element alone" in validate_inputs({**given, "element": Str("Ag")}, None)
    other = {**given, "validation": labelled([2], level="PBE")}
    assert "label both at one level" in validate_inputs(other, None)
    settings = Dict(load_protocol("cp2k", "gfn1-xtb"))
    by_cp2k = {"engine": Str("cp2k"), "cp2k": {"job": {"settings": settings}}}
    message = validate_inputs({**given, "label": by_cp2k}, None)
    assert "new frames would be by `CP2K/GFN1-xTB`" in message
    own = {**given, "label": {"cp2k": {}}}
    assert "`checks` is labelled by" in validate_inputs(
        {**own, "checks": labelled([4], level="PBE")}, None
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


def test_options_of_the_launch_script(monkeypatch, sets, lmp_code, nequip_code, eam_file) -> None:
    path = Path(__file__).parents[2] / "workchains" / "active_learning.py"
    spec = importlib.util.spec_from_file_location("launch_active_learning", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
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
    assert "give --checks N as well" in done.output and not built
    done = CliRunner().invoke(
        script.main, [*given, *thresholds, "--checks", "4", "--labels-per-round", "12"]
    )
    assert done.exit_code == 0, done.output
    settings = built[0].settings.get_dict()
    loop = settings["loop"]
    assert (loop["low"], loop["high"], loop["checks"], loop["per_round"]) == (0.3, 2.5, 4, 12)
    assert settings["calibration"] == {"error": 0.4, "share": 0.1, "confidence": 0.9}

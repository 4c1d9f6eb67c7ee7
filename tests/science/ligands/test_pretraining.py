"""Formation energies: references, groups that are held out together, and the pretraining."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.cluster import Icosahedron

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.ligands import pretraining
from aiida_nanoclusters.science.ligands.core_encoder import PretrainedEncoder
from aiida_nanoclusters.science.ligands.encoder_settings import (
    TRAINING,
    PretrainingSettings,
    PretrainingTraining,
)
from aiida_nanoclusters.science.ligands.formation_energies import (
    composition_baselines,
    energy_errors,
    frame_compositions,
    group_structures,
    prepare_energies,
    split_groups,
)
from aiida_nanoclusters.science.ligands.training_files import (
    CARRIED,
    ENCODER_ARRAYS_FILE,
    ENCODER_FILE,
    PACKAGE,
)
from aiida_nanoclusters.science.training_files import (
    CHECKPOINT_FILE,
    PREVIOUS_FILE,
    REPORT_FILE,
)
from tests.carried import lay_out
from tests.small_matching import (
    SMALL_ENERGIES,
    labelled,
    lennard_jones,
    predictions,
    trained_encoder,
    write_energy_job,
)
from tests.small_matching import (
    TRAINING as SHORT,
)

SETTINGS = PretrainingSettings(**SMALL_ENERGIES)
#: A small set on which a network learns.
LEARNING = {
    "core": {"features": 24, "layers": 2, "gaussians": 16, "cutoff": 4.5},
    "training": {
        **SMALL_ENERGIES["training"],
        **{"epochs": 40, "fewest_epochs": 40, "batch_size": 16, "milestones": [25, 35]},
        "duplicate_tolerance": 0.0,
    },
}


@pytest.fixture(scope="module")
def frames():
    return lennard_jones()


# -- energies ----------------------------------------------------------------------------------


def several(energy_of, extra=(), copies=24):
    """Clusters of Au, Ag and both, distinct, with energies of a rule."""
    random, images = np.random.default_rng(0), []
    for k in range(copies):
        for symbols in ("Au3", "Ag4", "Au2Ag2"):
            atoms = Atoms(symbols, random.normal(0, 2, (len(Atoms(symbols)), 3)))
            images.append(labelled(atoms, energy_of(atoms, k)))
    return Frames.from_atoms([*images, *extra])


def by_rule(atoms, k):
    """-3 eV for each Au, -2 for each Ag, 0.1 eV per atom and step above."""
    symbols = atoms.get_chemical_symbols()
    return -3.0 * symbols.count("Au") - 2.0 * symbols.count("Ag") + 0.1 * len(symbols) * (k % 3)


def test_given_references():
    energies = prepare_energies(several(by_rule), SETTINGS, {"Au": -3.0, "Ag": -2.0})
    assert energies.references_from == "given"
    assert energies.targets == pytest.approx(np.repeat(np.arange(24) % 3, 3) * 0.1, abs=1e-9)
    with pytest.raises(ValueError, match="`references` has no Ag"):
        prepare_energies(several(by_rule), SETTINGS, {"Au": -3.0})


def test_isolated_atoms_are_the_references_where_all_are_known():
    atoms = [labelled(Atoms("Au"), -1.0), labelled(Atoms("Ag"), -0.5)]
    energies = prepare_energies(several(by_rule, atoms), SETTINGS)
    assert energies.references_from == "isolated_atoms"
    assert energies.references == {"Ag": -0.5, "Au": -1.0}
    assert energies.targets[0] == pytest.approx(-3.0 + 1.0)
    assert energies.targets[2] == pytest.approx(-2.5 + 0.75)
    assert [row["reason"] for row in energies.left_out] == ["single atom"] * 2


def test_else_the_lowest_of_the_training_are():
    energies = prepare_energies(several(by_rule, [labelled(Atoms("Au"), -1.0)]), SETTINGS)
    assert energies.references_from == "lowest"
    assert energies.references == pytest.approx({"Ag": -2.0, "Au": -3.0})
    # What is held out has no part in it.
    held = int(energies.rows[energies.subset != TRAINING][0])
    lower = several(lambda a, k: by_rule(a, k))
    changed = lower.energies.copy()
    changed[held] = -100.0
    again = prepare_energies(
        lower.with_labels(changed, lower.forces, level_of_theory="", atom_energies={}), SETTINGS
    )
    assert again.references == pytest.approx({"Ag": -2.0, "Au": -3.0})


def test_what_cannot_be_learnt_is_left_out_by_name():
    box = Atoms("Au3", [[0, 0, 0], [2.5, 0, 0], [0, 2.5, 0]], cell=[30] * 3, pbc=True)
    extra = [
        labelled(Atoms("Au2Pt2", np.random.default_rng(1).normal(0, 2, (4, 3))), -9.0),
        labelled(Atoms("Au", cell=[2.6] * 3, pbc=True).repeat((2, 1, 1)), -7.0),
        labelled(box, -9.0),
    ]
    unlabelled = Atoms("Au3", np.eye(3) * 3)
    given = several(by_rule, [*extra, unlabelled])
    energies = prepare_energies(given, SETTINGS)
    assert {row["frame"]: row["reason"] for row in energies.left_out} == {
        72: "no reference energy of an element",
        73: "periodic",
        75: "no energy",
    }
    assert 74 in energies.rows
    assert energies.about()["elements"] == ["Ag", "Au"]


def test_too_few_are_refused():
    with pytest.raises(ValueError, match="6 structures are too few"):
        prepare_energies(several(by_rule, copies=2), SETTINGS)


# -- groups ------------------------------------------------------------------------------------


def test_near_duplicates_and_parents_are_one_group():
    random = np.random.default_rng(2)
    first, second = (Atoms("Au6", random.normal(0, 3, (6, 3))) for _ in range(2))
    moved = first[random.permutation(6)]
    moved.rotate(50, (1, 1, 0))
    moved.positions += 0.01 * random.normal(size=(6, 3))
    alloy = Atoms("Au5Ag", first.positions)
    images, parents = [first, second, moved, alloy, second], np.array(["", "x", "", "x", ""])
    tight = PretrainingTraining(duplicate_tolerance=0.1)
    assert _labels(group_structures(images, parents, tight)) == [0, 1, 0, 1, 1]
    alone = np.array([""] * 5)
    assert _labels(group_structures(images, alone, tight)) == [0, 1, 0, 2, 1]
    whole = PretrainingTraining(grouping="composition")
    assert _labels(group_structures(images, alone, whole)) == [0, 0, 0, 1, 0]


def _labels(groups):
    """Number groups in the order in which they occur."""
    seen = {}
    return [seen.setdefault(int(g), len(seen)) for g in groups]


def test_groups_are_never_divided():
    groups = np.random.default_rng(0).integers(0, 40, 300)
    for seed in range(5):
        settings = PretrainingTraining(split_seed=seed)
        subset = split_groups(groups, settings)
        for group in range(40):
            assert len(set(subset[groups == group])) <= 1
        shares = np.bincount(subset, minlength=3) / 300
        assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.06)
    with pytest.raises(ValueError, match="too few to hold some out"):
        split_groups(np.repeat([0, 1], 50), PretrainingTraining())


def test_a_split_that_leaks_is_seen(frames):
    """The same structures twice: copies never lie on both sides."""
    twice = Frames.from_atoms([*frames, *frames], level_of_theory="LJ")
    energies = prepare_energies(twice, SETTINGS)
    assert (energies.subset[:80] == energies.subset[80:]).all()
    assert (np.bincount(energies.subset, minlength=3) > 0).all()


# -- errors ------------------------------------------------------------------------------------


def test_baselines_of_rules_they_know(frames):
    """The mean of each element and a law in N^(-1/3) are found, and their errors vanish."""
    rows = np.arange(len(frames))
    fractions, sizes = frame_compositions(frames, rows), frames.sizes
    subset = np.zeros(len(frames), dtype=np.int8)
    subset[::4] = 2
    gold = fractions[:, 79]
    flat, law = 1.0 + gold, 0.5 * gold + (2.0 - gold) * sizes ** (-1.0 / 3.0)
    assert composition_baselines(fractions, sizes, flat, subset)[0] == pytest.approx(flat)
    assert composition_baselines(fractions, sizes, law, subset)[1] == pytest.approx(law, abs=1e-3)
    found = energy_errors(fractions, sizes, law + 0.02, law, subset)
    assert found["mae"] == pytest.approx(0.02)
    assert found["rmse"] == pytest.approx(0.02)
    assert found["composition_mae"] < 1e-3 < found["element_mae"]
    assert found["n"] == 20
    assert sum(row["n"] for row in found["sizes"]) == 20
    assert {row["element"] for row in found["elements"]} <= {"Ag", "Au"}


# -- training ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encoder(frames, tmp_path_factory):
    return trained_encoder(frames, tmp_path_factory.mktemp("encoder"))


def test_equal_seeds_give_equal_encoders(encoder, frames, tmp_path):
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # as a model of nequip leaves it
    try:
        assert trained_encoder(frames, tmp_path / "same").content() == encoder.content()
    finally:
        torch.set_default_dtype(before)
    assert trained_encoder(frames, tmp_path / "other", seed=2).content() != encoder.content()


def test_interrupted_pretraining_ends_as_one_that_was_not(encoder, frames, tmp_path):
    for number, epochs in enumerate((2, 4, SHORT["epochs"])):
        folder = tmp_path / str(number)
        last = {"fewest_epochs": SHORT["fewest_epochs"] if epochs == SHORT["epochs"] else 1}
        short = {**SMALL_ENERGIES["training"], "epochs": epochs, **last}
        write_energy_job(frames, folder, {**SMALL_ENERGIES, "training": short})
        if number:
            shutil.copy(tmp_path / str(number - 1) / CHECKPOINT_FILE, folder / PREVIOUS_FILE)
        pretraining.main(str(folder / "job.json"))
    assert PretrainedEncoder.load(folder).content() == encoder.content()
    report = json.loads((folder / REPORT_FILE).read_text())
    assert report["first_epoch"] == 4 < report["epochs_done"]
    assert report["references_from"] == "lowest"


def test_program_needs_nothing_of_this_package(encoder, frames, tmp_path):
    write_energy_job(frames, tmp_path)
    for text in lay_out(tmp_path, CARRIED):
        assert "aiida_nanoclusters" not in text
    command = [sys.executable, "-m", f"{PACKAGE}.pretraining", "job.json"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert PretrainedEncoder.load(tmp_path).content() == encoder.content()


def test_predictions_are_those_of_the_encoder(encoder, frames, tmp_path):
    trained_encoder(frames, tmp_path)
    found = predictions(tmp_path)
    images = [frames[int(k)] for k in found["frame"]]
    assert encoder.formation_energies(images) == pytest.approx(found["predicted"], abs=1e-5)
    per_atom = frames.energies / frames.sizes
    fractions = frame_compositions(frames, found["frame"])
    table = np.zeros(119)
    table[47], table[79] = encoder.head.references["Ag"], encoder.head.references["Au"]
    assert found["target"] == pytest.approx(per_atom[found["frame"]] - fractions @ table)


def test_energies_of_positions_are_learnt(tmp_path):
    """What the composition cannot tell, the distances do: errors far below both baselines."""
    random, images = np.random.default_rng(1), []
    for _ in range(200):
        atoms = Icosahedron("Au", 2)
        atoms.positions *= random.uniform(0.95, 1.2)
        atoms.positions += 0.1 * random.normal(size=atoms.positions.shape)
        atoms.calc = LennardJones(sigma=2.57, epsilon=0.4, rc=8.0)
        images.append(labelled(atoms, atoms.get_potential_energy()))
    frames = Frames.from_atoms(images)
    trained_encoder(frames, tmp_path, LEARNING)
    found = predictions(tmp_path)
    fractions, sizes = frame_compositions(frames, found["frame"]), frames.sizes[found["frame"]]
    errors = energy_errors(fractions, sizes, *(found[n] for n in ("predicted", "target", "subset")))
    assert errors["mae"] < 0.3 * errors["composition_mae"]
    assert errors["composition_mae"] == pytest.approx(errors["element_mae"], rel=1e-3)


# -- files -------------------------------------------------------------------------------------


def test_foreign_files_are_no_encoders(encoder, tmp_path):
    text, arrays = encoder.content()
    head = json.loads(text)
    for change, message in (
        ({"core": {**head["core"], "features": 17}}, "not of shape"),
        ({"architecture": 2}, "belong to version 2"),
        ({"core": {**head["core"], "features": 10**6}}, "less than or equal to 512"),
        ({"elements": ["Qq"]}, "no chemical element"),
        ({"elements": ["Cu"]}, "`references` has no Cu"),
        ({"energy_scale": 0.0}, "greater than 0"),
        ({"more": 1}, "unknown setting"),
    ):
        (tmp_path / ENCODER_FILE).write_text(json.dumps({**head, **change}))
        (tmp_path / ENCODER_ARRAYS_FILE).write_bytes(arrays)
        with pytest.raises(ValueError, match=f"not a core encoder: .*{message}"):
            PretrainedEncoder.load(tmp_path)
    with pytest.raises(ValueError, match="no core encoder in"):
        PretrainedEncoder.load(tmp_path / "nowhere")

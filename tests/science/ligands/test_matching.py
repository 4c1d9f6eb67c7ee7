"""Trainings of the matching model: equal seeds, interruptions, what is found and what is not."""

import io
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms

from aiida_nanoclusters.science.ligands import matching
from aiida_nanoclusters.science.ligands.classification import (
    bootstrap_intervals,
    classification_metrics,
)
from aiida_nanoclusters.science.ligands.matching_model import MatchingModel
from aiida_nanoclusters.science.ligands.synthetic_world import shuffle_labels
from aiida_nanoclusters.science.ligands.training_files import (
    CARRIED,
    MODEL_ARRAYS_FILE,
    MODEL_FILE,
    PACKAGE,
    PRETRAINED_FILE,
)
from aiida_nanoclusters.science.training_files import (
    CHECKPOINT_FILE,
    CURVE_FILE,
    PREVIOUS_FILE,
    REPORT_FILE,
)
from tests.carried import lay_out
from tests.small_matching import (
    SMALL,
    TRAINING,
    assignment,
    lennard_jones,
    predictions,
    trained_encoder,
    trained_model,
    world,
    write_matching_job,
)

KINDS = [("cgcnn", "fingerprint"), ("schnet", "graph"), ("gin", "fingerprint")]


def settings_of(core="cgcnn", ligand="fingerprint", **training):
    return {
        **SMALL,
        "core": {**SMALL["core"], "kind": core},
        "ligand": {**SMALL["ligand"], "kind": ligand},
        "training": {**TRAINING, **training},
    }


@pytest.fixture(scope="module")
def pairs():
    return world()


@pytest.fixture(scope="module")
def subset(pairs):
    return assignment(pairs)


@pytest.fixture(scope="module")
def model(pairs, subset, tmp_path_factory):
    return trained_model(pairs, subset, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory):
    """A folder with a pretrained encoder of the same core."""
    folder = tmp_path_factory.mktemp("encoder")
    trained_encoder(lennard_jones(40), folder)
    return folder


def asked(model, pairs):
    cores = list(pairs.cores)
    return [cores[p.core] for p in pairs.pairs], [p.ligands for p in pairs.pairs]


# -- training ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("core", "ligand"), KINDS)
def test_equal_seeds_give_equal_models(core, ligand, pairs, subset, tmp_path):
    """Also where a model of nequip has left double precision in the process."""
    settings = settings_of(core, ligand, epochs=3)
    first = trained_model(pairs, subset, tmp_path / "first", settings)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        same = trained_model(pairs, subset, tmp_path / "same", settings)
        assert same.content() == first.content()
        chance = first.probability(*asked(first, pairs))
    finally:
        torch.set_default_dtype(before)
    assert chance == pytest.approx(predictions(tmp_path / "first")["probability"], abs=1e-6)
    other = trained_model(pairs, subset, tmp_path / "other", settings, seed=2)
    assert other.content()[1] != first.content()[1]


def test_interrupted_training_ends_as_one_that_was_not(model, pairs, subset, tmp_path):
    """Stopped after some epochs and continued twice, the model is the same to the last bit."""
    for number, epochs in enumerate((1, 3, TRAINING["epochs"])):
        folder = tmp_path / str(number)
        fewest = TRAINING["fewest_epochs"] if epochs == TRAINING["epochs"] else 1
        settings = settings_of(epochs=epochs, fewest_epochs=fewest)
        write_matching_job(pairs, subset, folder, settings)
        if number:
            shutil.copy(tmp_path / str(number - 1) / CHECKPOINT_FILE, folder / PREVIOUS_FILE)
        matching.main(str(folder / "job.json"))
    assert MatchingModel.load(folder).content() == model.content()
    report = json.loads((folder / REPORT_FILE).read_text())
    assert report["first_epoch"] == 3 < report["epochs_done"]
    with np.load(folder / CURVE_FILE) as curve:
        assert len(curve["val_loss"]) == report["epochs_done"]


def test_time_that_is_up_leaves_a_checkpoint(pairs, subset, tmp_path):
    write_matching_job(pairs, subset, tmp_path, max_seconds=1e-6)
    matching.main(str(tmp_path / "job.json"))
    report = json.loads((tmp_path / REPORT_FILE).read_text())
    assert (report["ended"], report["epochs_done"]) == ("time", 0)
    assert (tmp_path / CHECKPOINT_FILE).exists()


def test_training_stops_where_nothing_is_gained(pairs, subset, tmp_path):
    settings = settings_of(epochs=200, patience=2, smallest_gain=0.5)
    trained_model(pairs, subset, tmp_path, settings)
    report = json.loads((tmp_path / REPORT_FILE).read_text())
    assert report["ended"] == "converged"
    assert report["epochs_done"] < 20
    assert set(report["versions"]) == {"torch", "torch_geometric", "numpy"}


def test_program_needs_nothing_of_this_package(model, pairs, subset, tmp_path):
    write_matching_job(pairs, subset, tmp_path)
    lay_out(tmp_path, CARRIED)
    command = [sys.executable, "-m", f"{PACKAGE}.matching", "job.json"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert MatchingModel.load(tmp_path).content() == model.content()


def test_pretrained_numbers_are_where_the_training_begins(pairs, subset, encoder_folder, tmp_path):
    """Frozen they stay, batch normalisation included; else they change."""
    for freeze in (True, False):
        folder = tmp_path / str(freeze)
        folder.mkdir()
        shutil.copy(encoder_folder / "core_encoder.npz", folder / PRETRAINED_FILE)
        found = trained_model(pairs, subset, folder, settings_of(freeze_core=freeze))
        assert found.head.pretrained
        with np.load(folder / PRETRAINED_FILE) as archive:
            same = [
                np.array_equal(archive[name], array)
                for name, array in found.arrays.items()
                if name.startswith("core.") and not name.endswith("tracked")
            ]
        assert all(same) if freeze else not all(same)


# -- what it finds -----------------------------------------------------------------------------

FINDING = {
    "core": {"features": 32, "layers": 2, "gaussians": 16, "cutoff": 4.5, "kind": "gin"},
    "ligand": {"features": 32, "hidden": 64, "bits": 128},
    "classifier": {"hidden": 64},
    "training": {
        **{"epochs": 30, "fewest_epochs": 15, "patience": 8, "learning_rate": 3e-3},
        **{"milestones": [15, 22], "batch_size": 32},
    },
}

CONVOLUTIONS = {
    **FINDING,
    "core": {**FINDING["core"], "kind": "cgcnn", "cutoff": 6.0},
    "training": {**FINDING["training"], "epochs": 25},
}


def held_out_predictions(pairs, folder, settings=FINDING):
    """Return labels, probabilities and cores of the held-out pairs of a training."""
    subset = assignment(pairs)
    trained_model(pairs, subset, folder, settings)
    found, own = predictions(folder), subset == 2
    cores = np.array([p.core for p in pairs.pairs])
    return found["label"][own], found["probability"][own], cores[own]


def test_rule_is_found_and_shuffled_labels_are_not(tmp_path):
    """On cores that were held out; the larger set and the longer training are marked slow."""
    pairs = world(n_pairs=500, n_cores=100, ligand_score="group", core_score="composition")
    labels, chance, _ = held_out_predictions(pairs, tmp_path / "rule")
    assert classification_metrics(labels, chance)["auc"] > 0.9
    labels, chance, cores = held_out_predictions(shuffle_labels(pairs, 1), tmp_path / "shuffled")
    row = bootstrap_intervals(labels, chance, cores, seed=0, confidence=0.99)["auc"]
    assert row["low"] < 0.5 < row["high"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_rule_is_found_the_better_the_more_pairs(tmp_path):
    """Size of the core against length of the ligands, on cores that were held out."""
    areas = []
    for count in (300, 1000, 2500):
        pairs = world(n_pairs=count, n_cores=count // 5, elements=["Au", "Ag", "Cu"])
        labels, chance, _ = held_out_predictions(pairs, tmp_path / str(count), CONVOLUTIONS)
        areas.append(classification_metrics(labels, chance)["auc"])
    assert areas[0] < areas[2]
    assert areas[1] > 0.9
    assert areas[2] > 0.95


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["shuffled", "hidden"])
def test_nothing_is_found_where_nothing_is(kind, tmp_path):
    """Labels in random order, and a rule of a charge that no encoder sees."""
    score = "charge" if kind == "hidden" else "size"
    pairs = world(n_pairs=1000, n_cores=200, elements=["Au", "Ag", "Cu"], core_score=score)
    pairs = shuffle_labels(pairs, 1) if kind == "shuffled" else pairs
    labels, chance, cores = held_out_predictions(pairs, tmp_path / kind, CONVOLUTIONS)
    row = bootstrap_intervals(labels, chance, cores, seed=0, confidence=0.99)["auc"]
    assert row["low"] < 0.5 < row["high"]
    assert row["high"] < 0.8


# -- the model ---------------------------------------------------------------------------------


def test_order_and_ratio_of_ligands_do_not_matter(model, pairs):
    core = pairs.cores[0]
    sets = [("CC[S]", "[Cl]"), ("[Cl]", "CC[S]"), ("CC[S]", "CC[S]", "[Cl]"), ("CC[S]",)]
    chance = model.probability([core] * 4, sets)
    assert chance[0] == chance[1] == chance[2] != chance[3]


def test_probabilities_and_features_have_their_shapes(model, pairs):
    cores, sets = asked(model, pairs)
    assert model.probability([], []).shape == (0,)
    assert model.embed_cores([]).shape == (0, 16)
    assert model.embed_ligands([]).shape == (0, 16)
    assert model.pair_features(cores[:5], sets[:5]).shape == (5, 32)
    chance = model.probability(cores, sets)
    assert ((chance > 0) & (chance < 1)).all()
    single = [float(model.probability([c], [s])[0]) for c, s in zip(cores[:9], sets, strict=False)]
    assert chance[:9] == pytest.approx(single, abs=1e-6)
    with pytest.raises(ValueError, match="give pairs"):
        model.probability(cores[:2], sets[:1])


def test_what_it_has_seen(model, pairs, subset):
    """Known are cores and sets of compatible pairs of the training, and nothing else."""
    own = [p for p, s in zip(pairs.pairs, subset, strict=True) if s == 0 and p.label == 1]
    names = {f"synthetic {p.core}" for p in own}
    assert {core.name for core in model.known_cores} == names
    assert set(model.known_ligands) == {p.ligands for p in own}
    known = own[0]
    core = pairs.cores[known.core]
    assert model.nearest_cores([core], 2)[0][0].name.startswith(f"synthetic {known.core} (")
    assert model.nearest_cores([core])[0][0].distance < 1e-5
    nearest = model.nearest_ligands([known.ligands[::-1]], 99999)[0]
    assert nearest[0].name == ".".join(known.ligands)
    assert len(nearest) == len(model.known_ligands)
    assert [n.distance for n in nearest] == sorted(n.distance for n in nearest)
    assert not model.outside_cores([core])[0]
    assert not model.outside_ligands([known.ligands])[0]


def test_strangers_lie_outside(model, pairs):
    core = pairs.cores[0]
    other = core.copy()
    other.symbols[:] = "Pt"
    wide = Atoms("Au2", [[0, 0, 0], [0, 0, 4.4]])
    assert model.outside_cores([other, wide]).tolist() == [True, True]
    far = "C" * 60 + "[S]"
    assert model.outside_ligands([(far,)])[0]


def test_core_in_a_box_is_the_core(model, pairs):
    core = pairs.cores[0]
    boxed = core.copy()
    boxed.set_cell([50.0] * 3)
    boxed.pbc = True
    boxed.wrap()
    sets = [("CC[S]",)] * 2
    first, second = model.probability([core, boxed], sets)
    assert first == pytest.approx(second, abs=1e-5)


# -- files -------------------------------------------------------------------------------------


def test_model_is_read_as_it_was_written(model, pairs, tmp_path):
    model.save(tmp_path)
    again = MatchingModel.load(tmp_path)
    assert again.content() == model.content()
    cores, sets = asked(model, pairs)
    assert (again.probability(cores[:3], sets[:3]) == model.probability(cores[:3], sets[:3])).all()


def test_foreign_heads_are_no_models(model, tmp_path):
    text, arrays = model.content()
    head = json.loads(text)
    for change, message in (
        ({"ligand_inputs": 10**7}, "less than or equal"),
        ({"ligand_inputs": 76}, "not of shape"),
        ({"bond_inputs": 3}, "does not follow"),
        ({"elements": ["Qq"]}, "no chemical element"),
        ({"known_ligands": [[]]}, "no or of too many"),
        ({"known_cores": head["known_cores"][1:]}, "not of shape"),
        ({"architecture": 2}, "belong to version 2"),
        ({"core": {**head["core"], "kind": "gin"}}, "not those of its networks"),
        ({"core": {**head["core"], "features": 512, "layers": 12}, "surplus": 1}, "surplus"),
        ({"core_scale": 0.0}, "greater than 0"),
    ):
        (tmp_path / MODEL_FILE).write_text(json.dumps({**head, **change}))
        (tmp_path / MODEL_ARRAYS_FILE).write_bytes(arrays)
        with pytest.raises(ValueError, match=f"not a matching model: .*{message}"):
            MatchingModel.load(tmp_path)
    for content in ("", "[]", "[" * 100_000, "{", "\0"):
        with pytest.raises(ValueError, match="not a matching model"):
            MatchingModel.from_content(content, io.BytesIO(arrays))
    with pytest.raises(ValueError, match="no matching model in"):
        MatchingModel.load(tmp_path / "nowhere")


def test_foreign_arrays_are_no_models(model):
    """Cut short, compressed, with objects that would run code, or with numbers that are none."""
    text, arrays = model.content()
    compressed, objects = io.BytesIO(), io.BytesIO()
    np.savez_compressed(compressed, **model.arrays)
    np.savez(objects, **{**model.arrays, "known_cores": np.array([print], dtype=object)})
    with zipfile.ZipFile(io.BytesIO(arrays)) as archive:
        assert {m.compress_type for m in archive.infolist()} == {zipfile.ZIP_STORED}
    for content in (arrays[:-100], b"", b"PK", compressed.getvalue(), objects.getvalue()):
        with pytest.raises(ValueError, match="not a matching model"):
            MatchingModel.from_content(text, io.BytesIO(content))
    broken = {**model.arrays, "head.4.bias": np.array([np.nan], dtype=np.float32)}
    with pytest.raises(ValueError, match="not finite"):
        replace(model, arrays=broken)
    scale = {**model.arrays, "ligand_scale": np.zeros_like(model.arrays["ligand_scale"])}
    with pytest.raises(ValueError, match="not positive"):
        replace(model, arrays=scale)

"""Energies come back after the weights were disturbed, forces stay, and nothing gets worse."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.cluster import Icosahedron, Octahedron
from ase.io import write
from nequip.model.saved_models.load_utils import load_saved_model
from nequip.utils.global_state import set_global_state
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from aiida_nanoclusters.science.learning import alignment
from aiida_nanoclusters.science.learning.alignment import DEFAULTS, FrameSet, align, damped_step
from tests.allegro_model import run_tool

ICO, OCTA = "icosahedron", "truncated octahedron"
#: Shapes of which the larger of each kind is held out.
SHAPES = [(ICO, Icosahedron("Cu", 2)), (ICO, Icosahedron("Cu", 3))]
SHAPES += [(OCTA, Octahedron("Cu", 4, 1)), (OCTA, Octahedron("Cu", 5, 1))]


@pytest.fixture(scope="module")
def checkpoint(allegro_package: Path) -> Path:
    """The checkpoint the tests' tiny model was packaged from."""
    set_global_state()
    return next(allegro_package.parent.glob("training/**/last.ckpt"))


@pytest.fixture
def model(checkpoint: Path) -> torch.nn.Module:
    return load_saved_model(str(checkpoint), compile_mode="eager")


def labelled_by(model: torch.nn.Module, images: list[Atoms]) -> list[Atoms]:
    """Return the images with energies and forces of the model itself."""
    module, labelled = alignment._energy_module(model), []
    for atoms in images:
        graph = alignment._graph(atoms, model)
        energy, forces = alignment._energy_and_forces(module, graph, differentiable=False)
        copy = atoms.copy()
        copy.calc = SinglePointCalculator(
            copy, energy=float(energy), forces=forces.detach().numpy()
        )
        labelled.append(copy)
    return labelled


def frames_of(model: torch.nn.Module, seed: int = 0) -> list[Atoms]:
    rng, images = np.random.default_rng(seed), []
    for kind, shape in SHAPES:
        for amplitude in (0.0, 0.05, 0.1):
            atoms = Atoms(shape.symbols, shape.positions, info={"config_type": kind})
            atoms.positions += rng.normal(scale=amplitude, size=atoms.positions.shape)
            images.append(atoms)
    return labelled_by(model, images)


def disturb(model: torch.nn.Module, scale: float = 0.01, seed: int = 1) -> None:
    weights = parameters_to_vector(model.parameters()).detach()
    noise = torch.randn(weights.shape, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        vector_to_parameters(weights * (1 + scale * noise), model.parameters())


# every frame counts as relaxed: a tiny model's minima are nowhere in particular
LOOSE = {"relaxed_force": 1e6, "force_growth": 1.2, "dampings": [1e-3, 1e-5], "hot_force": 10.0}


def test_disturbed_energies_come_back(model) -> None:
    """Labels of the undisturbed model: an exact answer exists, and is found for all frames."""
    frames, others = frames_of(model), frames_of(model, seed=5)
    disturb(model)
    report = align(model, frames, others, LOOSE)
    assert report["applied"], report
    assert report["mode"] == "motifs"
    assert sorted(set(report["held_out"])) == [f"Cu55 {ICO}", f"Cu79 {OCTA}"]
    before, blind, after = report["before"], report["blind"], report["after"]
    assert abs(blind["motif_difference"]) < 0.3 * abs(before["motif_difference"])
    assert after["held_out_energy_rmse"] < 0.1 * before["held_out_energy_rmse"]
    assert after["forces_rmse"] <= 1.2 * before["forces_rmse"]
    settings = {**DEFAULTS, **LOOSE}
    energies, forces = alignment.errors(model, FrameSet(others, model, settings))
    assert np.sqrt(np.mean(energies**2)) == pytest.approx(after["energy_rmse"], rel=1e-6)
    assert forces == pytest.approx(after["forces_rmse"], rel=1e-6)


def test_same_seed_same_weights(checkpoint) -> None:
    weights = []
    for seed in (0, 0, 1):
        model = load_saved_model(str(checkpoint), compile_mode="eager")
        frames = frames_of(model)
        disturb(model)
        assert align(model, frames, [], {**LOOSE, "dampings": [1e-3], "seed": seed})["applied"]
        weights.append(parameters_to_vector(model.parameters()).detach().numpy())
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_nothing_to_gain_changes_nothing(model) -> None:
    """The labels are the model's own: no step can lower the error, and none is taken."""
    frames = frames_of(model)
    start = parameters_to_vector(model.parameters()).detach().clone()
    report = align(model, frames, [], LOOSE)
    assert not report["applied"] and "held-out" in report["reason"]
    assert report["after"] == report["before"] and report["damping"] is None
    assert torch.equal(start, parameters_to_vector(model.parameters()).detach())


def test_forces_are_guarded(model) -> None:
    """Where forces may not grow at all, wrong energies are no reason to spoil them."""
    frames = frames_of(model)
    for atoms in frames:
        shift = 0.5 * len(atoms) * (atoms.info["config_type"] == ICO)
        results = atoms.calc.results
        atoms.calc = SinglePointCalculator(
            atoms, energy=results["energy"] + shift, forces=results["forces"]
        )
    disturb(model, 1e-4)
    start = parameters_to_vector(model.parameters()).detach().clone()
    report = align(model, frames, frames_of(model), {**LOOSE, "force_growth": 1.0})
    assert not report["applied"]
    assert min(c["forces_rmse"] for c in report["candidates"]) > report["before"]["forces_rmse"]
    assert torch.equal(start, parameters_to_vector(model.parameters()).detach())


def test_frames_without_motifs_hold_out_a_tenth(model) -> None:
    frames = frames_of(model)
    for atoms in frames:
        atoms.info.clear()
    disturb(model)
    frames.append(Atoms("Cu", positions=[[0, 0, 0]]))  # alone: no weight matters, no label asked
    report = align(model, frames, [], LOOSE)
    assert report["mode"] == "random" and report["frames"] == 12 and len(report["held_out"]) == 1
    assert report["applied"], report
    blind, before = report["blind"], report["before"]
    assert blind["held_out_energy_rmse"] < before["held_out_energy_rmse"]
    assert blind["motif_difference"] is None


def test_time_and_number_of_frames_are_limited(model) -> None:
    frames = frames_of(model)
    disturb(model)
    start = parameters_to_vector(model.parameters()).detach().clone()
    report = align(model, frames, [], {**LOOSE, "max_seconds": 1e-6})
    assert not report["applied"] and "not done within" in report["reason"]
    assert torch.equal(start, parameters_to_vector(model.parameters()).detach())
    report = align(model, frames, [], {**LOOSE, "max_frames": 8, "dampings": [1e-3]})
    assert report["frames"] == 8 and len(report["held_out"]) == 6
    assert "fewer than three" in align(model, frames[:2], [], LOOSE)["reason"]


def test_equations_are_derivatives(model) -> None:
    """Rows against finite differences of the residuals, energies and force projections alike."""
    frames = FrameSet(frames_of(model)[1:3], model, {**DEFAULTS, "projections": 2})
    frames.energies += 0.01
    weights = np.array([1.0, 0.5])

    def linearise():
        draw = torch.Generator().manual_seed(3)
        return alignment.linearise(model, frames, weights, draw)

    jacobian, residuals, owners = linearise()
    assert owners.tolist() == [0, 0, 0, 1, 1, 1]
    assert residuals[2] == pytest.approx(0.01 / 0.001, rel=1e-6)
    assert residuals[5] == pytest.approx(0.5 * 0.01 / 0.001, rel=1e-6)
    start = parameters_to_vector(model.parameters()).detach().clone()
    direction = torch.randn(len(start), generator=torch.Generator().manual_seed(0)).double()
    sides = []
    for sign in (1, -1):
        alignment._set(model, start + sign * 1e-5 * direction)
        sides.append(linearise()[1])
    slope = (sides[1] - sides[0]) / 2e-5
    assert torch.allclose(jacobian.double() @ direction, slope, rtol=1e-5, atol=1e-4)


def test_step_minimises_the_damped_squares() -> None:
    rng = np.random.default_rng(0)
    matrix, target = rng.normal(size=(5, 9)), rng.normal(size=5)
    step = damped_step(torch.tensor(matrix), torch.tensor(target), 0.1, block=4).numpy()
    mean = np.mean(np.sum(matrix**2, axis=1))
    normal = matrix.T @ matrix + 0.1 * mean * np.eye(9)
    assert np.allclose(step, np.linalg.solve(normal, matrix.T @ target), atol=1e-12)


def test_script_writes_what_can_be_packaged(checkpoint, model, tmp_path) -> None:
    """As a job runs it: in a bare folder, from the file alone."""
    untouched = parameters_to_vector(model.parameters()).detach().clone()
    disturb(model)
    frames = frames_of(model)  # what the checkpoint would have to learn
    write(tmp_path / "training.extxyz", frames)
    settings = {**LOOSE, "dampings": [1e-4], "seed": 3}
    (tmp_path / "alignment.json").write_text(json.dumps(settings))
    (tmp_path / "alignment.py").write_text(Path(alignment.__file__).read_text())
    arguments = ["aligned.ckpt", "training.extxyz", "--settings", "alignment.json"]
    done = subprocess.run(
        [sys.executable, "alignment.py", checkpoint, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "alignment_report.json").read_text())
    assert report["applied"] and report["seed"] == 3 and report["seconds"] > 0, report
    settings = {**DEFAULTS, **settings}

    def rmse(path: Path) -> float:
        loaded = load_saved_model(str(path), compile_mode="eager")
        energies, _ = alignment.errors(loaded, FrameSet(frames, loaded, settings))
        return float(np.sqrt(np.mean(energies**2)))

    aligned = rmse(tmp_path / "aligned.ckpt")
    assert aligned < 0.2 * rmse(checkpoint)
    run_tool("nequip-package", "build", tmp_path / "aligned.ckpt", tmp_path / "m.nequip.zip")
    assert rmse(tmp_path / "m.nequip.zip") == pytest.approx(aligned, rel=1e-6)
    kept = load_saved_model(str(checkpoint), compile_mode="eager")
    assert torch.equal(parameters_to_vector(kept.parameters()), untouched)


class Evil:
    """An object whose unpickling leaves a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self):
        return open, (self.marker, "w")


def test_no_code_of_a_checkpoint_is_run(checkpoint, tmp_path) -> None:
    """nequip would run it when it loads the model, and when it packages the aligned one."""
    held = torch.load(checkpoint, weights_only=True)
    torch.save({**held, "evil": Evil(tmp_path / "ran")}, tmp_path / "best.ckpt")
    names = ("best.ckpt", "aligned.ckpt", "training.extxyz")
    with pytest.raises(pickle.UnpicklingError):
        alignment.main([str(tmp_path / name) for name in names])
    assert [path.name for path in tmp_path.iterdir()] == ["best.ckpt"]

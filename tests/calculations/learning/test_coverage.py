"""A training set beside a target, with provenance; and melting from trajectories made by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest
from aiida.orm import Dict, Int, List
from ase.build import bulk, fcc111

from aiida_nanoclusters.calculations.learning.coverage import (
    compare_environments,
)
from aiida_nanoclusters.calculations.melting.melting import build_cluster, find_melting
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.learning.coverage_settings import CoverageSettings
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron

pytestmark = pytest.mark.usefixtures("aiida_profile")
KB = 8.617333e-5


def rattled(atoms, count, seed=0):
    images = [atoms.copy() for _ in range(count)]
    for k, image in enumerate(images):
        image.rattle(0.04, seed=seed + k)
    return images


@pytest.fixture
def training():
    images = [
        *rattled(mackay_icosahedron("Cu", 1), 6),
        *rattled(fcc111("Cu", (2, 2, 4), vacuum=6), 4),
        *rattled(bulk("Cu", cubic=True), 4),
    ]
    return FramesData(images)


def test_what_is_covered_and_what_is_not(training):
    """A target of two sizes: one the training set holds, one it does not."""
    target = FramesData(
        [*rattled(mackay_icosahedron("Cu", 1), 2, seed=90), mackay_icosahedron("Cu", 2)]
    )
    found = compare_environments(training, target, Int(1))
    coverage = found["coverage"].get_dict()
    rows = {row["composition"]: row for row in coverage["target"]}
    assert list(rows) == ["Cu13", "Cu55"]
    assert rows["Cu13"]["coverage"] > 0.9
    assert rows["Cu55"]["coverage"] < 0.5
    assert rows["Cu13"]["n_environments"] == 26
    # An icosahedron of 55 has vertices with 6 and edges with 8 neighbours; slabs have 9, none 8.
    assert coverage["coordination_not_seen"] == [8]
    assert coverage["coordination"] == pytest.approx((26 + 55 - 30) / (26 + 55))

    arrays = {n: found["coordination"].get_array(n) for n in found["coordination"].get_arraynames()}
    assert arrays[keys.TRAINING_ATOMS].sum(axis=1).tolist() == [78, 64, 16]
    assert arrays[keys.TARGET_ATOMS][0, [6, 8, 12]].tolist() == [24 + 12, 30, 2 + 13]
    assert found["coordination"].base.attributes.get("groups") == ["cluster", "surface", "bulk"]

    node = found["environments"]
    assert node.get_array(keys.TRAINING_GROUPS).tolist() == [0] * 78 + [1] * 64 + [2] * 16
    assert node.get_array(keys.TARGET_PLACES)[26:].tolist() == list(range(55))
    covered = node.get_array(keys.TARGET_DISTANCES) <= coverage["threshold"]
    assert covered.mean() == pytest.approx(coverage["environments"])
    assert found["coverage"].creator.process_label == "compare_environments"
    for name in ("coordination", "environments"):
        assert set(found[name].get_arraynames()) <= set(keys.UNITS)


def test_a_draw_is_bounded(training):
    found = compare_environments(training, training, Int(3), Dict({"most": 20, "least": 5}))
    coverage = found["coverage"].get_dict()
    assert coverage["n_target_environments"] == coverage["n_training_environments"] == 20
    assert coverage["coordination"] == 1.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"most": 5}, "`most` is 5"),
        ({"least": 0.5}, "`least` is 0.5"),
        ({"quantile": 2}, "`quantile` is 2: input should be less than 1"),
        ({"colour": 1}, "unknown setting `colour`"),
    ],
)
def test_settings_are_checked(training, settings, message):
    assert message in CoverageSettings.problem(settings)
    with pytest.raises(ValueError, match=message):
        compare_environments(training, training, Int(1), Dict(settings))


def trajectory(temperature, width, energies, runs=1, seed=0):
    """Frames of a cluster whose atoms vibrate by `width`, with these energies per atom."""
    rng = np.random.default_rng(seed)
    start = mackay_icosahedron("Cu", 2)
    images = []
    for _ in range(runs * len(energies)):
        atoms = start.copy()
        atoms.positions += rng.normal(0, width, atoms.positions.shape)
        images.append(atoms)
    frames = Frames.from_atoms(images)
    info = [
        json.dumps({"structure": run, "stage": 2, "temperature": temperature, "time": float(k)})
        for run in range(runs)
        for k in range(len(energies))
    ]
    total = 55 * np.tile(energies, runs)
    return FramesData(replace(frames, info=np.array(info), energies=total))


def test_a_melting_made_by_hand():
    """Energies and vibrations that step up between 500 and 600 K, by 0.08 eV/atom."""
    rng = np.random.default_rng(7)
    temperatures = np.arange(100.0, 1001.0, 100.0)
    cluster = build_cluster(Dict({"element": "Cu", "motif": "icosahedron", "size": 55}))
    runs = {}
    for k, t in enumerate(temperatures):
        mean = -3.0 + 1.5 * KB * t + (0.08 if t > 550 else 0.0)
        energies = mean + rng.normal(0, 1e-4, 40)
        runs[f"trajectory_{k:05d}"] = trajectory(
            t, 0.6 if t > 550 else 0.002 * np.sqrt(t), energies, 2, k
        )
    settings = Dict({"blocks": 4, "lindemann": [0.10, 0.15]})
    found = find_melting(cluster, List(temperatures.tolist()), settings, **runs)
    melting = found["melting"].get_dict()
    assert melting["by"] == "caloric" and melting["cluster"] == "Cu55"
    assert melting["melting_point"] == pytest.approx(550, abs=30) and melting["error"] < 80
    assert melting["caloric"]["latent_heat"] == pytest.approx(0.08, abs=0.005)
    assert melting["lindemann"]["temperature"] == pytest.approx(550, abs=50)
    assert melting["fraction"] == pytest.approx(melting["melting_point"] / 1357.77)
    assert "80 meV/atom of latent heat" in melting["sentence"]
    curve = found["curve"]
    # Kinetic energy of 159 coordinates beside the potential energy.
    total, potential = (curve.get_array(n) for n in (keys.TOTAL_ENERGIES, keys.POTENTIAL_ENERGIES))
    assert total - potential == pytest.approx(0.5 * 159 / 55 * KB * temperatures)
    assert curve.get_array(keys.LINDEMANN_BLOCKS).shape == (4, 10)
    assert curve.get_array(keys.LINDEMANN_ATOMS).shape == (10, 55)

    part = {k: runs[k] for k in sorted(runs)[:5]}
    cold = find_melting(cluster, List(temperatures.tolist()), settings, **part)["melting"]
    assert cold["melting_point"] is None and cold["caloric"] is None
    assert "go hotter" in cold["sentence"]
    hot = {k: runs[k] for k in sorted(runs)[5:]}
    liquid = find_melting(cluster, List(temperatures.tolist()), settings, **hot)["melting"]
    assert liquid["melting_point"] is None and "begin colder" in liquid["sentence"]

"""Errors against numbers worked out by hand, and against symmetries."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.cluster import Icosahedron

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.learning.metrics import (
    COMMITTEE,
    MOTIFS,
    align,
    compare_committee,
    error_row,
    error_table,
    max_force_deviation,
    max_force_error,
    motif_difference,
    parity_name,
    summarise_motif_difference,
)


def labelled(sizes, kinds=None, seed=0) -> Frames:
    """Random frames, labelled, of copper chains; an isolated atom has -1 eV."""
    rng = np.random.default_rng(seed)
    images = []
    for i, n in enumerate(sizes):
        atoms = Atoms(f"Cu{n}", positions=rng.normal(size=(n, 3)) + 3.0 * np.arange(n)[:, None])
        atoms.calc = SinglePointCalculator(
            atoms, energy=-2.0 * n + rng.normal(), forces=rng.normal(size=(n, 3))
        )
        atoms.info["config_type"] = kinds[i] if kinds else ""
        images.append(atoms)
    return Frames.from_atoms(images, level_of_theory="X", atom_energies={"Cu": -1.0})


def shifted(frames: Frames, energies=0.0, forces=0.0) -> Frames:
    return frames.with_labels(
        frames.energies + energies,
        frames.forces + forces,
        level_of_theory="ML",
        atom_energies=frames.atom_energies,
    )


def test_row_by_hand():
    """Errors of +6 and -20 meV/atom; forces off by 30 and 40 meV/Å in two of 21 components."""
    frames = labelled([2, 5])
    energies = frames.energies + np.array([0.012, -0.1])
    forces = frames.forces.copy()
    forces[0, 0] += 0.03
    forces[6, 2] -= 0.04
    row = error_row(frames, energies, forces)
    assert row["energy_rmse"] == pytest.approx(np.sqrt((36 + 400) / 2))
    assert row["energy_mae"] == pytest.approx(13)
    assert row["energy_mean"] == pytest.approx(-7)
    assert row["forces_rmse"] == pytest.approx(50 / np.sqrt(21))
    assert row["forces_mae"] == pytest.approx(70 / 21)
    assert (row["n_frames"], row["n_atoms"]) == (2, 7)


def test_exact_predictions_have_no_error():
    frames = labelled([1, 3])
    row = error_row(frames, frames.energies, frames.forces)
    assert {row[k] for k in row if k.startswith(("energy", "forces"))} == {0.0}


def test_row_leaves_out_missing_frames():
    frames = labelled([2, 5])
    row = error_row(frames, [np.nan, frames.energies[1] + 0.005], frames.forces + 0.001)
    assert (row["n_frames"], row["n_atoms"]) == (1, 5)
    assert row["energy_mean"] == pytest.approx(1.0)
    assert row["forces_mae"] == pytest.approx(1.0)
    nothing = error_row(frames, [np.nan, np.nan], frames.forces)
    assert nothing["n_frames"] == 0
    assert nothing["energy_rmse"] is None and nothing["forces_mae"] is None


def test_row_refuses_another_set():
    frames = labelled([2, 5])
    with pytest.raises(ValueError, match="evaluate the same set"):
        error_row(frames, frames.energies[:1], frames.forces)


def test_rmse_of_the_whole_follows_from_the_groups():
    """Squared errors add up, frame by frame and component by component."""
    rng = np.random.default_rng(1)
    frames = labelled([2, 2, 3, 5, 5], ["a", "b", "a", "b", ""])
    table = error_table(
        frames,
        frames.energies + rng.normal(size=5),
        frames.forces + rng.normal(size=frames.forces.shape),
    )
    assert list(table["by_config_type"]) == ["a", "b", "other"]
    assert list(table["by_size"]) == ["2", "3", "5"]
    for groups in (table["by_config_type"].values(), table["by_size"].values()):
        for name, weight in (("energy_rmse", "n_frames"), ("forces_rmse", "n_atoms")):
            total = sum(g[weight] * g[name] ** 2 for g in groups)
            whole = table["overall"]
            assert total == pytest.approx(whole[weight] * whole[name] ** 2)


def test_align_fills_gaps():
    frames = labelled([2, 3, 4])
    energies, forces = align(frames, shifted(frames, 1.0).select([0, 2]))
    assert energies == pytest.approx(
        [frames.energies[0] + 1, np.nan, frames.energies[2] + 1], nan_ok=True
    )
    assert np.isnan(forces[2:5]).all()
    assert np.array_equal(forces[5:], frames.forces[5:])


def test_align_keeps_twins_apart():
    """Two frames of one geometry are matched in order."""
    frames = labelled([2, 3]).select([0, 1, 0])
    energies, _ = align(frames, shifted(frames, [1.0, 2.0, 3.0]))
    assert energies - frames.energies == pytest.approx([1, 2, 3])


def test_align_refuses_strangers():
    frames = labelled([2, 3])
    with pytest.raises(ValueError, match="frame 1 is not among"):
        align(frames, frames.select([1, 0]))


def test_motif_difference():
    """Icosahedra 4 and 6 meV/atom too low, octahedra 2 too low: the difference is -3."""
    kinds = [MOTIFS[0], MOTIFS[0], MOTIFS[1], "decahedron"]
    frames = labelled([2, 4, 3, 5], kinds)
    energies = frames.energies + np.array([-0.008, -0.024, -0.006, 7.0])
    found = motif_difference(frames, energies)
    assert found == pytest.approx({MOTIFS[0]: -5, MOTIFS[1]: -2, "difference": -3})
    # an error common to all atoms moves no crossing
    common = motif_difference(frames, energies + 0.1 * frames.sizes)
    assert common["difference"] == pytest.approx(-3)
    energies[0] = np.nan
    assert motif_difference(frames, energies)["difference"] == pytest.approx(-4)
    energies[2] = np.nan
    assert motif_difference(frames, energies) is None


def test_motif_summary():
    rows = {f"seed_{i}": {"difference": d} for i, d in ((1, -2.0), (2, 1.0), (3, 4.0))}
    found = summarise_motif_difference(rows)
    assert found["mean"] == pytest.approx(1.0)
    assert found["spread"] == pytest.approx(3.0)
    assert summarise_motif_difference({"a": {"difference": 2.0}})["spread"] is None


def test_force_deviation_by_hand():
    """Two members 2 apart on one atom deviate by 1 from their mean there."""
    forces = np.zeros((2, 5, 3))
    forces[1, 1] = [2.0, 0.0, 0.0]
    forces[0, 4] = [0.0, 3.0, 4.0]
    assert max_force_deviation(forces, [0, 3, 5]) == pytest.approx([1.0, 2.5])


def test_force_deviation_symmetries():
    """It is unchanged by rotation, by the order of members and by a shift common to all."""
    rng = np.random.default_rng(2)
    forces, offsets = rng.normal(size=(4, 9, 3)), [0, 2, 9]
    expected = max_force_deviation(forces, offsets)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    for other in (forces @ rotation, forces[::-1], forces + rng.normal(size=(9, 3))):
        assert max_force_deviation(other, offsets) == pytest.approx(expected)
    assert max_force_deviation(2 * forces, offsets) == pytest.approx(2 * expected)
    assert max_force_deviation(forces[:1], offsets) == pytest.approx([0, 0])
    with pytest.raises(ValueError, match="expected"):
        max_force_deviation(forces[0], offsets)


def test_max_force_error():
    frames = labelled([2, 3])
    forces = frames.forces.copy()
    forces[1] += [3.0, 4.0, 0.0]
    assert max_force_error(frames, forces) == pytest.approx([5.0, 0.0])


def test_committee():
    """Opposite errors of two members vanish in their mean; parity holds what was compared."""
    frames = labelled([13, 5], ["icosahedron", "bulk"])
    delta = np.array([0.013, 0.005])
    members = {"b": shifted(frames, -delta, -0.01), "a": shifted(frames, delta, 0.01)}
    errors, parity = compare_committee(frames, members, "test")
    assert list(errors["members"]) == ["a", "b"]
    assert errors["members"]["a"]["overall"]["energy_mean"] == pytest.approx(1.0)
    assert errors["members"]["b"]["overall"]["forces_rmse"] == pytest.approx(10.0)
    committee = errors["committee"]
    assert committee["overall"]["energy_rmse"] == pytest.approx(0.0, abs=1e-9)
    assert committee["max_force_deviation"]["max"] == pytest.approx(10 * np.sqrt(3))
    energies = parity[parity_name("test", "energies")]
    assert energies == pytest.approx((frames.energies + frames.sizes) / frames.sizes)
    difference = parity[parity_name("test", "energies", "a")] - energies
    assert difference == pytest.approx([0.001, 0.001])
    assert parity[parity_name("test", "forces", "b")].shape == (3 * 18,)
    deviation = parity[parity_name("test", "deviation", COMMITTEE)]
    assert deviation == pytest.approx(0.01 * np.sqrt(3) * np.ones(2))


def test_committee_of_one_has_no_deviation():
    frames = labelled([2, 3])
    errors, parity = compare_committee(frames, {"a": shifted(frames, 0.1)}, "unseen")
    assert "max_force_deviation" not in errors["committee"]
    assert not any("deviation" in name for name in parity)


def test_deviation_finds_the_bad_frame():
    """Where members disagree most, their mean is furthest off: the correlation is positive."""
    rng = np.random.default_rng(4)
    frames = labelled([4] * 12)
    scale = np.repeat(np.linspace(0.01, 1.0, 12), 4)[:, None]
    members = {
        f"m{k}": shifted(frames, 0.0, scale * rng.normal(size=frames.forces.shape))
        for k in range(4)
    }
    errors, _ = compare_committee(frames, members, "test")
    assert errors["committee"]["max_force_deviation"]["correlation"] > 0.5


def test_callers_frames_are_left_alone():
    frames = Frames.from_atoms([Icosahedron("Cu", 2)], atom_energies={"Cu": 0.0})
    reference = shifted(
        frames.with_labels([1.0], np.zeros((13, 3)), level_of_theory="X", atom_energies={"Cu": 0.0})
    )
    before = reference.forces.copy()
    compare_committee(reference, {"a": reference, "b": shifted(reference, 1.0, 1.0)}, "test")
    assert np.array_equal(reference.forces, before)

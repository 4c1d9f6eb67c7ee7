"""Mean partial charges by role, in series whose means and errors are known."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from aiida_nanoclusters.science.labels.partial_charges import cm5_charges
from aiida_nanoclusters.science.nucleation.charges import ChargeSettings, charges_by_role


def solution() -> Atoms:
    """A silver atom with a ligand N-H group, and two methanol molecules."""
    ligand = Atoms("AgNH", [[0, 0, 0], [0, 0, 2.3], [0, 0.9, 2.6]])
    first, second = molecule("CH3OH"), molecule("CH3OH")
    first.positions += [8, 0, 0]
    second.positions += [0, 8, 0]
    return ligand + first + second


def series(silver) -> list[Atoms]:
    """Frames in which silver has these charges, oxygen 0.1 and 0.3 less, all others none."""
    frames = []
    for q in silver:
        atoms = solution()
        charges = np.zeros(len(atoms))
        charges[0] = q
        charges[[k for k, atom in enumerate(atoms) if atom.symbol == "O"]] = q - 0.1, q - 0.3
        atoms.set_array("charges_mulliken", charges)
        frames.append(atoms)
    return frames


SETTINGS = ChargeSettings(roles=["Ag", "O_solvent", "N_ligand"])


def test_means_over_atoms_and_frames():
    found = charges_by_role(series([0.2, 0.4, 0.6]), SETTINGS)
    assert found.series == pytest.approx(
        np.array([[0.2, 0.0, 0.0], [0.4, 0.2, 0.0], [0.6, 0.4, 0.0]])
    )
    assert found.mean == pytest.approx([0.4, 0.2, 0.0])
    weighted = charges_by_role(series([0.2, 0.4, 0.6]), SETTINGS, weights=[1, 0, 1])
    assert weighted.mean == pytest.approx([0.4, 0.2, 0.0])


def test_error_of_independent_values():
    """Standard deviation over the root of the number, within the noise of twenty blocks."""
    draws = np.random.default_rng(3).normal(0.5, 0.1, 400)
    found = charges_by_role(series(draws), SETTINGS)
    assert found.error[0] == pytest.approx(0.1 / np.sqrt(400), rel=0.4)
    assert abs(found.mean[0] - 0.5) < 3 * found.error[0]
    assert found.error[2] == 0.0


def test_states():
    """Silver loses charge from state 3 to state 0, as alternating in time."""
    states = np.tile([0, 3], 100)
    noise = np.random.default_rng(1).normal(0, 0.02, 200)
    found = charges_by_role(series(np.where(states == 0, 0.3, 0.5) + noise), SETTINGS)
    means = found.by_state(states)
    assert sorted(means) == [0, 3]
    for state, expected in ((0, 0.3), (3, 0.5)):
        mean, error = means[state]
        assert abs(mean[0] - expected) < 4 * error[0]
        assert error[0] == pytest.approx(0.02 / np.sqrt(100), rel=0.5)
    with pytest.raises(ValueError, match="for 200 frames"):
        found.by_state([0, 1])


def test_cm5_follows_from_hirshfeld():
    atoms = solution()
    hirshfeld = np.linspace(-0.2, 0.2, len(atoms))
    atoms.set_array("charges_hirshfeld", hirshfeld)
    found = charges_by_role([atoms], ChargeSettings(kind="cm5", roles=["N_ligand"]))
    assert found.series[0, 0] == pytest.approx(cm5_charges(atoms, hirshfeld)[1])
    # N takes 0.1747 e times the bond's factor from its H
    assert found.series[0, 0] < hirshfeld[1] - 0.1
    assert np.isnan(found.error).all()


def test_what_has_no_charges():
    plain = solution()
    with pytest.raises(ValueError, match="frame 0 has no `charges_mulliken`: label it with"):
        charges_by_role([plain], SETTINGS)
    with pytest.raises(ValueError, match="frame 1 holds other atoms"):
        charges_by_role([*series([0.1]), plain[1:]], SETTINGS)
    with pytest.raises(ValueError, match="no atom is `S`"):
        charges_by_role(series([0.1]), ChargeSettings(roles=["S"]))
    with pytest.raises(ValueError, match="no frames"):
        charges_by_role([], SETTINGS)

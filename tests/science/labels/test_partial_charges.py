"""CM5 charges against those printed by CM5PAC, the program of the method's authors."""

import numpy as np
import pytest
from ase import Atoms

from aiida_nanoclusters.science.labels.partial_charges import RADII, cm5_charges

# Tests 1, 2 and 8 of CM5PAC: geometry, Hirshfeld charges, CM5 charges.
METHANOL = (
    Atoms("OCH4", [
        [-0.046153, -0.751257, 0], [-0.046153, 0.658469, 0], [0.857779, -1.062372, 0],
        [-1.086394, 0.976180, 0], [0.437376, 1.072716, 0.889654], [0.437376, 1.072716, -0.889654],
    ]),
    [-0.250109, -0.031642, 0.164045, 0.047951, 0.034880, 0.034880],
    [-0.474015, -0.157794, 0.338597, 0.108245, 0.092486, 0.092486],
)  # fmt: skip
FORMAMIDE = (
    Atoms("CONH3", [
        [-0.164665, 0.381599, 0], [-1.179589, -0.245182, 0], [1.073259, -0.153007, 0],
        [-0.152430, 1.472206, 0], [1.175971, -1.143194, 0], [1.888352, 0.413898, 0],
    ]),
    [0.223454, -0.370283, -0.196296, 0.053878, 0.146856, 0.142374],
    [0.278068, -0.421696, -0.669558, 0.128807, 0.345301, 0.339062],
)  # fmt: skip


def spinel() -> Atoms:
    """Crystal of Mn and O, primitive cell."""
    c = 4.0720837535025582
    u, v = 0.3890246768642103, 0.8329259694073549
    w, x = 0.8609753231357897, 0.4170740305926451
    places = [
        *([0.625] * 3, [0.625, 0.625, 0.125], [0.125, 0.625, 0.625], [0.625, 0.125, 0.625]),
        *([u] * 3, [u, u, v], [v, u, u], [u, v, u], [w] * 3, [w, w, x], [w, x, w], [x, w, w]),
    ]
    return Atoms("Mn4O8", scaled_positions=places, cell=[[0, c, c], [c, 0, c], [c, c, 0]], pbc=True)


@pytest.mark.parametrize(("atoms", "hirshfeld", "expected"), [METHANOL, FORMAMIDE])
def test_molecules(atoms, hirshfeld, expected):
    assert cm5_charges(atoms, np.array(hirshfeld)) == pytest.approx(expected, abs=1e-6)


def test_a_crystal():
    found = cm5_charges(spinel(), np.array([0.445] * 4 + [-0.2225] * 8))
    assert found == pytest.approx([0.943430] * 4 + [-0.471715] * 8, abs=1e-6)


def test_a_silver_thiolate():
    """By the published formula, written out for one bond of Ag and S."""
    atoms = Atoms("AgS", [[0, 0, 0], [0, 0, 2.5]])
    moved = 0.0565 * np.exp(-2.474 * (2.5 - 1.36 - 1.04))
    assert cm5_charges(atoms, np.array([0.2, -0.2])) == pytest.approx([0.2 + moved, -0.2 - moved])


def test_what_has_no_cm5_charges():
    assert len(RADII) == 84 and RADII[[1, 47, 83]] == pytest.approx([0.32, 1.36, 1.50])
    with pytest.raises(ValueError, match="no CM5 charges of U"):
        cm5_charges(Atoms("U"), np.zeros(1))
    with pytest.raises(ValueError, match="of 2 atoms"):
        cm5_charges(Atoms("H2", [[0, 0, 0], [0, 0, 0.74]]), np.zeros(3))

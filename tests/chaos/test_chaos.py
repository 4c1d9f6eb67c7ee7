"""Two minutes of faults; the long run is a command: see `run.py`."""

from argparse import Namespace

import pytest

from tests.chaos.faults import Chaos
from tests.chaos.run import compare

pytestmark = pytest.mark.faults


def test_a_disturbed_scan_has_the_energies_of_an_undisturbed_one(services, cluster, tmp_path):
    asked = Namespace(
        sizes="7-30", minutes=2.0, every=20.0, seed=2, atom_steps=2e5, jobs=4, limit=1800.0
    )
    assert compare(services, cluster, asked, tmp_path / "chaos") == []


def test_equal_seeds_draw_equal_faults(services, cluster):
    drawn = []
    for _ in range(2):
        lines = []
        chaos = Chaos(services, cluster, 7, lines.append)
        chaos.faults = dict.fromkeys(chaos.faults, lambda: "drawn")
        for _ in range(40):
            chaos.draw()
        assert sum(chaos.counts.values()) == 40 and all(chaos.counts.values())
        drawn.append(lines)
    assert drawn[0] == drawn[1]

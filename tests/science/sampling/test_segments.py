import numpy as np
import pytest
from ase import Atoms

from aiida_nanoclusters.science.sampling.segments import cut_stages, seed_of, seeds_problem
from aiida_nanoclusters.science.sampling.stages import parse_stages, time_of
from aiida_nanoclusters.science.structures.boxes import in_box, outgrown

STAGES = parse_stages(
    [
        {"kind": "relax", "max_steps": 50},
        {"kind": "heat", "temperature": [100, 300], "duration": 0.103, "timestep": 0.001},
        {"kind": "hold", "temperature": 300, "duration": 0.1, "timestep": 0.002},
    ]
)


def test_a_ramp_is_climbed_in_even_treads() -> None:
    segments = cut_stages(STAGES, ramp_steps=4)
    assert [s.stage for s in segments] == [0, 1, 1, 1, 1, 2]
    assert [s.number for s in segments] == list(range(6))
    ramp_steps = segments[1:5]
    assert [s.temperature[0] for s in ramp_steps] == [125, 175, 225, 275]
    assert sum(s.steps for s in ramp_steps) == 103
    assert [s.first for s in ramp_steps] == np.cumsum(
        [0, *(s.steps for s in ramp_steps[:3])]
    ).tolist()
    assert segments[0].steps == 50 and segments[5].steps == 50


def test_a_ramp_in_one_piece() -> None:
    _, ramp, hold = cut_stages(STAGES)
    assert ramp.temperature == (100, 300) and ramp.steps == 103
    assert hold.temperature == (300, 300)


def test_time_goes_on_through_stages() -> None:
    assert time_of(STAGES, 1, 3) == 0.003
    assert time_of(STAGES, 2, 10) == pytest.approx(0.103 + 0.02)


def test_each_segment_has_a_seed_of_its_own() -> None:
    segments = cut_stages(STAGES, ramp_steps=4)
    assert len({seed_of(seed, s) for seed in (0, 1) for s in segments}) == 12
    assert "2 seeds for 3 structures" in str(seeds_problem([0, 1], 3))
    assert seeds_problem([0, True], 2) == "seeds must be integers from 0"


def test_a_cluster_outgrows_its_box() -> None:
    """Of 10 Å between images half must be left."""
    box = in_box(Atoms("Cu2", positions=[[0, 0, 0], [2.0, 0, 0]]), 10.0, cubic=True)
    assert box.cell.lengths() == pytest.approx(12.0)
    for length, fits in ((2.0, True), (6.9, True), (7.1, False)):
        positions = np.array([[5.0, 6, 6], [5.0 + length, 6, 6]])
        assert (outgrown(positions, box, 10.0) is None) == fits
    crystal = Atoms("Cu", cell=[2, 2, 2], pbc=True)
    assert outgrown(crystal.positions, crystal, 10.0) is None

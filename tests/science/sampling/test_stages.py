import numpy as np
import pytest

from aiida_nanoclusters.science.sampling.seeds import derive_seed
from aiida_nanoclusters.science.sampling.stages import (
    count_fragments,
    count_steps,
    parse_stage,
    parse_stages,
    sample_info,
    sample_interval,
)


def test_round_trip():
    definitions = [
        {"kind": "heat", "temperature": [100, 900], "duration": 5, "sample_every": 0.5},
        {"kind": "hold", "temperature": 900, "duration": 5, "pressure": 0, "timestep": "2e-3"},
        {"kind": "anneal", "temperature": (900, 100), "duration": 20, "thermostat": "nose-hoover"},
        {"kind": "quench"},
        {"kind": "relax", "force_tolerance": 1e-4, "cell": "tri", "sample_steps": 5},
    ]
    stages = parse_stages(definitions)
    assert parse_stages([s.as_dict() for s in stages]) == stages
    assert stages[1].temperature == (900.0, 900.0)
    assert stages[1].timestep == 0.002 and stages[1].pressure == 0.0
    assert stages[3].algorithm == "fire" and stages[4].algorithm == "cg"


HOLD = {"kind": "hold", "temperature": 300, "duration": 1}


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({}, "unknown kind None: choose one of heat"),
        ({"kind": "melt"}, "choose one of heat"),
        ({**HOLD, "speed": 1}, "does not know speed: it takes temperature"),
        ({"kind": "heat", "duration": 1}, "needs temperature"),
        ({**HOLD, "temperature": [1, 2]}, "use `heat` for a ramp"),
        ({**HOLD, "kind": "heat"}, "temperature: \\[from, to\\]"),
        ({**HOLD, "kind": "heat", "temperature": [900, 100]}, "swap them, or use `anneal`"),
        ({**HOLD, "kind": "anneal", "temperature": [100, 900]}, "swap them, or use `heat`"),
        ({**HOLD, "temperature": 0}, "above 0 K"),
        ({**HOLD, "temperature": "warm"}, "must be a number"),
        ({**HOLD, "duration": float("nan")}, "must be finite"),
        ({**HOLD, "duration": -1}, "above 0"),
        ({**HOLD, "timestep": 1.0}, "write 0.001 for 1 fs"),
        ({**HOLD, "duration": 1e-4}, "shorter than one"),
        ({**HOLD, "sample_every": 1e-4}, "at least one `timestep`"),
        ({**HOLD, "damping": 1e-3}, "several time steps"),
        ({**HOLD, "thermostat": "andersen"}, "choose one of langevin"),
        ({"kind": "relax", "algorithm": "bfgs"}, "choose one of fire, cg"),
        ({"kind": "relax", "max_steps": 1.5}, "whole number"),
        ({"kind": "relax", "max_steps": 0}, "at least 1"),
        ({"kind": "relax", "sample_steps": -1}, "`sample_steps` must be at least 0"),
        ({"kind": "relax", "sample_steps": 0.5}, "`sample_steps` must be a whole number"),
        ({"kind": "quench", "sample_steps": True}, "`sample_steps` must be a whole number"),
        ({"kind": "relax", "sample_every": 1}, "it takes algorithm.*sample_steps"),
        ({**HOLD, "sample_steps": 1}, "does not know sample_steps"),
        ({"kind": "relax", "cell": "iso", "algorithm": "fire"}, "`algorithm: cg` only"),
        ({"kind": "quench", "cell": "iso"}, "use `relax`"),
    ],
)
def test_messages_name_the_fix(definition, message):
    with pytest.raises(ValueError, match=message):
        parse_stage(definition)


def test_messages_name_the_stage():
    with pytest.raises(ValueError, match="at least one"):
        parse_stages([])
    with pytest.raises(ValueError, match=r"stage 1: .*melt"):
        parse_stages([{"kind": "relax"}, {"kind": "melt"}])
    with pytest.raises(ValueError, match="mapping"):
        parse_stages(["relax"])


def test_count_steps():
    stage = parse_stage({**HOLD, "timestep": 0.002, "sample_every": 0.1})
    whole, half = count_steps(stage), count_steps(stage, 0.5)
    assert (whole.total, whole.sample, whole.thermo) == (500, 50, 50)
    assert (half.total, half.sample, half.timestep) == (1000, 100, 0.001)
    assert whole.restart % whole.thermo == 0 and whole.restart >= 5000
    silent = count_steps(parse_stage(HOLD))
    assert silent.sample == 0 and silent.thermo == 10


def test_what_a_sample_tells():
    """Time stands still in minimisations, which tell their step."""
    stages = parse_stages([HOLD, {"kind": "relax", "sample_steps": 5}, {**HOLD, "timestep": 0.002}])
    assert [sample_interval(s) for s in stages] == [0, 5, 0]
    assert stages[1].as_dict()["sample_steps"] == 5
    assert sample_info(stages, 4, 1, 10, None) == {
        **{"structure": 4, "stage": 1, "time": 1.0, "temperature": None, "step": 10}
    }
    assert sample_info(stages, 4, 2, 10, 300.0004, factor=0.5) == {
        **{"structure": 4, "stage": 2, "time": 1.01, "temperature": 300.0}
    }


def test_seeds():
    seeds = {derive_seed(a, b) for a in range(50) for b in range(50)}
    assert len(seeds) == 2500
    assert min(seeds) >= 1 and max(seeds) <= 900_000_000
    assert derive_seed(1, 2) == derive_seed(1, 2) != derive_seed(2, 1)


def test_fragments():
    positions = np.array([[0, 0, 0], [0, 0, 2.0], [0, 0, 4.0], [9.0, 0, 0]])
    assert count_fragments(positions, 2.5) == 2
    assert count_fragments(positions, 1.5) == 4
    assert count_fragments(positions, 20.0) == 1
    assert count_fragments(positions[:1], 2.5) == 1

"""Walkers with one bias through AiiDA: hills are exchanged, and each is there once."""

from itertools import pairwise

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, Int, List

from aiida_nanoclusters.calculations.sampling.metadynamics import validate_inputs
from aiida_nanoclusters.calculations.sampling.metadynamics_results import run_of
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings
from aiida_nanoclusters.workflows.base.shared_bias import SharedBiasWorkChain
from aiida_nanoclusters.workflows.sampling.metadynamics import MetadynamicsWorkChain
from tests.workflows.base.test_lammps import killed_once
from tests.workflows.sampling.test_metadynamics import COLLECTIVE, SETTINGS, cluster

__all__ = ["cluster"]  # a fixture

#: Two exchanges, the last stretch shorter.
SHARED = {**SETTINGS, **COLLECTIVE, "walkers": 2, "exchange_every": 0.8}


def walkers(code, potential, frames, **changes):
    builder = SharedBiasWorkChain.get_builder()
    builder.settings, builder.seed = Dict({**SHARED, **changes}), Int(3)
    builder.lammps = {
        "code": code,
        "metadata": {"options": {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}}},
        "frames": frames,
        "potential": potential,
    }
    return builder


def judge(node, duration):
    """Two walkers of a whole run: every value and every hill once, energies those of the hills."""
    settings = MetadynamicsSettings(**node.inputs.settings.get_dict())
    nodes = node.outputs.bias
    runs = {name: run_of(nodes[name], settings) for name in nodes}
    assert sorted(runs) == ["walker_000", "walker_001"]
    last = round(duration / settings.timestep)
    centres = []
    for name, run in runs.items():
        energies = nodes[name].get_array(keys.HILLS_ENERGIES)
        assert run.steps[0] == 0 and run.steps[-1] == last and (np.diff(run.steps) == 10).all()
        assert run.times[-1] == pytest.approx(duration)
        assert len(run.hill_steps) == 2 * (last // 20)
        centres.append(np.sort(run.hills.centres, axis=0))
        # its own hills act one after the other, those of the other from the exchange
        own, taken = np.unique(run.hill_steps, return_counts=True)
        exchanges = [round(t / settings.timestep) for t in np.cumsum(settings.rounds())]
        assert set(own[taken > 1]) == set(exchanges)
        assert set(range(20, last + 1, 20)) <= set(own)
        summed = []
        for step, place in zip(run.steps, run.variables, strict=True):
            before = run.hills.upto(int((run.hill_steps < step).sum()))
            summed.append(before.sum_at(place[None])[0] * before.share)
        # cells of half a width are coarse; hills of others that lacked or were there twice show
        for start, end in pairwise([0, *exchanges]):
            there = (run.steps >= start) & (run.steps < end)
            own, expected = energies[there], np.array(summed)[there]
            assert own @ expected / (expected @ expected) == pytest.approx(1, abs=0.1)
    np.testing.assert_array_equal(*centres)


def test_every_hill_acts_on_both_walkers(lmp_code, eam_potential, cluster):
    _, node = run_get_node(walkers(lmp_code, eam_potential, cluster, walls=[]))
    assert node.is_finished_ok, node.exit_message
    assert len([c for c in node.called if "WorkChain" in c.node_type]) == 6  # three rounds
    judge(node, 2.0)
    one, other = (node.outputs.trajectory[f"walker_{k:03d}"].frames for k in range(2))
    assert len(one) == len(other) == 10
    assert not np.allclose(one.positions, other.positions)


def test_work_chain(lmp_code, eam_potential, cluster):
    """Free energy and report of two runs of two walkers each."""
    changed = {"settings": {**SHARED, "runs": 2, "blocks": 2}}
    builder = MetadynamicsWorkChain.get_builder_from_protocol(
        lmp_code, eam_potential, cluster, "trial", changed
    )
    builder.seed, builder.max_concurrent = Int(2), Int(2)
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    names = [f"run_{run:03d}_walker_{k:03d}" for run in range(2) for k in range(2)]
    assert sorted(node.outputs.bias) == sorted(node.outputs.trajectory) == names
    report = node.outputs.report.get_dict()
    assert sorted(report) == names and {run["hills"] for run in report.values()} == {100}
    by_hills = node.outputs.free_energy.get_array(keys.FREE_ENERGIES_BY_HILLS)
    assert by_hills.shape == (10, 10) and by_hills.min() == 0


@pytest.mark.faults
def test_a_killed_walker_loses_nothing(code_on, lmp_code, eam_potential, cluster, tmp_path):
    """Killed in the second round or the first: it goes on, and the exchange waits for it."""
    code = killed_once(code_on, lmp_code, tmp_path)
    changes = {"duration": 40.0, "exchange_every": 25.0, "walls": [], "blocks": 2}
    _, node = run_get_node(walkers(code, eam_potential, cluster, **changes))
    assert node.is_finished_ok, node.exit_message
    jobs = [c for c in node.called_descendants if "CalcJob" in c.node_type]
    assert len(jobs) == 5 and any("resume" in job.inputs for job in jobs)
    judge(node, 40.0)


def test_what_walkers_cannot_be(cluster, eam_potential, lmp_code):
    for change, reason in (
        ({"method": "opes", "barrier": 0.5}, "`walkers` share hills of `metadynamics`"),
        ({"exchange_every": 0.01}, "no hill would be exchanged"),
        ({"walkers": 0}, "walkers"),
        (
            {"collective_variables": [], "walls": [], "coordination_walls": [],
             "variables": SETTINGS["variables"]},
            "along `collective_variables`",
        ),
    ):  # fmt: skip
        assert reason in MetadynamicsSettings.problem({**SHARED, **change})
    settings = MetadynamicsSettings(**{**SHARED, "duration": 2.0})
    assert settings.rounds() == pytest.approx([0.8, 0.8, 0.4])
    assert [len(settings.stages_of_round(k)) for k in range(3)] == [2, 1, 1]
    inputs = {"frames": cluster, "potential": eam_potential, "bias": Dict(SHARED)}
    inputs |= {"stages": List(settings.stages()), "seeds": List([1])}
    assert validate_inputs(inputs, None) is None
    smaller = FramesData([cluster.frames[0][:20]])
    assert "the same atoms" in validate_inputs({**inputs, "reference": smaller}, None)

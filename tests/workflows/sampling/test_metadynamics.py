"""Metadynamics through AiiDA: order parameters, a chart, walltime, what is refused."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, Int, List
from ase.cluster import Octahedron

from aiida_nanoclusters.calculations.sampling.metadynamics_results import run_of
from aiida_nanoclusters.data.chart import ChartData
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.charts.chart import Chart, ChartHead
from aiida_nanoclusters.science.charts.distributions import pair_distributions
from aiida_nanoclusters.science.charts.network import make_network
from aiida_nanoclusters.science.network_state import state_arrays
from aiida_nanoclusters.science.sampling.collective_variables import variables_of
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings
from aiida_nanoclusters.science.structures.molecules import find_molecules
from aiida_nanoclusters.workflows.base.metadynamics import MetadynamicsBaseWorkChain
from aiida_nanoclusters.workflows.parts.protocol import load_protocol, protocol_names
from aiida_nanoclusters.workflows.sampling.metadynamics import (
    MetadynamicsWorkChain,
    validate_inputs,
)
from tests.workflows.base.test_lammps import killed_once

SETTINGS = {
    "variables": [{"kind": "q6", "width": 0.02}, {"kind": "chart", "coordinate": 2, "width": 0.02}],
    "temperature": 400.0,
    "height": 0.05,
    "bias_factor": 20,
    "pace": 0.04,
    "duration": 2.0,
    "equilibration": 0.2,
    "print_every": 0.02,
    "sample_every": 0.2,
    "cells": 10,
    "blocks": 3,
}


@pytest.fixture
def cluster(aiida_profile):
    atoms = Octahedron("Cu", 4, cutoff=1)
    atoms.set_tags(0)
    return FramesData([atoms]).store()


@pytest.fixture
def chart(aiida_profile):
    """An untrained chart: its numbers are random, its coordinates well defined."""
    import torch

    torch.manual_seed(3)
    network = {"channels": [4, 4], "kernels": [5, 4], "dimensions": 3}
    head = ChartHead(
        distribution={"longest": 4.0, "bins": 64},
        network=network,
        reproduces="thermal",
        bond_lengths={"Cu": 2.556},
        sizes=[38],
        largest_error=1.0,
        largest_distance=1.0,
        outside_quantile=0.99,
        n_seen=1,
    )
    ones, zeros = np.ones(64, np.float32), np.zeros(64, np.float32)
    state = state_arrays(make_network(64, network))
    made = Chart(head, zeros, ones, zeros, ones, np.zeros((1, 3), np.float32), state)
    return ChartData(made).store()


def base(code, potential, frames, chart=None, timeout=None, **changes):
    settings = {**SETTINGS, **changes}
    builder = MetadynamicsBaseWorkChain.get_builder()
    inputs = {
        "code": code,
        "metadata": {"options": {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}}},
        "frames": frames,
        "potential": potential,
        "stages": List(MetadynamicsSettings(**settings).stages()),
        "seeds": List([5]),
        "bias": Dict(settings),
    }
    if chart is not None:
        inputs["chart"] = chart
    if timeout is not None:
        inputs["settings"] = Dict({"timeout": timeout})
    builder.lammps = inputs
    return builder


@pytest.mark.usefixtures("allegro_plugin")
def test_a_run_with_a_chart(lmp_code, eam_potential, cluster, chart):
    """Variables are those of the frames, and there is a hill every `pace`."""
    _, node = run_get_node(base(lmp_code, eam_potential, cluster, chart))
    assert node.is_finished_ok, node.exit_message
    bias = node.outputs.bias
    assert bias.base.attributes.get("names") == ["chart2", "q6"]
    assert len(bias.get_array(keys.HILL_STEPS)) == pytest.approx(50, abs=1)
    frames = node.outputs.trajectory.frames
    rows = pair_distributions(frames, chart.chart.distribution, 2.556)
    coordinates = chart.chart.coordinates(rows)[:, 1]
    places = np.rint(np.arange(0.2, 2.01, 0.2) / 0.02).astype(int) - 1
    values = bias.get_array(keys.VARIABLES)
    np.testing.assert_allclose(values[places, 0], coordinates, atol=1e-4)
    assert bias.get_array(keys.HILLS_ENERGIES)[-1] > 0


@pytest.mark.faults
@pytest.mark.usefixtures("allegro_plugin")
def test_walltime_loses_nothing(lmp_code, eam_potential, cluster):
    """Jobs that run out of time continue, with every hill and every value once."""
    variables = [{"kind": "q6", "width": 0.02}, {"kind": "q4", "width": 0.01}]
    changes = {"variables": variables, "duration": 200.0}  # several seconds on any machine
    run = base(lmp_code, eam_potential, cluster, timeout=1, **changes)
    _, node = run_get_node(run)
    assert node.is_finished_ok, node.exit_message
    assert len(node.called) > 2  # several jobs
    bias = node.outputs.bias
    hills, steps = bias.get_array(keys.HILL_STEPS), bias.get_array(keys.STEPS)
    assert (np.diff(hills) == 20).all() and len(hills) == pytest.approx(5000, abs=1)
    assert (np.diff(steps) == 10).all() and steps[-1] == 100000


@pytest.mark.faults
@pytest.mark.usefixtures("allegro_plugin")
def test_a_killed_job_loses_nothing(code_on, lmp_code, eam_potential, cluster, tmp_path):
    """The next job goes on from the restart file, with every hill and every value once."""
    code = killed_once(code_on, lmp_code, tmp_path)
    changes = {"variables": [{"kind": "q6", "width": 0.02}], "duration": 60.0}
    _, node = run_get_node(base(code, eam_potential, cluster, **changes))
    assert node.is_finished_ok, node.exit_message
    jobs = [c for c in node.called if "CalcJob" in c.node_type]
    assert len(jobs) == 2 and jobs[1].inputs.resume["step"] > 0
    bias = node.outputs.bias
    hills, steps = bias.get_array(keys.HILL_STEPS), bias.get_array(keys.STEPS)
    assert (np.diff(hills) == 20).all() and len(hills) == pytest.approx(1500, abs=1)
    assert (np.diff(steps) == 10).all() and steps[-1] == 30000


@pytest.mark.usefixtures("allegro_plugin")
def test_work_chain(lmp_code, eam_potential, cluster):
    changed = {"settings": {"duration": 6.0, "runs": 2, "temperature": 400.0, "blocks": 2}}
    builder = MetadynamicsWorkChain.get_builder_from_protocol(
        lmp_code, eam_potential, cluster, "trial", changed
    )
    builder.seed = Int(2)
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    report = node.outputs.report.get_dict()
    assert set(report) == {"run_000", "run_001"}
    assert report["run_000"]["ranges"] != report["run_001"]["ranges"]
    energy = node.outputs.free_energy
    assert energy.get_array(keys.FREE_ENERGIES).shape == (20, 20)
    assert energy.get_array(keys.FREE_ENERGIES_BY_HILLS).min() == 0
    assert energy.get_array(keys.BASIN_LABELS).shape == (20, 20)
    answer = node.outputs.answer
    assert not answer["converged"] and answer["reason"].startswith("not converged: ")
    assert set(node.outputs.trajectory) == {"run_000", "run_001"}


COLLECTIVE = {
    "variables": [],
    "collective_variables": [
        {"name": "apart", "width": 0.2, "upper": 3.4,
         "terms": [{"kind": "distance", "groups": [["Cu1"], ["Cu2"]]}]},
        {"name": "around", "width": 0.5,
         "terms": [{"kind": "coordination", "groups": [["Cu1"], ["Cu"]], "r0": 3.2}]},
    ],
    "walls": [{"name": "far", "upper": 9.0, "width": 1.0,
               "terms": [{"kind": "distance", "groups": [["Cu1"], ["Cu3"]]}]}],
    "coordination_walls": [{"name": "bonded", "groups": [["Cu1", "Cu2"], ["Cu"]], "r0": 3.2,
                            "lower": 3.0}],
}  # fmt: skip


def test_collective_variables_by_colvars(lmp_code, eam_potential, cluster):
    """Variables are those of the frames; the bias is the sum of the hills before each value."""
    _, node = run_get_node(base(lmp_code, eam_potential, cluster, **COLLECTIVE))
    assert node.is_finished_ok, node.exit_message
    bias = node.outputs.bias
    assert bias.base.attributes.get("names") == ["apart", "around"]
    (job,) = (c for c in node.called if "CalcJob" in c.node_type)
    config = job.base.repository.get_object_content("bias.in.colvars")
    assert "colvars bonded_1 bonded_2\n" in config
    steps, values = bias.get_array(keys.STEPS), bias.get_array(keys.VARIABLES)
    hills = bias.get_array(keys.HILL_STEPS)
    assert (np.diff(hills) == 20).all() and len(hills) == pytest.approx(50, abs=1)
    frames = node.outputs.trajectory.frames
    settings = MetadynamicsSettings(**{**SETTINGS, **COLLECTIVE})
    own = variables_of(settings.collective_variables, find_molecules(frames[0]))
    assert len(frames) == 10
    for number, atoms in enumerate(frames, start=1):
        (place,) = np.flatnonzero(steps == 100 * number)
        expected = [variable.value(atoms) for variable in own]
        np.testing.assert_allclose(values[place], expected, atol=1e-4)
    run = run_of(bias, settings)
    assert not run.hills.stretched
    for place in (30, 60, 99):
        before = run.hills.upto(int((hills < steps[place]).sum()))
        summed = before.sum_at(values[place][None])[0] * before.share
        assert bias.get_array(keys.HILLS_ENERGIES)[place] == pytest.approx(
            summed, rel=0.05, abs=2e-3
        )


def interrupted(code_on, lmp_code, potential, cluster, tmp_path, fault, **changes):
    """Run to the end in two jobs or more, of which the first was killed or out of walltime."""
    code = killed_once(code_on, lmp_code, tmp_path) if fault == "killed" else lmp_code
    timeout = None if fault == "killed" else 2
    _, node = run_get_node(base(code, potential, cluster, timeout=timeout, **changes))
    assert node.is_finished_ok, node.exit_message
    jobs = [c for c in node.called if "CalcJob" in c.node_type]
    assert len(jobs) >= 2 and jobs[1].inputs.resume["step"] > 0
    return node, jobs


@pytest.mark.faults
@pytest.mark.parametrize("fault", ["killed", "walltime"])
def test_colvars_goes_on_without_a_lost_or_doubled_hill(
    code_on, lmp_code, eam_potential, cluster, tmp_path, fault
):
    changes = {**COLLECTIVE, "duration": 160.0}
    args = (code_on, lmp_code, eam_potential, cluster, tmp_path, fault)
    node, _ = interrupted(*args, **changes)
    bias = node.outputs.bias
    hills, steps = bias.get_array(keys.HILL_STEPS), bias.get_array(keys.STEPS)
    assert (np.diff(hills) == 20).all() and hills[-1] == changes["duration"] * 500
    assert (np.diff(steps) == 10).all() and steps[-1] == changes["duration"] * 500
    # those of the first job act in the last one; cells of half a width are coarse
    run = run_of(bias, MetadynamicsSettings(**{**SETTINGS, **changes}))
    before = run.hills.upto(int((hills < steps[-1]).sum()))
    summed = before.sum_at(run.variables[-1][None])[0] * before.share
    assert bias.get_array(keys.HILLS_ENERGIES)[-1] == pytest.approx(summed, rel=0.35)


def test_collective_variables_that_cannot_be(cluster):
    inputs = {"frames": cluster, "settings": Dict({**SETTINGS, **COLLECTIVE}), "lammps": {}}
    assert validate_inputs(inputs, None) is None
    foreign = [{**COLLECTIVE["walls"][0], "terms": [
        {"kind": "distance", "groups": [["O_solvent1"], ["Cu1"]]}]}]  # fmt: skip
    given = {**inputs, "settings": Dict({**SETTINGS, **COLLECTIVE, "walls": foreign})}
    assert "no atom is `O_solvent1`: there are Cu (38)" in validate_inputs(given, None)
    for change, reason in (
        ({"variables": SETTINGS["variables"]}, "give either `variables` or `collective"),
        ({"collective_variables": [], "variables": SETTINGS["variables"]}, "`walls` belong to"),
        ({"walls": [{**COLLECTIVE["walls"][0], "upper": None}]}, "neither `lower` nor `upper`"),
        (
            {"walls": [], "collective_variables": [], "variables": SETTINGS["variables"]},
            "`coordination_walls` belong to",
        ),
        ({"walls": [{**COLLECTIVE["walls"][0], "name": "apart"}]}, "name each once"),
    ):
        assert reason in MetadynamicsSettings.problem({**SETTINGS, **COLLECTIVE, **change})


def test_what_cannot_run_is_refused(eam_potential, cluster, chart):
    inputs = {"frames": cluster, "settings": Dict(SETTINGS), "lammps": {"potential": eam_potential}}
    assert "give `chart`" in validate_inputs(inputs, None)
    assert validate_inputs({**inputs, "chart": chart}, None) is None
    carbon = FramesData([Octahedron("C", 4, cutoff=1, latticeconstant=3.6)])
    orders = {**SETTINGS, "variables": SETTINGS["variables"][:1]}
    inputs = {**inputs, "frames": carbon, "settings": Dict(orders)}
    assert "bond_length" in validate_inputs(inputs, None)
    inputs["settings"] = Dict({**orders, "bond_length": 2.5})
    assert "does not know C, only Cu" in validate_inputs(inputs, None)


@pytest.mark.parametrize("name", protocol_names("metadynamics"))
def test_protocols_are_settings(name):
    values = load_protocol("metadynamics", name, element="Cu")
    assert MetadynamicsSettings.problem(values["settings"]) is None

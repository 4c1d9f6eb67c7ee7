"""OPES through AiiDA: the work chain and its report, walltime, a job that is killed."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Int

from aiida_nanoclusters.calculations.sampling.metadynamics_results import run_of
from aiida_nanoclusters.cli.report.metadynamics import (
    collect_metadynamics,
    disagreement,
    metadynamics_words,
    surface,
)
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings
from aiida_nanoclusters.workflows.sampling.metadynamics import MetadynamicsWorkChain
from tests.workflows.sampling.test_metadynamics import (
    COLLECTIVE,
    SETTINGS,
    cluster,
    interrupted,
)

__all__ = ["cluster"]  # a fixture

OPES = {**COLLECTIVE, "method": "opes", "height": None, "barrier": 0.5}


def test_work_chain_and_report(lmp_code, eam_potential, cluster):
    changed = {"settings": {**SETTINGS, **OPES, "runs": 2}}
    builder = MetadynamicsWorkChain.get_builder_from_protocol(
        lmp_code, eam_potential, cluster, "trial", changed
    )
    builder.seed = Int(2)
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    bias = node.outputs.bias.run_000
    assert keys.HILL_STEPS not in bias.get_arraynames()
    assert run_of(bias, MetadynamicsSettings(**changed["settings"])).hills is None
    energies = bias.get_array(keys.HILLS_ENERGIES)
    assert energies[0] == pytest.approx(-0.5, abs=1e-6) and energies.max() > -0.45
    assert node.outputs.report["run_000"]["hills"] == 0
    free_energy = node.outputs.free_energy
    assert keys.FREE_ENERGIES_BY_HILLS not in free_energy.get_arraynames()
    nodes = {
        "free_energy": free_energy,
        "report": node.outputs.report,
        "answer": node.outputs.answer,
        "bias.run_000": bias,
        "bias.run_001": node.outputs.bias.run_001,
    }
    part = collect_metadynamics(nodes, changed["settings"])
    assert disagreement(part) is None
    assert "2 ps with OPES up to barriers of 500 meV, bias factor 20." in metadynamics_words(part)
    assert "hills" not in metadynamics_words(part)
    assert not [name for name in surface(part).columns if "hills" in name]
    assert part.basins.sentences[0].startswith("Not converged: ")


@pytest.mark.faults
@pytest.mark.parametrize("fault", ["killed", "walltime"])
def test_a_run_goes_on_with_its_bias(code_on, lmp_code, eam_potential, cluster, tmp_path, fault):
    """Every value is there once, and where a job begins the bias is nearly what it was."""
    changes = {**OPES, "duration": 40.0}
    args = (code_on, lmp_code, eam_potential, cluster, tmp_path, fault)
    node, jobs = interrupted(*args, **changes)
    bias = node.outputs.bias
    steps, energies = bias.get_array(keys.STEPS), bias.get_array(keys.HILLS_ENERGIES)
    assert (np.diff(steps) == 10).all() and steps[-1] == changes["duration"] * 500
    (place,) = np.flatnonzero(steps == jobs[1].inputs.resume["step"])
    # a bias that had forgotten its kernels were the negative barrier everywhere
    assert energies[place + 1] > -0.4999
    assert np.abs(np.diff(energies[place - 1 : place + 3])).max() < 0.2

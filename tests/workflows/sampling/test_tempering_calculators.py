"""Parallel tempering of potentials that come with the LAMMPS plugin."""

import json

import numpy as np
from aiida.engine import run_get_node
from ase.calculators.emt import EMT

from aiida_nanoclusters.calculations.sampling.tempering_results import swap_table
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron
from tests.workflows.sampling.test_parallel_tempering import base


def test_ase_calculator(code_on, allegro_plugin, aiida_profile) -> None:
    """ASE's effective medium theory moves the replicas; labels are its own energies."""
    potential = PotentialData.from_calculator("ase.calculators.emt:EMT", ["Cu"]).store()
    lines = f"export OMP_NUM_THREADS=1 LAMMPS_PLUGIN_PATH={allegro_plugin}"
    code = code_on("python", code_on.python, lines)
    cluster = FramesData([mackay_icosahedron("Cu", 1)]).store()
    builder = base(
        code,
        potential,
        cluster,
        temperatures=[300.0, 380.0],
        duration=0.08,
        equilibration=0.0,
        swap_every=0.02,
        sample_every=0.04,
        timestep=0.002,
        damping=0.1,
    )
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    assert len(swap_table(node.outputs.swaps)) == 4
    frames = node.outputs.trajectory.frames
    assert len(frames) == 4 and frames.level_of_theory == potential.level_of_theory
    for atoms in frames:
        copy = atoms.copy()
        copy.calc = EMT()
        assert np.isclose(copy.get_potential_energy(), atoms.get_potential_energy(), atol=1e-6)
    assert {json.loads(str(text))["temperature"] for text in frames.info} == {300.0, 380.0}

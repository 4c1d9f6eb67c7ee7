"""What all engines keep: the label of each frame or the reason, in input order."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from ase import Atoms

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron
from aiida_nanoclusters.workflows.labels.label import ENGINES
from aiida_nanoclusters.workflows.parts.job_inputs import job

STEP = 1e-3  # Å


@pytest.fixture(params=sorted(ENGINES))
def engine(request, code_on):
    """The class of an engine, and a factory of its inputs; `dead` for a program that only fails."""
    name, get = request.param, request.getfixturevalue
    process = ENGINES[name]
    options = {"max_wallclock_seconds": 300}
    if name == "potential":
        code, potential = get("lmp_code"), get("eam_potential")

        def potential_inputs(code):
            return {"potential": potential, "evaluate": job(code, options)}

        make = potential_inputs
    elif name == "cp2k":
        code = get("cp2k_code")

        def cp2k_inputs(code):
            return process.builder_inputs(code, "gfn1-xtb", options=options)

        make = cp2k_inputs
    else:
        pytest.importorskip("aiida_vasp", reason="aiida-vasp is not installed")
        get("family")
        code = get("vasp")()

        def vasp_inputs(code):
            return process.builder_inputs(code, options=options)

        make = vasp_inputs
    return process, lambda dead=False: make(code_on("dead", "/bin/false") if dead else code)


def frames() -> FramesData:
    """A cluster, three dimers that differ by a step, and the cluster's mirror image."""
    cluster = mackay_icosahedron("Cu", 1, 2.5)
    cluster.positions += np.random.default_rng(5).normal(scale=0.05, size=(13, 3))
    mirror = cluster.copy()
    mirror.positions[:, 0] *= -1
    dimers = [Atoms("Cu2", positions=[[0, 0, 0], [2.3 + k * STEP, 0.2, 0.1]]) for k in (0, 1, -1)]
    images = [cluster, *dimers, mirror]
    for k, atoms in enumerate(images):
        atoms.info.update(config_type="contract", parent=f"t{k}", seed=k)
    return FramesData(images)


def test_labels(engine) -> None:
    process, inputs = engine
    asked = frames()
    outputs, node = run_get_node(process, frames=asked, **inputs())
    assert node.is_finished_ok, node.exit_message
    rows = outputs["report"]["frames"]
    assert [row["index"] for row in rows] == list(range(5))
    assert {row["state"] for row in rows} == {"labelled"}
    found = outputs["frames"].frames
    assert found.content_hashes() == asked.frames.content_hashes()
    assert list(found.parents) == list(asked.frames.parents)
    assert found.labelled.all() and found.level_of_theory
    assert found.energies[0] == pytest.approx(found.energies[4], abs=1e-4)
    forces = [found.forces[found.atoms_of(i)] for i in range(5)]
    assert np.allclose(forces[0] * [-1, 1, 1], forces[4], atol=2e-3)
    assert all(np.abs(f.sum(axis=0)).max() < 1e-3 for f in forces)
    slope = (found.energies[2] - found.energies[3]) / (2 * STEP)
    assert forces[1][1, 0] == pytest.approx(-slope, abs=5e-3)


def test_a_program_that_died_is_reported(engine) -> None:
    process, inputs = engine
    _, node = run_get_node(process, frames=frames(), **inputs(dead=True))
    assert node.exit_status == process.exit_codes.ERROR_NOTHING_LABELLED.status


def test_method_and_cost(engine) -> None:
    process, inputs = engine
    assert process.method(inputs()) == process.method(inputs())
    assert process.method(inputs()).partition("-")[0] in ENGINES
    assert process.cost_exponent >= 1 and process.least_batches >= 0
    assert isinstance(process.needs_isolated_atoms, bool)

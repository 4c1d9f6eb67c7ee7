"""Potentials that are ASE calculators, in jobs of LAMMPS, against ASE itself."""

import json
import os
import signal
import sys

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, List
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.cluster import Icosahedron

from aiida_nanoclusters.calculations.labels.evaluate import EvaluateCalculation
from aiida_nanoclusters.calculations.lammps_job import validate_potential
from aiida_nanoclusters.calculations.sampling.lammps import LammpsCalculation
from aiida_nanoclusters.cli.launch.nodes import CalculatorChoice, get_calculator
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import nothing_granted
from tests.calculations.labels.test_evaluate import evaluate, mixed_frames
from tests.calculations.sampling.test_lammps import run_stages

EMT_PATH = "ase.calculators.emt:EMT"


@pytest.fixture
def python_lmp(code_on, allegro_plugin):
    """LAMMPS whose PATH has the Python of the tests first."""
    lines = (
        f"export PATH={sys.prefix}/bin:$PATH",
        "export OMP_NUM_THREADS=1",
        f"export LAMMPS_PLUGIN_PATH={allegro_plugin}",
    )
    return code_on("lmp", f"{sys.prefix}/bin/lmp", "\n".join(lines))


@pytest.fixture
def emt(aiida_profile) -> PotentialData:
    return PotentialData.from_calculator(EMT_PATH, ["Cu"]).store()


def test_what_the_node_says(emt) -> None:
    assert emt.kind == "calculator" and emt.elements == ["Cu"]
    assert emt.level_of_theory == "EMT()"
    assert emt.atom_energies["Cu"] == pytest.approx(3.51, abs=0.01)
    assert emt.runs_in_lammps and validate_potential(emt, None) is None
    assert isinstance(emt.get_calculator(), EMT)


def test_labels_equal_ase(python_lmp, emt) -> None:
    """Clusters, crystals in cells of any shape, a slab and a wire, each with its periodicity."""
    frames = mixed_frames()
    outputs, node = evaluate(python_lmp, frames, {"emt": emt})
    assert node.is_finished_ok, node.exit_message
    for i, (given, found) in enumerate(zip(frames, outputs["labelled"]["emt"].frames, strict=True)):
        reference = given.copy()
        reference.calc = EMT()
        assert found.get_potential_energy() == pytest.approx(
            reference.get_potential_energy(), abs=1e-9
        ), i
        assert np.allclose(found.get_forces(), reference.get_forces(), atol=1e-9), i
        if given.pbc.all():
            assert np.allclose(found.get_stress(), reference.get_stress(), atol=1e-8), i
    versions = json.loads(node.outputs.retrieved.get_object_content("calculator_versions.json"))
    assert versions["python"] == sys.version.split()[0] and "ase" in versions


def test_partial_charges_of_tight_binding(python_lmp) -> None:
    """Those of tblite itself, whatever the order of elements and the periodicity of a frame."""
    tblite = pytest.importorskip("tblite.ase", reason="pip install aiida-nanoclusters[tblite]")
    arguments = {"method": "GFN1-xTB", "verbosity": 0}
    potential = PotentialData.from_calculator(
        "tblite.ase:TBLite", ["Ag", "C", "H", "O"], arguments=arguments
    ).store()
    alone, boxed = molecule("CH3OH"), molecule("CH3OH")
    boxed += Atoms("Ag", [[0.0, 2.0, 2.0]])
    boxed.set_cell([8.0, 8.0, 8.0])
    boxed.pbc = True
    frames = [boxed, alone]
    settings = Dict({"partial_charges": ["mulliken"]})
    outputs, node = evaluate(python_lmp, frames, {"xtb": potential}, settings=settings)
    assert node.is_finished_ok, node.exit_message
    for given, label in zip(frames, outputs["labelled"]["xtb"].frames, strict=True):
        reference = given.copy()
        reference.calc = tblite.TBLite(method="GFN1-xTB", verbosity=0)
        assert label.arrays["charges_mulliken"] == pytest.approx(reference.get_charges(), abs=1e-6)
    plain, _ = evaluate(python_lmp, frames, {"xtb": potential})
    assert plain["labelled"]["xtb"].frames.partial_charges == {}


def test_partial_charges_that_nothing_gives(python_lmp, emt) -> None:
    with pytest.raises(ValueError, match="`a`: only calculators of tblite give partial charges"):
        evaluate(
            python_lmp,
            [Icosahedron("Cu", 2)],
            {"a": emt},
            settings=Dict({"partial_charges": ["mulliken"]}),
        )


def test_stages(python_lmp, emt) -> None:
    """A hot icosahedron is annealed back; a crystal relaxes its cell to the lattice constant."""
    stages = [
        {"kind": "hold", "temperature": 300, "duration": 0.2, "timestep": 0.004},
        {"kind": "relax", "force_tolerance": 1e-3, "cell": "iso"},
    ]
    frames = [Icosahedron("Cu", 2), bulk("Cu", a=3.7, cubic=True)]
    outputs, node = run_stages(python_lmp, frames, emt, stages, seeds=List([1, 2]))
    assert node.is_finished_ok, node.exit_message
    cluster, crystal = outputs["structures"].frames
    reference = cluster.copy()
    reference.calc = EMT()
    assert cluster.get_potential_energy() == pytest.approx(
        reference.get_potential_energy(), abs=1e-9
    )
    assert np.abs(reference.get_forces()).max() < 2e-3
    # Asap, EMT of copper: 3.59 Å (https://ase-lib.org/ase/calculators/emt.html)
    assert crystal.cell.lengths() == pytest.approx(3.59, abs=0.01)


def test_imported_ones_do_not_run(python_lmp) -> None:
    with nothing_granted():
        potential = PotentialData.from_calculator(EMT_PATH, ["Cu"], atom_energies={"Cu": 0}).store()
    assert "aiida-nanoclusters trust" in validate_potential(potential, None)
    with pytest.raises(ValueError, match="aiida-nanoclusters trust"):
        evaluate(python_lmp, [Icosahedron("Cu", 2)], {"a": potential})
    with pytest.raises(ValueError, match="aiida-nanoclusters trust"):
        potential.get_calculator()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no_such_package.x:Y", "install the package where the job runs"),
        ("tests.formats.calculators.test_description:OnlyEnergy", "gives no forces"),
    ],
)
def test_a_calculator_that_the_job_has_not(python_lmp, aiida_profile, path, reason) -> None:
    potential = PotentialData.from_calculator(path, ["Cu"], atom_energies={"Cu": 0.0})
    frames = FramesData([Icosahedron("Cu", 2)])
    _, node = evaluate(_from_checkout(python_lmp), frames.frames, {"a": potential})
    assert node.exit_status == EvaluateCalculation.exit_codes.ERROR_LAMMPS.status
    assert reason in node.exit_message
    _, node = run_stages(
        _from_checkout(python_lmp), frames, potential, [{"kind": "relax", "force_tolerance": 0.1}]
    )
    assert node.exit_status == LammpsCalculation.exit_codes.ERROR_LAMMPS.status
    assert reason in node.exit_message


def test_a_frame_without_numbers_fails_alone(python_lmp, aiida_profile) -> None:
    path = "tests.calculations.test_calculators:Picky"
    potential = PotentialData.from_calculator(path, ["Cu"], atom_energies={"Cu": 0.0})
    frames = [Icosahedron("Cu", 2), bulk("Cu") * (2, 1, 1), Icosahedron("Cu", 3)]
    outputs, node = evaluate(_from_checkout(python_lmp), frames, {"a": potential})
    assert node.exit_status == EvaluateCalculation.exit_codes.ERROR_FRAMES_FAILED.status
    states = [e["state"] for e in outputs["report"]["frames"]]
    assert states == ["labelled", "failed", "labelled"]


def test_a_calculator_that_was_killed(python_lmp, aiida_profile) -> None:
    """As by a system whose memory is full: its last warning is not the reason."""
    path = "tests.calculations.test_calculators:Killed"
    potential = PotentialData.from_calculator(path, ["Cu"], atom_energies={"Cu": 0.0})
    _, node = evaluate(_from_checkout(python_lmp), [Icosahedron("Cu", 2)], {"a": potential})
    assert node.exit_status == EvaluateCalculation.exit_codes.ERROR_LAMMPS.status
    assert "was killed (signal 9): if the memory did not suffice" in node.exit_message


class Killed(EMT):
    """A calculator whose process is killed in the midst of its work."""

    def calculate(self, atoms, properties, system_changes) -> None:
        sys.stderr.write("a warning\n")
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGKILL)


class Picky(EMT):
    """A calculator that does not converge for two atoms."""

    def calculate(self, atoms, properties, system_changes) -> None:
        from ase.calculators.calculator import CalculationFailed

        if len(atoms) == 2:
            raise CalculationFailed("no self-consistency in 100 steps")
        super().calculate(atoms, properties, system_changes)


def _from_checkout(code):
    """The code with this checkout as a place of modules, for the calculators of the tests."""
    from pathlib import Path

    from aiida.orm import InstalledCode

    from aiida_nanoclusters.data.trust import trust

    prepend = f"{code.prepend_text}\nexport PYTHONPATH={Path(__file__).parents[2]}"
    other = InstalledCode(
        label="lmp-here",
        computer=code.computer,
        filepath_executable=str(code.filepath_executable),
        prepend_text=prepend,
        with_mpi=False,
    ).store()
    trust(other)
    return other


def test_the_same_job_again_is_cached(python_lmp, emt) -> None:
    from aiida.manage.caching import enable_caching

    frames = FramesData([Icosahedron("Cu", 2)]).store()
    inputs = {"code": python_lmp, "frames": frames, "potentials": {"emt": emt}}
    with enable_caching():
        for cached in (False, True):
            _, node = run_get_node(EvaluateCalculation, **inputs)
            assert node.base.caching.is_created_from_cache is cached


@pytest.mark.parametrize(
    ("name", "module"), [("sevennet", "sevenn"), ("chgnet", "chgnet"), ("gfn1-xtb", "tblite")]
)
def test_labels_of_named_calculators_equal_ase(python_lmp, aiida_profile, name, module) -> None:
    """Also where the box of a cluster is taken for a periodic one, as CHGNet does."""
    pytest.importorskip(module, reason="pip install aiida-nanoclusters[sevennet,chgnet,tblite]")
    potential = get_calculator(CalculatorChoice.of(name, elements="Cu"), None)
    frames = [Atoms("Cu2", [[0, 0, 0], [0, 0.3, 2.3]]), Icosahedron("Cu", 2)]
    if name != "gfn1-xtb":  # whose crystals need more than one point in reciprocal space
        frames.append(bulk("Cu", a=3.7))
    outputs, node = evaluate(python_lmp, frames, {"a": potential})
    assert node.is_finished_ok, node.exit_message
    for given, found in zip(frames, outputs["labelled"]["a"].frames, strict=True):
        reference = given.copy()
        if not reference.pbc.any():
            reference.center(vacuum=20)  # another box than that of the job
            reference.pbc = name == "chgnet"
        reference.calc = potential.get_calculator()
        energy = reference.get_potential_energy()
        assert found.get_potential_energy() == pytest.approx(energy, abs=2e-5 * len(given))
        assert np.allclose(found.get_forces(), reference.get_forces(), atol=1e-4)
    assert found.get_potential_energy() - len(given) * potential.atom_energies["Cu"] < -2

"""Level `pbe-d3-dzvp`: molecules in periodic boxes, by a real CP2K at a reduced cutoff."""

import os
import re
import subprocess
from shutil import which

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from aiida_nanoclusters.formats.cp2k.input import prepare, run_files, run_input
from aiida_nanoclusters.formats.cp2k.output import read_forces, read_output
from aiida_nanoclusters.formats.cp2k.partial_charges import print_sections
from aiida_nanoclusters.science.labels.acceptance import isolated_atom
from aiida_nanoclusters.science.labels.settings import Cp2kSettings
from aiida_nanoclusters.science.units import HARTREE
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from tests.formats.cp2k.test_cp2k import check_basis_and_potential

LEVEL = "pbe-d3-dzvp"


def settings(**changes) -> Cp2kSettings:
    return Cp2kSettings.model_validate(load_protocol("cp2k", LEVEL, changes))


def methanol(length: float = 5.0) -> Atoms:
    atoms = molecule("CH3OH", cell=[length] * 3, pbc=True)
    atoms.center()
    return atoms


def test_a_box_of_molecules():
    """One k-point however small the box, no smearing, neutral, without spin."""
    dft = run_input("r", prepare(methanol(), settings())[0], 1, settings(), 0, None)["FORCE_EVAL"][
        "DFT"
    ]
    assert "KPOINTS" not in dft and "SMEAR" not in dft["SCF"] and "ADDED_MOS" not in dft["SCF"]
    assert (dft["CHARGE"], dft["UKS"]) == (0, False)
    assert dft["POISSON"] == {"PERIODIC": "XYZ", "POISSON_SOLVER": "PERIODIC"}
    assert dft["XC"]["VDW_POTENTIAL"]["PAIR_POTENTIAL"]["TYPE"] == "DFTD3"


def test_other_levels_keep_theirs():
    """The YAML anchors are merged shallowly: `pbe` has no dispersion, and smearing."""
    dft = load_protocol("cp2k", "pbe")["force_eval"]["DFT"]
    assert "VDW_POTENTIAL" not in dft["XC"] and "SMEAR" in dft["SCF"] and "OT" not in dft["SCF"]
    assert dft["MGRID"]["CUTOFF"] == 600


def test_fallbacks_diagonalise_or_minimise_otherwise():
    box, chosen = prepare(methanol(), settings())[0], settings()
    scf = [run_input("r", box, 1, chosen, k, None)["FORCE_EVAL"]["DFT"]["SCF"] for k in range(3)]
    assert scf[0]["OT"]["MINIMIZER"] == "DIIS" and scf[2]["OT"]["MINIMIZER"] == "CG"
    assert "OT" not in scf[1] and "OUTER_SCF" not in scf[1] and scf[1]["MIXING"]


@pytest.mark.parametrize("symbol", ["H", "C", "N", "O", "S", "P", "F", "Cl", "Br", "I", "B", "Zn"])
def test_basis_and_potential_of_elements_of_molecules(symbol):
    check_basis_and_potential(symbol, LEVEL)


@pytest.mark.parametrize(
    ("symbol", "multiplicity"), [("H", 2), ("C", 3), ("N", 4), ("O", 3), ("S", 3), ("Ag", 2)]
)
def test_isolated_atoms(symbol, multiplicity):
    boxed = prepare(isolated_atom(symbol), settings())[0]
    dft = run_input("r", boxed, 1, settings(), 0, None)["FORCE_EVAL"]["DFT"]
    assert (dft["UKS"], dft["MULTIPLICITY"]) == (True, multiplicity)
    assert boxed.cell.lengths() == pytest.approx([12.0] * 3)


@pytest.fixture
def run_cp2k(tmp_path):
    """Return energies (eV), forces, charges and output of frames at a reduced cutoff."""
    if which("cp2k.psmp") is None:
        pytest.skip("CP2K is not installed: apt-get install cp2k")
    render = pytest.importorskip("aiida_cp2k.utils").Cp2kInput

    def run(images, *, dispersion=True, cutoff=160, charges=()):
        chosen = settings(force_eval={"DFT": {"MGRID": {"CUTOFF": cutoff, "REL_CUTOFF": 40}}})
        boxes = [prepare(atoms, chosen)[0] for atoms in images]
        content = run_input("r", boxes[0], len(boxes), chosen, 0, None)
        dft = content["FORCE_EVAL"]["DFT"]
        dft["PRINT"] = print_sections(charges)
        if not dispersion:
            del dft["XC"]["VDW_POTENTIAL"]
        (tmp_path / "r.inp").write_text(render(content).render())
        for name, text in run_files("r", boxes).items():
            (tmp_path / name).write_text(text)
        done = subprocess.run(
            ["cp2k.psmp", "-i", "r.inp"], cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
        )  # fmt: skip
        output = read_output(done.stdout.splitlines(keepends=True))
        assert all(step.converged for step in output.steps), done.stdout[-2000:]
        labels = read_forces((tmp_path / "r-frc-1.xyz").read_text().splitlines(keepends=True))
        assert len(labels) == len(images)
        return [energy for energy, _ in labels], [forces for _, forces in labels], output, done

    return run


@pytest.mark.slow
def test_d3_acts(run_cp2k):
    """The dispersion energy is that of Grimme's program, within 1 meV, and part of the energy."""
    dftd3 = pytest.importorskip("dftd3.ase")
    atoms = methanol()
    (with_d3,), _, _, done = run_cp2k([atoms])
    printed = float(re.search(r"Dispersion energy:\s+(\S+)", done.stdout)[1]) * HARTREE
    (without,), _, _, _ = run_cp2k([atoms], dispersion=False)
    reference = atoms.copy()
    reference.calc = dftd3.DFTD3(method="pbe", damping="d3zero")
    assert printed == pytest.approx(reference.get_potential_energy(), abs=1e-3)
    assert with_d3 - without == pytest.approx(printed, abs=1e-4)
    reference.calc = dftd3.DFTD3(method="pbe", damping="d3bj")
    assert abs(printed - reference.get_potential_energy()) > 0.02


@pytest.mark.slow
def test_forces_are_the_gradient(run_cp2k):
    """The hydrogen of the OH group, moved along its bond; charges add up to none."""
    atoms, step = methanol(), 0.005
    bond = atoms.positions[3] - atoms.positions[1]
    images = [atoms.copy() for _ in range(3)]
    for sign, image in zip((0, 1, -1), images, strict=True):
        image.positions[3] += sign * step * bond / np.linalg.norm(bond)
    energies, forces, output, _ = run_cp2k(images, cutoff=240, charges=("mulliken", "hirshfeld"))
    slope = -(energies[1] - energies[2]) / (2 * step)
    assert forces[0][3] @ bond / np.linalg.norm(bond) == pytest.approx(slope, abs=0.02)
    for kind, accuracy in (("mulliken", 1e-5), ("hirshfeld", 5e-3)):
        charges = output.steps[0].charges[kind]
        assert charges.sum() == pytest.approx(0, abs=accuracy)
        assert charges[1] < -0.1 and charges[3] > 0.1  # O and its H

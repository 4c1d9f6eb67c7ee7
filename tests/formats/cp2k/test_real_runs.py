"""Real runs of CP2K, read and held against its two ways to write a number and other readers."""

import subprocess
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from ase import Atoms

from aiida_nanoclusters.formats.cp2k.run import read_run
from aiida_nanoclusters.formats.cp2k.sections import read_sections
from aiida_nanoclusters.science.units import HARTREE
from tests.formats.cp2k.test_run import problems

INPUT = """\
&GLOBAL
  PROJECT cu
  RUN_TYPE {run}
  PRINT_LEVEL MEDIUM
&END GLOBAL
&FORCE_EVAL
  METHOD QS
  &PRINT
    &FORCES ON
    &END FORCES
  &END PRINT
  &DFT
    CHARGE 1
    UKS T
    MULTIPLICITY 2
    &QS
      METHOD XTB
      &XTB
        DO_EWALD F
        CHECK_ATOMIC_CHARGES F
      &END XTB
    &END QS
    &SCF
      SCF_GUESS MOPAC
      MAX_SCF {max_scf}
      EPS_SCF 1e-7
      ADDED_MOS 4 4
      &SMEAR
        METHOD FERMI_DIRAC
        ELECTRONIC_TEMPERATURE 1000
        FIXED_MAGNETIC_MOMENT 1
      &END SMEAR
      &MIXING
        METHOD DIRECT_P_MIXING
        ALPHA 0.2
      &END MIXING
    &END SCF
    &POISSON
      PERIODIC NONE
      POISSON_SOLVER MT
    &END POISSON
  &END DFT
  &SUBSYS
    &CELL
      ABC 12 12 12
      PERIODIC NONE
    &END CELL
    &COORD
      Cu1 0.0 0.0 0.0
      Cu2 2.3 0.1 0.0
    &END COORD
    &KIND Cu1
      ELEMENT Cu
    &END KIND
    &KIND Cu2
      ELEMENT Cu
    &END KIND
  &END SUBSYS
&END FORCE_EVAL
&MOTION
  &MD
    STEPS 3
    TIMESTEP 1.0
    TEMPERATURE 300
  &END MD
  &PRINT
    &TRAJECTORY
      PRINT_ATOM_KIND T
      UNIT {unit}
    &END TRAJECTORY
    &FORCES ON
      UNIT eV*angstrom^-1
    &END FORCES
  &END PRINT
&END MOTION
"""


@pytest.fixture
def run_cp2k(tmp_path):
    """Run CP2K with an input; return its output."""
    if which("cp2k.psmp") is None:
        pytest.skip("CP2K is not installed: apt-get install cp2k")

    def run(text: str, name: str = "cp2k") -> Path:
        (tmp_path / f"{name}.inp").write_text(text)
        with (tmp_path / f"{name}.out").open("w") as output:
            subprocess.run(
                ["cp2k.psmp", "-i", f"{name}.inp"], cwd=tmp_path, stdout=output, check=True
            )
        return tmp_path / f"{name}.out"

    return run


@pytest.mark.parametrize("unit", ["angstrom", "bohr"])
def test_a_real_run(run_cp2k, unit):
    """A charged radical of GFN1-xTB with two kinds: charge, spin, level, units, and both forces."""
    output = run_cp2k(INPUT.format(run="MD", max_scf=100, unit=unit))
    run = read_run(output)
    assert problems(run) == [None] * 4 and run.problem is None
    for one in run.steps:
        assert (one.charge, one.multiplicity) == (1.0, 2)
        assert one.level_of_theory == "CP2K/GFN1-xTB"
        assert str(one.atoms.symbols) == "Cu2" and not one.atoms.pbc.any()
    (section,) = read_sections(output.read_text().splitlines(keepends=True))
    for one, printed in zip(run.steps, section.evaluations, strict=True):
        assert one.atoms.get_forces() == pytest.approx(printed.forces, abs=2e-6)
        assert one.electronic_steps > 0 and one.line < printed.energy_line
    # The energies of tight binding leave the entropy of the smeared electrons out.
    energies = np.array([one.atoms.get_potential_energy() for one in run.steps])
    energies += [printed.entropic for printed in section.evaluations]
    assert any("entropic energy" in name for name, _ in run.unused)
    forces = np.array([one.atoms.get_forces() for one in run.steps])
    moves = np.diff([one.atoms.positions for one in run.steps], axis=0)
    work = -np.sum((forces[1:] + forces[:-1]) / 2 * moves, axis=(1, 2))
    assert np.diff(energies) == pytest.approx(work, abs=2e-4)


def test_a_real_run_against_cp2k_output_tools(run_cp2k):
    tools = pytest.importorskip("cp2k_output_tools")
    parse = pytest.importorskip("cp2k_output_tools.trajectories.xyz").parse
    output = run_cp2k(INPUT.format(run="MD", max_scf=100, unit="angstrom"))
    steps = read_run(output).steps
    theirs = {key: value for m in tools.parse_iter(output.read_text()) for key, value in m.items()}
    first = theirs["energies"]["total force_eval"] * HARTREE
    assert first == pytest.approx(steps[0].atoms.get_potential_energy(), abs=1e-7)
    for name, get in (("pos", Atoms.get_positions), ("frc", Atoms.get_forces)):
        frames = parse(output.with_name(f"cu-{name}-1.xyz").read_text())
        for frame, one in zip(frames, steps, strict=True):
            values = [row for _, row in frame["atoms"]]
            assert np.array(values) == pytest.approx(get(one.atoms), abs=1e-9)


def test_a_real_field_that_does_not_converge(run_cp2k):
    run = read_run(run_cp2k(INPUT.format(run="ENERGY_FORCE", max_scf=2, unit="angstrom")))
    assert "WARNING in qs_scf.F" in run.steps[0].problem and "NOT converged" in problems(run)[0]

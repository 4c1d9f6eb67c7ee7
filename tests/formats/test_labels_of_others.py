"""Files with labels that were made to do harm are read or refused at once, alone."""

import os
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read

from aiida_nanoclusters.formats.cp2k.output import read_forces, read_output
from aiida_nanoclusters.formats.cp2k.run import read_run
from aiida_nanoclusters.formats.extxyz import read_extxyz, write_extxyz
from aiida_nanoclusters.formats.faults import find_cause
from aiida_nanoclusters.formats.input_text import InputTextError, cp2k_restart
from aiida_nanoclusters.formats.label_files import find_files
from aiida_nanoclusters.formats.limits import check_xml
from aiida_nanoclusters.formats.publication.csv_tables import write_csv
from aiida_nanoclusters.formats.vasp.run import read_outcar
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.outliers import find_outliers
from aiida_nanoclusters.science.labels.sanity import check_frames
from tests.fuzz.files import readers

#: Without limits each of these would take from minutes to for ever.
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def outcar(tmp_path) -> Path:
    (seed,) = (one.seed for one in readers() if one.name == "OUTCAR")
    path = tmp_path / "OUTCAR"
    path.write_bytes(seed)
    return path


def test_nothing_beside_an_outcar_is_opened(outcar) -> None:
    """A pipe would wait for ever, and a structure of 200 million atoms fill the memory."""
    steps = read_outcar(outcar).steps
    os.mkfifo(outcar.with_name("CONTCAR"))
    os.mkfifo(outcar.with_name("POTCAR"))
    outcar.with_name("POSCAR").write_text("x\n1.0\n1 0 0\n0 1 0\n0 0 1\n200000000\nDirect\n")
    assert len(read_outcar(outcar).steps) == len(steps) > 0
    frames = read_extxyz(outcar)
    assert len(frames) == len(steps) and np.isfinite(frames.energies).all()


def test_nothing_beside_a_poscar_is_opened(tmp_path) -> None:
    os.mkfifo(tmp_path / "POTCAR")
    path = tmp_path / "POSCAR"
    path.write_text("no symbols\n1.0\n9 0 0\n0 9 0\n0 0 9\n1\nDirect\n0 0 0\n")
    with pytest.raises(ValueError, match="cannot be read as frames"):
        read_extxyz(path)


@pytest.mark.parametrize("count", ["= +200_000_000", "=\t99999999", "99999999", "= 9 99999999"])
def test_numbers_of_ions_are_held_against_the_file(outcar, count) -> None:
    text = re.sub(
        r"ions per type *=[^\n]*", f"ions per type {count} Iteration 1( 1)", outcar.read_text()
    )
    outcar.write_text(text)
    assert "cannot be read" in read_outcar(outcar).problem


@pytest.mark.parametrize(
    "lines", ["   ISPIN  =      2    spin polarized\n", "a b c 0 NKPTS NBANDS 0\n" * 100_000]
)
def test_what_is_no_label_is_not_looked_at(outcar, lines) -> None:
    n = len(read_outcar(outcar).steps)
    outcar.write_text(lines + outcar.read_text())
    assert len(read_outcar(outcar).steps) == n


@pytest.mark.parametrize("line", [" * [ABORT] " + " x" * 1_000_000, "exceeded " * 200_000])
def test_long_lines_of_cp2k(line) -> None:
    read_output([" CP2K| version string: CP2K version 2023.1\n", line + "\n"])
    find_cause(line)
    assert (
        find_cause("slurmstepd: exceeded job memory limit at some point")[0].name == "OUT_OF_MEMORY"
    )


@pytest.mark.parametrize("number", ["Infinity", "-1E308", "1E400", "NaN", "****"])
@pytest.mark.filterwarnings("error")
def test_numbers_of_cp2k_beyond_all_use(number) -> None:
    block = f"1\n i = 0, time = 0.0, E = {number}\n Cu {number} 0.0 0.0\n"
    ((energy, forces),) = read_forces(block.splitlines(keepends=True))
    assert np.isnan(energy) and np.isnan(forces[0, 0]) and forces[0, 1] == 0.0


def test_many_equal_energies_of_cp2k(tmp_path) -> None:
    """A run whose output says which steps converged; the energies are all the same."""
    n = 20_000
    (tmp_path / "run.out").write_text(
        " CP2K| version string:                 CP2K version 2023.1\n"
        " GLOBAL| Project name                                                       run\n"
        + "".join(
            f" CELL| Vector {axis} [angstrom]:       {vector}    |{axis}| =       9.000\n"
            for axis, vector in (
                ("a", "9.000     0.000     0.000"),
                ("b", "0.000     9.000     0.000"),
                ("c", "0.000     0.000     9.000"),
            )
        )
        + " CELL| Periodicity                                                          XYZ\n"
        + " DFT| Charge                                                                  0\n"
        + "  *** SCF run converged in    10 steps ***\n"
        " ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]:              -1.000000000000000\n"
        * n
        + "  **** **** ******  **  PROGRAM ENDED AT               2023-01-01 00:00:00.000\n"
    )
    for name, value in (("pos", 0.5), ("frc", 0.0)):
        block = (
            "       1\n i = {:8d}, time = {:12.3f}, E =        -1.0000000000\n  H  {:.1f} 0.0 0.0\n"
        )
        text = "".join(block.format(k, 0.5 * k, value) for k in range(n))
        (tmp_path / f"run-{name}-1.xyz").write_text(text)
    run = read_run(tmp_path / "run.out")
    assert run.problem is None and len(run.steps) == n
    assert all(step.problem is None for step in run.steps)


def test_atoms_at_one_point() -> None:
    """All pairs of 40,000 atoms would take 64 GB."""
    near = np.random.default_rng(1).normal(scale=1e-3, size=(40000, 3))
    for pbc, places in product((False, True), (np.zeros((40000, 3)), near)):
        crowd = Atoms("Cu40000", positions=places, cell=[9, 9, 9], pbc=pbc)
        with pytest.raises(ValueError, match=r"only 0\.00 Å apart"):
            check_frames(Frames.from_atoms([crowd]))


def test_many_frames_are_compared_by_a_sample() -> None:
    rng = np.random.default_rng(1)
    images = []
    for k in range(2100):
        size = int(rng.integers(2, 5))
        atoms = Atoms(f"Cu{size}", positions=[[2.5 * i, 0, 0] for i in range(size)])
        energy = -3.5 * size + 2.0 * size ** (2 / 3) + (5.0 * size if k == 1234 else 0.0)
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=np.zeros((size, 3)))
        images.append(atoms)
    found = find_outliers(Frames.from_atoms(images, level_of_theory="PBE"))
    assert (1234,) in {finding.frames for finding in found}


def test_a_frame_without_atoms() -> None:
    with pytest.raises(ValueError, match="holds no atoms: remove it"):
        check_frames(Frames.from_atoms([Atoms()]))


@pytest.mark.parametrize("text", ["x\ny", "a\r\nb", "a\x0bb", "a\x85b"])
def test_a_line_end_in_a_text_loses_no_label(tmp_path, text) -> None:
    atoms = Atoms("Cu", info={"note": text, "source": text})
    atoms.calc = SinglePointCalculator(atoms, energy=-1.5, forces=np.zeros((1, 3)))
    write_extxyz(Frames.from_atoms([atoms, atoms], level_of_theory="PBE"), tmp_path / "a.extxyz")
    again = read_extxyz(tmp_path / "a.extxyz")
    assert again.energies.tolist() == [-1.5, -1.5] and again.level_of_theory == "PBE"
    assert len(read(tmp_path / "a.extxyz", ":")) == 2


@pytest.mark.parametrize("line", [" X @INCLUDE /etc/passwd", "@SET A 1", " A ${B}"])
def test_a_restart_of_others_directs_nothing(line) -> None:
    with pytest.raises(InputTextError, match="which CP2K does not write"):
        cp2k_restart(f" &MOTION\n{line}\n &END MOTION\n")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<a>" + b"<b/>" * 2_000_000 + b"</a>", "more elements and attributes than content"),
        (b'<?xml version="1.0"' + b" " * 2000 + b'encoding="UTF-7"?><a/>', "XML declaration"),
    ],
)
def test_xml_of_nothing_but_elements(tmp_path, content, reason) -> None:
    (tmp_path / "vasprun.xml").write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        check_xml(tmp_path / "vasprun.xml")


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("-2+3+cmd|' /C calc'!D2", "'-2+3+cmd|' /C calc'!D2"),
        ("+1+cmd|x", "'+1+cmd|x"),
        ("-.1*HYPERLINK(1)", "'-.1*HYPERLINK(1)"),
        (-1.5e-7, "-1.5e-07"),
        ("-inf", "-inf"),
        ("+3.25", "+3.25"),
    ],
)
def test_cells_that_begin_as_a_number(tmp_path, cell, written) -> None:
    write_csv({"a": [cell]}, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().splitlines()[1].strip('"') == written


def test_folders_within_folders(tmp_path) -> None:
    place = tmp_path
    for _ in range(300):
        place = place / "d"
        os.mkdir(place) if len(str(place)) < 900 else None
    (tmp_path / "d" / "OUTCAR").write_text("x")
    assert [kind for _, kind in find_files([tmp_path])] == ["outcar"]

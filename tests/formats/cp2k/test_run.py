"""Reader of finished calculations by CP2K, beyond the cases that all readers have."""

import bz2
import gzip

import numpy as np
import pytest

from aiida_nanoclusters.formats.cp2k.kinds import element_of
from aiida_nanoclusters.formats.cp2k.restart import read_restart
from aiida_nanoclusters.formats.cp2k.run import read_run
from aiida_nanoclusters.formats.cp2k.theory import Theory
from aiida_nanoclusters.formats.cp2k.units import force_unit
from aiida_nanoclusters.science.units import BOHR, HARTREE
from tests.formats.reader_cases.cp2k_text import (
    END,
    PBE,
    PUSH,
    TETRAHEDRON,
    cell_file,
    cell_lines,
    coordinates,
    head,
    old_forces,
    restart,
    step,
    trajectories,
)

ENERGIES = (-192.1, -192.1003, -192.0998)
STEPS = list(enumerate(ENERGIES))
THREE = "".join(step(energy) for energy in ENERGIES)
CUBE = {"cell": 7.4, "periodic": "XYZ"}


@pytest.fixture
def written(tmp_path):
    """Write files into a folder and read the output among them."""

    def write(*parts: str, name: str = "cp2k.out", **others: bytes):
        path = tmp_path / name
        path.write_text("".join(parts))
        for other, content in others.items():
            (tmp_path / other).write_bytes(content)
        return read_run(path)

    return write


def problems(run):
    return [step.problem for step in run.steps]


def test_forces_of_two_sources_that_differ(written):
    forces = [old_forces(PUSH), old_forces(2 * PUSH)]
    parts = [step(e, forces=f) for e, f in zip(ENERGIES, forces, strict=False)]
    run = written(head(), *parts, END, **trajectories(STEPS[:2]))
    assert run.steps[0].problem is None
    assert "forces in cu-frc-1.xyz (line 7) and in the output differ by up to 0.3" in (
        run.steps[1].problem
    )


def test_cells_of_two_sources_that_differ(written):
    cells = {"cu-1.cell": cell_file([np.eye(3) * a for a in (7.4, 7.4, 8.88)])}
    parts = [cell_lines(7.4) + step(energy) for energy in ENERGIES]
    run = written(head(**CUBE), *parts, END, **trajectories(STEPS), **cells)
    assert problems(run)[:2] == [None, None]
    assert "cells in cu-1.cell and in the output differ by 1.48 Å" in run.steps[2].problem


@pytest.mark.parametrize("source", ["restart file", "coordinates"])
def test_a_trajectory_in_bohr(written, source):
    """Neither the trajectory nor the output names the unit; one of both is wrong without it."""
    parts = [coordinates(TETRAHEDRON)] if source == "coordinates" else []
    files = trajectories(STEPS, unit=BOHR)
    if source == "restart file":
        files["cu-1.restart"] = restart(charge=0, unit="bohr")
    run = written(head(), *parts, THREE, END, **files)
    assert problems(run) == [None] * 3
    assert run.steps[2].atoms.positions == pytest.approx(TETRAHEDRON + 0.02, abs=1e-6)


def test_positions_of_another_run(written):
    run = written(head(), coordinates(TETRAHEDRON + 0.3), THREE, END, **trajectories(STEPS))
    assert all("differ by up to 0.3 Å" in problem for problem in problems(run))


def test_a_restart_file_says_what_few_words_leave_out(written, tmp_path):
    files = trajectories(STEPS) | {"cu-1.restart": restart(charge=1)}
    run = written(head(level="LOW"), THREE, END, **files)
    assert problems(run) == [None] * 3
    first = run.steps[0]
    assert (first.charge, first.multiplicity) == (1.0, 2)
    assert first.level_of_theory == "CP2K/PBE/DZVP-MOLOPT-SR-GTH"
    assert first.atoms.pbc.all() and first.atoms.cell.lengths() == pytest.approx([20.0] * 3)
    assert tmp_path / "cu-1.restart" in run.beside
    # Of a later run, or of other atoms, it says nothing of this one.
    for old, new in (("10:35", "11:35"), ("Cu 2.0 1.0 1.0\n", "")):
        changed = restart(charge=1).decode().replace(old, new).encode()
        run = written(head(level="LOW"), THREE, END, **{"cu-1.restart": changed})
        assert all("does not say its cell" in problem for problem in problems(run))


def test_a_restart_file_that_is_cut_is_none(tmp_path):
    path = tmp_path / "cu-1.restart"
    path.write_bytes(restart())
    assert read_restart(path).theory.level() == "CP2K/PBE/DZVP-MOLOPT-SR-GTH"
    path.write_bytes(restart()[:-20])
    assert read_restart(path) is None


@pytest.mark.parametrize(("packed", "suffix"), [(gzip.compress, ".gz"), (bz2.compress, ".bz2")])
def test_compressed(tmp_path, packed, suffix):
    files = {"cp2k.out": (head() + THREE + END).encode(), **trajectories(STEPS)}
    for name, content in files.items():
        (tmp_path / f"{name}{suffix}").write_bytes(packed(content))
    run = read_run(tmp_path / f"cp2k.out{suffix}")
    assert problems(run) == [None] * 3 and run.problem is None
    assert [path.name for path in run.beside] == [f"cu-{k}-1.xyz{suffix}" for k in ("pos", "frc")]


def test_trajectories_of_another_name(written):
    """`FILENAME` of the print keys; the energies tell whose they are."""
    files = trajectories(STEPS, project="run-b") | trajectories([(0, -1.0)], project="run-a")
    run = written(head(project="x"), THREE, END, **files)
    assert problems(run) == [None] * 3
    assert [path.name for path in run.beside] == ["run-b-pos-1.xyz", "run-b-frc-1.xyz"]
    assert ("run-a-pos-1.xyz", "run-b-pos-1.xyz has the energies of the output") in run.unused


def test_a_cell_of_many_places(written):
    """Components are printed with three decimal places, lengths with six."""
    run = written(head(cell=7.2673299, periodic="XYZ"), THREE, END, **trajectories(STEPS))
    assert run.steps[0].atoms.cell.lengths() == pytest.approx([7.26733] * 3, abs=1e-6)


def test_dynamics_that_change_the_cell(written):
    lengths = " MD| Cell lengths [ang]          7.41000000E+00  7.42000000E+00  7.43000000E+00\n"
    angles = " MD| Cell angles [deg]           9.00000000E+01  9.00000000E+01  9.10000000E+01\n"
    parts = step(ENERGIES[0]), step(ENERGIES[1]), lengths, step(ENERGIES[2]), lengths, angles, END
    run = written(head(ensemble="NPT_F", **CUBE), *parts, **trajectories(STEPS))
    cells = [step.atoms.cell.lengths() for step in run.steps[:2]]
    assert np.allclose(cells, [[7.4, 7.4, 7.4], [7.41, 7.42, 7.43]])
    assert "nor in a .cell file" in run.steps[2].problem  # it turned: the directions are not told


def test_forces_that_were_not_computed(written):
    files = trajectories(STEPS)
    zeros = b"".join(
        line if line[:3] != b" Cu" else b" Cu  0.0000  0.0000  0.0000\n"
        for line in files["cu-frc-1.xyz"].splitlines(keepends=True)
    )
    run = written(head(), THREE, END, **{**files, "cu-frc-1.xyz": zeros})
    assert problems(run) == ["all forces are zero: they were not computed"] * 3


@pytest.mark.parametrize(
    ("kind", "known", "element"),
    [
        ("Cu1", {}, "Cu"),
        ("Cu_a", {}, "Cu"),
        ("Ow", {}, "O"),
        ("CU1", {"CU1": "Cu"}, "Cu"),
        ("metal", {"metal": "Ag"}, "Ag"),
    ],
)
def test_kinds(kind, known, element):
    assert element_of(kind, known) == element


@pytest.mark.parametrize("kind", ["CU", "CO2", "X", "Xx", "1Cu", "\ufffdu"])
def test_kinds_that_are_no_element(kind):
    with pytest.raises(ValueError, match="the kind"):
        element_of(kind, {})


def test_units():
    assert force_unit("hartree/bohr") == force_unit("hartree*bohr^-1") == HARTREE / BOHR
    assert force_unit("eV*angstrom^-1") == 1.0 and force_unit("eV/apple") is None
    assert force_unit("kcalmol*angstrom^-1") == pytest.approx(0.0433641, rel=1e-5)


@pytest.mark.parametrize(
    ("lines", "level"),
    [
        (PBE.replace("J.P.Perdew, K.Burke", "revPBE, Yingkay Zhang"), "CP2K/revPBE"),
        (" FUNCTIONAL| BECKE88:\n FUNCTIONAL| LYP:\n", "CP2K/BLYP"),
        (" FUNCTIONAL| GGA_X_PBE:\n FUNCTIONAL| GGA_C_PBE:\n", "CP2K/PBE"),
        (
            " FUNCTIONAL| GGA_X_PBE:\n FUNCTIONAL| {scale=0.7\n"
            " FUNCTIONAL| 50, spin}\n FUNCTIONAL| GGA_C_PBE:\n"
            "  HFX_INFO| FRACTION:      0.25\n  HFX_INFO| Interaction Potential:   COULOMB\n",
            "CP2K/GGA_X_PBE(0.75)+GGA_C_PBE+HFX(0.25, COULOMB)",
        ),
        (PBE + " vdW POTENTIAL| RVV10 Functional: R. Sabatini et al\n", "CP2K/PBE+rVV10"),
        (PBE + " DFT| Self-interaction correction (SIC)      AD\n", "CP2K/PBE+SIC(AD)"),
        ("                                   GFN2-xTB \n", "CP2K/GFN2-xTB"),
        ("                            J. Hutter and A. Hehn                  \n", "CP2K/GFN1-xTB"),
        (" QS| Method:                                                        PM6\n", "CP2K/PM6"),
        (" FUNCTIONAL| NO EXCHANGE-CORRELATION FUNCTIONAL USED.\n", ""),
        ("", ""),
    ],
)
def test_levels_of_theory(lines, level):
    theory = Theory()
    for line in lines.splitlines(keepends=True):
        theory.read(line)
    assert theory.level("2023.1") == level


def test_an_output_cut_anywhere_keeps_what_is_before(written):
    """Every cut of an output: the steps before it are read, nothing is invented."""
    text = head() + THREE + END
    ends = [len(head()) + k * len(THREE) // 3 for k in (1, 2, 3)]
    for at in range(0, len(text), 23):
        run = written(text[:at], **trajectories(STEPS))
        good = [step.number for step in run.steps if step.problem is None]
        assert good == list(range(len(good)))
        assert len(good) >= sum(at >= end for end in ends)

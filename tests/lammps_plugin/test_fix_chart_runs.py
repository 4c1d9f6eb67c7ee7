"""Runs with the fix: conserved energy, hills, restart, moving restraints, what it refuses."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.lammps_plugin.charts import (
    HEAD,
    MORSE,
    NEIGHBOURS,
    ZERO,
    RandomChart,
    cluster,
    run,
    table,
    thermo,
)
from tests.lammps_plugin.conftest import data_file, run_lmp

KB = 8.617333e-5
START = "velocity all create 300 7 mom yes rot yes loop geom\ntimestep 0.002\n"
METADYNAMICS = (
    f"fix b all nanoclusters/chart q6 {NEIGHBOURS} chart chart.txt coordinates 1 3 "
    "metadynamics 0.2 20 width 0.02 0.05 0.04 tempered 300 10 hills HILLS print 10 COLVAR"
)


@pytest.fixture(autouse=True)
def chart(tmp_path):
    """A random chart, whose file lies in the folder of the runs."""
    RandomChart().write(tmp_path / "chart.txt")


ORDERS = f"q4 {NEIGHBOURS} q6 {NEIGHBOURS} coordination {NEIGHBOURS}"


@pytest.mark.parametrize(
    "variables, interval, timestep, share",
    [(ORDERS, 1, 0.001, 0.002), (ORDERS, 4, 0.001, 0.01), ("chart", 1, 0.00025, 0.01)],
)
def test_energy_is_conserved(variables, interval, timestep, share, tmp_path, allegro_plugin):
    """A static bias is a potential: potential, kinetic and bias energy add up to a constant.

    ReLU and the choice of a maximum bend the coordinates of a chart: its error falls with the time
    step, not with the square of it.
    """
    atoms = cluster(amplitude=0.05)
    restraint = "200 200 5 0.1 0.1 7.5"
    if variables == "chart":
        variables = "chart chart.txt precision double"
        centres = RandomChart().coordinates(atoms.positions) + 0.3
        restraint = "40 40 40 " + " ".join(f"{c:.6f}" for c in centres)
    script = START + f"timestep {timestep}\nfix move all nve\n"
    script += f"fix b all nanoclusters/chart {variables} every {interval} restraint {restraint}\n"
    script += "fix_modify b energy yes\nthermo 40\nthermo_style custom step etotal f_b ke\n"
    script += f"thermo_modify format float %.12g\nrun {round(2 / timestep / 40) * 40}\n"
    rows = thermo(run(tmp_path, allegro_plugin, script, atoms, potential=MORSE))
    total, bias = rows[:, 1], rows[:, 2]
    assert np.ptp(bias) > 1
    assert np.ptp(total) < share * np.ptp(bias)


def test_heights_are_those_of_well_tempered_metadynamics(tmp_path, allegro_plugin):
    script = START + f"fix move all nve\n{METADYNAMICS}\nrun 400\n"
    run(tmp_path, allegro_plugin, script, cluster(amplitude=0.05), potential=MORSE)
    hills, rows = table((tmp_path / "HILLS").read_text()), table((tmp_path / "COLVAR").read_text())
    assert hills[:, 0].tolist() == list(range(20, 401, 20))
    np.testing.assert_allclose(hills[:, 4:7], np.broadcast_to([0.02, 0.05, 0.04], (20, 3)))
    bias, factor = 0.0, 10.0
    for n, hill in enumerate(hills):
        row = rows[rows[:, 0] == hill[0]][0]
        np.testing.assert_allclose(row[1:4], hill[1:4], rtol=1e-9)
        # the bias at a place where earlier hills are: their sum, with the cutoff of PLUMED
        u = 0.5 * np.sum(((hills[:n, 1:4] - hill[1:4]) / hill[4:7]) ** 2, axis=1)
        a = 1 / (1 - np.exp(-6.25))
        shape = np.where(u < 6.25, a * (np.exp(-u) - np.exp(-6.25)), 0)
        bias = np.sum(hills[:n, 7] * (factor - 1) / factor * shape)
        assert row[5] == pytest.approx(bias, rel=1e-9, abs=1e-12)
        height = 0.2 * np.exp(-bias / (KB * 300 * (factor - 1)))
        assert hill[7] == pytest.approx(height * factor / (factor - 1), rel=1e-5)
    assert hills[-1, 7] < 0.99 * hills[0, 7]


@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=pytest.mark.faults)])
def test_a_restart_continues_as_if_it_had_not_been(ranks, tmp_path, allegro_plugin):
    """Hills, their heights and the trajectory are those of the uninterrupted run."""
    ends = "variable e equal pe\nprint 'last $(pe:%.12g) $(f_b:%.12g) $(f_b[5]:%.0f)'\n"
    first = (
        START
        + f"fix move all nve\n{METADYNAMICS}\nrun 100\nwrite_restart half.restart\nrun 100\n{ends}"
    )
    whole = run(tmp_path, allegro_plugin, first, cluster(amplitude=0.05), ranks, potential=MORSE)
    hills = (tmp_path / "HILLS").read_text()
    script = f"read_restart half.restart\n{MORSE}fix move all nve\n{METADYNAMICS}\nrun 100\n{ends}"
    done = run_lmp(script, tmp_path, allegro_plugin, ranks)
    assert done.returncode == 0, done.stdout + done.stderr

    def last(text):
        return np.array(re.search(r"^last (.*)$", text, re.MULTILINE)[1].split(), float)

    np.testing.assert_allclose(last(done.stdout), last(whole), rtol=1e-6)
    np.testing.assert_allclose(table((tmp_path / "HILLS").read_text()), table(hills), rtol=1e-6)
    # a run may also begin with the hills of a file
    script = (
        START
        + f"fix move all nve\n{METADYNAMICS} read old\nrun 0\nprint 'last 0 0 $(f_b[5]:%.0f)'\n"
    )
    (tmp_path / "old").write_text(hills.replace("\n20 ", "\n0 ", 1))
    began = run(tmp_path, allegro_plugin, script, cluster(amplitude=0.05), potential=MORSE)
    assert last(began)[2] == 1  # of step 0, those of later steps are not of this run's past


def test_a_moving_restraint_arrives(tmp_path, allegro_plugin):
    script = START + (
        f"fix move all nve\nfix t all langevin 300 300 0.1 5\n"
        f"fix b all nanoclusters/chart coordination {NEIGHBOURS} restraint 500 8.5 "
        "target 7.5 1500\n"
        "thermo 1500\nthermo_style custom step f_b[1]\nrun 3000\n"
    )
    rows = thermo(run(tmp_path, allegro_plugin, script, cluster(amplitude=0.05), potential=MORSE))
    assert rows[-1, 1] == pytest.approx(7.5, abs=0.15)


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ("", "it has 0 variables"),
        ("chart chart.txt q4 2.9 3.5", "it has 4 variables"),
        ("chart absent.txt", "there is no such file"),
        ("chart cut.txt", "it ends too early"),
        ("q4 2.9 3.5 metadynamics 0.1 100", "needs 'width'"),
        ("q4 2.9 3.5 tempered 300 1", "a bias factor above 1"),
        ("q4 2.9 3.5 colour red", "there is no keyword 'colour'"),
        ("q4 2.9 3.5 width 0.1 read data.lmp", "holds no hills"),
    ],
)
def test_errors_name_the_fix(arguments, expected, tmp_path, allegro_plugin):
    text = (tmp_path / "chart.txt").read_text()
    (tmp_path / "cut.txt").write_text(text[: len(text) // 2].rsplit(" ", 1)[0])
    (tmp_path / "data.lmp").write_text(data_file(cluster(), ["Cu"]))
    script = f"{HEAD}{ZERO}fix b all nanoclusters/chart {arguments}\nrun 0\n"
    done = run_lmp(script, tmp_path, allegro_plugin)
    assert done.returncode != 0
    assert expected in done.stdout + done.stderr

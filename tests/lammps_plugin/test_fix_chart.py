"""Variables and bias of the fix: definitions, finite differences, energy, ranks, restart."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.cluster import Octahedron
from scipy.special import sph_harm_y

from tests.lammps_plugin.charts import (
    NEIGHBOURS,
    ZERO,
    RandomChart,
    cluster,
    run,
    thermo,
)
from tests.lammps_plugin.conftest import standard

CHART = "chart chart.txt"
ORDERS = f"q4 {NEIGHBOURS} q6 {NEIGHBOURS} coordination {NEIGHBOURS}"
MIXED = f"q6 {NEIGHBOURS} chart chart.txt coordinates 2 coordination {NEIGHBOURS}"
PRINT = 'print "values ${v}"\n'
CENTRES = "0.3 -0.2 0.1"


@pytest.fixture
def chart(tmp_path):
    """A random chart, whose file lies in the folder of the runs."""
    made = RandomChart()
    made.write(tmp_path / "chart.txt")
    return made


def values(folder, plugin, atoms, variables, ranks=1, count=3):
    """Variables of a structure."""
    columns = " ".join(f"f_b[{k + 1}]" for k in range(count))
    script = f"fix b all nanoclusters/chart {variables} precision double\n"
    script += f"thermo_style custom step {columns}\nthermo_modify format float %.15g\nrun 0\n"
    return thermo(run(folder, plugin, script, atoms, ranks))[-1, 1:]


def forces(folder, plugin, atoms, bias, ranks=1, potential=ZERO):
    """Forces of the bias alone."""
    script = f"fix b all nanoclusters/chart {bias}\ndump d all custom 1 f.dump id fx fy fz\n"
    script += "dump_modify d sort id format float %.17g\nrun 0\n"
    run(folder, plugin, script, atoms, ranks, potential)
    return np.loadtxt((folder / "f.dump").read_text().splitlines()[9:])[:, 1:]


def displaced_energies(folder, plugin, atoms, bias, places, step):
    """Energy of the bias at structures of which one coordinate is moved by -step and step."""
    with (folder / "moved.dump").open("w") as out:
        for n, (i, k, sign) in enumerate([(i, k, s) for i, k in places for s in (-1, 1)]):
            positions = atoms.positions.copy()
            positions[i, k] += sign * step
            low, high = np.zeros(3), atoms.cell.lengths()
            out.write(f"ITEM: TIMESTEP\n{n}\nITEM: NUMBER OF ATOMS\n{len(atoms)}\n")
            out.write("ITEM: BOX BOUNDS ff ff ff\n")
            out.writelines(f"{a} {b:.15g}\n" for a, b in zip(low, high, strict=True))
            out.write("ITEM: ATOMS id x y z\n")
            out.writelines(
                f"{j + 1} {x:.17g} {y:.17g} {z:.17g}\n" for j, (x, y, z) in enumerate(positions)
            )
    script = f"fix b all nanoclusters/chart {bias}\nthermo 1\nthermo_style custom step f_b\n"
    script += "thermo_modify format float %.17g\nrerun moved.dump dump x y z\n"
    return thermo(run(folder, plugin, script, atoms))[:, 1].reshape(-1, 2)


@pytest.mark.parametrize("ranks", [1, 2])
def test_chart_is_the_sum_over_pairs_and_the_layers_of_torch(
    ranks, chart, tmp_path, allegro_plugin
):
    atoms = cluster()
    found = values(tmp_path, allegro_plugin, atoms, CHART, ranks)
    np.testing.assert_allclose(found, chart.coordinates(atoms.positions), rtol=0, atol=1e-6)


def test_order_parameters_are_those_of_scipy(tmp_path, allegro_plugin):
    """Neighbours that are clearly told apart: the definition with all weights one."""
    atoms = standard(Octahedron("Cu", 5, cutoff=1))
    atoms.rattle(0.02, seed=1)
    variables = "q4 2.9 3.2 q6 2.9 3.2 coordination 2.9 3.2"
    found = values(tmp_path, allegro_plugin, atoms, variables)
    vectors = atoms.get_all_distances(vector=True)
    lengths = np.linalg.norm(vectors, axis=2)
    bonds = vectors[(lengths > 0) & (lengths < 2.9)]
    polar = np.arccos(bonds[:, 2] / np.linalg.norm(bonds, axis=1))
    azimuth = np.arctan2(bonds[:, 1], bonds[:, 0])
    for degree, value in ((4, found[0]), (6, found[1])):
        orders = range(-degree, degree + 1)
        means = [np.mean(sph_harm_y(degree, m, polar, azimuth)) for m in orders]
        expected = np.sqrt(4 * np.pi / len(means) * np.sum(np.abs(means) ** 2))
        assert value == pytest.approx(expected, rel=1e-9)
    assert found[2] == pytest.approx(len(bonds) / len(atoms), rel=1e-12)


def test_order_of_the_crystal(tmp_path, allegro_plugin):
    """Each atom of fcc has Q4 0.1909 and Q6 0.5745 (Steinhardt et al. 1983), so has any part."""
    atoms = bulk("Cu", cubic=True).repeat(3)
    atoms.pbc = False
    bare = Atoms(atoms.symbols, atoms.positions)
    inner = np.argsort(np.linalg.norm(bare.positions - bare.positions.mean(0), axis=1))[0]
    shell = bare.get_distances(inner, range(len(bare))) < 2.7
    found = values(
        tmp_path, allegro_plugin, standard(bare[shell]), "q4 2.9 3.2 q6 2.9 3.2", count=2
    )
    assert len(bare[shell]) == 13
    # bonds of the shell among themselves are parallel to those of the centre
    np.testing.assert_allclose(found, [0.19094, 0.57452], atol=1e-5)


BIASES = {
    "restraint on the chart": f"{CHART} precision double restraint 2 3 4 {CENTRES}",
    "restraint on orders": f"{ORDERS} restraint 200 300 0.4 0.1 0.2 7",
    "mixed, with walls": f"{MIXED} precision double restraint 20 0 0 0.1 0 0 "
    "wall 2 upper -9 3 wall 3 lower 20 0.2",
    "hills": f"{CHART} precision double metadynamics 0.5 1 width 0.3 0.4 0.5 tempered 300 5 "
    "read hills.in",
}


@pytest.mark.parametrize("name", BIASES)
def test_forces_are_the_derivative(name, chart, tmp_path, allegro_plugin):
    atoms, bias = cluster(), BIASES[name]
    if name == "hills":
        here = chart.coordinates(atoms.positions)
        rows = [here + shift for shift in ([0.1, 0.2, -0.3], [-0.2, 0.1, 0.1], [0.2, 0.6, 0.3])]
        lines = [
            f"0 {r[0]} {r[1]} {r[2]} 0.3 0.4 0.5 {w} 5"
            for r, w in zip(rows, (1, 2, 0.5), strict=True)
        ]
        (tmp_path / "hills.in").write_text("\n".join(lines))
    places = [(0, 0), (7, 1), (13, 2), (31, 0), (54, 1), (40, 2)]
    found = forces(tmp_path, allegro_plugin, atoms, bias)
    step = 1e-4
    energies = displaced_energies(tmp_path, allegro_plugin, atoms, bias, places, step)
    expected = -(energies[:, 1] - energies[:, 0]) / (2 * step)
    scale = np.abs(found).max()
    assert scale > 1e-3
    np.testing.assert_allclose([found[p] for p in places], expected, rtol=1e-5, atol=1e-5 * scale)
    np.testing.assert_allclose(found.sum(axis=0), 0, atol=1e-9 * scale * len(atoms))


@pytest.mark.parametrize(
    "name", ["restraint on the chart", "restraint on orders", "mixed, with walls"]
)
def test_two_ranks_are_equal(name, chart, tmp_path, allegro_plugin):
    one, two = (forces(tmp_path, allegro_plugin, cluster(), BIASES[name], n) for n in (1, 2))
    np.testing.assert_allclose(one, two, rtol=0, atol=1e-9 * np.abs(one).max())


def test_single_precision_is_near(chart, tmp_path, allegro_plugin):
    bias = BIASES["restraint on the chart"]
    double = forces(tmp_path, allegro_plugin, cluster(), bias)
    single = forces(tmp_path, allegro_plugin, cluster(), bias.replace("double", "single"))
    np.testing.assert_allclose(single, double, atol=1e-4 * np.abs(double).max())

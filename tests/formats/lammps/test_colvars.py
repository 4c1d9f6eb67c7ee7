"""Collective variables by COLVARS itself against numpy, on the published starting structures."""

import io
import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers
from ase.io.lammpsdata import write_lammps_data
from ase.units import fs, kB

from aiida_nanoclusters.formats.lammps.colvars import (
    before_hills,
    colvars_config,
    read_hills,
    read_trajectory,
)
from aiida_nanoclusters.formats.plumed.plumed_input import plumed_input
from aiida_nanoclusters.science.sampling.collective_variables import (
    CollectiveVariableSettings,
    HillSettings,
    switching,
    variables_of,
)
from aiida_nanoclusters.science.structures.molecules import find_molecules
from tests.science.structures.test_molecules import start

#: Of S. Tiwari and T. Karmakar: sums of switching functions, methanol about a point, walls.
POINT = (11.075, 10.526, 10.622)
PAIR = {"kind": "coordination", "r0": 3.25, "exponents": [6, 8]}
VARIABLES = [
    {
        "name": "cv1", "width": 0.05,
        "terms": [
            {**PAIR, "groups": [["Ag1"], ["Ag2"]]},
            {**PAIR, "groups": [["Ag1"], ["N_ligand2"]]},
            {**PAIR, "groups": [["Ag2"], ["N_ligand1"]]},
        ],
    },
    {
        "name": "cv2", "width": 0.01, "upper": 1.0,
        "terms": [{"kind": "coordination", "groups": [["O_solvent"]], "point": POINT,
                   "r0": 3.0, "exponents": [6, 10]}],
    },
    {
        "name": "sulphur", "width": 0.1, "upper": 2.75, "lower": 1.0,
        "terms": [{"kind": "distance", "groups": [["Ag1"], ["S1"]]}],
    },
    {
        "name": "centre", "width": 0.1, "terms": [
            {"kind": "distance", "groups": [["Ag"]], "point": POINT, "factor": 2.0}
        ],
    },
    {
        "name": "bend", "width": 0.1, "terms": [
            {"kind": "angle", "groups": [["S1"], ["Ag"], ["N_ligand", "C_ligand2"]]}
        ],
    },
    {
        "name": "silver", "width": 0.1, "terms": [
            {"kind": "coordination", "groups": [["Ag"], ["Ag"]], "r0": 3.0, "exponents": [6, 12]},
            {"kind": "coordination", "groups": [["Ag", "S1"], ["Ag1", "S", "N_ligand"]], "r0": 2.8},
            {"kind": "coordination", "groups": [["Ag1"], ["Ag"]], "r0": 3.1, "factor": 0.5},
        ],
    },
]  # fmt: skip


def measured(
    atoms: Atoms, config: str, folder, steps=0, mass=None, before=(), after=(), restart="",
    tstat="", state=False,
) -> np.ndarray:  # fmt: skip
    """The trajectory of COLVARS in LAMMPS; without forces between the atoms."""
    (folder / "in.colvars").write_text(config)
    # without the types of the file that it came from
    atoms = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    text = io.StringIO()
    species = sorted(set(atoms.symbols))
    write_lammps_data(text, atoms, atom_style="atomic", units="metal", specorder=species)
    (folder / "data").write_text(text.getvalue())
    masses = [
        f"mass {k} {atomic_masses[atomic_numbers[symbol]] if mass is None else mass}"
        for k, symbol in enumerate(species, start=1)
    ]
    lines = [
        "units metal", "atom_modify map yes",
        f"read_restart {restart}" if restart else "read_data data",
        "pair_style zero 6.0",
        "pair_coeff * *", *masses, "timestep 0.0005", "fix move all nve", *before,
        f"fix bias all colvars in.colvars output out {tstat} {'input before' if state else ''}",
        f"run {steps}", *after,
    ]  # fmt: skip
    (folder / "input").write_text("\n".join(lines) + "\n")
    lmp = f"{sys.prefix}/bin/lmp"
    done = subprocess.run(
        [lmp, "-in", "input", "-log", "none"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]
    names: list[str] = []
    rows = []
    for line in (folder / "out.colvars.traj").read_text().splitlines():
        words = line.split()
        if line.startswith("#"):
            names = words[1:]
        elif words:
            rows.append([float(word) for word in words])
    assert names[0] == "step"
    return np.array(rows)[:, 1:]


@pytest.mark.parametrize("name", ["monomer_dimer", "dimer_octahedral"])
def test_values_are_those_of_colvars(shared_data, name, tmp_path):
    atoms = start(shared_data, name)
    settings = [CollectiveVariableSettings(**own) for own in VARIABLES]
    variables = variables_of(settings, find_molecules(atoms))
    found = measured(atoms, colvars_config(variables, atoms), tmp_path)[0][: len(variables)]
    expected = [variable.value(atoms) for variable in variables]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_walls_and_hills_push_as_they_say(tmp_path):
    """A free atom in a harmonic wall swings with the frequency of its stiffness."""
    atoms = Atoms("Ag2", positions=[[5.0, 5, 5], [8.5, 5, 5]], cell=[20, 20, 20], pbc=True)
    wall = {"name": "d", "width": 0.2, "upper": 3.0, "stiffness": 2.0,
            "terms": [{"kind": "distance", "groups": [["Ag1"], ["Ag2"]]}]}  # fmt: skip
    variables = variables_of([CollectiveVariableSettings(**wall)], find_molecules(atoms))
    mass, timestep, every = 50.0, 0.0005, 1
    trajectory = measured(atoms, colvars_config(variables, atoms, every=every), tmp_path, 300, mass)
    times = np.arange(len(trajectory)) * timestep * every
    omega = np.sqrt(2.0 / (mass / 2)) * 1000 * fs  # per ps, of the reduced mass
    expected = 3.0 + 0.5 * np.cos(omega * times)
    inside = omega * times < np.pi / 2
    assert inside.sum() > 100
    np.testing.assert_allclose(trajectory[inside, 0], expected[inside], atol=2e-3)


def test_a_run_goes_on_with_its_hills(tmp_path):
    """From LAMMPS's restart file; the grid has grown meanwhile. Walls act beside the hills."""
    atoms = Atoms("Ag2", positions=[[5.0, 5, 5], [8.0, 5, 5]], cell=[20, 20, 20], pbc=True)
    one = {"name": "d", "width": 0.01, "upper": 3.5, "stiffness": 3.0,
           "terms": [{"kind": "distance", "groups": [["Ag1"], ["Ag2"]]}]}  # fmt: skip
    variables = variables_of([CollectiveVariableSettings(**one)], find_molecules(atoms))
    hills = HillSettings(height=0.1, bias_factor=5, temperature=300, pace=5)
    config = colvars_config(variables, atoms, hills, every=1)
    push = ["group a id 2", "velocity a set 40 0 0"]
    whole = measured(atoms, config, tmp_path, 200, before=push)
    begun = measured(atoms, config, tmp_path, 100, before=push, after=["write_restart half"])
    on = measured(atoms, config, tmp_path, 100, restart="half")
    assert whole[:, 0].max() > 3.0 + 10 * 0.01 + 0.2  # beyond the first grid, and the wall
    np.testing.assert_array_equal(begun, whole[:101])
    np.testing.assert_array_equal(on, whole[100:])
    assert on[0, -1] > 0


def test_hills_are_well_tempered(tmp_path):
    """COLVARS writes heights w exp(-V / k dT): the second hill on one place is that much lower."""
    atoms = Atoms("Ag2", positions=[[5.0, 5, 5], [8.0, 5, 5]], cell=[20, 20, 20], pbc=True)
    one = {"name": "d", "width": 0.2, "terms": [{"kind": "distance", "groups": [["Ag1"], ["Ag2"]]}]}
    variables = variables_of([CollectiveVariableSettings(**one)], find_molecules(atoms))
    hills = HillSettings(height=0.1, bias_factor=5, temperature=300, pace=1)
    measured(atoms, colvars_config(variables, atoms, hills, every=1), tmp_path, 2, mass=1e9)
    (path,) = tmp_path.glob("out*hills*")
    rows = [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]
    centre, sigma, height = np.array([row[1:4] for row in rows], float)[:2].T
    assert np.allclose(centre, 3.0, atol=1e-6)
    ratio = height[1] / height[0]
    assert ratio == pytest.approx(np.exp(-0.1 / (kB * 4 * 300)), rel=0.05)  # on a grid
    assert sigma[0] in (pytest.approx(0.2), pytest.approx(0.4))  # full width in some versions


def test_plumed_says_the_same_words():
    atoms = Atoms("Ag2SN", positions=np.diag([1.0, 2.0, 3.0, 4.0])[:, :3] * 3, cell=[9] * 3)
    molecules = find_molecules(atoms)
    own = [
        {**VARIABLES[0], "terms": [VARIABLES[0]["terms"][0], {**PAIR, "groups": [["Ag"], ["S"]]}]},
        {**VARIABLES[3], "upper": 1.0, "stiffness": 4.0},
    ]
    variables = variables_of([CollectiveVariableSettings(**one) for one in own], molecules)
    text = plumed_input(
        variables, HillSettings(height=0.13, bias_factor=25, temperature=300, pace=100), every=50
    )
    assert text.splitlines() == [
        "UNITS LENGTH=A ENERGY=eV TIME=ps",
        "cv1_1: COORDINATION GROUPA=1 GROUPB=2 R_0=3.25 NN=6 MM=8",
        "cv1_2: COORDINATION GROUPA=1,2 GROUPB=3 R_0=3.25 NN=6 MM=8",
        "cv1: COMBINE ARG=cv1_1,cv1_2 COEFFICIENTS=1.0,1.0 PERIODIC=NO",
        "centre_1_centre1: COM ATOMS=1,2",
        "centre_1_point: FIXEDATOM AT=11.075,10.526,10.622",
        "centre_1: DISTANCE ATOMS=centre_1_centre1,centre_1_point",
        "centre: COMBINE ARG=centre_1 COEFFICIENTS=2.0 PERIODIC=NO",
        "centre_upper: UPPER_WALLS ARG=centre AT=1.0 KAPPA=2.0 EXP=2",
        "hills: METAD ARG=cv1,centre SIGMA=0.05,0.1 HEIGHT=0.13 PACE=100 BIASFACTOR=25.0 "
        "TEMP=300.0 FILE=HILLS",
        "PRINT ARG=cv1,centre,centre_upper.bias,hills.bias STRIDE=50 FILE=COLVAR",
    ]


def test_what_no_variable_is():
    term = {"kind": "coordination", "groups": [["Ag"], ["S"]], "r0": 3.0}
    variable = {"name": "x", "width": 0.1, "terms": [term]}
    for change, reason in (
        ({"terms": [{**term, "r0": None}]}, "give `r0`"),
        ({"terms": [{**term, "groups": [["Ag"]]}]}, "a coordination has 2 groups"),
        ({"terms": [{**term, "exponents": [12, 6]}]}, "the smaller first"),
        ({"name": "x y"}, "name"),
        ({"lower": 2.0, "upper": 1.0}, "not below"),
    ):
        with pytest.raises(ValueError, match=reason):
            CollectiveVariableSettings(**{**variable, **change})
    one = CollectiveVariableSettings(**variable)
    molecules = find_molecules(Atoms("AgS", positions=[[0, 0, 0], [0, 0, 4.0]]))
    with pytest.raises(ValueError, match="a name of its own"):
        variables_of([one, one], molecules)


def test_centres_of_long_groups_are_those_of_whole_ones():
    """A row of 14 Å across the boundary of a cell of 20 Å: more than half of it."""
    atoms = Atoms("Ag6", positions=[[8 + 2.8 * k, 5, 5] for k in range(6)], cell=[20] * 3, pbc=True)
    atoms.wrap()
    term = {"kind": "distance", "groups": [["Ag"]], "point": (8.0, 5.0, 5.0)}
    own = CollectiveVariableSettings(name="d", width=0.1, terms=[term])
    (variable,) = variables_of([own], find_molecules(atoms))
    assert variable.value(atoms) == pytest.approx(7.0)


def test_names_that_plumed_would_see_twice():
    atoms = Atoms("Ag2", positions=[[0, 0, 0], [0, 0, 3.0]])
    term = {"kind": "distance", "groups": [["Ag1"], ["Ag2"]]}
    molecules, hills = (
        find_molecules(atoms),
        HillSettings(height=np.float64(0.1), bias_factor=5, temperature=300, pace=10),
    )
    for names in (("a", "a_1"), ("hills",)):
        variables = variables_of(
            [CollectiveVariableSettings(name=n, width=0.1, terms=[term]) for n in names], molecules
        )
        with pytest.raises(ValueError, match="twice"):
            plumed_input(variables, hills)
    (one,) = variables_of(
        [CollectiveVariableSettings(name="b", width=0.1, terms=[term])], molecules
    )
    assert "HEIGHT=0.1 " in plumed_input([one], hills)
    assert "hillWeight 0.1\n" in colvars_config([one], atoms, hills)
    for wrong in ({"bias_factor": 1}, {"pace": 0}, {"height": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            HillSettings(
                **{"height": 0.1, "bias_factor": 5, "temperature": 300, "pace": 1, **wrong}
            )


def test_the_switching_function_at_its_length():
    assert switching(np.array([0.0, 1.0, 1.0 + 1e-7]), 6, 8) == pytest.approx([1, 0.75, 0.75])


def test_rows_that_were_cut_off_are_left_out():
    """The last line of a killed job, and a file that had not begun."""
    header = "# step  d  E_walls_d  E_hills\n"
    whole = "0 3.0 0.1 0.0\n10 3.1 0.2 0.5\n"
    rows = read_trajectory([header, *whole.splitlines(keepends=True), "20 3.2 0."], ["d"])
    np.testing.assert_allclose(rows, [[0, 3.0, 0.1, 0.0], [10, 3.1, 0.7, 0.5]])
    assert read_trajectory([], ["d"]).shape == (0, 4)
    with pytest.raises(ValueError, match="COLVARS wrote no `e`: there are step, d"):
        read_trajectory([header], ["e"])
    hills = HillSettings(height=0.1, bias_factor=5, temperature=300, pace=10)
    found = read_hills(["10 3.1 0.2 0.08\n", "20 3.2 0.2 0.0"], hills, 1)
    np.testing.assert_allclose(found, [[10, 3.1, 0.2, 0.1, 5]])
    np.testing.assert_allclose(before_hills(rows, found)[:, -1], [0.0, 0.42])

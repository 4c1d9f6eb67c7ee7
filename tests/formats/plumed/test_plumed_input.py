"""Walls in the input of PLUMED, as text."""

from ase import Atoms
from ase.build import molecule

from aiida_nanoclusters.formats.plumed.plumed_input import plumed_input
from aiida_nanoclusters.science.sampling.collective_variables import (
    CollectiveVariableSettings,
    OpesSettings,
    variables_of,
)
from aiida_nanoclusters.science.structures.molecules import find_molecules
from tests.science.sampling.test_coordination_walls import ALCOHOL, METHYL, wall_of

#: C O H H H H of methanol.
METHANOL = molecule("CH3OH")


def test_the_lowest_coordination_number_of_a_group():
    """`COORDINATIONNUMBER` has its lowest value as a component; the factor 1/2 is in `KAPPA`."""
    text = plumed_input(
        [],
        coordination_walls=[wall_of(METHANOL, **METHYL, upper=3.5, stiffness=8.0)],
    )
    hydrogen = ",".join(str(k + 1) for k, s in enumerate(METHANOL.symbols) if s == "H")
    assert text.splitlines()[1:] == [
        f"methyl: COORDINATIONNUMBER SPECIESA=1 SPECIESB={hydrogen} R_0=1.5 NN=6 MM=12 "
        "LOWEST HIGHEST",
        "methyl_lower: LOWER_WALLS ARG=methyl.lowest AT=2.55 KAPPA=4.0 EXP=2",
        "methyl_upper: UPPER_WALLS ARG=methyl.highest AT=3.5 KAPPA=4.0 EXP=2",
        "PRINT ARG=methyl_lower.bias,methyl_upper.bias STRIDE=100 FILE=COLVAR",
    ]


def test_partners_of_each_atom_are_a_line_each():
    one, other = METHANOL.copy(), METHANOL.copy()
    other.positions += [6.0, 0, 0]
    atoms = one + other
    text = plumed_input([], coordination_walls=[wall_of(atoms, **ALCOHOL, partners="bonded")])
    assert text.splitlines()[1:-1] == [
        "alcohol_1: COORDINATION GROUPA=1 GROUPB=2 R_0=1.5 NN=6 MM=12",
        "alcohol_7: COORDINATION GROUPA=7 GROUPB=8 R_0=1.5 NN=6 MM=12",
        "alcohol_lowest: LOWEST ARG=alcohol_1,alcohol_7",
        "alcohol_lower: LOWER_WALLS ARG=alcohol_lowest AT=0.47 KAPPA=50.0 EXP=2",
    ]


def test_further_walls_have_no_hills():
    atoms = Atoms("AgSN", positions=[[0, 0, 0], [0, 0, 4.0], [0, 4.0, 0]])
    molecules = find_molecules(atoms)
    one, wall = (
        CollectiveVariableSettings(
            name=name, width=0.1, upper=upper, stiffness=2.0,
            terms=[{"kind": "distance", "groups": [["Ag"], [other]]}],
        )
        for name, upper, other in (("d", None, "S"), ("far", 3.0, "N"))
    )  # fmt: skip
    text = plumed_input(variables_of([one], molecules), walls=variables_of([wall], molecules))
    assert text.splitlines()[-2:] == [
        "far_upper: UPPER_WALLS ARG=far AT=3.0 KAPPA=1.0 EXP=2",
        "PRINT ARG=d,far,far_upper.bias STRIDE=100 FILE=COLVAR",
    ]


def test_opes_has_a_state_to_continue_from():
    atoms = Atoms("AgS", positions=[[0, 0, 0], [0, 0, 4.0]])
    term = {"kind": "distance", "groups": [["Ag"], ["S"]]}
    own = CollectiveVariableSettings(name="d", width=0.1, terms=[term])
    opes = OpesSettings(barrier=0.5, bias_factor=20, temperature=300, pace=500)
    text = plumed_input(variables_of([own], find_molecules(atoms)), opes)
    assert text.splitlines()[-2:] == [
        "hills: OPES_METAD ARG=d SIGMA=0.1 BARRIER=0.5 PACE=500 BIASFACTOR=20.0 TEMP=300.0 "
        "FILE=KERNELS STATE_WFILE=STATE STATE_WSTRIDE=50000",
        "PRINT ARG=d,hills.bias STRIDE=100 FILE=COLVAR",
    ]

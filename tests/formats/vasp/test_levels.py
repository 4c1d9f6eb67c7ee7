"""Level of theory, charge and multiplicity of a run by its tags."""

import pytest

from aiida_nanoclusters.formats.vasp.input import level_of_theory as level_of_settings
from aiida_nanoclusters.formats.vasp.level import level_of_theory
from aiida_nanoclusters.formats.vasp.sections import IonicStep, Section, element_of
from aiida_nanoclusters.formats.vasp.tags import merged, read_incar, read_parameters, read_value
from aiida_nanoclusters.science.labels.settings import VaspSettings

PBE = ["PAW_PBE Ni 02Aug2007", "PAW_PBE O 08Apr2002"]


@pytest.mark.parametrize(
    ("incar", "level"),
    [
        ("", "PBE"),
        ("GGA = --", "PBE"),
        ("GGA = Ps", "PBEsol"),
        ("GGA = 91", "PW91"),
        ("METAGGA = SCAN", "SCAN"),
        ("METAGGA = M06L", "M06-L"),
        ("METAGGA = NONE", "PBE"),
        ("GGA = LIBXC\nLIBXC1 = GGA_X_PBE\nLIBXC2 = GGA_C_PBE", "LIBXC(GGA_X_PBE,GGA_C_PBE)"),
        ("LHFCALC = T\nHFSCREEN = 0.3", "HSE03"),
        ("LHFCALC = T\nGGA = PS\nHFSCREEN = 0.2", "HSEsol"),
        ("LHFCALC = T\nMETAGGA = SCAN", "SCAN hybrid(0.25,0)"),
        ("LHFCALC = T\nGGA = B5\nAEXX = 0.2", "B3LYP(VWN5)"),
        ("LHFCALC = T\nAEXX = 1\nLTHOMAS = T\nHFSCREEN = 1.5", "PBE hybrid(1,1.5,Thomas-Fermi)"),
        ("LHFCALC = F\nAEXX = 0.25", "PBE"),
        ("GGA = OR\nLUSE_VDW = T\nAGGAC = 0", "optPBE-vdW"),
        (
            "GGA = MK\nLUSE_VDW = T\nPARAM1 = 0.2",
            "optB86b-vdW(ZAB_VDW=-0.8491,PARAM1=0.2,PARAM2=1)",
        ),
        ("METAGGA = R2SCAN\nLUSE_VDW = T\nBPARAM = 11.95", "R2SCAN+rVV10"),
        ("METAGGA = R2SCAN\nLUSE_VDW = T\nBPARAM = 7", "R2SCAN+rVV10(7)"),
        ("IVDW = 0", "PBE"),
        ("LVDW = T", "PBE+IVDW10"),
        ("IVDW = 2", "PBE+IVDW20"),
        ("IVDW = 263\nVDW_SR = 0.85", "PBE+IVDW263(SR=0.85)"),
        ("LDAU = T\nLDAUL = 2 -1\nLDAUU = 6.2 0", "PBE+U(Ni-d 6.2)"),
        (
            "LDAU = T\nLDAUTYPE = 1\nLDAUL = 2 1\nLDAUU = 6 2\nLDAUJ = 1 0",
            "PBE+U(Ni-d 6,1; O-p 2,0)",
        ),
        ("LDAU = F\nLDAUU = 6.2 0", "PBE"),
        ("LSORBIT = T", "PBE+SOC"),
        ("EFIELD = 0.1", "PBE+EFIELD=0.1"),
    ],
)
def test_functionals(incar, level) -> None:
    tags = {**read_incar([*incar.split("\n"), "ENCUT = 520"])}
    assert level_of_theory(tags, PBE, ["Ni", "O"]) == f"VASP/{level}/520 eV"


def test_functional_of_the_potcars() -> None:
    assert level_of_theory({}, ["PAW Cu 22Jun2005"]) == "VASP/LDA"
    assert level_of_theory({}, ["PAW_GGA Cu 22Jun2005"]) == "VASP/PW91"
    assert level_of_theory({}, ["PAW Cu 22Jun2005", *PBE]) == "VASP"
    assert level_of_theory({}, PBE, dispersion=True) == "VASP/PBE+dispersion"
    assert level_of_theory({"IVDW": 4}, PBE, dispersion=True) == "VASP/PBE+IVDW4"


def test_labels_made_here_have_the_level_of_imported_ones() -> None:
    common = {
        "level_of_theory": None, "vacuum": 15.0, "kpoint_spacing": None, "max_net_force": 0.01,
        "potential_family": "PBE.54", "potential_mapping": {"Cu": "Cu"}, "valence_electrons": {},
        "fallbacks": [{}],
    }  # fmt: skip
    for incar, level in (
        ({"GGA": "PE"}, "PBE"),
        ({"GGA": "PE", "IVDW": 12}, "PBE+IVDW12"),
        ({"GGA": "PE", "lhfcalc": True, "HFSCREEN": 0.2}, "HSE06"),
        ({"GGA": "RE", "LUSE_VDW": ".TRUE.", "AGGAC": 0.0}, "vdW-DF"),
    ):
        settings = VaspSettings(**common, incar={"ENCUT": 450, **incar})
        assert level_of_settings(settings) == f"VASP/{level}/450 eV"


def test_tags() -> None:
    assert (
        read_value(".TRUE.") is True and read_value(".f.") is False and read_value("1d-5") == 1e-5
    )
    assert read_value("2*4.0 0") == [4.0, 4.0, 0] and read_value("Fast") == "Fast"
    assert read_value("9999999999*1") == "9999999999*1" and read_value("infinity") == "infinity"
    lines = ["A = 1 ! A = 2", "# A = 3", "b=2;  C = x y", "A = 4", "no tag"]
    assert read_incar(lines) == {"A": 1, "B": 2, "C": ["x", "y"]}
    line = "   NELM   =     60;   NELMIN=  2; NELMDL= -5     # of ELM steps"
    assert read_parameters(line) == {"NELM": 60}
    assert read_parameters("   Zab_VDW    =-.8491    correlation parameter") == {"ZAB_VDW": -0.8491}
    assert merged({"GGA": "--", "A": 1}, {"GGA": "RE", "A": 2}) == {"GGA": "RE", "A": 1}


def test_elements_of_potcars() -> None:
    titles = ["PAW_PBE Cu_pv 06Sep2000", "PAW_PBE H.5 07Sep2000", "PAW C_s", "US Ag", "PAW_PBE Z x"]
    assert [element_of(title) for title in titles] == ["Cu", "H", "C", "Ag", ""]


@pytest.mark.parametrize(
    ("tags", "moment", "kpoints", "multiplicity"),
    [
        ({"ISPIN": 2, "NUPDOWN": 3}, 3.0, 1, 4),
        ({"ISPIN": 2, "NUPDOWN": 1}, None, 8, 2),  # fixed, also of a crystal
        ({"ISPIN": 2, "NUPDOWN": 0.5}, 0.5, 1, None),
        ({"ISPIN": 2, "NUPDOWN": -1}, 3.001, 1, 4),
        ({"ISPIN": 2, "NUPDOWN": -1}, -1.0, 1, 2),
        ({"ISPIN": 2, "NUPDOWN": -1}, 0.6, 1, None),
        ({"ISPIN": 2, "NUPDOWN": -1}, 2.0, 1, None),  # of an odd number of electrons
        ({"ISPIN": 2, "NUPDOWN": -1}, 1.0, 4, None),
        ({"ISPIN": 2, "NUPDOWN": -1}, None, 1, None),
        ({"ISPIN": 1}, None, 1, None),  # half an electron in each spin: no state
        ({"ISPIN": 1, "NELECT": 42.0}, None, 1, 1),
        ({"ISPIN": 1, "NELECT": 42.0}, None, 8, None),
        ({"NELECT": 42.0}, None, 1, None),
        ({"ISPIN": 2, "NUPDOWN": 1, "LSORBIT": True}, 1.0, 1, None),
    ],
)
def test_multiplicity(tags, moment, kpoints, multiplicity) -> None:
    section = Section(1, tags={"NELECT": 43.0, **tags}, kpoints=kpoints)
    assert section.multiplicity(IonicStep(1, magnetisation=moment)) == multiplicity


@pytest.mark.parametrize(
    ("electrons", "charge"),
    [(44.0, 0.0), (43.0, 1.0), (45.00001, -1.0), (43.5, 0.5), (None, None), (float("nan"), None)],
)
def test_charge(electrons, charge) -> None:
    section = Section(1, tags={"NELECT": electrons}, counts=[4], valences=[11.0])
    assert section.charge == charge
    section.valences = []
    assert section.charge is None

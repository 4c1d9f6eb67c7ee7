"""OUTCARs of several versions, with what is found in them and what goes wrong."""

from __future__ import annotations

from tests.formats.reader_cases.case import Case, Expected
from tests.formats.reader_cases.vasp_files import (
    NOT_REACHED,
    STOPPED,
    Run,
    Step,
    outcar,
)

FREE = (False, False, False)
NEUTRAL = {"charge": 0.0, "multiplicity": 1}


def _level(name: str, incar: str, level: str, **more) -> Case:
    """A run of VASP 6, whose OUTCAR has the whole INCAR."""
    run = Run([Step(-9.0)], incar=incar, **more)
    expected = Expected(-9.0, level=f"VASP/{level}/450 eV", **NEUTRAL)
    return Case(f"level: {name}", {"OUTCAR": outcar(run)}, [expected])


_LEVELS = [
    _level("PBE", "", "PBE"),
    _level("revPBE, printed later as --", "GGA = RE", "revPBE"),
    _level("HSE06", "LHFCALC = .TRUE.\nHFSCREEN = 0.2", "HSE06"),
    _level("PBE0", "LHFCALC = T", "PBE0"),
    _level("exact exchange of one third", "LHFCALC = T ; AEXX = 0.33", "PBE hybrid(0.33,0)"),
    _level("B3LYP", "LHFCALC=T\nGGA = B3\nAEXX = 0.2 ! a comment\nALDAC = 0.19", "B3LYP"),
    _level("Hartree-Fock", "LHFCALC = T\nAEXX = 1.0\nALDAC = 0.0\nAGGAC = 0.0", "HF"),
    _level("+U", "LDAU = .TRUE.\nLDAUL = 2\nLDAUU = 4.0\nLDAUJ = 0.5", "PBE+U(Cu-d 3.5)"),
    _level("R2SCAN, of which VASP prints five letters", "METAGGA = R2SCAN", "R2SCAN",
           parameters=" METAGGA = R2SCA    LMAXTAU =  6    LMIXTAU =  F\n"),
    _level("D3(BJ)", "IVDW = 12", "PBE+IVDW12"),
    _level("D3(BJ) with the parameters of PBE", "IVDW = 12\nVDW_S8 = 0.7875", "PBE+IVDW12"),
    _level("D3(BJ) with other ones", "IVDW = 12\nVDW_S8 = 1.2", "PBE+IVDW12(S8=1.2)"),
    _level("D2 by its other number", "IVDW = 1", "PBE+IVDW10"),
    _level("vdW-DF", "GGA = RE\nLUSE_VDW = .TRUE.\nAGGAC = 0.0", "vdW-DF"),
    _level("vdW-DF with the correlation of PBE left in", "GGA = RE\nLUSE_VDW = T\nAGGAC = 1.0",
           "vdW-DF(AGGAC=1)"),
    _level("vdW-DF2", "GGA = ML\nLUSE_VDW = T\nZAB_VDW = -1.8867\nAGGAC = 0.0", "vdW-DF2"),
    _level("optB86b-vdW", "GGA = MK\nPARAM1 = 0.1234\nPARAM2 = 1.0\nLUSE_VDW = T\nAGGAC = 0",
           "optB86b-vdW"),
    _level("rev-vdW-DF2", "GGA = MK\nPARAM2 = 0.711357\nZAB_VDW = -1.8867\nLUSE_VDW = T\nAGGAC=0",
           "rev-vdW-DF2"),
    _level("optB88-vdW", "GGA = BO\nPARAM1 = 0.1833333333\nPARAM2 = 0.22\nLUSE_VDW=T\nAGGAC=0.0",
           "optB88-vdW"),
    _level("SCAN+rVV10", "METAGGA = SCAN\nLUSE_VDW = T\nBPARAM = 15.7", "SCAN+rVV10"),
    _level("solvation", "LSOL = .TRUE.", "PBE+LSOL"),
]  # fmt: skip

_TWO = outcar(Run([Step(-9.0, seed=1), Step(-9.01, seed=2)]))
_THIRD = outcar(Run([Step(-7.5, 60, change=0.1, seed=3), Step(-9.1, 9, seed=4)]))
_OTHER = outcar(Run([Step(-8.0, seed=5)], incar="GGA = RE"))
_TITLE = b" SYSTEM =  \xe9tain, \xff\xfe\n"

CASES = [
    *_LEVELS,
    Case(
        "VASP 5 tells the kind of dispersion within the ionic steps",
        {"OUTCAR": outcar(Run([Step(-9.0, more=" IVDW         = 12\n Edisp (eV)   -0.20290\n")],
                              version="5.4.4"))},
        [Expected(-9.0, level="VASP/PBE+IVDW12/450 eV")],
    ),
    Case(
        "dispersion of a kind that is not told",
        {"OUTCAR": outcar(Run([Step(-9.0, more=" Edisp (eV)   -0.20290\n")], version="5.2.12"))},
        [Expected(-9.0, level="VASP/PBE+dispersion/450 eV")],
    ),
    Case(
        "+U as VASP 5 tells it",
        {"OUTCAR": outcar(Run([Step(-9.0)], version="5.4.4", parameters=(
            " LDA+U is selected, type is set to LDAUTYPE =  2\n"
            "   angular momentum for each species LDAUL =     2\n"
            "   U (eV)           for each species LDAUU =   4.0\n"
            "   J (eV)           for each species LDAUJ =   0.0\n")))},
        [Expected(-9.0, level="VASP/PBE+U(Cu-d 4)/450 eV")],
    ),
    Case(
        "a cation: the electrons are one fewer than the valences",
        {"OUTCAR": outcar(Run([Step(-2.9, moment=1.0)], electrons=43.0, ispin=2,
                              incar="NELECT = 43\nISPIN = 2"))},
        [Expected(-2.9, charge=1.0, multiplicity=2, pbc=FREE)],
    ),
    Case(
        "a multiplicity that is fixed",
        {"OUTCAR": outcar(Run([Step(-2.9, moment=2.0)], ispin=2, incar="ISPIN=2; NUPDOWN=2"))},
        [Expected(-2.9, charge=0.0, multiplicity=3)],
    ),
    Case(
        "two kinds of atoms",
        {"OUTCAR": outcar(Run([Step(-9.0)], electrons=50.0, incar="NELECT = 50", kinds=[
            ("Cu", "PAW_PBE Cu_pv 06Sep2000", 17.0, 2), ("H ", "PAW_PBE H 15Jun2001", 1.0, 2)]))},
        [Expected(-9.0, charge=-14.0)],
    ),
    Case(
        "a loop that was stopped",
        {"OUTCAR": outcar(Run([Step(-9.0, verdict=STOPPED, change=0.3), Step(-9.01)]))},
        [Expected(-9.01, **NEUTRAL)],
        left_out=["aborting loop because hard stop was set"],
    ),
    Case(
        "a loop that VASP 6 says is not converged",
        {"OUTCAR": outcar(Run([Step(-9.0, 60, NOT_REACHED, 0.1), Step(-9.01, seed=1)]))},
        [Expected(-9.01)],
        left_out=["EDIFF was not reached"],
    ),
    Case(
        "a loop at NELM: VASP 5 says of it, too, that EDIFF is reached",
        {"OUTCAR": outcar(Run([Step(-9.0, 60, change=0.1), Step(-9.01)], version="5.4.4"))},
        [Expected(-9.01)],
        left_out=["60 electronic steps, NELM is 60"],
    ),
    Case(
        "a loop that converged in the last electronic step that was allowed",
        {"OUTCAR": outcar(Run([Step(-9.0, 20), Step(-9.01, 20, NOT_REACHED, 0.1)], nelm=20))},
        [Expected(-9.0)],
        left_out=["EDIFF was not reached"],
    ),
    Case(
        "two runs, of which the second has a loop at NELM",
        {"OUTCAR": _TWO + _THIRD.replace(b"vasp.6.4.2", b"vasp.5.4.4")},
        [Expected(-9.0), Expected(-9.01), Expected(-9.1)],
        left_out=["60 electronic steps"],
    ),
    Case(
        "two runs at two levels",
        {"OUTCAR": _TWO + _OTHER},
        [Expected(-9.0, level="VASP/PBE/450 eV"), Expected(-9.01, level="VASP/PBE/450 eV"),
         Expected(-8.0, level="VASP/revPBE/450 eV")],
    ),
    Case(
        "stars in a force",
        {"OUTCAR": outcar(Run([Step(-9.0), Step(-9.01, force="*" * 14), Step(-9.02)]))},
        [Expected(-9.0), Expected(-9.02)],
        left_out=["`**************` in place of a number"],
    ),
    Case(
        "bytes that are no UTF-8, and line ends of DOS",
        {"OUTCAR": (_TITLE + outcar(Run([Step(-9.0), Step(-9.01)]))).replace(b"\n", b"\r\n")},
        [Expected(-9.0, **NEUTRAL), Expected(-9.01, **NEUTRAL)],
    ),
    Case(
        "cut within the third step",
        {"OUTCAR": outcar(Run([Step(-9.0), Step(-9.01), Step(-9.02)]))[:-420]},
        [Expected(-9.0), Expected(-9.01)],
        problems={"OUTCAR": "truncated after 2 complete ionic steps"},
    ),
    Case(
        "predictions of a machine-learned force field between computed steps",
        {"OUTCAR": outcar(Run([Step(-9.0), Step(-8.0, predicted=True), Step(-8.1, predicted=True),
                               Step(-9.01)], incar="ML_LMLFF = T"))},
        [Expected(-9.0), Expected(-9.01)],
        left_out=["predicted by the machine-learned force field"],
    ),
    Case(
        "a fixed charge density",
        {"OUTCAR": outcar(Run([Step(-9.0)], incar="ICHARG = 11",
                              parameters="   ICHARG =     11    charge: 1-file\n"))},
        [],
        left_out=["the charge density was kept (ICHARG = 11)"],
    ),
    Case(
        "a cell that changes",
        {"OUTCAR": outcar(Run([Step(-9.0), Step(-9.01, length=19.5)])).replace(b"ISIF   =      2",
                                                                          b"ISIF   =      3")},
        [Expected(-9.0), Expected(-9.01)],
    ),
    Case(
        "NWRITE = 0: positions of the first and the last step",
        {"OUTCAR": outcar(Run([Step(-9.0), Step(-9.01, quiet=True), Step(-9.02)],
                              incar="NWRITE = 0"))},
        [Expected(-9.0), Expected(-9.02)],
        left_out=["no forces in the file: NWRITE = 0"],
    ),
]  # fmt: skip

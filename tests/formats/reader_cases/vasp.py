"""Files vasprun.xml, alone and with the OUTCAR of the same run."""

from __future__ import annotations

from dataclasses import replace

from tests.formats.reader_cases.case import Case, Expected
from tests.formats.reader_cases.vasp_files import NOT_REACHED, Run, Step, outcar, vasprun

NEUTRAL = {"charge": 0.0, "multiplicity": 1}


def _both(run: Run, beside: Run | None = None) -> dict[str, bytes]:
    return {"vasprun.xml": vasprun(run), "OUTCAR": outcar(beside or run)}


def _xml(run: Run) -> dict[str, bytes]:
    return {"vasprun.xml": vasprun(run)}


_THREE = Run([Step(-9.0), Step(-9.01), Step(-9.02)])
_LABELS = [Expected(-9.0, **NEUTRAL), Expected(-9.01, **NEUTRAL), Expected(-9.02, **NEUTRAL)]
_AT_NELM = Run([Step(-9.0, 20), Step(-9.01)], nelm=20)

CASES = [
    Case("alone", _xml(_THREE), _LABELS),
    Case("with its OUTCAR", _both(_THREE), _LABELS),
    Case(
        "NWRITE = 0: the OUTCAR has positions of the first and the last step",
        _both(_THREE, Run([Step(-9.0), Step(-9.01, quiet=True), Step(-9.02)])),
        _LABELS,
    ),
    Case(
        "a cation: the electrons are one fewer than the valences",
        _xml(Run([Step(-2.9)], incar="NELECT = 43.0\nNUPDOWN = 1\nISPIN = 2", electrons=43.0,
                 ispin=2)),
        [Expected(-2.9, charge=1.0, multiplicity=2, pbc=(False, False, False))],
    ),
    Case(
        "the magnetisation is in the OUTCAR",
        _both(Run([Step(-2.9, moment=3.0)], incar="NELECT = 43.0\nISPIN = 2", electrons=43.0,
                  ispin=2)),
        [Expected(-2.9, charge=1.0, multiplicity=4)],
    ),
    Case(
        "dispersion that the OUTCAR names",
        _both(Run([Step(-9.0, dispersion=-1.0)]), Run([Step(-9.0, dispersion=-1.0)],
                                                      incar="IVDW = 12")),
        [Expected(-10.0, level="VASP/PBE+IVDW12/450 eV")],
    ),
    Case(
        "dispersion that nothing names: it is added after the self-consistent field",
        _xml(Run([Step(-9.0, dispersion=-1.0)])),
        [Expected(-10.0, level="VASP/PBE+dispersion/450 eV")],
    ),
    Case(
        "hybrid functional",
        _xml(Run([Step(-9.0)], incar="LHFCALC = T\nHFSCREEN = 0.2\nAEXX = 0.25")),
        [Expected(-9.0, level="VASP/HSE06/450 eV")],
    ),
    Case(
        "van der Waals functional",
        _xml(Run([Step(-9.0)], incar="LUSE_VDW = T\nZAB_VDW = -1.8867\nAGGAC = 0.0", gga="ML")),
        [Expected(-9.0, level="VASP/vdW-DF2/450 eV")],
    ),
    Case(
        "+U",
        _xml(Run([Step(-9.0)], incar="LDAU = T\nLDAUL = 2\nLDAUU = 4.0\nLDAUJ = 0.0")),
        [Expected(-9.0, level="VASP/PBE+U(Cu-d 4)/450 eV")],
    ),
    Case(
        "stars in a force",
        _xml(Run([Step(-9.0), Step(-9.01, force="**********"), Step(-9.02)])),
        [Expected(-9.0), Expected(-9.02)],
        left_out=["`**********` in place of a number in row 1 of the forces"],
    ),
    Case(
        "a control character within a step, and a byte that is no UTF-8",
        {"vasprun.xml": vasprun(_THREE).replace(b" <calculation>\n", b" <calculation>\x02\n", 1)
            .replace(b"4 < 5", b"\xe9\x01 < 5")},
        _LABELS,
    ),
    Case(
        "at NELM the vasprun.xml alone does not tell",
        _xml(_AT_NELM),
        [Expected(-9.01)],
        left_out=["20 electronic steps, NELM is 20"],
    ),
    Case("at NELM the OUTCAR of VASP 6 tells", _both(_AT_NELM), [Expected(-9.0), Expected(-9.01)]),
    Case(
        "at NELM the OUTCAR of VASP 5 does not tell",
        _both(replace(_AT_NELM, version="5.4.4")),
        [Expected(-9.01)],
        left_out=["20 electronic steps, NELM is 20"],
    ),
    Case(
        "not converged, by both files",
        _both(Run([Step(-9.0), Step(-9.01, 60, NOT_REACHED, 0.2)])),
        [Expected(-9.0)],
        left_out=["EDIFF was not reached"],
    ),
    Case(
        "stopped before NELM",
        _xml(Run([Step(-9.0, change=0.3), Step(-9.01)])),
        [Expected(-9.01)],
        left_out=["the energy still changed by 3.0e-01 eV"],
    ),
    Case(
        "cut within the last step",
        {"vasprun.xml": vasprun(_THREE).rpartition(b"</calculation>")[0]},
        _LABELS[:2],
        problems={"vasprun.xml": "truncated after 2 complete ionic steps"},
    ),
    Case(
        "predictions of a machine-learned force field between computed steps",
        _both(Run([Step(-9.0), Step(-8.0, predicted=True), Step(-9.01)], incar="ML_LMLFF = T")),
        [Expected(-9.0), Expected(-9.01)],
        left_out=["predicted by the machine-learned force field"],
    ),
    Case(
        "empty beside an OUTCAR, which is told",
        {"vasprun.xml": b"", "OUTCAR": outcar(_THREE)},
        [],
        problems={"vasprun.xml": "truncated after 0 complete ionic steps"},
        unused=["OUTCAR: vasprun.xml has no ionic step: give this one by itself"],
    ),
    Case(
        "an image of a nudged elastic band with its OUTCAR",
        _both(Run([Step(-9.0)], incar="IMAGES = 3")),
        [Expected(-9.0)],
    ),
]  # fmt: skip

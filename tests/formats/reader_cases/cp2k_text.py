"""Made-up text as CP2K writes it, for the cases of its reader."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aiida_nanoclusters.science.units import HARTREE

#: Four copper atoms in Å, and forces on them in Hartree/Bohr.
TETRAHEDRON = np.array([[8.0, 8, 8], [10.4, 8, 8], [9.2, 10.1, 8], [9.2, 8.7, 10.0]])
PUSH = np.array([[0.004, -0.007, 0.0045], [0.002, 0.003, -0.004], [-0.003, 0, 0.001], [0, 0, 0]])
PBE = """\
 FUNCTIONAL| PBE:
 FUNCTIONAL| J.P.Perdew, K.Burke, M.Ernzerhof, Phys. Rev. Letter, vol. 77, n 18,
 FUNCTIONAL|  pp. 3865-3868, (1996){spin unpolarized}
"""
D3 = """\
 vdW POTENTIAL|                                                   Pair Potential
 vdW POTENTIAL|          DFT-D3 (Version 3.1)
 vdW POTENTIAL|          Zero Damping
"""
FAILED = "  *** WARNING in qs_scf.F:601 :: SCF run NOT converged ***"
ABORT = r"""
 *******************************************************************************
 *   ___                                                                       *
 *  /   \                                                                      *
 * [ABORT]                                                                     *
 *  \___/                SCF run NOT converged. To continue                    *
 *    |                                                                        *
 *  O/|       please set the keyword IGNORE_CONVERGENCE_FAILURE.               *
 * /| |                                                                        *
 * / \                                                            qs_scf.F:714 *
 *******************************************************************************
"""
HYBRID = PBE.replace("(1996){", "(1996)sx=0.750sc=1.000{") + (
    "  HFX_INFO| FRACTION:                                               0.2500000000\n"
    "  HFX_INFO| Interaction Potential:                                       COULOMB\n"
)
HUBBARD = (
    " DFT+U| Method                                                          MULLIKEN\n"
    + PBE
    + D3.replace("Zero Damping", "BJ Damping: S. Grimme et al, JCC 32: 1456 (2011)")
    + "\n  1. Atomic kind: Cu                                    Number of atoms:       4\n"
    "     A DFT+U correction is applied to atoms of this atomic kind:\n"
    "       U(eff) = (U - J) value in [eV]:                                     4.000\n"
)
R2SCAN = (
    " FUNCTIONAL| MGGA_X_R2SCAN:\n FUNCTIONAL| {scale=1.000, spin-unpolarized}\n"
    " FUNCTIONAL| MGGA_C_R2SCAN:\n FUNCTIONAL| {scale=1.000, spin-unpolarized}\n"
)
BOX = 'Lattice="7.4 0.0 0.0 0.0 7.4 0.0 0.0 0.0 7.4" Properties=species:S:1:pos:R:3 pbc="T T T"'
END = "  **** **** ******  **  PROGRAM ENDED AT                 2024-01-15 10:40:00.000\n"
_BANNER = "  **** **** ******  **  PROGRAM STARTED AT               2024-01-15 10:30:00.000\n"


def ev(hartree: float) -> float:
    """Return an energy in eV."""
    return hartree * HARTREE


def cell_lines(cell: Sequence[Sequence[float]] | float, periodic: str = "") -> str:
    """Return the lines that print a cell, in Å; a number is the edge of a cube."""
    vectors = np.eye(3) * cell if isinstance(cell, float) else np.array(cell)
    rows = [
        f" CELL| Vector {axis} [angstrom]:    {x:10.3f}{y:10.3f}{z:10.3f}"
        f"   |{axis}| = {np.linalg.norm([x, y, z]):11.6f}\n"
        for axis, (x, y, z) in zip("abc", vectors, strict=True)
    ]
    return "".join(rows) + (f" CELL| Periodicity{periodic:>63}\n" if periodic else "")


def head(
    *,
    project: str = "cu",
    run: str = "MD",
    cell: Sequence[Sequence[float]] | float = 20.0,
    periodic: str = "NONE",
    charge: int = 0,
    multiplicity: int = 1,
    theory: str = PBE,
    basis: str = "DZVP-MOLOPT-SR-GTH",
    cutoff: float = 200.0,
    ensemble: str = "",
    level: str = "MEDIUM",
    atoms: int = 4,
) -> str:
    """Return what an output says before its first step."""
    text = (
        f"{_BANNER} CP2K| version string:{'CP2K version 2023.1':>58}\n"
        f" GLOBAL| Project name{project:>60}\n GLOBAL| Run type{run:>64}\n"
        f" GLOBAL| Global print level{level:>54}\n\n"
    )
    if level != "LOW":
        text += cell_lines(cell, periodic)
        text += f" DFT| Multiplicity{multiplicity:>63}\n DFT| Charge{charge:>69}\n"
        text += f" DFT| Self-interaction correction (SIC){'NO':>42}\n\n{theory}"
        text += f"\n QS| Density cutoff [a.u.]:{cutoff:54.1f}\n\n"
        text += f"  1. Atomic kind: Cu{'Number of atoms:':>51}{atoms:8d}\n\n"
        text += f"     Orbital Basis Set{basis:>58}\n"
    text += f"                             - Atoms:{atoms:44d}\n"
    return text + (f" MD_PAR| Ensemble type{ensemble:>59}\n" if ensemble else "")


def scf(words: str = "  *** SCF run converged in    12 steps ***") -> str:
    """Return the lines of a self-consistent field; `words` are its last."""
    return f"\n SCF WAVEFUNCTION OPTIMIZATION\n\n{words}\n\n"


def step(energy: float, words: str | None = None, forces: str = "") -> str:
    """Return the lines of a step: Hartree, words of its field, and a table of forces."""
    line = f" ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]:{energy:33.15f}\n"
    return (scf() if words is None else scf(words)) + line + forces


def coordinates(positions: np.ndarray, unit: str = "ANGSTROM") -> str:
    """Return the table of coordinates that is printed before the first step."""
    rows = [
        f" {i:6d}    1 Cu   29 {x:13.6f} {y:13.6f} {z:13.6f}  11.0000  63.5460\n"
        for i, (x, y, z) in enumerate(positions, 1)
    ]
    title = "   Atom Kind Element         X             Y             Z       Z(eff)     Mass\n"
    return f"\n MODULE QUICKSTEP: ATOMIC COORDINATES IN {unit}\n\n{title}{''.join(rows)}\n"


def old_forces(forces: np.ndarray, unit: str = "a.u.") -> str:
    """Return the table of forces of versions up to 2024."""
    rows = [
        f" {i:6d}      1      Cu   {x:14.8f} {y:14.8f} {z:14.8f}\n"
        for i, (x, y, z) in enumerate(forces, 1)
    ]
    title = " # Atom   Kind   Element          X              Y              Z\n"
    total = " SUM OF ATOMIC FORCES           0.00000000     0.00000000     0.00000000\n"
    return f"\n ATOMIC FORCES in [{unit}]\n\n{title}{''.join(rows)}{total}\n"


def new_forces(forces: np.ndarray, unit: str = "hartree/bohr") -> str:
    """Return the table of forces of versions from 2025."""
    rows = [
        f" FORCES| {i:6d} {x:15.8E} {y:15.8E} {z:15.8E}  {np.linalg.norm([x, y, z]):15.8E}\n"
        for i, (x, y, z) in enumerate(forces, 1)
    ]
    title = " FORCES|   Atom     x               y               z               |f|\n"
    total = " FORCES| Sum     0.00000000E+00  0.00000000E+00  0.00000000E+00\n"
    return f"\n FORCES| Atomic forces [{unit}]\n{title}{''.join(rows)}{total}\n"


def block(
    number: int, energy: float, values: np.ndarray, kinds: Sequence[str] = (), lattice: str = ""
) -> str:
    """Return a step of a trajectory; in extended XYZ where it has a lattice."""
    names = kinds or ["Cu"] * len(values)
    comment = f" i = {number:8d}, time = {number * 0.5:12.3f}, E = {energy:19.10f}\n"
    if lattice:
        comment = f"{lattice} Step={number} Time={number * 0.5:.3f} Energy={energy:.10f}\n"
    rows = [
        f"{name:>3}{x:20.10f}{y:20.10f}{z:20.10f}\n"
        for name, (x, y, z) in zip(names, values, strict=True)
    ]
    return f"{len(values):8d}\n{comment}{''.join(rows)}"


def trajectories(
    steps: Sequence[tuple[int, float]],
    *,
    project: str = "cu",
    kinds: Sequence[str] = (),
    unit: float = 1.0,
) -> dict[str, bytes]:
    """Return trajectories of these numbers and energies; the atoms move 0.01 Å with each number.

    `unit` is that of the positions in Å.
    """
    pos = [block(n, e, (TETRAHEDRON + 0.01 * n) / unit, kinds) for n, e in steps]
    frc = [block(n, e, PUSH + 1e-5 * n, kinds) for n, e in steps]
    return {
        f"{project}-pos-1.xyz": "".join(pos).encode(),
        f"{project}-frc-1.xyz": "".join(frc).encode(),
    }


def cell_file(cells: Sequence[np.ndarray]) -> bytes:
    """Return a file of the cells (Å) of the steps, from 0."""
    rows = [
        f"{n:8d}{n * 0.5:12.3f}{''.join(f'{x:20.10f}' for x in cell.ravel())}"
        f"{abs(np.linalg.det(cell)):25.10f}\n"
        for n, cell in enumerate(cells)
    ]
    return ("#   Step   Time [fs]       Ax [Angstrom]\n" + "".join(rows)).encode()


def restart(charge: int = 1, unit: str = "", cell: float = 20.0) -> bytes:
    """Return a restart file that was written during the run."""
    trajectory = f"     &TRAJECTORY  SILENT\n       UNIT {unit}\n     &END TRAJECTORY\n"
    vectors = "".join(
        f"       {axis} {x:.16E} {y:.16E} {z:.16E}\n"
        for axis, (x, y, z) in zip("ABC", np.eye(3) * cell, strict=True)
    )
    return f"""\
 # Version information for this restart file
 # current date 2024-01-15 10:35:00.000
 &GLOBAL
   PROJECT_NAME cu
   RUN_TYPE  MD
 &END GLOBAL
 &MOTION
   &PRINT
{trajectory if unit else ""}   &END PRINT
 &END MOTION
 &FORCE_EVAL
   METHOD  QS
   &DFT
     CHARGE  {charge}
     MULTIPLICITY  {1 + charge % 2}
     &XC
       &XC_FUNCTIONAL  NO_SHORTCUT
         &PBE  T
         &END PBE
       &END XC_FUNCTIONAL
     &END XC
   &END DFT
   &SUBSYS
     &CELL
{vectors}       PERIODIC  XYZ
     &END CELL
     &COORD
Cu 1.0 1.0 1.0
Cu 2.0 1.0 1.0
Cu 1.0 2.0 1.0
Cu 1.0 1.0 2.0
     &END COORD
     &KIND Cu
       BASIS_SET DZVP-MOLOPT-SR-GTH
     &END KIND
   &END SUBSYS
 &END FORCE_EVAL
""".encode()

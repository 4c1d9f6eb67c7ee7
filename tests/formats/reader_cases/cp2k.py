"""Outputs of CP2K 2023 and 2025 with the files beside them, and with what goes wrong in them."""

from __future__ import annotations

import numpy as np

from aiida_nanoclusters.science.units import BOHR, HARTREE
from tests.formats.reader_cases.case import Case, Expected
from tests.formats.reader_cases.cp2k_text import (
    ABORT,
    BOX,
    END,
    FAILED,
    HUBBARD,
    HYBRID,
    PUSH,
    R2SCAN,
    TETRAHEDRON,
    block,
    cell_file,
    cell_lines,
    coordinates,
    ev,
    head,
    new_forces,
    old_forces,
    restart,
    step,
    trajectories,
)

FREE, SOLID = (False, False, False), (True, True, True)
LEVEL = "CP2K/PBE/DZVP-MOLOPT-SR-GTH"


def out(*parts: str, name: str = "cp2k.out") -> dict[str, bytes]:
    """Return an output of these parts."""
    return {name: "".join(parts).encode()}


def label(energy: float, **more: object) -> Expected:
    """Return what a label has to be; its energy is in Hartree."""
    return Expected(ev(energy), **{"charge": 0.0, "level": LEVEL, "pbc": FREE, **more})  # type: ignore[arg-type]


def moved(number: int, forces: np.ndarray = PUSH) -> str:
    """Return the tables of coordinates and forces of a run of one step."""
    return coordinates(TETRAHEDRON + 0.01 * number) + step(-192.0, forces=old_forces(forces))


CONVERGED = "  *** SCF run converged in    12 steps ***"
E = (-192.1, -192.1003, -192.0998)
THREE = "".join(step(energy) for energy in E)
STEPS = list(enumerate(E))
CUBE = {"cell": 7.4, "periodic": "XYZ"}
TILTED = [np.array([[7.4, 0, 0], [0.0, 7.4, 0], [0, 0, 7.4]]) + 0.01 * n for n in range(3)]


def lengths(*values: float, angles: str = "") -> str:
    """Return the lines on the cell after a step of dynamics that change it."""
    text = "".join(f" {x:15.8E}" for x in values)
    return f" MD| Step number 1\n MD| Cell lengths [ang]         {text}\n{angles}"


def damaged(content: bytes, old: bytes, new: bytes) -> bytes:
    """Return content with the first of these bytes replaced."""
    assert old in content
    return content.replace(old, new, 1)


_PLAIN = {**out(head(), THREE, END), **trajectories(STEPS)}
_POS, _FRC = _PLAIN["cu-pos-1.xyz"], _PLAIN["cu-frc-1.xyz"]
_ALL = [label(energy) for energy in E]

CASES = [
    Case("a trajectory", _PLAIN, _ALL),
    Case(
        "runs appended, trajectories of the last",
        {
            **out(head(cell=7.22, periodic="XYZ"), step(-191.0), END, head(**CUBE), THREE, END),
            **trajectories(STEPS),
        },
        [label(energy, pbc=SOLID) for energy in E],
        unused=["run 1 (line 1): 1 of 1 energies"],
    ),
    Case(
        "charge and multiplicity",
        {**out(head(charge=1, multiplicity=2), THREE, END), **trajectories(STEPS)},
        [label(energy, charge=1.0, multiplicity=2) for energy in E],
    ),
    Case(
        "kinds Cu1 and Cu2",
        {**out(head(), THREE, END), **trajectories(STEPS, kinds=("Cu1", "Cu1", "Cu2", "Cu2"))},
        _ALL,
    ),
    Case(
        "a kind that is no element",
        {**out(head(), THREE, END), **trajectories(STEPS, kinds=("Cu", "Cu", "Cu", "Qq"))},
        [],
        ["the kind `Qq` begins with no element"] * 3,
    ),
    Case(
        "steps written again by a restart",
        {
            **out(head(), THREE, head(), step(E[1]), step(E[2]), step(-192.2), END),
            **trajectories([*STEPS, *STEPS[2:], (3, -192.2)]),
        },
        [*_ALL, label(-192.2)],
        ["step 2 is written again at line"],
        {"cp2k.out": "run 1 (line 1): it was interrupted after 3 energies"},
        ["run 2 (line 43): 1 of 3 energies"],
    ),
    Case(
        "positions and forces printed",
        out(head(run="ENERGY_FORCE"), moved(0), END, name="a.out")
        | out(head(run="ENERGY_FORCE", project="x"), moved(1, 2 * PUSH), END, name="b.out"),
        [label(-192.0), label(-192.0)],
    ),
    Case(
        "tables of 2025, in eV and eV/angstrom",
        out(
            head(run="ENERGY_FORCE").replace("2023.1", "2025.2"),
            coordinates(TETRAHEDRON / BOHR, "BOHR"),
            step(-192.0)
            .replace("[a.u.]:", "[eV]")
            .replace(f"{-192.0:33.15f}", f"{ev(-192.0):33.15f}"),
            " ENERGY| Total FORCE_EVAL ( QS ) gap [hartree]          0.010000000000000\n",
            new_forces(PUSH * HARTREE / BOHR, "eV/angstrom"),
            END,
        ),
        [label(-192.0)],
    ),
    Case(
        "an unknown unit of forces",
        out(
            head(run="ENERGY_FORCE"),
            coordinates(TETRAHEDRON),
            step(-192.0),
            new_forces(PUSH, "stone/furlong"),
            END,
        ),
        [],
        ["its unit `stone/furlong` is not known"],
    ),
    Case(
        "a cell optimisation",
        {
            **out(
                head(run="CELL_OPT", **CUBE),
                *(cell_lines(7.4 + 0.01 * n) + step(energy) for n, energy in STEPS),
                END,
            ),
            **trajectories(STEPS),
        },
        [label(energy, pbc=SOLID) for energy in E],
    ),
    Case(
        "constant pressure",
        {
            **out(
                head(ensemble="NPT_I", **CUBE),
                step(E[0]),
                step(E[1]),
                lengths(7.41, 7.41, 7.41),
                step(E[2]),
                END,
            ),
            **trajectories(STEPS),
        },
        [label(energy, pbc=SOLID) for energy in E[:2]],
        ["NPT_I changes the cell"],
    ),
    Case(
        "a cell that tilts, in its file",
        {
            **out(head(ensemble="NPT_F", **CUBE), THREE, END),
            **trajectories(STEPS),
            "cu-1.cell": cell_file(TILTED[:2]),
        },
        [label(energy, pbc=SOLID) for energy in E[:2]],
        ["NPT_F changes the cell"],
    ),
    Case(
        "what CP2K says of convergence",
        {
            **out(
                head(),
                step(E[0], FAILED),
                step(
                    E[1],
                    "  *** SCF run converged in     3 steps ***\n"
                    "  outer SCF loop FAILED to converge after   2 iterations or   12 steps\n"
                    + FAILED,
                ),
                step(
                    E[2],
                    "  Leaving inner SCF loop after reaching     4 steps.\n"
                    "  *** SCF run converged in     3 steps ***\n"
                    "  outer SCF loop converged in   5 iterations or   17 steps",
                ),
                step(-192.3, "  Leaving inner SCF loop after reaching     4 steps."),
                END,
            ),
            **trajectories([*STEPS, (3, -192.3)]),
        },
        [label(E[2])],
        [
            "NOT converged` (line 28)",
            "NOT converged` (line 36)",
            "the output does not show whether the self-consistent field converged",
        ],
    ),
    Case(
        "stopped",
        {**out(head(), step(E[0]), ABORT), **trajectories(STEPS[:1])},
        _ALL[:1],
        problems={
            "cp2k.out": "CP2K stopped after 1 energies: SCF run NOT converged. To continue please"
        },
    ),
    Case(
        "stars in one force",
        {**_PLAIN, "cu-frc-1.xyz": damaged(_FRC, b"-0.0069900000", b"*************")},
        [_ALL[0], _ALL[2]],
        ["forces: `0.0040100000 ************* 0.0045100000` of atom 1 are no numbers (line 7"],
    ),
    Case(
        "a byte that is not UTF-8",
        {**_PLAIN, "cu-pos-1.xyz": damaged(_POS, b" Cu        8.01", b" \xffu        8.01")},
        [_ALL[0], _ALL[2]],
        ["begins with no element"],
    ),
    Case(
        "a last step that is cut",
        {**_PLAIN, "cu-pos-1.xyz": _POS[:-6], "cu-frc-1.xyz": _FRC},
        _ALL[:2],
        ["its last row is cut (line 13"],
    ),
    Case(
        "levels of theory of two runs",
        {
            **out(
                head(theory=R2SCAN),
                step(E[0]),
                END,
                head(theory=HUBBARD),
                step(E[1]),
                END,
                head(theory=HYBRID, cutoff=200),
                step(E[2]),
                END,
            ),
            **trajectories(STEPS),
        },
        [
            label(E[0], level=LEVEL.replace("PBE", "r2SCAN")),
            label(E[1], level=LEVEL.replace("PBE", "PBE+U-D3(BJ)").replace("+U", "+U(Cu 4 eV)")),
            label(E[2], level=LEVEL.replace("PBE", "PBE0")),
        ],
    ),
    Case(
        "correlation of wave functions, which the energy holds",
        {
            **out(
                head(),
                step(E[0], f"{CONVERGED}\n\n   RI-RPA energy  =          -0.31000000000000"),
                END,
                head(theory=HYBRID),
                step(E[1], f"{CONVERGED}\n\n   Second order perturbation energy  =   -0.3"),
                END,
            ),
            **trajectories(STEPS[:2]),
        },
        [
            label(E[0], level=LEVEL.replace("PBE", "PBE+RPA")),
            label(E[1], level=LEVEL.replace("PBE", "PBE0+MP2")),
        ],
    ),
    Case(
        "two cutoffs in one file",
        {
            **out(head(cutoff=150), step(E[0]), END, head(cutoff=300), step(E[1]), END),
            **trajectories(STEPS[:2]),
        },
        [label(E[0], level=f"{LEVEL}/300 Ry"), label(E[1], level=f"{LEVEL}/600 Ry")],
    ),
    Case(
        "a force field",
        out(head(run="ENERGY_FORCE"), moved(0).replace("( QS )", "( FIST )"), END),
        [],
        problems={"cp2k.out": "the part FIST of CP2K, which computes no electrons"},
    ),
    Case(
        "a band",
        out(head(run="BAND"), THREE, END),
        [],
        problems={"cp2k.out": "its run type is BAND: a band of replicas"},
    ),
    Case(
        "no positions",
        out(head(), THREE, END),
        [],
        problems={"cp2k.out": "no cu-pos-1.xyz and no cu-frc-1.xyz beside it"},
        unused=["3 of 3 energies"],
    ),
    Case(
        "a binary trajectory",
        {**out(head(), THREE, END), "cu-pos-1.dcd": b"CORD\0", "cu-frc-1.xyz": _FRC},
        [],
        problems={"cp2k.out": "no cu-pos-1.xyz beside it"},
        unused=["cu-pos-1.dcd: it is a binary trajectory"],
    ),
    Case(
        "trajectories in extended XYZ",
        {
            **out(head(ensemble="NPT_F", **CUBE), THREE, END),
            "cu-pos-1.xyz": "".join(
                block(n, e, TETRAHEDRON + 0.01 * n, lattice=BOX) for n, e in STEPS
            ).encode(),
            "cu-frc-1.xyz": "".join(
                block(n, e, PUSH, lattice=BOX.replace(":pos:", ":force:")) for n, e in STEPS
            ).encode(),
        },
        [label(energy, pbc=SOLID) for energy in E],
    ),
    Case(
        "few words, and a restart file",
        {
            **out(head(level="LOW"), THREE, END),
            **trajectories(STEPS),
            "cu-1.restart": restart(charge=0),
        },
        [label(energy, multiplicity=1) for energy in E],
    ),
    Case(
        "few words",
        {**out(head(level="LOW"), THREE, END), **trajectories(STEPS)},
        [],
        ["the output does not say its cell (PRINT_LEVEL LOW?)"] * 3,
    ),
    Case(
        "a reference trajectory",
        {
            **out(head(ensemble="REFTRAJ"), coordinates(TETRAHEDRON + 1.0), THREE, END),
            **trajectories(STEPS),
        },
        _ALL,
    ),
    Case(
        "an isolated atom",
        out(head(run="ENERGY", atoms=1), coordinates(TETRAHEDRON[:1]), step(-48.0), END),
        [label(-48.0)],
    ),
    Case(
        "a cluster in a box",
        {**out(head(periodic="XYZ"), THREE, END), **trajectories(STEPS)},
        _ALL,
    ),
]

"""A stand-in for VASP, which is licensed: real input files in, real-format output files out.

It reads INCAR, POSCAR, KPOINTS and POTCAR as VASP does and takes energies and forces from ASE's EMT
potential: no density functional theory, and no physics worth keeping. It moves the atoms where
NSW and IBRION say so, by velocity Verlet or BFGS. It misbehaves on demand, by the environment:
STAND_IN_VASP is one of

    converge     (or nothing) all is well
    unconverged  the self-consistent field ends at NELM
    truncated    killed in the middle of writing
    disagree     OUTCAR is of another run than vasprun.xml
    drift        the forces have a sum
    silent       nothing is written at all
    mixing       VASP warns that its charge density is wrong

    killed       killed in the middle of its ionic steps, between two of them
    rough        the self-consistent field of every third ionic step ends at NELM

or several with the number of atoms whose frames they befall, as in ``13=drift,4=silent``. It does
so only until ALGO is STAND_IN_CURE, where that is given, or the file STAND_IN_ONCE is written.
"""

import os
import sys
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.emt import EMT
from ase.io import read, write
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from ase.units import GPa, fs

POTENTIAL = "PAW_PBE {} made-up"
#: Not those of anybody's POTCAR.
VALENCES = {"Cu": 11.0, "Au": 11.0, "H": 1.0, "C": 4.0, "O": 6.0}


def read_incar() -> dict[str, str]:
    tags = {}
    for line in Path("INCAR").read_text().splitlines():
        name, found, value = line.partition("=")
        if found:
            tags[name.strip().upper()] = value.split("#")[0].strip()
    return tags


def read_mesh() -> list[int]:
    lines = Path("KPOINTS").read_text().splitlines()
    assert lines[2].strip()[0] in "Gg", "only meshes centred on Gamma"
    return [int(n) for n in lines[3].split()]


def fault(atoms: Atoms, incar: dict[str, str]) -> str:
    wanted = os.environ.get("STAND_IN_VASP", "converge")
    if "=" in wanted:
        faults = dict(pair.split("=") for pair in wanted.split(","))
        wanted = faults.get(str(len(atoms)), "converge")
    if incar.get("ALGO", "Normal").upper() == os.environ.get("STAND_IN_CURE", "no").upper():
        return "converge"
    once = os.environ.get("STAND_IN_ONCE")
    if once:
        if Path(once).exists():
            return "converge"
        Path(once).touch()
    return wanted


def vectors(rows, indent: str = "   ", digits: int = 8) -> str:
    return "\n".join(
        f"{indent}<v>" + "".join(f"{x:17.{digits}f}" for x in row) + " </v>" for row in rows
    )


def structure(atoms: Atoms, name: str = "") -> str:
    label = f' name="{name}"' if name else ""
    return f""" <structure{label} >
  <crystal>
   <varray name="basis" >
{vectors(atoms.cell.array)}
   </varray>
   <i name="volume">{atoms.get_volume():17.8f} </i>
   <varray name="rec_basis" >
{vectors(atoms.cell.reciprocal())}
   </varray>
  </crystal>
  <varray name="positions" >
{vectors(atoms.get_scaled_positions(), digits=14)}
  </varray>
 </structure>
"""


def runs(atoms: Atoms) -> list[tuple[str, int]]:
    """Elements with the number of consecutive atoms, as POSCAR has them."""
    found: list[tuple[str, int]] = []
    for symbol in atoms.symbols:
        if found and found[-1][0] == symbol:
            found[-1] = (symbol, found[-1][1] + 1)
        else:
            found.append((symbol, 1))
    return found


def parameters(incar: dict[str, str], electrons: float) -> str:
    return f""" <parameters>
  <separator name="electronic" >
   <i type="string" name="PREC">{incar.get("PREC", "Normal").lower()}</i>
   <i name="ENMAX">{float(incar["ENCUT"]):17.8f}</i>
   <i name="EDIFF">{float(incar.get("EDIFF", 1e-4)):17.8f}</i>
   <i type="int" name="IALGO">    68</i>
   <i name="NELECT">{electrons:17.8f}</i>
   <separator name="electronic smearing" >
    <i type="int" name="ISMEAR">{int(incar.get("ISMEAR", 1)):6d}</i>
    <i name="SIGMA">{float(incar.get("SIGMA", 0.2)):17.8f}</i>
   </separator>
   <separator name="electronic spin" >
    <i type="int" name="ISPIN">{int(incar.get("ISPIN", 1)):6d}</i>
    <i name="NUPDOWN">{float(incar.get("NUPDOWN", -1)):17.8f}</i>
    <i type="logical" name="LNONCOLLINEAR"> F  </i>
   </separator>
   <separator name="electronic convergence" >
    <i type="int" name="NELM">{int(incar.get("NELM", 60)):6d}</i>
   </separator>
  </separator>
  <separator name="ionic" >
   <i type="int" name="NSW">{int(incar.get("NSW", 0)):6d}</i>
   <i type="int" name="IBRION">{int(incar.get("IBRION", -1)):6d}</i>
   <i name="PSTRESS">       0.00000000</i>
  </separator>
  <separator name="electronic exchange-correlation" >
   <i type="string" name="GGA">{incar.get("GGA", "--"):2s}</i>
   <i type="logical" name="LHFCALC"> F  </i>
   <i type="logical" name="LDAU"> F  </i>
   <i type="logical" name="LUSE_VDW"> F  </i>
  </separator>
 </parameters>
"""


def electronic(energy: float, steps: int, jump: float) -> list[float]:
    """Energies of the electronic steps, which settle at `energy` unless they still jump."""
    energies = [energy + 10.0 * 0.1**k for k in range(steps)]
    energies[-1] = energy
    if jump:
        energies[-2] = energy + jump
    elif steps > 1:
        energies[-2] = energy
    return energies


class Ionic:
    """One ionic step as VASP writes it: energies of the electronic steps, forces, stress (kB)."""

    def __init__(self, atoms, energies, forces, stress) -> None:
        self.atoms, self.energies, self.forces, self.stress = atoms, energies, forces, stress


def write_calculation(step: Ionic) -> str:
    entropy = -0.0012 * len(step.atoms)
    scf = "".join(
        f"""  <scstep>
   <time name="dav">    1.00    1.00</time>
   <energy>
    <i name="e_fr_energy">{e + entropy / 2:18.8f} </i>
    <i name="e_wo_entrp">{e - entropy / 2:18.8f} </i>
    <i name="e_0_energy">{e:18.8f} </i>
   </energy>
  </scstep>
"""
        for e in step.energies
    )
    # VASP 5 writes the entropy where the extrapolated energy should be, and this one in its place.
    return f""" <calculation>
{scf}{structure(step.atoms)}  <varray name="forces" >
{vectors(step.forces)}
  </varray>
  <varray name="stress" >
{vectors(step.stress)}
  </varray>
  <energy>
   <i name="e_fr_energy">{step.energies[-1] + entropy / 2:18.8f} </i>
   <i name="e_wo_entrp">{step.energies[-1]:18.8f} </i>
   <i name="e_0_energy">{entropy:18.8f} </i>
  </energy>
  <time name="totalsc">    1.00    1.00</time>
 </calculation>
"""


def write_xml(steps: list[Ionic], incar, mesh, electrons) -> str:
    atoms = steps[0].atoms
    kinds = runs(atoms)
    tags = "\n".join(f'  <i type="string" name="{k}">{v}</i>' for k, v in incar.items())
    rows = "\n".join(
        f"    <rc><c>{s:2s}</c><c>{k:4d} </c></rc>"
        for k, (symbol, n) in enumerate(kinds, 1)
        for s in [symbol] * n
    )
    types = "\n".join(
        f"    <rc><c>{n:4d}</c><c>{s:2s}</c><c>     10.00000000</c><c>{VALENCES[s]:16.8f}</c>"
        f"<c>  {POTENTIAL.format(s):38s}</c></rc>"
        for s, n in kinds
    )
    return f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
 <generator>
  <i name="program" type="string">vasp </i>
  <i name="version" type="string">5.4.4.stand-in  </i>
 </generator>
 <incar>
{tags}
 </incar>
 <kpoints>
  <generation param="Gamma">
   <v type="int" name="divisions">{mesh[0]:9d}{mesh[1]:9d}{mesh[2]:9d} </v>
   <v name="usershift">      0.00000000       0.00000000       0.00000000 </v>
  </generation>
  <varray name="kpointlist" >
   <v>       0.00000000       0.00000000       0.00000000 </v>
  </varray>
  <varray name="weights" >
   <v>       1.00000000 </v>
  </varray>
 </kpoints>
{parameters(incar, electrons)} <atominfo>
  <atoms>{len(atoms):8d} </atoms>
  <types>{len(kinds):8d} </types>
  <array name="atoms" >
   <dimension dim="1">ion</dimension>
   <field type="string">element</field>
   <field type="int">atomtype</field>
   <set>
{rows}
   </set>
  </array>
  <array name="atomtypes" >
   <dimension dim="1">type</dimension>
   <field type="int">atomspertype</field>
   <field type="string">element</field>
   <field>mass</field>
   <field>valence</field>
   <field type="string">pseudopotential</field>
   <set>
{types}
   </set>
  </array>
 </atominfo>
{structure(atoms, "initialpos")}{"".join(map(write_calculation, steps))}\
{structure(steps[-1].atoms, "finalpos")}</modeling>
"""


def write_ionic(number: int, step: Ionic) -> str:
    atoms, energies, forces, stress = step.atoms, step.energies, step.forces, step.stress
    entropy = -0.0012 * len(atoms)
    cell = np.hstack([atoms.cell.array, atoms.cell.reciprocal()])
    scf = "\n".join(
        f"--------------------------------------- Iteration{number:7d}({k:4d})  "
        "---------------------------------------\n\n"
        "  Free energy of the ion-electron system (eV)\n"
        f"  free energy    TOTEN  = {e + entropy / 2:18.8f} eV\n"
        for k, e in enumerate(energies, 1)
    )
    pressure = " ".join(f"{x:11.5f}" for x in stress[[0, 1, 2, 0, 1, 2], [0, 1, 2, 1, 2, 0]])
    rows = "\n".join(
        "".join(f"{x:13.5f}" for x in p) + "    " + "".join(f"{x:14.6f}" for x in f)
        for p, f in zip(atoms.positions, forces, strict=True)
    )
    drift = "".join(f"{x:14.6f}" for x in forces.sum(axis=0))
    line = " " + "-" * 83
    entropy_free = energies[-1] - entropy / 2
    # VASP 5 says so of every loop, also of one that ends at NELM.
    said = f"{'-' * 24} aborting loop because EDIFF is reached {'-' * 40}\n"
    return f"""{scf}
{said}
      direct lattice vectors                 reciprocal lattice vectors
{chr(10).join("".join(f"{x:13.9f}" for x in row) for row in cell)}

  in kB  {pressure}

 POSITION                                       TOTAL-FORCE (eV/Angst)
{line}
{rows}
{line}
    total drift:                          {drift}

  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)
  ---------------------------------------------------
  free  energy   TOTEN  = {energies[-1] + entropy / 2:18.8f} eV

  energy  without entropy= {entropy_free:16.8f}  energy(sigma->0) = {energies[-1]:16.8f}

"""


def write_outcar(steps: list[Ionic], incar, electrons) -> str:
    atoms = steps[0].atoms
    kinds = runs(atoms)
    potcars = "\n".join(f" POTCAR:    {POTENTIAL.format(s)}" for s, _ in kinds)
    titles = "\n".join(f"   TITEL  = {POTENTIAL.format(s)}" for s, _ in kinds)
    ionic = "".join(write_ionic(number, step) for number, step in enumerate(steps, 1))
    return f""" vasp.5.4.4.stand-in (made up for tests) complex

 INCAR:
{potcars}
{potcars}
{titles}
   k-points           NKPTS =      1   k-points in BZ     NKDIM =      1   number of bands    \
NBANDS=     {int(electrons) // 2 + len(atoms)}
   ions per type =  {"".join(f"{n:4d}" for _, n in kinds)}
   ISPIN  = {int(incar.get("ISPIN", 1)):6d}    spin polarized calculation?
   ENCUT  = {float(incar["ENCUT"]):8.1f} eV
   NELM   = {int(incar.get("NELM", 60)):6d};   NELMIN=  5; NELMDL= -5     # of ELM steps
   EDIFF  = {float(incar.get("EDIFF", 1e-4)):.1E}   stopping-criterion for ELM
   NSW    = {int(incar.get("NSW", 0)):6d}    number of steps for IOM
   IBRION = {int(incar.get("IBRION", -1)):6d}    ionic relax
   NELECT = {electrons:13.4f}    total number of electrons
   GGA     = {incar.get("GGA", "--"):>5s}    GGA type

 k-points in reciprocal lattice and weights: stand-in
   0.00000000  0.00000000  0.00000000       1.000

{ionic} General timing and accounting informations for this job:
 ========================================================

                  Total CPU time used (sec):        1.000
                            User time (sec):        1.000
                          System time (sec):        0.000
                         Elapsed time (sec):        1.000

                   Maximum memory used (kb):       10000.
                   Average memory used (kb):           0.

"""


def read_velocities(atoms: Atoms) -> None:
    """Take velocities (Å/fs) from the POSCAR; VASP draws some where it has none."""
    lines = Path("POSCAR").read_text().rstrip("\n").splitlines()
    count = len(atoms)
    head = next(k for k, line in enumerate(lines) if line.strip() in ("Direct", "Cartesian")) + 1
    rows = lines[head + count :]
    assert len(rows) == count + 1 and not rows[0].strip(), "the POSCAR has no velocities"
    values = np.array([[float(x) for x in row.split()] for row in rows[1:]])
    atoms.set_velocities(values / fs)


def ionic_steps(atoms: Atoms, incar: dict[str, str]) -> list[Atoms]:
    """The atoms at each ionic step, the first as they are given."""
    nsw, ibrion = int(incar.get("NSW", 0)), int(incar.get("IBRION", -1))
    atoms.calc = EMT()
    if nsw <= 1 and ibrion != 2:
        return [atoms.copy()]
    found: list[Atoms] = []
    if ibrion == 0:
        read_velocities(atoms)
        assert incar["MDALGO"] == "3" and incar["LANGEVIN_GAMMA"] and incar["RANDOM_SEED"]
        dynamics = VelocityVerlet(atoms, timestep=float(incar["POTIM"]) * fs)
        dynamics.attach(lambda: found.append(atoms.copy()))
        dynamics.run(nsw - 1)
    else:
        search = BFGS(atoms, logfile=None)
        search.attach(lambda: found.append(atoms.copy()))
        search.run(fmax=-float(incar["EDIFFG"]), steps=nsw - 1)
    return found


def compute(atoms: Atoms, incar: dict[str, str], wrong: str) -> Ionic:
    atoms.calc = EMT()
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    stress = -atoms.get_stress(voigt=False) / (0.1 * GPa)
    if wrong == "drift":
        forces = forces + np.array([0.0, 0.0, 0.3])
    nelm = int(incar.get("NELM", 60))
    energies = electronic(energy, 12, 0.0)
    if wrong == "unconverged":
        energies = electronic(energy, nelm, 0.1)
    return Ionic(atoms, energies, forces, stress)


def main() -> None:
    incar, mesh = read_incar(), read_mesh()
    atoms = read("POSCAR", format="vasp")
    titles = [line for line in Path("POTCAR").read_text().splitlines() if "TITEL" in line]
    assert len(titles) == len(runs(atoms)), "POTCAR does not fit POSCAR"
    wrong = fault(atoms, incar)
    if wrong == "silent":
        sys.exit("stand-in: killed")
    electrons = float(incar.get("NELECT", sum(VALENCES[s] for s in atoms.symbols)))
    moved = ionic_steps(atoms, incar)
    if wrong == "rough":
        faults = ["unconverged" if k % 3 == 2 else "converge" for k in range(len(moved))]
    else:
        faults = [wrong] * len(moved)
    steps = [compute(a, incar, f) for a, f in zip(moved, faults, strict=True)]
    if wrong == "killed":
        steps = steps[: 1 + len(steps) // 2]
    xml = write_xml(steps, incar, mesh, electrons)
    if wrong == "disagree":
        for step in steps:
            step.energies = [e + 0.01 for e in step.energies]
    outcar = write_outcar(steps, incar, electrons)
    if wrong == "truncated":
        xml, outcar = xml[: 2 * len(xml) // 3], outcar[: len(outcar) // 2]
    elif wrong == "killed":
        xml, outcar = (
            xml[: xml.index('<structure name="finalpos"')],
            outcar.partition(" General")[0],
        )
    Path("vasprun.xml").write_text(xml)
    Path("OUTCAR").write_text(outcar)
    write("CONTCAR", moved[-1], format="vasp")
    if wrong == "killed":
        sys.exit("stand-in: killed")
    if wrong == "mixing":
        print(" BRMIX: very serious problems\n  the old and the new charge density differ")
    print(" running on    1 total cores\n vasp.5.4.4.stand-in\n writing wavefunctions")


if __name__ == "__main__":
    main()

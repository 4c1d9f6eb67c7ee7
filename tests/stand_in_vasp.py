"""A stand-in for VASP, which is licensed: real input files in, real-format output files out.

It reads INCAR, POSCAR, KPOINTS and POTCAR as VASP does and takes energies and forces from ASE's EMT
potential: no density functional theory, and no physics worth keeping. It misbehaves on demand, by
the environment: STAND_IN_VASP is one of

    converge     (or nothing) all is well
    unconverged  the self-consistent field ends at NELM
    truncated    killed in the middle of writing
    disagree     OUTCAR is of another run than vasprun.xml
    drift        the forces have a sum
    silent       nothing is written at all
    mixing       VASP warns that its charge density is wrong

or several with the number of atoms whose frames they befall, as in ``13=drift,4=silent``. It does
so only until ALGO is STAND_IN_CURE, where that is given, or the file STAND_IN_ONCE is written.
"""

import os
import sys
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.emt import EMT
from ase.io import read
from ase.units import GPa

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


def write_xml(atoms, incar, mesh, energies, forces, stress, electrons) -> str:
    kinds = runs(atoms)
    tags = "\n".join(f'  <i type="string" name="{k}">{v}</i>' for k, v in incar.items())
    entropy = -0.0012 * len(atoms)
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
        for e in energies
    )
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
    # VASP 5 writes the entropy where the extrapolated energy should be, and this one in its place.
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
{structure(atoms, "initialpos")} <calculation>
{scf}{structure(atoms)}  <varray name="forces" >
{vectors(forces)}
  </varray>
  <varray name="stress" >
{vectors(stress)}
  </varray>
  <energy>
   <i name="e_fr_energy">{energies[-1] + entropy / 2:18.8f} </i>
   <i name="e_wo_entrp">{energies[-1]:18.8f} </i>
   <i name="e_0_energy">{entropy:18.8f} </i>
  </energy>
  <time name="totalsc">    1.00    1.00</time>
 </calculation>
{structure(atoms, "finalpos")}</modeling>
"""


def write_outcar(atoms, incar, energies, forces, stress, electrons) -> str:
    kinds = runs(atoms)
    entropy = -0.0012 * len(atoms)
    potcars = "\n".join(f" POTCAR:    {POTENTIAL.format(s)}" for s, _ in kinds)
    titles = "\n".join(f"   TITEL  = {POTENTIAL.format(s)}" for s, _ in kinds)
    cell = np.hstack([atoms.cell.array, atoms.cell.reciprocal()])
    scf = "\n".join(
        f"--------------------------------------- Iteration{1:7d}({k:4d})  "
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

{scf}
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

 General timing and accounting informations for this job:
 ========================================================

                  Total CPU time used (sec):        1.000
                            User time (sec):        1.000
                          System time (sec):        0.000
                         Elapsed time (sec):        1.000

                   Maximum memory used (kb):       10000.
                   Average memory used (kb):           0.

"""


def main() -> None:
    incar, mesh = read_incar(), read_mesh()
    atoms = read("POSCAR", format="vasp")
    titles = [line for line in Path("POTCAR").read_text().splitlines() if "TITEL" in line]
    assert len(titles) == len(runs(atoms)), "POTCAR does not fit POSCAR"
    wrong = fault(atoms, incar)
    if wrong == "silent":
        sys.exit("stand-in: killed")
    atoms.calc = EMT()
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    stress = -atoms.get_stress(voigt=False) / (0.1 * GPa)
    if wrong == "drift":
        forces = forces + np.array([0.0, 0.0, 0.3])
    neutral = sum(VALENCES[s] for s in atoms.symbols)
    electrons = float(incar.get("NELECT", neutral))
    nelm = int(incar.get("NELM", 60))
    energies = electronic(energy, nelm if wrong == "unconverged" else 12, 0.0)
    if wrong == "unconverged":
        energies = electronic(energy, nelm, 0.1)
    xml = write_xml(atoms, incar, mesh, energies, forces, stress, electrons)
    if wrong == "disagree":
        energies = [e + 0.01 for e in energies]
    outcar = write_outcar(atoms, incar, energies, forces, stress, electrons)
    if wrong == "truncated":
        xml, outcar = xml[: 2 * len(xml) // 3], outcar[: len(outcar) // 2]
    Path("vasprun.xml").write_text(xml)
    Path("OUTCAR").write_text(outcar)
    Path("CONTCAR").write_text(Path("POSCAR").read_text())
    if wrong == "mixing":
        print(" BRMIX: very serious problems\n  the old and the new charge density differ")
    print(" running on    1 total cores\n vasp.5.4.4.stand-in\n writing wavefunctions")


if __name__ == "__main__":
    main()

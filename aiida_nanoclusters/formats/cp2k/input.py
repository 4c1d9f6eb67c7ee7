"""Input of CP2K for labels: frames dealt into runs, and for each run an input and its files.

A run is one start of CP2K. It takes frames of the same atoms, charge, spin, periodicity and cell
as a reference trajectory (``ENSEMBLE REFTRAJ``); a job makes many runs, so that any mix of frames
fits in one. Each frame starts from the same guess: its label does not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from math import ceil
from typing import Any

import numpy as np
from ase import Atoms

from aiida_nanoclusters.science.boxes import in_box, kpoint_mesh, repeats
from aiida_nanoclusters.science.labels import ground_state_multiplicity

#: Keys of the settings of a CP2K protocol; see ``workflows/protocols/cp2k.yaml``.
SETTINGS = {
    "level_of_theory",
    "cluster",
    "vacuum",
    "thickness",
    "kpoint_spacing",
    "spin",
    "empty_bands",
    "max_net_force",
    "force_eval",
    "kinds",
    "ladder",
}
CLUSTERS = ("isolated", "box")
SPINS = ("none", "collinear")


def settings_problem(settings: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the settings of a protocol and how to mend it, or None."""
    if set(settings) != SETTINGS:
        unknown, missing = sorted(set(settings) - SETTINGS), sorted(SETTINGS - set(settings))
        return f"settings: unknown keys {unknown}, missing keys {missing}"
    for name, allowed in (("cluster", CLUSTERS), ("spin", SPINS)):
        if settings[name] not in allowed:
            return f"settings: `{name}` is {settings[name]!r}, choose one of {', '.join(allowed)}"
    for name in ("vacuum", "thickness", "kpoint_spacing", "empty_bands", "max_net_force"):
        value = settings[name]
        if value is None and name in ("thickness", "kpoint_spacing"):
            continue
        if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
            return f"settings: `{name}` is {value!r}, give a number above 0"
    if not isinstance(settings["ladder"], list) or not settings["ladder"]:
        return "settings: `ladder` needs one rung or more; {} as the first changes nothing"
    if any(not isinstance(rung, Mapping) for rung in settings["ladder"]):
        return "settings: each rung of `ladder` is a mapping, laid over `force_eval`"
    if any(not _is_effort(rung) for rung in settings["ladder"]):
        return (
            "settings: a rung of `ladder` may change DFT/SCF but its smearing: anything else would "
            "give labels of another level under the same name"
        )
    if not isinstance(settings["force_eval"], Mapping) or "DFT" not in settings["force_eval"]:
        return "settings: `force_eval` is CP2K's section of that name, with its subsection DFT"
    return None


def _is_effort(rung: Mapping[str, Any]) -> bool:
    """Tell whether a rung says only how the self-consistent field is to be reached."""
    scf = rung.get("DFT", {}).get("SCF", {})
    return set(rung) <= {"DFT"} and set(rung.get("DFT", {})) <= {"SCF"} and "SMEAR" not in scf


def deal_runs(images: Sequence[Atoms]) -> list[list[int]]:
    """Return the indices of the frames of each run, in the order of their first frames.

    `images` are frames as they come from :func:`prepare`: in their boxes.
    """
    runs: dict[Any, list[int]] = {}
    for i, atoms in enumerate(images):
        key = (
            tuple(atoms.numbers),
            float(atoms.info.get("charge", 0.0)),
            atoms.info.get("multiplicity"),
            tuple(atoms.pbc),
            tuple(np.round(atoms.cell.array, 6).ravel()),
        )
        runs.setdefault(key, []).append(i)
    return list(runs.values())


def prepare(atoms: Atoms, settings: Mapping[str, Any]) -> tuple[Atoms, int]:
    """Return what CP2K computes for a frame, and how many copies of the frame that holds.

    Clusters get a box, slabs their vacuum, thin crystals are repeated to `thickness`. The first
    atoms are those of the frame, in its order. An isolated atom that says no multiplicity has that
    of its ground state.

    Raises
    ------
    ValueError
        If charge or multiplicity are no whole numbers, or a slab's cell is oblique.
    """
    charge, multiplicity = atoms.info.get("charge", 0), atoms.info.get("multiplicity", 1)
    if charge != round(charge) or multiplicity != round(multiplicity) or multiplicity < 1:
        raise ValueError(
            f"charge {charge}, multiplicity {multiplicity}: give whole numbers, the latter from 1"
        )
    if len(atoms) == 1 and not atoms.pbc.any() and charge == 0:
        atoms = atoms.copy()
        atoms.info.setdefault("multiplicity", ground_state_multiplicity(atoms.symbols[0]))
    if atoms.pbc.any() and settings["thickness"]:
        times = repeats(atoms, settings["thickness"])
        copies = int(np.prod(times))
        boxed = in_box(atoms.repeat(times), settings["vacuum"])
        boxed.info["charge"] = copies * boxed.info.get("charge", 0.0)
        if "multiplicity" in boxed.info:
            boxed.info["multiplicity"] = copies * (boxed.info["multiplicity"] - 1) + 1
        return boxed, copies
    return in_box(atoms, settings["vacuum"], cubic=True), 1


def run_input(
    name: str, atoms: Atoms, count: int, settings: Mapping[str, Any], rung: int, seconds: int | None
) -> dict[str, Any]:
    """Return the input of one run as nested sections.

    Parameters
    ----------
    name
        Project name; files are called by it.
    atoms
        The first frame as it comes from :func:`prepare`.
    count
        Number of frames.
    settings, rung
        Of the protocol; ``ladder[rung]`` is laid over ``force_eval``.
    seconds
        Time after which CP2K ends by itself after a step, or None.
    """
    section = _merged(settings["force_eval"], settings["ladder"][rung])
    open_box = not atoms.pbc.any() and settings["cluster"] == "isolated"
    periodic = "NONE" if open_box else "XYZ"
    dft = section["DFT"]
    _set_electrons(dft, atoms, settings)
    dft["POISSON"] = {"PERIODIC": periodic, "POISSON_SOLVER": "MT" if open_box else "PERIODIC"}
    if "XTB" in dft.get("QS", {}):
        dft["QS"]["XTB"]["DO_EWALD"] = not open_box
    if settings["kpoint_spacing"] and atoms.pbc.any():
        mesh = kpoint_mesh(atoms, settings["kpoint_spacing"])
        if mesh != (1, 1, 1):
            scheme = "MONKHORST-PACK {} {} {}".format(*mesh)
            dft["KPOINTS"] = {"SCHEME": scheme, "SYMMETRY": False, "FULL_GRID": False}
    section["SUBSYS"] = _subsystem(name, atoms, settings, periodic)
    top: dict[str, Any] = {"RUN_TYPE": "MD", "PROJECT": name, "PRINT_LEVEL": "LOW"}
    if seconds is not None:
        top["WALLTIME"] = seconds
    return {"GLOBAL": top, "FORCE_EVAL": section, "MOTION": _reference_trajectory(name, count)}


def _set_electrons(dft: dict[str, Any], atoms: Atoms, settings: Mapping[str, Any]) -> None:
    """Set charge, spin and empty orbitals; a frame that says its multiplicity keeps it."""
    multiplicity = atoms.info.get("multiplicity")
    polarised = settings["spin"] == "collinear" or multiplicity is not None
    dft["CHARGE"] = round(float(atoms.info.get("charge", 0.0)))
    dft["UKS"] = polarised
    scf = dft.setdefault("SCF", {})
    if "SMEAR" in scf:
        empty = max(4, ceil(settings["empty_bands"] * len(atoms)))
        scf["ADDED_MOS"] = f"{empty} {empty}" if polarised else empty
    if multiplicity is not None:
        dft["MULTIPLICITY"] = int(multiplicity)
        if "SMEAR" in scf:  # or smearing would let the spin go
            scf["SMEAR"]["FIXED_MAGNETIC_MOMENT"] = int(multiplicity) - 1


def _subsystem(
    name: str, atoms: Atoms, settings: Mapping[str, Any], periodic: str
) -> dict[str, Any]:
    cell = {
        axis: " ".join(f"{x:.10f}" for x in vector)
        for axis, vector in zip("ABC", atoms.cell.array, strict=True)
    }
    section: dict[str, Any] = {
        "CELL": {**cell, "PERIODIC": periodic},
        "TOPOLOGY": {"COORD_FILE_NAME": f"{name}-first.xyz", "COORD_FILE_FORMAT": "XYZ"},
    }
    kinds = [
        {"_": symbol, **settings["kinds"].get(symbol, settings["kinds"].get("default", {}))}
        for symbol in sorted(set(atoms.get_chemical_symbols()))
    ]
    if any(len(kind) > 1 for kind in kinds):
        section["KIND"] = kinds
    return section


def _reference_trajectory(name: str, count: int) -> dict[str, Any]:
    every = {"EACH": {"MD": 1}}
    return {
        "MD": {
            "ENSEMBLE": "REFTRAJ",
            "STEPS": count,
            "REFTRAJ": {
                "TRAJ_FILE_NAME": f"{name}-frames.xyz",
                "FIRST_SNAPSHOT": 1,
                "LAST_SNAPSHOT": count,
                "EVAL_ENERGY_FORCES": True,
                "EVAL_FORCES": True,  # without it all forces are 0
            },
        },
        "PRINT": {
            "FORCES": {"_": "ON", **every},
            "TRAJECTORY": {"_": "OFF"},
            "VELOCITIES": {"_": "OFF"},
            "RESTART": {"_": "OFF"},
            "RESTART_HISTORY": {"_": "OFF"},
        },
    }


def run_files(name: str, images: Sequence[Atoms]) -> dict[str, str]:
    """Return the coordinate files of a run by name, frames as :func:`prepare` returns them."""
    blocks = [_xyz(atoms, f" i = {i}, time = {i}.000, E = 0.0") for i, atoms in enumerate(images)]
    return {f"{name}-frames.xyz": "".join(blocks), f"{name}-first.xyz": _xyz(images[0], "")}


def _xyz(atoms: Atoms, comment: str) -> str:
    rows = [
        f"{symbol} {x:.12f} {y:.12f} {z:.12f}"
        for symbol, (x, y, z) in zip(atoms.get_chemical_symbols(), atoms.positions, strict=True)
    ]
    return "\n".join([str(len(atoms)), comment, *rows, ""])


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `changes` over sections; None takes a keyword or section away."""
    merged = deepcopy(dict(base))
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = deepcopy(value)
    return merged

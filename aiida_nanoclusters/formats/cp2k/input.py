"""Input of CP2K for labels: frames grouped into runs, and for each run an input and its files.

A run is one start of CP2K. It computes frames of the same atoms, charge, spin, periodicity and
cell as a reference trajectory (``ENSEMBLE REFTRAJ``). A job makes several runs, so that it can
hold any mix of frames. Each frame starts from the same initial guess of the density: its label
does not depend on the other frames of the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from math import ceil
from typing import Any

import numpy as np
from ase import Atoms

from aiida_nanoclusters.science.labels.acceptance import ground_state_multiplicity
from aiida_nanoclusters.science.labels.settings import Cp2kSettings
from aiida_nanoclusters.science.structures.boxes import in_box, kpoint_mesh, repeats

#: Isolated atoms that fill their orbitals in GFN1-xTB with electrons of one spin: none is empty for
#: the smearing, without which CP2K stops.
_FULL = frozenset({"He", "N", "O", "F"})


def group_into_runs(images: Sequence[Atoms]) -> list[list[int]]:
    """Return the indices of the frames of each run, in the order of their first frames.

    `images` are frames in their boxes, as :func:`prepare` returns them.
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


def prepare(atoms: Atoms, settings: Cp2kSettings) -> tuple[Atoms, int]:
    """Return the structure that CP2K computes for a frame, and how many copies of it that holds.

    Clusters get a box, slabs vacuum, thin crystals are repeated to `thickness`. The first atoms are
    those of the frame, in its order. An isolated atom without a multiplicity gets that of its
    ground state.

    Raises
    ------
    ValueError
        If charge or multiplicity are not whole numbers, or the cell of a slab is oblique.
    """
    charge, multiplicity = atoms.info.get("charge", 0), atoms.info.get("multiplicity", 1)
    if charge != round(charge) or multiplicity != round(multiplicity) or multiplicity < 1:
        raise ValueError(
            f"charge {charge}, multiplicity {multiplicity}: give whole numbers, the latter from 1"
        )
    if len(atoms) == 1 and not atoms.pbc.any() and charge == 0:
        atoms = atoms.copy()
        atoms.info.setdefault("multiplicity", ground_state_multiplicity(atoms.symbols[0]))
    if atoms.pbc.any() and settings.thickness:
        times = repeats(atoms, settings.thickness)
        copies = int(np.prod(times))
        boxed = in_box(atoms.repeat(times), settings.vacuum)
        boxed.info["charge"] = copies * boxed.info.get("charge", 0.0)
        if "multiplicity" in boxed.info:
            boxed.info["multiplicity"] = copies * (boxed.info["multiplicity"] - 1) + 1
        return boxed, copies
    return in_box(atoms, settings.vacuum, cubic=True), 1


def run_input(
    name: str, atoms: Atoms, count: int, settings: Cp2kSettings, level: int, seconds: int | None
) -> dict[str, Any]:
    """Return the input of one run as nested sections.

    Parameters
    ----------
    name
        Project name, with which the names of all files begin.
    atoms
        The first frame as :func:`prepare` returns it.
    count
        Number of frames.
    settings, level
        Settings and settings level: ``fallbacks[level]`` is merged into ``force_eval``.
    seconds
        Time in s after which CP2K stops at the end of a step; no limit where None.
    """
    section = _merged(settings.force_eval, settings.fallbacks[level])
    open_box = not atoms.pbc.any() and settings.cluster == "isolated"
    periodic = "NONE" if open_box else "XYZ"
    dft = section["DFT"]
    _set_electrons(dft, atoms, settings)
    dft["POISSON"] = {"PERIODIC": periodic, "POISSON_SOLVER": "MT" if open_box else "PERIODIC"}
    if "XTB" in dft.get("QS", {}):
        dft["QS"]["XTB"]["DO_EWALD"] = not open_box
    if settings.kpoint_spacing and atoms.pbc.any():
        mesh = kpoint_mesh(atoms, settings.kpoint_spacing)
        if mesh != (1, 1, 1):
            scheme = "MONKHORST-PACK {} {} {}".format(*mesh)
            dft["KPOINTS"] = {"SCHEME": scheme, "SYMMETRY": False, "FULL_GRID": False}
    section["SUBSYS"] = _subsystem(name, atoms, settings, periodic)
    top: dict[str, Any] = {"RUN_TYPE": "MD", "PROJECT": name, "PRINT_LEVEL": "LOW"}
    if seconds is not None:
        top["WALLTIME"] = seconds
    return {"GLOBAL": top, "FORCE_EVAL": section, "MOTION": _reference_trajectory(name, count)}


def _set_electrons(dft: dict[str, Any], atoms: Atoms, settings: Cp2kSettings) -> None:
    """Set charge, spin and empty orbitals; the multiplicity of a frame, if any, is kept."""
    multiplicity = atoms.info.get("multiplicity")
    polarised = settings.spin == "collinear" or multiplicity is not None
    dft["CHARGE"] = round(float(atoms.info.get("charge", 0.0)))
    dft["UKS"] = polarised
    scf = dft.setdefault("SCF", {})
    if "XTB" in dft.get("QS", {}) and len(atoms) == 1 and atoms.symbols[0] in _FULL:
        scf.pop("SMEAR", None)
    if "SMEAR" in scf:
        empty = max(4, ceil(settings.empty_bands * len(atoms)))
        scf["ADDED_MOS"] = f"{empty} {empty}" if polarised else empty
    if multiplicity is not None:
        dft["MULTIPLICITY"] = int(multiplicity)
        if "SMEAR" in scf:  # smearing would not conserve the spin otherwise
            scf["SMEAR"]["FIXED_MAGNETIC_MOMENT"] = int(multiplicity) - 1


def _subsystem(name: str, atoms: Atoms, settings: Cp2kSettings, periodic: str) -> dict[str, Any]:
    cell = {
        axis: " ".join(f"{x:.10f}" for x in vector)
        for axis, vector in zip("ABC", atoms.cell.array, strict=True)
    }
    section: dict[str, Any] = {
        "CELL": {**cell, "PERIODIC": periodic},
        "TOPOLOGY": {"COORD_FILE_NAME": f"{name}-first.xyz", "COORD_FILE_FORMAT": "XYZ"},
    }
    kinds = [
        {"_": symbol, **settings.kinds.get(symbol, settings.kinds.get("default", {}))}
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
                "EVAL_FORCES": True,  # CP2K writes zeros otherwise
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
    """Return sections with `changes` merged in; None removes a keyword or section."""
    merged = deepcopy(dict(base))
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = deepcopy(value)
    return merged

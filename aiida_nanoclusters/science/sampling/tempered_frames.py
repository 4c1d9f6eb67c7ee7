"""Frames of parallel tempering: where each comes from, and their order."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from aiida_nanoclusters.science.compositions import cluster_formula
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.texts import text_array

#: ``config_type`` of sampled frames.
CONFIG_TYPE = "tempering"


def formula_of(numbers: NDArray[Any]) -> str:
    """Return the formula of atomic numbers, elements in alphabetical order."""
    kinds, counts = np.unique(numbers, return_counts=True)
    pairs = zip(kinds, counts, strict=True)
    return cluster_formula({chemical_symbols[z]: int(n) for z, n in pairs})


def compositions(frames: Frames) -> dict[str, list[int]]:
    """Return the frames of each composition, in the order of their first frames."""
    found: dict[str, list[int]] = {}
    for k in range(len(frames)):
        found.setdefault(formula_of(frames.numbers[frames.atoms_of(k)]), []).append(k)
    return found


def origins(frames: Frames) -> dict[str, NDArray[Any]]:
    """Return temperature (K), replica and step of each sampled frame, shape (F,) each."""
    read = [json.loads(str(text)) for text in frames.info]
    names = ("temperature", "replica", "step")
    return {name: np.array([row[name] for row in read]) for name in names}


def order_of(frames: Frames) -> NDArray[np.int64]:
    """Return the order of frames by temperature and, at one temperature, by step; shape (F,)."""
    held = origins(frames)
    return np.lexsort((held["step"], held["temperature"]))


def tempered_frames(
    numbers: NDArray[np.int64],
    positions: NDArray[np.float64],
    energies: NDArray[np.float64],
    temperatures: NDArray[np.float64],
    replicas: NDArray[np.int64],
    steps: NDArray[np.int64],
    timestep: float,
    seed: int,
    **labels: Any,
) -> Frames:
    """Return sampled frames with their potential energy and origin, sorted by temperature.

    Parameters
    ----------
    numbers
        Atomic number of each atom, shape (N,).
    positions, energies
        Å, shape (F, N, 3); eV, shape (F,), without the energy of the confinement.
    temperatures, replicas, steps
        Temperature of the thermostat (K), index of the replica and time step of each frame, (F,).
    timestep
        ps.
    seed
        Of the run.
    labels
        ``level_of_theory`` and ``atom_energies``.
    """
    count, atoms = positions.shape[:2]
    name = formula_of(numbers)
    info = [
        json.dumps(
            {
                "temperature": float(t),
                "replica": int(r),
                "step": int(s),
                "time": round(float(s) * timestep, 9),
            }
        )
        for t, r, s in zip(temperatures, replicas, steps, strict=True)
    ]
    frames = Frames(
        numbers=np.tile(np.asarray(numbers, np.int32), count),
        positions=positions.reshape(-1, 3).astype(np.float64),
        offsets=np.arange(count + 1, dtype=np.int64) * atoms,
        cells=np.zeros((count, 3, 3)),
        pbc=np.zeros((count, 3), bool),
        charges=np.zeros(count),
        energies=np.asarray(energies, np.float64),
        forces=np.full((count * atoms, 3), np.nan),
        stresses=np.full((count, 6), np.nan),
        config_types=text_array([CONFIG_TYPE] * count),
        parents=text_array([f"{name}-replica-{r:03d}" for r in replicas]),
        seeds=np.full(count, seed, np.int64),
        info=text_array(info),
        **labels,
    )
    return frames.select(order_of(frames))


def as_minima(frames: Frames, counts: NDArray[np.int64]) -> Frames:
    """Return relaxed frames as minima, with the ``count`` of frames that fell into each.

    Parameters
    ----------
    frames
        Relaxed frames, one of each minimum, M of them.
    counts
        Shape (M,).
    """
    info = []
    for text, count in zip(frames.info, counts, strict=True):
        info.append(json.dumps({**json.loads(str(text)), "count": int(count)}))
    found = replace(frames, info=text_array(info))
    return found.with_origin(config_types=["minimum"] * len(frames))

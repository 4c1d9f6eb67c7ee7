"""The melting of one cluster from trajectories at ascending temperatures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import ase.units
import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.melting.caloric import (
    FEWEST,
    Melting,
    correlated_mean,
    fluctuation_heat_capacity,
    melting_by_energy,
    melting_by_lindemann,
    slope_heat_capacity,
)
from aiida_nanoclusters.science.melting.lindemann import lindemann
from aiida_nanoclusters.science.units import MEV_PER_EV

Floats = NDArray[np.float64]


def bulk_melting_point(frames: Frames) -> float:
    """Return the bulk melting point (K), of an alloy the mean over its atoms.

    Raises
    ------
    ValueError
        If that of an element is not known.
    """
    points = {z: element(chemical_symbols[z]).melting_point for z in np.unique(frames.numbers)}
    unknown = [chemical_symbols[z] for z, value in points.items() if not np.isfinite(value)]
    if unknown:
        raise ValueError(f"no melting point for {', '.join(unknown)}: add it to ELEMENTS")
    return float(np.mean([points[z] for z in frames.numbers]))


def freedom(size: int) -> int:
    """Return the degrees of freedom of a cluster without translation and rotation."""
    return 3 * size - (5 if size == 2 else 6)


@dataclass(frozen=True)
class Point:
    """A cluster at one temperature, averaged over independent runs.

    Attributes
    ----------
    temperature, measured
        Of the thermostat, and the mean of the motion, K.
    potential, energy, error
        Mean potential and total energy with its standard error, eV/atom.
    heat_capacity
        From fluctuations, eV/(K atom).
    index, index_error, surface, core
        Lindemann index over a whole run, its standard error by blocks, and those of the pairs
        within surface and within core; NaN for a part of fewer than two atoms.
    atoms
        Lindemann index of each atom, shape (N,).
    blocks
        Index in each stretch of time, mean over the runs, shape (B,).
    """

    temperature: float
    measured: float
    potential: float
    energy: float
    error: float
    heat_capacity: float
    index: float
    index_error: float
    surface: float
    core: float
    atoms: Floats
    blocks: Floats


def measure(
    runs: Sequence[Frames], temperature: float, surface: NDArray[np.bool_], blocks: int
) -> Point:
    """Average trajectories of one cluster at one temperature.

    Parameters
    ----------
    runs
        Independent trajectories: labelled frames at equal intervals, `info` with the instantaneous
        ``temperature``.
    temperature
        K.
    surface
        Which atoms are surface, shape (N,).
    blocks
        Stretches of time in which the Lindemann index is evaluated on its own.

    Raises
    ------
    ValueError
        If a run has fewer than two frames a block.
    """
    size = len(surface)
    moving = freedom(size)
    potentials, totals, measured, capacities, indices = [], [], [], [], []
    for frames in runs:
        kinetic = np.array([json.loads(str(text))["temperature"] for text in frames.info])
        totals.append(
            correlated_mean((frames.energies + 0.5 * moving * ase.units.kB * kinetic) / size)
        )
        potentials.append(frames.energies.mean() / size)
        measured.append(kinetic.mean())
        capacities.append(fluctuation_heat_capacity(frames.energies, temperature, moving) / size)
        places = frames.positions.reshape(-1, size, 3)
        indices.append(lindemann(places, blocks, {"surface": surface, "core": ~surface}))
    atoms = np.mean([found.atoms for found in indices], axis=0)
    every = np.concatenate([found.blocks for found in indices])
    return Point(
        temperature=temperature,
        measured=float(np.mean(measured)),
        potential=float(np.mean(potentials)),
        energy=float(np.mean([mean.value for mean in totals])),
        error=_joint_error([mean.value for mean in totals], [mean.error for mean in totals]),
        heat_capacity=float(np.mean(capacities)),
        index=float(atoms.mean()),
        index_error=float(every.std(ddof=1) / np.sqrt(len(every))) if len(every) > 1 else np.nan,
        surface=float(np.mean([found.parts["surface"] for found in indices])),
        core=float(np.mean([found.parts["core"] for found in indices])),
        atoms=atoms,
        blocks=np.mean([found.blocks for found in indices], axis=0),
    )


def _joint_error(values: Sequence[float], errors: Sequence[float]) -> float:
    """Standard error of a mean over runs: the larger of their own errors and their spread."""
    own = np.sqrt(np.mean(np.square(errors)) / len(values))
    between = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return float(max(own, between))


def curve_arrays(
    points: Sequence[Point], surface: NDArray[np.bool_], bulk: float
) -> dict[str, Floats]:
    """Return the curve of points by ascending temperature, named as in :mod:`.keys`."""
    temperatures = np.array([p.temperature for p in points])
    energies = np.array([p.energy for p in points])
    slopes = (
        slope_heat_capacity(temperatures, energies)
        if len(points) > 1
        else np.full(len(points), np.nan)
    )
    return {
        keys.TEMPERATURES: temperatures,
        keys.BULK_FRACTIONS: temperatures / bulk,
        keys.MEASURED_TEMPERATURES: np.array([p.measured for p in points]),
        keys.POTENTIAL_ENERGIES: np.array([p.potential for p in points]),
        keys.TOTAL_ENERGIES: energies,
        keys.TOTAL_ENERGY_ERRORS: np.array([p.error for p in points]),
        keys.HEAT_CAPACITIES: np.array([p.heat_capacity for p in points]) / ase.units.kB,
        keys.HEAT_CAPACITIES_BY_SLOPE: slopes / ase.units.kB,
        keys.LINDEMANN: np.array([p.index for p in points]),
        keys.LINDEMANN_ERRORS: np.array([p.index_error for p in points]),
        keys.LINDEMANN_SURFACE: np.array([p.surface for p in points]),
        keys.LINDEMANN_CORE: np.array([p.core for p in points]),
        keys.LINDEMANN_BLOCKS: np.array([p.blocks for p in points]).T,
        keys.LINDEMANN_ATOMS: np.array([p.atoms for p in points]),
        keys.SURFACE_ATOMS: surface.astype(np.int64),
    }


def judge_melting(
    curve: dict[str, Floats], thresholds: tuple[float, float], bulk: float
) -> dict[str, Any]:
    """Return where the cluster melts, by each criterion, and a sentence.

    Parameters
    ----------
    curve
        As :func:`curve_arrays` returns it.
    thresholds
        Lindemann indices between which it melts.
    bulk
        Melting point of the bulk, K.

    Returns
    -------
    dict
        ``melting_point``, ``error`` (K) and ``fraction`` of the bulk's: by the caloric curve, or
        where that has no step by the Lindemann index; None where neither does. ``by``: which of
        them. ``caloric``, ``lindemann``, ``lindemann_surface``, ``lindemann_core``: each criterion
        alone, None where it gives none. ``heat_capacity_peak`` (K): temperature with
        the greatest heat capacity. ``range`` (K), ``bulk_melting_point`` (K), ``sentence``.
    """
    temperatures = curve[keys.TEMPERATURES]
    signs: dict[str, Melting | None] = {"caloric": None}
    if len(temperatures) >= FEWEST:
        signs["caloric"] = melting_by_energy(
            temperatures, curve[keys.TOTAL_ENERGIES], curve[keys.TOTAL_ENERGY_ERRORS]
        )
    for name in (keys.LINDEMANN, keys.LINDEMANN_SURFACE, keys.LINDEMANN_CORE):
        signs[name] = melting_by_lindemann(temperatures, curve[name], thresholds)
    by = next((name for name in ("caloric", keys.LINDEMANN) if signs[name]), None)
    found = signs[by] if by else None
    peak = temperatures[int(np.argmax(curve[keys.HEAT_CAPACITIES]))]
    return {
        "melting_point": found.temperature if found else None,
        "error": found.error if found else None,
        "fraction": found.temperature / bulk if found else None,
        "by": by,
        **{name: asdict(sign) if sign else None for name, sign in signs.items()},
        "heat_capacity_peak": float(peak),
        "thresholds": list(thresholds),
        "range": [float(temperatures[0]), float(temperatures[-1])],
        "bulk_melting_point": bulk,
        "sentence": _sentence(found, by, signs, curve, thresholds, bulk),
    }


def _sentence(
    found: Melting | None,
    by: str | None,
    signs: dict[str, Melting | None],
    curve: dict[str, Floats],
    thresholds: tuple[float, float],
    bulk: float,
) -> str:
    temperatures = curve[keys.TEMPERATURES]
    if found is None:
        span = f"between {temperatures[0]:.0f} and {temperatures[-1]:.0f} K"
        whole = curve[keys.LINDEMANN]
        if whole[0] > thresholds[1]:
            return f"no melting point {span}: already liquid at the lowest, begin colder"
        if whole[-1] < thresholds[0]:
            return f"no melting point {span}: still solid at the highest, go hotter"
        return f"no melting point {span}: no step of the energy, no clear rise of the index"
    text = (
        f"melts at {found.temperature:.0f} ± {found.error:.0f} K, {found.temperature / bulk:.2f} "
        f"of the bulk's melting point, by {'energy' if by == 'caloric' else 'the Lindemann index'}"
    )
    if found.latent_heat is not None:
        text += f", with {MEV_PER_EV * found.latent_heat:.0f} meV/atom of latent heat"
    surface, core = signs[keys.LINDEMANN_SURFACE], signs[keys.LINDEMANN_CORE]
    if surface and core:
        apart = core.temperature - surface.temperature
        unsure = max(surface.error, core.error)
        if apart > unsure:
            text += f"; the surface softens {apart:.0f} K below the core"
    return text

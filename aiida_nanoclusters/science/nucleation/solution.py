"""Structure and solvent in the frames of a solution, as plain numbers and arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray

from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.nucleation.distributions import Distribution, distributions
from aiida_nanoclusters.science.nucleation.drying import Drying, solvent_about
from aiida_nanoclusters.science.nucleation.published_geometry import compare
from aiida_nanoclusters.science.nucleation.settings import SolutionAnalysis
from aiida_nanoclusters.science.nucleation.states import Share, state_shares
from aiida_nanoclusters.science.structures.molecules import find_molecules

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SolutionStructure:
    """Structure and solvent of F frames.

    Attributes
    ----------
    times
        ps, (F,).
    counted
        Frames with a weight above zero.
    distributions
        Of distances and angles, by name.
    drying
        Solvent about the point of nucleation.
    shares
        Of the states by the number of solvent atoms.
    """

    times: Floats
    counted: int
    distributions: Mapping[str, Distribution]
    drying: Drying
    shares: Mapping[str, Share]

    def arrays(self) -> dict[str, Any]:
        """Return the arrays, named as in :mod:`aiida_nanoclusters.science.keys`."""
        edges, own = self.drying.edges, list(self.distributions.values())
        return {
            keys.TIMES: self.times,
            keys.SOLVENT_COUNTS: self.drying.counts,
            keys.SOLVENT_COORDINATION: self.drying.coordination,
            keys.SHELL_RADII: 0.5 * (edges[1:] + edges[:-1]),
            keys.SOLVENT_DENSITIES: self.drying.density,
            keys.SOLVENT_DENSITY_ERRORS: self.drying.error,
            keys.DISTRIBUTION_NUMBERS: np.repeat(np.arange(len(own)), [len(d.grid) for d in own]),
            keys.DISTRIBUTION_VALUES: np.concatenate([d.grid for d in own]),
            keys.DISTRIBUTION_DENSITIES: np.concatenate([d.density for d in own]),
            keys.DISTRIBUTION_ERRORS: np.concatenate([d.error for d in own]),
        }

    def report(self) -> dict[str, Any]:
        """Return maxima beside published ones, shares of states and numbers of values."""
        rows = [
            {
                "name": row.name,
                "unit": row.unit,
                "maximum": None if row.maximum is None else row.maximum.place,
                "error": None if row.maximum is None else _finite(row.maximum.error),
                "published": row.published,
                "verdict": row.verdict,
            }
            for row in compare(self.distributions)
        ]
        return {
            "frames": self.counted,
            "distributions": [
                {"name": name, "unit": one.settings.unit, "per_frame": one.per_frame}
                for name, one in self.distributions.items()
            ],
            "maxima": rows,
            "states": {
                name: {key: _finite(value) for key, value in asdict(share).items()}
                for name, share in self.shares.items()
            },
        }


def solution_structure(
    frames: Frames,
    settings: SolutionAnalysis,
    weights: ArrayLike | None = None,
    *,
    start: Atoms | None = None,
) -> SolutionStructure:
    """Measure structure and solvent in the frames of a trajectory.

    Parameters
    ----------
    frames
        Of one trajectory, their times (ps) in `info`.
    settings
        What is measured.
    weights
        Of the frames, not negative: those of reweighted metadynamics. Default: all are equal.
    start
        Structure whose molecules name the atoms by their roles. Default: the first frame.

    Raises
    ------
    ValueError
        If no atom has a role, weights do not fit, or the frames are not those of one trajectory.
    """
    own = np.ones(len(frames)) if weights is None else np.asarray(weights, dtype=np.float64)
    images: list[Atoms] = list(frames)
    before = 0 if start is None else 1
    if start is not None:  # the first frame tells the molecules; this one counts for nothing
        images, own = [start, *images], np.concatenate([[0.0], own])
    drying = solvent_about(images, settings.drying, own)
    counts = drying.counts[before:]
    return SolutionStructure(
        times=times_of(frames),
        counted=int(np.count_nonzero(own)),
        distributions=distributions(images, settings.structure, own),
        drying=replace(drying, counts=counts, coordination=drying.coordination[before:]),
        shares=state_shares(counts, settings.states, own[before:], blocks=settings.drying.blocks),
    )


def roles_problem(settings: SolutionAnalysis, frames: Frames) -> str | None:
    """Return which role of the measurements no atom of the first frame has, or None."""
    structure, drying = settings.structure, settings.drying
    try:
        of_structure = find_molecules(frames[0], structure.solvent)
        for geometry in structure.geometries:
            for group in geometry.groups:
                of_structure.select(group)
        molecules = find_molecules(frames[0], drying.solvent)
        for group in (drying.counted, *([drying.centre] if drying.point is None else [])):
            molecules.select(group)
    except ValueError as error:
        return str(error)
    return None


def times_of(frames: Frames) -> Floats:
    """Return the times of the frames of a trajectory, ps, (F,)."""
    return np.array([json.loads(str(text))["time"] for text in frames.info])


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

"""Distributions of distances and angles in a solution with errors, and their maxima.

The density is that of Gaussian kernels, reflected at the ends of the range, of the values of all
frames together; frames may have weights, such as those of reweighted metadynamics, or one and zero
for the frames of one state. Values are counted on a grid of a tenth of the bandwidth, which changes
the density by less than a thousandth of its height.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike
from pydantic import model_validator
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from aiida_nanoclusters.science.nucleation.frame_blocks import (
    BlockSettings,
    FrameBlocks,
    frame_weights,
)
from aiida_nanoclusters.science.nucleation.geometry import (
    Floats,
    GeometrySettings,
    Ints,
    Samples,
    ligand_geometries,
    measure,
)
from aiida_nanoclusters.science.settings import quantity

#: Cells of the grid within a bandwidth, and bandwidths beyond which a kernel is zero.
_CELLS, _REACH = 10, 6.0


class StructureSettings(BlockSettings):
    """Which distributions, and how."""

    geometries: list[GeometrySettings] = quantity(
        "Distances and angles.", default=ligand_geometries(), min_length=1
    )
    prominence: float = quantity(
        "Least height of a maximum above the minimum that parts it from a higher one, as a share "
        "of the highest maximum.",
        default=0.1,
        gt=0,
        le=1,
    )

    @model_validator(mode="after")
    def _check_names(self) -> StructureSettings:
        names = [one.name for one in self.geometries]
        if len(set(names)) < len(names):
            raise ValueError(f"{', '.join(names)}: give each geometry a name of its own")
        return self


@dataclass(frozen=True)
class Maximum:
    """Local maximum of a distribution.

    Attributes
    ----------
    place, error
        Å or degrees; the error is a standard error, NaN where there are fewer than two blocks.
    density
        There, per Å or degree.
    """

    place: float
    error: float
    density: float


@dataclass(frozen=True, eq=False)
class Distribution:
    """Distribution of one distance or angle.

    Attributes
    ----------
    settings
        What it is of.
    grid
        Å or degrees, evenly spaced, (G,).
    density, error
        Per Å or degree, the integral of the density is one; NaN where no atoms were bonded, the
        standard error also where there are fewer than two blocks; (G,).
    maxima
        Highest first.
    per_frame
        Mean number of values in a frame.
    blocks
        Blocks of time that the errors come from: below ten they are rough themselves.
    """

    settings: GeometrySettings
    grid: Floats
    density: Floats
    error: Floats
    maxima: tuple[Maximum, ...]
    per_frame: float
    blocks: int


def distributions(
    frames: Iterable[Atoms],
    settings: StructureSettings | None = None,
    weights: ArrayLike | None = None,
) -> dict[str, Distribution]:
    """Return the distributions of distances and angles of a trajectory, by their names.

    Parameters
    ----------
    frames
        The same atoms in the same order, at equal intervals of time.
    settings
        Default: those of Ag6(SCNH2)6 in methanol.
    weights
        Of the frames, not negative. Default: all are equal.

    Raises
    ------
    ValueError
        If no atom has a role, weights do not fit, or the frames are not those of one trajectory.
    """
    own = settings or StructureSettings()
    samples, count = measure(frames, own.geometries, own.solvent)
    given = frame_weights(weights, count)
    return {
        geometry.name: distribution(values, geometry, given, own)
        for geometry, values in zip(own.geometries, samples, strict=True)
    }


def distribution(
    samples: Samples, geometry: GeometrySettings, weights: Floats, settings: StructureSettings
) -> Distribution:
    """Return the distribution of one distance or angle.

    Parameters
    ----------
    samples
        Values and their frames.
    geometry
        What they are of.
    weights
        Of the frames, their sum one, (F,).
    settings
        Prominence of maxima, blocks and random seed.
    """
    cells = int(np.ceil(_CELLS * geometry.span / geometry.width))
    spacing = geometry.span / cells
    grid = np.asarray((np.arange(cells) + 0.5) * spacing, dtype=np.float64)
    whole = FrameBlocks(weights, np.zeros(len(weights), np.int64), 1)
    total = _kernel_sums(samples, geometry, whole, cells)
    per_frame = np.bincount(samples.frames, minlength=len(weights)).astype(np.float64)
    peaks = _peaks(total[0], settings.prominence, closed=geometry.is_angle)
    series = [_kernel_series(samples, place, geometry.width, len(weights)) for place in grid[peaks]]
    blocks = FrameBlocks.of(weights, [per_frame, *series], settings.blocks, settings.seed)
    found = blocks.ratio(_kernel_sums(samples, geometry, blocks, cells), blocks.sums(per_frame))
    maxima = []
    for peak, part in zip(peaks, _parts(found.value, peaks), strict=True):
        resampled = [grid[0] + spacing * _refined(one, part) for one in found.resampled]
        maxima.append(
            Maximum(
                place=float(grid[0] + spacing * _refined(found.value, part)),
                error=float(np.std(resampled)) if resampled else float("nan"),
                density=float(found.value[peak]),
            )
        )
    return Distribution(
        settings=geometry,
        grid=grid,
        density=found.value,
        error=found.error,
        maxima=tuple(sorted(maxima, key=lambda one: -one.density)),
        per_frame=float(weights @ per_frame),
        blocks=blocks.count,
    )


def _kernel_sums(
    samples: Samples, geometry: GeometrySettings, blocks: FrameBlocks, cells: int
) -> Floats:
    """Return the sum of the kernels of each block's values, with their weights, (B, cells)."""
    spacing = geometry.span / cells
    places = samples.values / spacing - 0.5
    before = np.floor(places).astype(np.int64)
    counts = np.zeros(blocks.count * cells)
    # each value is shared by the two cells about it, which keeps its place
    for cell, share in ((before, 1 - (places - before)), (before + 1, places - before)):
        counts += np.bincount(
            blocks.owner[samples.frames] * cells + np.clip(cell, 0, cells - 1),
            weights=blocks.weights[samples.frames] * share,
            minlength=blocks.count * cells,
        )
    return np.asarray(
        gaussian_filter1d(
            counts.reshape(blocks.count, cells) / spacing,
            geometry.width / spacing,
            axis=1,
            mode="reflect",
            truncate=_REACH,
        )
    )


def _kernel_series(samples: Samples, place: float, width: float, frames: int) -> Floats:
    """Return the sum of the kernels at one place in each frame, (F,)."""
    heights = np.exp(-0.5 * ((samples.values - place) / width) ** 2)
    return np.bincount(samples.frames, weights=heights, minlength=frames).astype(np.float64)


def _peaks(density: Floats, prominence: float, *, closed: bool) -> Ints:
    """Return the cells of maxima, ascending.

    Where the range is closed, as of angles, a maximum may lie at its end; a distance that grows
    more frequent up to where bonds end has none there.
    """
    padded = np.pad(density, 1, constant_values=0.0 if closed else np.inf)
    found, _ = find_peaks(padded, prominence=prominence * float(density.max(initial=0.0)) or None)
    return np.asarray(found - 1, dtype=np.int64)


def _parts(density: Floats, peaks: Ints) -> list[slice]:
    """Return the cells of each maximum: up to the lowest ones between it and its neighbours."""
    lowest = [int(a + np.argmin(density[a:b])) for a, b in pairwise(peaks)]
    return [slice(a, b) for a, b in pairwise([0, *lowest, len(density)])] if len(peaks) else []


def _refined(density: Floats, part: slice) -> float:
    """Return the place of the highest value within cells, by a parabola through three of them."""
    top = part.start + int(np.argmax(density[part]))
    if not 0 < top < len(density) - 1:
        return float(top)
    before, at, after = density[top - 1 : top + 2]
    curvature = before - 2 * at + after
    return top + 0.5 * float(before - after) / float(curvature) if curvature < 0 else float(top)

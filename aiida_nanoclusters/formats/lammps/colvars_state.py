"""Hills of other runs as a state of COLVARS, with which metadynamics begins.

COLVARS keeps hills on a grid: their sum at the middle of each cell, the last variable fastest, and
its derivatives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from aiida_nanoclusters.formats.lammps.colvars import HILLS_NAME
from aiida_nanoclusters.science.sampling.collective_variables import in_full
from aiida_nanoclusters.science.sampling.metadynamics import Floats, Hills

#: Widths of a hill from the outermost centres to the ends of the grid; more cells are refused.
_WIDTHS, _MOST_CELLS = 8, 20_000_000
#: Hills that are added at once.
_BLOCK = 1000


def colvars_state(hills: Hills, spacings: Sequence[float], step: int) -> str:
    """Return the text of a state with the sum of hills.

    Parameters
    ----------
    hills
        At least one, whole Gaussians.
    spacings
        Of the grid along each of the D variables, as in the configuration.
    step
        Time step at which the run begins.

    Raises
    ------
    ValueError
        If the grid would be too large.
    """
    cells = np.array(spacings)
    margin = _WIDTHS * hills.widths.max(axis=0)
    low = np.floor((hills.centres.min(axis=0) - margin) / cells)
    sizes = np.ceil((hills.centres.max(axis=0) + margin) / cells).astype(np.int64)
    sizes -= low.astype(np.int64)
    if np.prod(sizes.astype(float)) > _MOST_CELLS:
        raise ValueError(
            f"a grid of {' x '.join(map(str, sizes))} cells of half a hill's width is too large: "
            "give wider hills, or walls that keep the variables in a smaller range"
        )
    axes = [(start + np.arange(n) + 0.5) * d for start, n, d in zip(low, sizes, cells, strict=True)]
    energy, gradient = _on_grid(hills, axes)
    bounds = (low * cells, (low + sizes) * cells)
    lines = [
        *("configuration {", f"  step {step}", "}", ""),
        *("metadynamics {", "  configuration {", f"    step {step}", f"    name {HILLS_NAME}"),
        *("  }", "", "hills_energy", *_grid_lines(*bounds, cells, sizes), *_rows(energy)),
        *("", "hills_energy_gradients", *_grid_lines(*bounds, cells, sizes), *_rows(gradient)),
        *("", "}", ""),
    ]
    return "\n".join(lines)


def _on_grid(hills: Hills, axes: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return the bias of the hills (C1, ...) and its derivatives (C1, ..., D) on a grid, eV."""
    count, shape = len(axes), tuple(len(axis) for axis in axes)
    energy, gradient = np.zeros(shape), np.zeros((*shape, count))
    letters = "ijk"[:count]
    product = f"h,{','.join(f'h{one}' for one in letters)}->{letters}"
    heights = hills.heights * hills.share
    for start in range(0, len(heights), _BLOCK):
        own = slice(start, start + _BLOCK)
        shift = [
            (axis[None, :] - hills.centres[own, k, None]) / hills.widths[own, k, None]
            for k, axis in enumerate(axes)
        ]
        shapes = [np.exp(-0.5 * one**2) for one in shift]
        energy += np.einsum(product, heights[own], *shapes, optimize=True)
        for k in range(count):
            sloped = list(shapes)
            sloped[k] = -shapes[k] * shift[k] / hills.widths[own, k, None]
            gradient[..., k] += np.einsum(product, heights[own], *sloped, optimize=True)
    return energy, gradient


def _grid_lines(low: Floats, high: Floats, cells: Floats, sizes: np.ndarray) -> Iterator[str]:
    yield "grid_parameters {"
    yield f"  n_colvars {len(cells)}"
    for name, values in (("lower_boundaries", low), ("upper_boundaries", high), ("widths", cells)):
        yield f"  {name} {' '.join(in_full(value) for value in values)}"
    yield f"  sizes {' '.join(str(size) for size in sizes)}"
    yield "}"


def _rows(values: Floats) -> Iterator[str]:
    for row in values.reshape(-1, values.shape[-1]):
        yield " ".join(f"{value:.14e}" for value in row)

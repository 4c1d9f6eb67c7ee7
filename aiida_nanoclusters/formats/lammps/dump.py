"""Structures in LAMMPS's own frame of axes, and dump files.

LAMMPS wants a lower triangular cell with the atoms inside it. :func:`embed` finds that cell, for
clusters and slabs too, and remembers the way back. Structures go to LAMMPS as one dump file
(``read_dump`` and ``rerun`` take structures of changing size from it), and come back as another.

The readers here are our own because the ones at hand do not fit: ``ase.io`` makes an Atoms object
of every frame and fails on a truncated file, ``lammps.formats`` reads no dumps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

import numpy as np
from ase.calculators.lammps.coordinatetransform import calc_rotated_cell
from ase.data import atomic_numbers
from ase.geometry import complete_cell
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.units import STRESS_FROM_BAR

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Box:
    """Where a structure lies in LAMMPS: ``given = (lammps + images @ cell) @ rotation``.

    Attributes
    ----------
    cell
        Lower triangular, positive diagonal, Å; shape (3, 3).
    origin
        Lower corner, Å, shape (3,).
    rotation
        Orthogonal; improper for a left-handed cell. Shape (3, 3).
    images
        Whole cell vectors by which each atom was moved into the box, shape (N, 3).
    pbc
        Of the given structure, shape (3,).
    """

    cell: Floats
    origin: Floats
    rotation: Floats
    images: NDArray[np.int64]
    pbc: NDArray[np.bool_]

    @property
    def is_isolated(self) -> bool:
        """True for a cluster: periodic in no direction."""
        return not bool(self.pbc.any())

    @property
    def is_periodic(self) -> bool:
        """True for a crystal: periodic in all directions."""
        return bool(self.pbc.all())

    def to_lammps(self, positions: Floats) -> Floats:
        """Rotate positions (N, 3) and move them into the box."""
        return np.asarray(positions @ self.rotation.T - self.images @ self.cell)

    def from_lammps(self, positions: Floats, cell: Floats | None = None) -> Floats:
        """Return positions (N, 3) in the given axes; `cell` where LAMMPS has changed it."""
        moved = self.images @ (self.cell if cell is None else cell) if self.images.any() else 0.0
        return self.turned(positions + moved)

    def turned(self, vectors: Floats) -> Floats:
        """Return forces, velocities or cell vectors (M, 3) in the given axes."""
        return np.asarray(vectors @ self.rotation)

    def stress(self, pressure: Floats) -> Floats:
        """Return ASE's stress (6,) in eV/Å^3 of LAMMPS's pressure xx yy zz yz xz xy in bar."""
        turned = self.rotation.T @ voigt_6_to_full_3x3_stress(pressure) @ self.rotation
        return np.asarray(STRESS_FROM_BAR * full_3x3_to_voigt_6_stress(turned))


def embed(positions: Floats, cell: Floats, pbc: NDArray[np.bool_], margin: float) -> Box:
    """Find the LAMMPS box of a structure.

    Directions that are not periodic are replaced by ones perpendicular to the periodic ones and
    reach `margin` Å beyond the atoms on either side; images of the structure along them are
    ``2 * margin`` apart.

    Raises
    ------
    ValueError
        If the structure is periodic along a direction without a cell vector.
    """
    pbc = np.asarray(pbc, dtype=bool)
    origin = np.zeros(3)
    if not pbc.any():
        low = positions.min(axis=0) - margin
        high = positions.max(axis=0) + margin
        return Box(
            np.diag(high - low), low, np.eye(3), np.zeros(positions.shape, dtype=np.int64), pbc
        )
    full = np.where(pbc[:, None], cell, 0.0)
    if np.any(np.linalg.norm(full[pbc], axis=1) < 1e-6):
        raise ValueError("periodic along a direction without a cell vector: set `cell` or `pbc`")
    full = np.asarray(complete_cell(full), dtype=np.float64)
    for axis in np.flatnonzero(~pbc):
        normal = full[axis] / np.linalg.norm(full[axis])
        heights = positions @ normal
        full[axis] = normal * (np.ptp(heights) + 2 * margin)
    if abs(np.linalg.det(full)) < 1e-9:
        raise ValueError("the cell has no volume: its vectors must not lie in one plane")
    lower = full if _is_lower(full) else calc_rotated_cell(full)
    rotation = np.eye(3) if _is_lower(full) else np.linalg.solve(lower, full)
    turned = positions @ rotation.T
    inverse = np.linalg.inv(lower)
    # The lower corner is such that atoms sit a margin above it where there is no periodicity.
    lowest = (turned @ inverse).min(axis=0)
    share = margin / np.linalg.norm(full, axis=1)
    origin = np.where(pbc, 0.0, lowest - share) @ lower
    images = np.floor((turned - origin) @ inverse)
    images[:, ~pbc] = 0
    return Box(lower, origin, rotation, images.astype(np.int64), pbc)


def embed_frame(frames: Frames, index: int, margin: float) -> Box:
    """Find the LAMMPS box of frame `index`; see :func:`embed`."""
    return embed(
        frames.positions[frames.atoms_of(index)], frames.cells[index], frames.pbc[index], margin
    )


def _is_lower(cell: Floats) -> bool:
    return bool(np.all(np.triu(cell, 1) == 0) and np.all(np.diag(cell) > 0))


# -- writing -------------------------------------------------------------------------------


def write_structures(
    frames: Frames,
    boxes: Sequence[Box],
    symbols: Sequence[str],
    target: IO[str],
    *,
    walls: bool = False,
) -> None:
    """Write one snapshot a frame, its time step being its index; types follow `symbols`.

    With `walls`, clusters are written in an orthogonal box that is not periodic; without, every
    box is triclinic and periodic, so that LAMMPS can read all of them into one simulation.
    """
    types = np.zeros(120, dtype=np.int64)
    types[[atomic_numbers[s] for s in symbols]] = np.arange(1, len(symbols) + 1)
    for index, box in enumerate(boxes):
        own = frames.atoms_of(index)
        positions = box.to_lammps(frames.positions[own])
        target.write(f"ITEM: TIMESTEP\n{index}\nITEM: NUMBER OF ATOMS\n{len(positions)}\n")
        target.write(_bounds(box, walls and box.is_isolated))
        rows = np.empty((len(positions), 5))
        rows[:, 0] = np.arange(1, len(positions) + 1)
        rows[:, 1] = types[frames.numbers[own]]
        rows[:, 2:] = positions
        target.write("ITEM: ATOMS id type x y z\n")
        target.write(("%d %d %.17g %.17g %.17g\n" * len(rows)) % tuple(rows.ravel().tolist()))


def _bounds(box: Box, walls: bool) -> str:
    """Bounds of the box; triclinic ones are those of its bounding box.

    Source: https://docs.lammps.org/Howto_triclinic.html
    """
    low, high = box.origin, box.origin + np.diag(box.cell)
    if walls:
        lines = [f"{a:.17g} {b:.17g}\n" for a, b in zip(low, high, strict=True)]
        return "ITEM: BOX BOUNDS ff ff ff\n" + "".join(lines)
    xy, xz, yz = box.cell[1, 0], box.cell[2, 0], box.cell[2, 1]
    below, above = _overhang(xy, xz, yz)
    low, high = low + below, high + above
    lines = [
        f"{a:.17g} {b:.17g} {t:.17g}\n" for a, b, t in zip(low, high, (xy, xz, yz), strict=True)
    ]
    return "ITEM: BOX BOUNDS xy xz yz pp pp pp\n" + "".join(lines)


def _overhang(xy: float, xz: float, yz: float) -> tuple[Floats, Floats]:
    """Return how far a tilted cell reaches below and above its untilted one, (3,) each."""
    below = np.array([min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0])
    return below, np.array([max(0.0, xy, xz, xy + xz), max(0.0, yz), 0.0])


# -- reading -------------------------------------------------------------------------------


_FIRST_ITEM = "ITEM: TIMESTEP\n"


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One complete snapshot of a dump: `values` (N, columns) in the order of `columns`."""

    step: int
    cell: Floats
    columns: tuple[str, ...]
    values: Floats


def read_dump(handle: IO[str], block: int = 1 << 24) -> Iterator[Snapshot]:
    """Read the complete snapshots of a text dump, `block` characters at a time.

    A truncated last snapshot is left out. Atoms come in the order of the file: dump with
    ``dump_modify sort id``.
    """
    rest = ""
    while text := handle.read(block):
        *complete, rest = (rest + text).split(_FIRST_ITEM)
        yield from filter(None, map(_read_snapshot, complete))
    snapshot = _read_snapshot(rest)
    if snapshot is not None:
        yield snapshot


def _read_snapshot(chunk: str) -> Snapshot | None:
    parts = chunk.split("\n", 8)
    if len(parts) < 9 or not chunk.endswith("\n"):
        return None
    step, _, count, _, *bounds, heading, body = parts
    columns = tuple(heading.split()[2:])
    values = np.fromstring(body, sep=" ")
    if values.size != int(count) * len(columns):
        return None
    limits = np.array([[float(x) for x in line.split()] for line in bounds])
    return Snapshot(int(step), _cell_of(limits), columns, values.reshape(int(count), -1))


def _cell_of(limits: Floats) -> Floats:
    xy, xz, yz = limits[:, 2] if limits.shape[1] == 3 else (0.0, 0.0, 0.0)
    below, above = _overhang(xy, xz, yz)
    lx, ly, lz = (limits[:, 1] - above) - (limits[:, 0] - below)
    return np.array([[lx, 0.0, 0.0], [xy, ly, 0.0], [xz, yz, lz]])

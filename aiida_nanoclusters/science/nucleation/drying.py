"""Solvent about the point where a cluster nucleates: numbers of its atoms and radial density.

The point is the centre of mass of the metal atoms, or fixed. Where solvent leaves it before the
cluster forms, V. Tiwari and T. Karmakar ("Understanding the Mechanism of Nanocluster Formation from
Machine-Learned Potential-based Simulations") speak of drying.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
from ase import Atoms
from ase.geometry import complete_cell, find_mic
from numpy.typing import ArrayLike, NDArray
from pydantic import model_validator

from aiida_nanoclusters.science.nucleation.frame_blocks import (
    BlockSettings,
    FrameBlocks,
    frame_weights,
)
from aiida_nanoclusters.science.nucleation.geometry import one_trajectory
from aiida_nanoclusters.science.sampling.collective_variables import (
    centre_of_mass,
    check_exponents,
    switching,
)
from aiida_nanoclusters.science.settings import quantity
from aiida_nanoclusters.science.structures.molecules import Molecules, find_molecules

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class DryingSettings(BlockSettings):
    """Which solvent atoms are counted, and about which point."""

    centre: list[str] = quantity(
        "Roles of the atoms whose centre of mass is the point.", default=["Ag"], min_length=1
    )
    point: tuple[float, float, float] | None = quantity(
        "Fixed point in place of that centre.", unit="Å", default=None
    )
    counted: list[str] = quantity(
        "Roles of the solvent atoms that are counted.", default=["O_solvent"], min_length=1
    )
    radius: float = quantity("Radius of the sphere of the count.", unit="Å", default=4.0, gt=0)
    r0: float = quantity("Length of the switching function.", unit="Å", default=3.0, gt=0)
    exponents: tuple[int, int] = quantity(
        "Exponents n < m of the switching function (1 - (r/r0)^n) / (1 - (r/r0)^m).",
        default=(6, 10),
    )
    farthest: float = quantity("End of the radial density.", unit="Å", default=8.0, gt=0, le=50)
    shell: float = quantity(
        "Width of its shells, fitted to a whole number of them.", unit="Å", default=0.25, gt=0
    )

    @model_validator(mode="after")
    def _check_lengths(self) -> DryingSettings:
        check_exponents(self.exponents)
        if self.shell > self.farthest:
            raise ValueError("`shell` is wider than `farthest`: give a part of it")
        return self


@dataclass(frozen=True, eq=False)
class Drying:
    """Solvent about a point in F frames.

    Attributes
    ----------
    counts
        Atoms within the radius, all periodic images, (F,).
    coordination
        Sum of the switching function over the atoms, each by its nearest image, (F,): the variable
        of metadynamics.
    edges
        Of the shells, Å, (K + 1,).
    density, error
        Mean number density of the atoms in each shell, 1/Å^3, with its standard error, NaN where
        there are fewer than two blocks, (K,).
    blocks
        Blocks of time that the errors come from: below ten they are rough themselves.
    """

    counts: Ints
    coordination: Floats
    edges: Floats
    density: Floats
    error: Floats
    blocks: int


def solvent_about(
    frames: Iterable[Atoms],
    settings: DryingSettings | None = None,
    weights: ArrayLike | None = None,
) -> Drying:
    """Return the solvent about the metal's centre of mass, or about a fixed point.

    Parameters
    ----------
    frames
        The same atoms in the same order, at equal intervals of time; cell and periodic directions
        count. Molecules are those of the first frame.
    settings
        Default: oxygen of methanol about the silver atoms with the switching function of the
        published runs from dimers to the octahedron; for those from monomers to the dimer its
        length is 2 Å.
    weights
        Of the frames for the radial density, not negative. Default: all are equal.

    Raises
    ------
    ValueError
        If no atom has a role, weights do not fit, or the frames are not those of one trajectory.
    """
    own = settings or DryingSettings()
    edges = np.linspace(0.0, own.farthest, round(own.farthest / own.shell) + 1)
    counts: list[int] = []
    coordination, shells = [], []
    molecules: Molecules | None = None
    for atoms in one_trajectory(frames):
        if molecules is None:
            molecules = find_molecules(atoms, own.solvent)
            counted = molecules.select(own.counted)
            centre = molecules.select(own.centre) if own.point is None else None
        point = np.array(own.point) if centre is None else centre_of_mass(atoms, centre)
        vectors, nearest = find_mic(atoms.positions[counted] - point, atoms.cell, atoms.pbc)
        within = _images_within(vectors, atoms, max(own.radius, own.farthest))
        counts.append(int(np.count_nonzero(within < own.radius)))
        coordination.append(switching(nearest / own.r0, *own.exponents).sum())
        shells.append(np.histogram(within, edges)[0])
    given = frame_weights(weights, len(counts))
    numbers_of = np.array(shells, dtype=np.float64)
    blocks = FrameBlocks.of(
        given, [np.array(coordination), *_thirds(numbers_of)], own.blocks, own.seed
    )
    mean = blocks.mean(numbers_of)
    volumes = 4 / 3 * np.pi * np.diff(edges**3)
    return Drying(
        counts=np.array(counts, dtype=np.int64),
        coordination=np.array(coordination),
        edges=edges,
        density=mean.value / volumes,
        error=mean.error / volumes,
        blocks=blocks.count,
    )


def _thirds(shells: Floats) -> list[Floats]:
    """Return the numbers of atoms in three thirds of the shells, (F,) each."""
    return [part.sum(axis=1) for part in np.array_split(shells, 3, axis=1)]


def _images_within(vectors: Floats, atoms: Atoms, reach: float) -> Floats:
    """Return the lengths up to `reach` of vectors and of all their periodic images."""
    cell = complete_cell(atoms.cell)
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    wrapped = vectors @ np.linalg.inv(cell)
    wrapped[:, atoms.pbc] -= np.round(wrapped[:, atoms.pbc])
    # an image k cells away lies (|k| - 1/2) heights or more from the point
    most = np.where(atoms.pbc, np.floor(reach / heights + 0.5), 0).astype(int)
    shifts = np.array(list(product(*(range(-n, n + 1) for n in most))))
    lengths = np.linalg.norm((wrapped[:, None] + shifts[None]) @ cell, axis=-1)
    return np.asarray(lengths[lengths < reach])

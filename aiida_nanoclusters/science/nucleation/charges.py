"""Partial charges by the roles of atoms in a series of frames: means with errors, and by state.

Kinds are those of the frames, and CM5, which follows from Hirshfeld's. Charges of different kinds
differ by more than they change along a path: compare changes, and within one kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray

from aiida_nanoclusters.science.ase_labels import charges_name
from aiida_nanoclusters.science.labels.partial_charges import cm5_charges
from aiida_nanoclusters.science.nucleation.frame_blocks import FrameBlocks, frame_weights
from aiida_nanoclusters.science.settings import Settings, quantity
from aiida_nanoclusters.science.structures.molecules import find_molecules

Floats = NDArray[np.float64]


class ChargeSettings(Settings):
    """Whose partial charges are averaged, and of which kind."""

    kind: Literal["mulliken", "hirshfeld", "cm5"] = quantity(
        "Kind of the charges; `cm5` is computed from those of Hirshfeld.", default="mulliken"
    )
    roles: list[str] = quantity(
        "Roles of the atoms.", default=["Ag", "S", "N_ligand", "O_solvent"], min_length=1
    )
    solvent: list[str] = quantity("Formulas of the solvent molecules.", default=["CH4O"])
    blocks: int = quantity(
        "Largest number of blocks of time for errors; fewer where frames are correlated for long.",
        default=20,
        ge=2,
    )
    seed: int = quantity("Random seed of the resampling.", default=0, ge=0)


@dataclass(frozen=True, eq=False)
class RoleCharges:
    """Partial charges of R roles in F frames.

    Attributes
    ----------
    roles
        Length R.
    series
        Mean over the atoms of a role in each frame, e, (F, R).
    mean, error
        Over the frames, e, (R,); the standard error is NaN where there are fewer than two blocks.
    blocks
        Blocks of time of the errors.
    """

    roles: tuple[str, ...]
    series: Floats
    mean: Floats
    error: Floats
    blocks: FrameBlocks

    def by_state(self, states: ArrayLike) -> dict[int, tuple[Floats, Floats]]:
        """Return mean and standard error of the charges in e, (R,) each, by state.

        Parameters
        ----------
        states
            State of each frame, (F,), as of :func:`.classify_by_boundaries`.

        Raises
        ------
        ValueError
            If there is not one state for each frame.
        """
        given = np.asarray(states, dtype=np.int64)
        if given.shape != self.series.shape[:1]:
            raise ValueError(f"states of shape {given.shape} for {len(self.series)} frames")
        found = {}
        for state in np.unique(given).tolist():
            inside = (given == state).astype(np.float64)
            part = self.blocks.ratio(
                self.blocks.sums(self.series * inside[:, None]), self.blocks.sums(inside)
            )
            found[state] = (part.value, part.error)
        return found


def charges_by_role(
    frames: Iterable[Atoms],
    settings: ChargeSettings | None = None,
    weights: ArrayLike | None = None,
) -> RoleCharges:
    """Return the partial charges of frames by the roles of atoms.

    Parameters
    ----------
    frames
        The same atoms in the same order, at equal intervals of time, with charges in their arrays,
        as labelled frames hold them. Molecules are those of the first frame.
    settings
        Default: Mulliken charges of silver, sulphur, nitrogen of ligands, oxygen of methanol.
    weights
        Of the frames, not negative. Default: all are equal.

    Raises
    ------
    ValueError
        If there is no frame, one has no charges, no atom has a role, weights do not fit, or frames
        hold other atoms.
    """
    own = settings or ChargeSettings()
    rows: list[list[float]] = []
    for atoms in frames:
        if not rows:
            numbers, molecules = atoms.numbers, find_molecules(atoms, own.solvent)
            members = [molecules.select([role]) for role in own.roles]
        if not np.array_equal(atoms.numbers, numbers):
            raise ValueError(
                f"frame {len(rows)} holds other atoms than the first, or in another order"
            )
        charges = _charges(atoms, own.kind, len(rows))
        rows.append([float(charges[atoms_of_role].mean()) for atoms_of_role in members])
    series, shares = np.array(rows), frame_weights(weights, len(rows))
    blocks = FrameBlocks.of(shares, list(series.T), own.blocks, own.seed)
    average = blocks.mean(series)
    return RoleCharges(tuple(own.roles), series, average.value, average.error, blocks)


def _charges(atoms: Atoms, kind: str, frame: int) -> Floats:
    name = charges_name("hirshfeld" if kind == "cm5" else kind)
    if name not in atoms.arrays:
        raise ValueError(
            f"frame {frame} has no `{name}`: label it with `partial_charges` in the settings of "
            "the reference engine"
        )
    charges = np.asarray(atoms.arrays[name], dtype=np.float64)
    return cm5_charges(atoms, charges) if kind == "cm5" else charges

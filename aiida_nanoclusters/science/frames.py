"""An ordered set of configurations of any mix of sizes and compositions, held as flat arrays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers, chemical_symbols
from ase.symbols import Symbols
from numpy.typing import ArrayLike, NDArray

from aiida_nanoclusters.science import ase_labels
from aiida_nanoclusters.science.texts import text_array, text_of

Floats = NDArray[np.float64]

ORIGIN_KEYS = ("config_type", "parent", "seed", "charge")  # of ``Atoms.info``


@dataclass(frozen=True, eq=False)
class Frames:
    """Configurations of any sizes: the atoms of all in one array, with offsets.

    Attributes
    ----------
    numbers
        Atomic numbers, shape (A,), A the number of atoms of all frames together.
    positions
        Å, shape (A, 3).
    offsets
        Frame ``i`` owns atoms ``offsets[i]:offsets[i + 1]``; shape (F + 1,).
    cells
        Å, shape (F, 3, 3); zeros where a frame has no cell.
    pbc
        Shape (F, 3).
    charges
        Total charge of each frame in e, shape (F,).
    energies
        Total energies in eV, shape (F,); NaN where a frame has no label.
    forces
        eV/Å, shape (A, 3); NaN where a frame has no forces.
    stresses
        eV/Å^3, Voigt order xx yy zz yz xz xy, ASE's sign; shape (F, 6); NaN where absent.
    config_types, parents
        Origin of a frame: its kind (``dimer``, ``bulk``, ...) and the trajectory it is part of.
        Frames of one parent must not be split between training and test set.
    seeds
        Random seed from which the frame was made, -1 where there is none; shape (F,).
    info
        All other information of each frame, as a JSON object; shape (F,).
    level_of_theory
        Level of theory of all labels, e.g. ``VASP/PBE``; empty where nothing is labelled.
    atom_energies
        Energy of the isolated atom of each element at that level, eV: the energy reference.
    partial_charges
        Charges of the atoms in e by kind (``mulliken``, ``hirshfeld``), each of shape (A,) with NaN
        where a frame has none. They belong to the labels.
    """

    numbers: NDArray[np.int32]
    positions: Floats
    offsets: NDArray[np.int64]
    cells: Floats
    pbc: NDArray[np.bool_]
    charges: Floats
    energies: Floats
    forces: Floats
    stresses: Floats
    config_types: NDArray[np.str_]
    parents: NDArray[np.str_]
    seeds: NDArray[np.int64]
    info: NDArray[np.str_]
    level_of_theory: str = ""
    atom_energies: Mapping[str, float] = field(default_factory=dict)
    partial_charges: Mapping[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        frames, atoms = len(self.offsets) - 1, len(self.numbers)
        expected = {
            "positions": (atoms, 3),
            "cells": (frames, 3, 3),
            "pbc": (frames, 3),
            "charges": (frames,),
            "energies": (frames,),
            "forces": (atoms, 3),
            "stresses": (frames, 6),
            "config_types": (frames,),
            "parents": (frames,),
            "seeds": (frames,),
            "info": (frames,),
        }
        for name, shape in expected.items():
            found = getattr(self, name).shape
            if found != shape:
                raise ValueError(f"frames: `{name}` has shape {found}, expected {shape}")
        ase_labels.check_charges(self.partial_charges, atoms)
        if frames >= 0 and (self.offsets[0] != 0 or self.offsets[-1] != atoms):
            raise ValueError("frames: `offsets` must run from 0 to the number of atoms")
        if np.any(np.diff(self.offsets) < 1):
            empty = int(np.argmax(np.diff(self.offsets) < 1))
            raise ValueError(f"frame {empty} holds no atoms: remove it")

    # -- reading ---------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[Atoms]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Atoms:
        """Return frame ``index`` with its labels on a calculator and its origin in ``info``."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        index %= len(self)
        own = self.atoms_of(index)
        info = json.loads(str(self.info[index]))
        for key, value in (
            ("config_type", str(self.config_types[index])),
            ("parent", str(self.parents[index])),
        ):
            if value:
                info[key] = value
        if self.seeds[index] >= 0:
            info["seed"] = int(self.seeds[index])
        if self.charges[index]:
            info["charge"] = float(self.charges[index])
        atoms = Atoms(
            numbers=self.numbers[own],
            positions=self.positions[own],
            cell=self.cells[index],
            pbc=self.pbc[index],
            info=info,
        )
        for kind, values in self.partial_charges.items():
            if np.all(np.isfinite(values[own])):
                atoms.set_array(ase_labels.charges_name(kind), values[own])
        labels: dict[str, Any] = {}
        if np.isfinite(self.energies[index]):
            labels["energy"] = float(self.energies[index])
        if np.all(np.isfinite(self.forces[own])):
            labels["forces"] = self.forces[own].copy()
        if np.all(np.isfinite(self.stresses[index])):
            labels["stress"] = self.stresses[index].copy()
        if labels:
            atoms.calc = SinglePointCalculator(atoms, **labels)
        return atoms

    def atoms_of(self, index: int) -> slice:
        """Return the slice of the flat atom arrays that belongs to frame ``index``."""
        return slice(int(self.offsets[index]), int(self.offsets[index + 1]))

    def formula_of(self, index: int) -> str:
        """Return the formula of frame ``index``, in the order of Hill."""
        return str(Symbols(self.numbers[self.atoms_of(index)]).get_chemical_formula())

    def owners_of(self, atoms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return to which frame each atom of the flat arrays belongs; shape as `atoms`."""
        return np.asarray(np.searchsorted(self.offsets, atoms, side="right") - 1)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of atoms of each frame, shape (F,)."""
        return np.diff(self.offsets)

    @property
    def elements(self) -> list[str]:
        """Chemical symbols that occur, sorted."""
        return sorted(chemical_symbols[z] for z in np.unique(self.numbers))

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """True where a frame has an energy and all forces, shape (F,)."""
        with_forces = np.logical_and.reduceat(
            np.isfinite(self.forces).all(axis=1), self.offsets[:-1]
        )
        return np.asarray(np.isfinite(self.energies) & with_forces)

    @property
    def isolated(self) -> NDArray[np.bool_]:
        """True where a frame is a single neutral atom without periodicity, shape (F,)."""
        return np.asarray((self.sizes == 1) & ~self.pbc.any(axis=1) & (self.charges == 0))

    @property
    def reference_energies(self) -> Floats:
        """Sum of the isolated-atom energies of each frame in eV, shape (F,).

        Raises
        ------
        ValueError
            If the energy of an element's isolated atom is not known.
        """
        missing = [e for e in self.elements if e not in self.atom_energies]
        if missing:
            raise ValueError(
                f"no isolated-atom energy for {', '.join(missing)}: pass `atom_energies`, or add "
                "one labelled single-atom frame of each element to the set"
            )
        table = np.zeros(len(chemical_symbols))
        for symbol, energy in self.atom_energies.items():
            table[atomic_numbers[symbol]] = energy
        return np.asarray(np.add.reduceat(table[self.numbers], self.offsets[:-1]))

    def content_hashes(self) -> list[str]:
        """Return a hash of each frame: elements, positions, cell, pbc, charge and multiplicity.

        Positions and cell are rounded to 1e-6 Å, so that a frame is recognised after it was
        written as text. Labels and origin are not part of the hash.
        """
        hashes = []
        for i in range(len(self)):
            own = self.atoms_of(i)
            digest = hashlib.sha256()
            digest.update(np.ascontiguousarray(self.numbers[own], dtype="<i4").tobytes())
            for values in (self.positions[own], self.cells[i]):
                digest.update((np.round(values, 6) + 0.0).astype("<f8").tobytes())
            digest.update(self.pbc[i].tobytes())
            digest.update(np.float64(self.charges[i] + 0.0).tobytes())
            if '"multiplicity"' in str(self.info[i]):
                digest.update(str(json.loads(str(self.info[i]))["multiplicity"]).encode())
            hashes.append(digest.hexdigest()[:32])
        return hashes

    # -- making ----------------------------------------------------------------------------

    @classmethod
    def from_atoms(
        cls,
        images: Iterable[Atoms],
        *,
        level_of_theory: str = "",
        atom_energies: Mapping[str, float] | None = None,
    ) -> Frames:
        """Gather configurations; labels come from their calculators, origin from ``info``.

        Parameters
        ----------
        images
            Not changed. ``info`` may hold `config_type`, `parent`, `seed` and `charge`, ``arrays``
            partial charges as `charges_mulliken`.
        level_of_theory
            Level of theory of the labels of the images.
        atom_energies
            Isolated-atom energies in eV. Default: those of labelled frames of a single neutral
            atom, where the ones of an element agree.

        Raises
        ------
        ValueError
            If there are no images.
        """
        images = list(images)
        if not images:
            raise ValueError("no frames: the set is empty; check the file or the filter")
        sizes = [len(atoms) for atoms in images]
        origins = [{k: atoms.info.get(k) for k in ORIGIN_KEYS} for atoms in images]
        frames = cls(
            numbers=np.concatenate([a.numbers for a in images]).astype(np.int32),
            positions=np.concatenate([a.positions for a in images]).astype(np.float64),
            offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            cells=np.array([a.cell.array for a in images], dtype=np.float64),
            pbc=np.array([a.pbc for a in images], dtype=bool),
            charges=np.array([float(o["charge"] or 0.0) for o in origins]),
            energies=np.array(
                [ase_labels.label_of(a, "energy", ()) for a in images], dtype=np.float64
            ),
            forces=np.concatenate([ase_labels.label_of(a, "forces", (len(a), 3)) for a in images]),
            stresses=np.array([ase_labels.label_of(a, "stress", (6,)) for a in images]),
            config_types=text_array([text_of(o["config_type"]) for o in origins]),
            parents=text_array([text_of(o["parent"]) for o in origins]),
            seeds=np.array([-1 if o["seed"] is None else int(o["seed"]) for o in origins]),
            info=text_array([ase_labels.free_info(a, ORIGIN_KEYS) for a in images]),
            level_of_theory=level_of_theory,
            atom_energies=dict(atom_energies or {}),
            partial_charges=ase_labels.charges_of(images),
        )
        return frames if atom_energies else replace(frames, atom_energies=_single_atoms(frames))

    def select(self, which: ArrayLike) -> Frames:
        """Return the frames of an index array or a boolean mask, in that order.

        Raises
        ------
        ValueError
            If nothing is selected.
        """
        chosen = np.asarray(which)
        chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        if len(chosen) == 0:
            raise ValueError("no frames left: the selection is empty; loosen the filter")
        sizes = self.sizes[chosen]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        atoms = np.repeat(self.offsets[chosen] - offsets[:-1], sizes) + np.arange(offsets[-1])
        per_atom = {k: getattr(self, k)[atoms] for k in ("numbers", "positions", "forces")}
        per_frame = {k: getattr(self, k)[chosen] for k in _PER_FRAME}
        charges = {kind: values[atoms] for kind, values in self.partial_charges.items()}
        return replace(self, offsets=offsets, partial_charges=charges, **per_atom, **per_frame)

    @classmethod
    def concatenate(cls, parts: Sequence[Frames]) -> Frames:
        """Join sets, keeping order.

        Raises
        ------
        ValueError
            If there is nothing to join, or labelled sets differ in level of theory or in the
            energy of an isolated atom: such energies must not be mixed.
        """
        if not parts:
            raise ValueError("no frames: nothing to concatenate")
        levels = {p.level_of_theory for p in parts if p.level_of_theory}
        if len(levels) > 1:
            raise ValueError(
                f"mixed levels of theory ({', '.join(sorted(levels))}; what a model predicts is at "
                "a level of its own): label all frames again at one of them, or keep the sets apart"
            )
        atom_energies: dict[str, float] = {}
        for part in parts:
            for symbol, energy in part.atom_energies.items():
                known = atom_energies.setdefault(symbol, energy)
                if abs(known - energy) > 1e-6:
                    raise ValueError(
                        f"mixed energy references: an isolated {symbol} atom has {known:.6f} eV in "
                        f"one set and {energy:.6f} eV in another; shift one set to the other's zero"
                    )
        joined = {
            k: np.concatenate([getattr(p, k) for p in parts])
            for k in ("numbers", "positions", "forces", *_PER_FRAME)
        }
        offsets = np.concatenate([[0], np.cumsum(np.concatenate([p.sizes for p in parts]))])
        return cls(
            offsets=offsets.astype(np.int64),
            level_of_theory=levels.pop() if levels else "",
            atom_energies=atom_energies,
            partial_charges=ase_labels.join_charges(
                [p.partial_charges for p in parts], [len(p.numbers) for p in parts]
            ),
            **joined,
        )

    def with_labels(
        self,
        energies: ArrayLike,
        forces: ArrayLike,
        stresses: ArrayLike | None = None,
        *,
        level_of_theory: str,
        atom_energies: Mapping[str, float],
        partial_charges: Mapping[str, Floats] | None = None,
    ) -> Frames:
        """Return the same frames with other labels: eV (F,), eV/Å (A, 3), eV/Å^3 (F, 6), e (A,)."""
        return replace(
            self,
            energies=np.asarray(energies, dtype=np.float64),
            forces=np.asarray(forces, dtype=np.float64),
            stresses=np.full((len(self), 6), np.nan)
            if stresses is None
            else np.asarray(stresses, dtype=np.float64),
            level_of_theory=level_of_theory,
            atom_energies=dict(atom_energies),
            partial_charges=dict(partial_charges or {}),
        )

    def without_labels(self) -> Frames:
        """Return the same frames with no energies, forces, stresses or partial charges."""
        return self.with_labels(
            np.full(len(self), np.nan),
            np.full((len(self.numbers), 3), np.nan),
            level_of_theory="",
            atom_energies={},
        )

    def with_origin(
        self,
        *,
        config_types: Sequence[str] | None = None,
        parents: Sequence[str] | None = None,
        seeds: ArrayLike | None = None,
    ) -> Frames:
        """Return the same frames with other origins, each of length F."""
        return replace(
            self,
            config_types=self.config_types if config_types is None else np.array(config_types),
            parents=self.parents if parents is None else np.array(parents),
            seeds=self.seeds if seeds is None else np.asarray(seeds, dtype=np.int64),
        )


_PER_FRAME = (
    *("cells", "pbc", "charges", "energies", "stresses"),
    *("config_types", "parents", "seeds", "info"),
)


def _single_atoms(frames: Frames) -> dict[str, float]:
    """Return the energies (eV) of the neutral isolated atoms among the frames."""
    found = np.flatnonzero(frames.isolated & np.isfinite(frames.energies))
    return ase_labels.energy_zeros(
        [chemical_symbols[frames.numbers[frames.offsets[i]]] for i in found],
        [json.loads(str(frames.info[i])).get("multiplicity") for i in found],
        frames.energies[found].tolist(),
    )

"""Similarity of frames and of atoms by the smooth overlap of atomic positions (SOAP).

SOAP: Bartók, Kondor, Csányi, Phys. Rev. B 87, 184115 (2013). Average over atoms: De, Bartók,
Csányi, Ceriotti, Phys. Chem. Chem. Phys. 18, 13754 (2016). The power spectra are featomic's.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray

from aiida_nanoclusters.science.elements import ELEMENTS
from aiida_nanoclusters.science.frames import Frames

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# In bond lengths: the second shell of neighbours and most of the third; the width of an atom.
_CUTOFF, _SMOOTHING, _WIDTH = 2.0, 0.5, 0.15
_MAX_RADIAL, _MAX_ANGULAR = 5, 6
#: Atoms described at once: some 50 MB for a metal.
_CHUNK = 20_000


def describe_frames(
    frames: Frames, bond: float | None = None, elements: list[str] | None = None
) -> Floats:
    """Return the averaged SOAP vector of each frame, of length 1.

    Invariant to translation, rotation, reflection and order of the atoms; a supercell of a crystal
    has the vector of the crystal.

    Parameters
    ----------
    frames
        Of any sizes and periodicity. Where they are periodic in some directions only, they are
        taken with vacuum in the others.
    bond
        Length (Å) from which the cutoff follows, twice as large: by default the longest among the
        elements' nearest-neighbour distances, see :func:`bond_length`. Vectors can only be compared
        where bond and elements are the same.
    elements
        To which the vectors have entries; those of `frames` by default.

    Returns
    -------
    numpy.ndarray, shape (F, D)
        D = 252 for one element; it grows with the number of pairs of elements.
    """
    # A second to import; most users of this package never need it.
    from featomic import SoapPowerSpectrum

    bond = bond_length(elements or frames.elements) if bond is None else bond
    if not bond > 0:
        raise ValueError(f"`bond` is {bond} Å: it must be positive")
    calculator = SoapPowerSpectrum(**_settings(bond))
    kinds = sorted(atomic_numbers[e] for e in elements or frames.elements)
    pairs = list(combinations_with_replacement(kinds, 2))
    vectors = []
    for start, stop in _chunks(frames):
        systems = [_system(frames, i, _CUTOFF * bond) for i in range(start, stop)]
        vectors.append(_sum_over_atoms(calculator.compute(systems), stop - start, pairs))
    found = np.concatenate(vectors)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def describe_atoms(
    frames: Frames, atoms: Ints, bond: float, elements: list[str] | None = None
) -> Floats:
    """Return the SOAP vector of each chosen atom, of length 1.

    Parameters
    ----------
    frames
        As in :func:`describe_frames`.
    atoms
        Places in the flat arrays of `frames`, each once, ascending; shape (S,).
    bond
        As in :func:`describe_frames`.
    elements
        To which the vectors have entries; those of `frames` by default.

    Returns
    -------
    numpy.ndarray, shape (S, D)
        D as in :func:`describe_frames`.
    """
    from featomic import SoapPowerSpectrum
    from metatensor import Labels

    if not bond > 0:
        raise ValueError(f"`bond` is {bond} Å: it must be positive")
    calculator = SoapPowerSpectrum(**_settings(bond))
    kinds = sorted(atomic_numbers[e] for e in elements or frames.elements)
    pairs = list(combinations_with_replacement(kinds, 2))
    owners = frames.owners_of(atoms)
    vectors = []
    for start, stop in _chunks(frames):
        own = (owners >= start) & (owners < stop)
        used, places = np.unique(owners[own], return_inverse=True)
        if not len(used):
            continue
        systems = [_system(frames, i, _CUTOFF * bond) for i in used]
        within = atoms[own] - frames.offsets[owners[own]]
        samples = np.column_stack([places, within]).astype(np.int32)
        spectra = calculator.compute(systems, selected_samples=Labels(["system", "atom"], samples))
        vectors.append(_of_atoms(spectra, samples, pairs))
    found = np.concatenate(vectors)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def bond_length(elements: list[str]) -> float:
    """Return the longest nearest-neighbour distance (Å) of some elements.

    From the table of elements, or twice the covalent radius (``ase.data``) where one is not in it.
    """
    return max(
        ELEMENTS[e].nearest_neighbour if e in ELEMENTS else 2 * covalent_radii[atomic_numbers[e]]
        for e in elements
    )


def _settings(bond: float) -> dict[str, Any]:
    return {
        "cutoff": {
            "radius": _CUTOFF * bond,
            "smoothing": {"type": "ShiftedCosine", "width": _SMOOTHING * bond},
        },
        "density": {"type": "Gaussian", "width": _WIDTH * bond},
        "basis": {
            "type": "TensorProduct",
            "max_angular": _MAX_ANGULAR,
            "radial": {"type": "Gto", "max_radial": _MAX_RADIAL},
        },
    }


def _chunks(frames: Frames) -> list[tuple[int, int]]:
    """Return ranges of frames with about `_CHUNK` atoms each."""
    borders = np.unique(frames.offsets[:-1] // _CHUNK, return_index=True)[1].tolist()
    return list(zip(borders, [*borders[1:], len(frames)], strict=True))


def _system(frames: Frames, index: int, cutoff: float) -> Atoms:
    """Return a frame that is periodic in all directions or in none."""
    own, pbc = frames.atoms_of(index), frames.pbc[index]
    atoms = Atoms(numbers=frames.numbers[own], positions=frames.positions[own])
    if pbc.any():
        atoms.cell = frames.cells[index]
        atoms.pbc = pbc
        for axis in np.flatnonzero(~pbc):
            # Far enough from its images that no atom sees one.
            cell = atoms.cell.complete()
            normal = np.cross(cell[axis - 2], cell[axis - 1])
            normal /= np.linalg.norm(normal)
            extent = float(np.ptp(atoms.positions @ normal))
            atoms.cell = cell
            atoms.cell[axis] = normal * (extent + 2 * cutoff)
        atoms.pbc = True
    return atoms


def _sum_over_atoms(spectra: Any, count: int, pairs: list[tuple[int, int]]) -> Floats:
    """Add the power spectra (a metatensor TensorMap) of each frame's atoms, (count, D)."""
    width = len(spectra.block(0).properties)
    total = np.zeros((count, len(pairs), width))
    for key, block in spectra.items():
        pair = pairs.index((int(key["neighbor_1_type"]), int(key["neighbor_2_type"])))
        np.add.at(total[:, pair], np.asarray(block.samples.column("system")), block.values)
    return total.reshape(count, -1)


def _of_atoms(spectra: Any, samples: NDArray[np.int32], pairs: list[tuple[int, int]]) -> Floats:
    """Lay out the power spectra of atoms in the order of `samples`, (S, D)."""
    place = {(int(system), int(atom)): k for k, (system, atom) in enumerate(samples)}
    found = np.zeros((len(samples), len(pairs), len(spectra.block(0).properties)))
    for key, block in spectra.items():
        pair = pairs.index((int(key["neighbor_1_type"]), int(key["neighbor_2_type"])))
        rows = [place[int(s), int(a)] for s, a in np.asarray(block.samples.values)[:, :2]]
        found[rows, pair] += np.asarray(block.values)
    return found.reshape(len(samples), -1)

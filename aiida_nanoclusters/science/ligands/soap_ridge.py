"""Ridge regression of formation energies on averaged SOAP, beside which a core encoder is measured.

An energy per atom that is a sum over the surroundings of the atoms is linear in the averaged SOAP
vector (S. De et al., Phys. Chem. Chem. Phys. 18, 13754 (2016)).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.ligands.encoder_settings import TRAINING, VALIDATION
from aiida_nanoclusters.science.ligands.formation_energies import compositions
from aiida_nanoclusters.science.recognition.soap import bond_length, describe_frames

Floats = NDArray[np.float64]

#: Strengths of the penalty among which the validation structures choose.
_PENALTIES = tuple(float(x) for x in np.logspace(-9, 2, 12))
#: Element that stands for all, so that what elements have in common is learnt from all of them.
_ANY = "Cu"


def soap_ridge(
    cores: Sequence[Atoms], targets: Floats, subset: NDArray[np.int8]
) -> tuple[Floats, float]:
    """Return predicted formation energies.

    The features are the composition, its product with N^(-1/3), the SOAP vector of the shape
    alone, with lengths in bond lengths and all atoms alike, and that of the elements; the latter
    is a block of its own for each set of elements.

    Parameters
    ----------
    cores
        Clusters without periodicity.
    targets
        Formation energies, eV/atom, shape (S,).
    subset
        0 training, 1 validation, 2 test, shape (S,): the penalty is that of the lowest error on the
        validation, all else is fitted on the training.

    Returns
    -------
    predicted
        eV/atom, shape (S,).
    penalty
        Strength that was chosen.

    Raises
    ------
    ValueError
        If there is nothing to train on or to validate by.
    """
    training, validation = np.flatnonzero(subset == TRAINING), np.flatnonzero(subset == VALIDATION)
    if not len(training) or not len(validation):
        raise ValueError("no training or no validation structures: give both")
    products = soap_products(cores)
    mean = targets[training].mean()
    values, axes = np.linalg.eigh(products[np.ix_(training, training)])
    known = axes.T @ (targets[training] - mean)
    rows = products[:, training] @ axes
    best, chosen, lowest = np.full(len(targets), np.nan), 0.0, np.inf
    for penalty in _PENALTIES:
        found = mean + rows @ (known / (np.maximum(values, 0.0) + penalty))
        error = float(np.mean((found - targets)[validation] ** 2))
        if error < lowest:
            best, chosen, lowest = found, penalty, error
    return best, chosen


def soap_products(cores: Sequence[Atoms]) -> Floats:
    """Return the scalar products of the features of clusters, shape (S, S)."""
    shares = compositions(cores)
    shares = shares[:, shares.any(axis=0)]
    sizes = np.array([len(core) for core in cores])
    surface = shares * (sizes[:, None] ** (-1.0 / 3.0))
    products = np.asarray(shares @ shares.T + surface @ surface.T)
    shapes = describe_frames(Frames.from_atoms([_shape(core) for core in cores]))
    products += shapes @ shapes.T
    kinds: dict[tuple[str, ...], list[int]] = {}
    for place, core in enumerate(cores):
        kinds.setdefault(tuple(sorted(set(core.get_chemical_symbols()))), []).append(place)
    for own in kinds.values():
        frames = Frames.from_atoms([Atoms(cores[k].numbers, cores[k].positions) for k in own])
        vectors = describe_frames(frames)
        products[np.ix_(own, own)] += vectors @ vectors.T
    return products


def _shape(core: Atoms) -> Atoms:
    """Return a cluster of one element with the same distances in its bond lengths."""
    scale = bond_length([_ANY]) / bond_length(core.get_chemical_symbols())
    return Atoms([_ANY] * len(core), core.positions * scale)

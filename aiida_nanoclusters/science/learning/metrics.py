"""How far a potential, or a committee of them, is from its reference.

An *error row* holds ``n_frames``, ``n_atoms``, then ``energy_rmse``, ``energy_mae`` and the signed
``energy_mean`` in meV/atom, then ``forces_rmse`` and ``forces_mae`` in meV/Å; a number that no
frame gives is None. An *error table* holds a row under ``overall``, and rows by group under
``by_config_type`` and ``by_size``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.units import MEV_PER_EV

Floats = NDArray[np.float64]

UNITS = {"energy": "meV/atom", "forces": "meV/Å"}
#: Configuration types between which the learnt difference is measured: first less second.
MOTIFS = ("icosahedron", "truncated octahedron")

#: Arrays of a parity node, each for a set of frames and for the reference or a member.
PARITY_UNITS = {
    "energies": "eV/atom",  # (F,), above the isolated atoms
    "forces": "eV/Å",  # (3 A,), components in the order of atoms
    "sizes": "",  # (F,), number of atoms
    "deviation": "eV/Å",  # (F,), largest force deviation of the committee in a frame
    "largest_error": "eV/Å",  # (F,), largest error of a force, of the committee's mean
}
REFERENCE, COMMITTEE = "reference", "committee"


def parity_name(part: str, quantity: str, who: str = REFERENCE) -> str:
    """Return the name of a parity array, e.g. ``test_energies_seed_1``."""
    return f"{part}_{quantity}_{who}"


def align(reference: Frames, predicted: Frames) -> tuple[Floats, Floats]:
    """Return predictions for each frame of `reference`, NaN where there is none.

    Parameters
    ----------
    reference, predicted
        `predicted` holds the same geometries in the same order; some may be missing.

    Returns
    -------
    energies
        Total energies in eV, shape (F,).
    forces
        eV/Å, shape (A, 3).

    Raises
    ------
    ValueError
        If `predicted` holds a frame that `reference` does not, or another order.
    """
    energies = np.full(len(reference), np.nan)
    forces = np.full((len(reference.numbers), 3), np.nan)
    ours, at = reference.content_hashes(), 0
    for k, digest in enumerate(predicted.content_hashes()):
        while at < len(ours) and ours[at] != digest:
            at += 1
        if at == len(ours):
            raise ValueError(
                f"predicted frame {k} is not among the reference frames, or not in their order: "
                "evaluate the same set"
            )
        energies[at] = predicted.energies[k]
        forces[reference.atoms_of(at)] = predicted.forces[predicted.atoms_of(k)]
        at += 1
    return energies, forces


def error_row(reference: Frames, energies: ArrayLike, forces: ArrayLike) -> dict[str, Any]:
    """Return the error row of predictions: energies per atom, forces component by component.

    Parameters
    ----------
    reference
        Labelled frames.
    energies
        Predicted total energies in eV, shape (F,); a frame with NaN is left out.
    forces
        Predicted forces in eV/Å, shape (A, 3).

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    energies, forces = np.asarray(energies, float), np.asarray(forces, float)
    if energies.shape != (len(reference),) or forces.shape != reference.forces.shape:
        raise ValueError(
            f"predictions of shape {energies.shape} and {forces.shape} for {len(reference)} frames "
            f"of {len(reference.numbers)} atoms: evaluate the same set"
        )
    per_atom = MEV_PER_EV * (energies - reference.energies) / reference.sizes
    known = np.isfinite(per_atom)
    own = np.repeat(known, reference.sizes)
    per_component = MEV_PER_EV * (forces - reference.forces)[own]
    per_atom, per_component = per_atom[known], per_component[np.isfinite(per_component)]
    return {
        "n_frames": int(known.sum()),
        "n_atoms": int(own.sum()),
        "energy_rmse": _rmse(per_atom),
        "energy_mae": _mean(np.abs(per_atom)),
        "energy_mean": _mean(per_atom),
        "forces_rmse": _rmse(per_component),
        "forces_mae": _mean(np.abs(per_component)),
    }


def error_table(reference: Frames, energies: ArrayLike, forces: ArrayLike) -> dict[str, Any]:
    """Return the error table of predictions; arguments as in :func:`error_row`.

    Groups are sorted; frames without a configuration type form the group ``other``. Sizes are
    strings, as they are in a database.
    """
    energies, forces = np.asarray(energies, float), np.asarray(forces, float)

    def row(mask: NDArray[np.bool_]) -> dict[str, Any]:
        own = np.repeat(mask, reference.sizes)
        return error_row(reference.select(mask), energies[mask], forces[own])

    kinds = np.array([str(c) or "other" for c in reference.config_types])
    return {
        "overall": error_row(reference, energies, forces),
        "by_config_type": {str(k): row(kinds == k) for k in np.unique(kinds)},
        "by_size": {str(n): row(reference.sizes == n) for n in np.unique(reference.sizes)},
    }


def motif_difference(reference: Frames, energies: ArrayLike) -> dict[str, float] | None:
    """Return the error of the learnt energy difference between the two motifs, meV/atom.

    It is the mean error per atom on icosahedra less that on truncated octahedra. An error that
    both share shifts no crossing; this difference alone does.

    Parameters
    ----------
    reference
        Relaxed closed shells labelled by the reference, `config_type` as in :data:`MOTIFS`.
    energies
        Predicted total energies of the same geometries in eV, shape (F,); NaN where missing.

    Returns
    -------
    dict or None
        The mean error on each motif under its name, and ``difference``; None where one of the
        motifs is missing.
    """
    per_atom = MEV_PER_EV * (np.asarray(energies, float) - reference.energies) / reference.sizes
    means = {}
    for motif in MOTIFS:
        own = per_atom[(reference.config_types == motif) & np.isfinite(per_atom)]
        if len(own) == 0:
            return None
        means[motif] = float(own.mean())
    return {**means, "difference": means[MOTIFS[0]] - means[MOTIFS[1]]}


def summarise_motif_difference(members: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Return ``members``, and the ``mean`` and ``spread`` of their differences, meV/atom.

    The spread is the sample standard deviation over the committee, None for a single member.
    """
    values = np.array([members[key]["difference"] for key in sorted(members)])
    return {
        "members": {key: dict(members[key]) for key in sorted(members)},
        "mean": float(values.mean()),
        "spread": float(values.std(ddof=1)) if len(values) > 1 else None,
        "unit": "meV/atom",
    }


def max_force_deviation(forces: ArrayLike, offsets: ArrayLike) -> Floats:
    """Return the largest force deviation of a committee in each frame, eV/Å.

    Parameters
    ----------
    forces
        Of each member, eV/Å, shape (K, A, 3).
    offsets
        Frame ``i`` owns atoms ``offsets[i]:offsets[i + 1]``, shape (F + 1,).

    Returns
    -------
    Shape (F,): the maximum over atoms i of sqrt(mean over members k of abs(f_ki - mean_k f_ki)^2),
    NaN where a member has no forces.

    Raises
    ------
    ValueError
        If `forces` has another shape.

    References
    ----------
    Zhang, Lin, Wang, Car, E, Phys. Rev. Materials 3, 023804 (2019).
    """
    forces, offsets = np.asarray(forces, float), np.asarray(offsets, dtype=np.int64)
    if forces.ndim != 3 or forces.shape[1:] != (offsets[-1], 3):
        raise ValueError(f"forces have shape {forces.shape}, expected (members, {offsets[-1]}, 3)")
    from_mean = forces - forces.mean(axis=0)
    per_atom = np.sqrt((from_mean**2).sum(axis=2).mean(axis=0))
    return np.asarray(np.maximum.reduceat(per_atom, offsets[:-1]))


def max_force_error(reference: Frames, forces: ArrayLike) -> Floats:
    """Return the largest norm of a force error in each frame, eV/Å, shape (F,); NaN if missing."""
    norms = np.linalg.norm(np.asarray(forces, float) - reference.forces, axis=1)
    return np.asarray(np.maximum.reduceat(norms, reference.offsets[:-1]))


def compare_committee(
    reference: Frames, members: Mapping[str, Frames], part: str
) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Compare every member of a committee, and their mean, with the reference.

    Parameters
    ----------
    reference
        Labelled frames.
    members
        By key: the same frames with that member's labels.
    part
        Name of the set, such as ``test``.

    Returns
    -------
    errors
        ``n_frames``; ``members``: an error table by key; ``committee``: the error table of the
        mean prediction and, for two members or more, ``max_force_deviation``: its ``mean`` and
        ``max`` over the frames (meV/Å) and its ``correlation`` with the largest force error of
        the mean prediction, None where that has no meaning.
    parity
        The arrays of :data:`PARITY_UNITS` under their :func:`parity_name`.
    """
    zero = reference.reference_energies
    keys = sorted(members)
    aligned = [align(reference, members[key]) for key in keys]
    parity = {
        parity_name(part, "sizes"): reference.sizes.astype(float),
        parity_name(part, "energies"): (reference.energies - zero) / reference.sizes,
        parity_name(part, "forces"): reference.forces.ravel(),
    }
    errors: dict[str, Any] = {"n_frames": len(reference), "members": {}}
    for key, (energies, forces) in zip(keys, aligned, strict=True):
        errors["members"][key] = error_table(reference, energies, forces)
        parity[parity_name(part, "energies", key)] = (energies - zero) / reference.sizes
        parity[parity_name(part, "forces", key)] = forces.ravel()
    all_forces = np.array([forces for _, forces in aligned])
    mean_energies = np.mean([energies for energies, _ in aligned], axis=0)
    mean_forces = all_forces.mean(axis=0)
    errors["committee"] = error_table(reference, mean_energies, mean_forces)
    if len(keys) > 1:
        deviation = max_force_deviation(all_forces, reference.offsets)
        largest = max_force_error(reference, mean_forces)
        parity[parity_name(part, "deviation", COMMITTEE)] = deviation
        parity[parity_name(part, "largest_error", COMMITTEE)] = largest
        known = np.isfinite(deviation)
        errors["committee"]["max_force_deviation"] = {
            "mean": _mean(MEV_PER_EV * deviation[known]),
            "max": float(MEV_PER_EV * deviation[known].max()) if known.any() else None,
            "correlation": _correlation(deviation[known], largest[known]),
        }
    return errors, parity


def _rmse(values: Floats) -> float | None:
    return float(np.sqrt(np.mean(values**2))) if len(values) else None


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def _correlation(a: Floats, b: Floats) -> float | None:
    if len(a) < 3 or a.std() == 0 or b.std() == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])

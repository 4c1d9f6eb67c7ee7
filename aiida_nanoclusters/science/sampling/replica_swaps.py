"""The swap rule of parallel tempering; also copied into its jobs, and therefore of numpy alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def swap_probability(cold: float, hot: float, energy_of_cold: float, energy_of_hot: float) -> float:
    """Return the probability that two replicas exchange their temperatures.

    min(1, exp((b_cold - b_hot) (E_cold - E_hot))), by which the canonical distribution at each
    temperature is stationary.

    Parameters
    ----------
    cold, hot
        Inverse temperatures 1 / kT of the colder and of the hotter replica, 1/eV.
    energy_of_cold, energy_of_hot
        Potential energies, that of the confinement included, eV.

    References
    ----------
    Y. Sugita, Y. Okamoto, Chem. Phys. Lett. 314, 141 (1999).
    """
    exponent = (cold - hot) * (energy_of_cold - energy_of_hot)
    return 1.0 if exponent >= 0 else float(np.exp(exponent))


def swapped_temperatures(
    indices: Ints, energies: Floats, inverse_temperatures: Floats, attempt: int, seed: int
) -> Ints:
    """Attempt to swap neighbouring temperatures; return the temperature index of each replica.

    Pairs (0, 1), (2, 3), ... and (1, 2), (3, 4), ... take turns. The result depends on the
    arguments alone, so that a run that is continued makes the same decisions.

    Parameters
    ----------
    indices
        Index of the temperature of each replica, shape (R,), a permutation.
    energies
        Potential energy of each replica, eV, shape (R,).
    inverse_temperatures
        1 / kT of the ladder, 1/eV, shape (R,), descending.
    attempt
        Number of the attempt, from 0.
    seed
        Random seed of the run.

    Examples
    --------
    The colder replica has the higher energy: they swap with certainty.

    >>> swapped_temperatures(np.array([0, 1]), np.array([2.0, 1.0]), np.array([9.0, 8.0]), 0, 1)
    array([1, 0])
    """
    found = np.array(indices)
    holder = np.argsort(found)  # of each temperature
    draws = np.random.default_rng([seed, attempt]).random(len(found))
    for low in range(attempt % 2, len(found) - 1, 2):
        cold, hot = holder[low], holder[low + 1]
        betas = inverse_temperatures[low], inverse_temperatures[low + 1]
        probability = swap_probability(betas[0], betas[1], energies[cold], energies[hot])
        if draws[low] < probability:
            found[cold], found[hot] = low + 1, low
    return found

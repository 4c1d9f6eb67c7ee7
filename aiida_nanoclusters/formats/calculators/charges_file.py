"""Partial charges that a calculator wrote in a job, one line for each frame."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def read_charges(lines: Iterable[str], offsets: NDArray[np.int64]) -> Floats:
    """Return the charges in e of the atoms of all frames, (A,); NaN where a frame has none.

    Parameters
    ----------
    lines
        Number of a frame, and a charge for each of its atoms; complete or not.
    offsets
        Frame ``i`` has the atoms ``offsets[i]:offsets[i + 1]``.
    """
    charges = np.full(int(offsets[-1]), np.nan)
    for line in lines:
        number, *values = line.split() or [""]
        if not line.endswith("\n") or not number.isdecimal() or int(number) >= len(offsets) - 1:
            continue
        first, last = offsets[int(number)], offsets[int(number) + 1]
        try:
            found = np.array(values, dtype=np.float64)
        except ValueError:
            continue
        if len(found) == last - first:
            charges[first:last] = found
    return charges

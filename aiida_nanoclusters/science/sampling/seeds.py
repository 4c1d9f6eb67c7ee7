"""Seeds that follow from others; also copied into jobs, and therefore of numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np


def derive_seed(*parts: int) -> int:
    """Return a seed that LAMMPS takes (1 to 900,000,000) from non-negative integers."""
    state: Any = np.random.SeedSequence([int(p) for p in parts]).generate_state(1, np.uint64)
    return int(state[0] % np.uint64(900_000_000)) + 1

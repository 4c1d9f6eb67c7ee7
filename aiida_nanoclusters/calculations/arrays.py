"""Results as nodes of named arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida.orm import ArrayData


def arrays_node(arrays: Mapping[str, Any]) -> ArrayData:
    """Return arrays as a node; `science/keys.py` has their names and units."""
    node = ArrayData()
    for name, values in arrays.items():
        node.set_array(name, np.asarray(values))
    return node

"""The numbers of a network as arrays, and back; torch is loaded when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn


def state_arrays(network: nn.Module) -> dict[str, NDArray[Any]]:
    """Return the numbers of a network as arrays by name."""
    return {name: t.detach().cpu().numpy().copy() for name, t in network.state_dict().items()}


def load_state(network: nn.Module, state: Mapping[str, NDArray[Any]]) -> None:
    """Set the numbers of a network; names and shapes must be its own."""
    import torch

    network.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in state.items()})

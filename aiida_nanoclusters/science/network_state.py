"""The numbers of a network as arrays, and back; torch is loaded when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

#: Version of the code of each network. Raise it where equal numbers give other values: models that
#: were trained before are then refused, and their jobs are no longer taken from the cache.
ARCHITECTURES = {"chart": 1, "core encoder": 1, "matching model": 1}


def check_architecture(what: str, version: int) -> None:
    """Refuse a model whose numbers belong to another version of the code of its network.

    Raises
    ------
    ValueError
        If they do.
    """
    if version != ARCHITECTURES[what]:
        raise ValueError(
            f"its numbers belong to version {version} of the network of a {what}, here is version "
            f"{ARCHITECTURES[what]}: train again, or use the version of the package that made it"
        )


def state_arrays(network: nn.Module) -> dict[str, NDArray[Any]]:
    """Return the numbers of a network as arrays by name."""
    return {name: t.detach().cpu().numpy().copy() for name, t in network.state_dict().items()}


def load_state(network: nn.Module, state: Mapping[str, NDArray[Any]]) -> None:
    """Set the numbers of a network; names and shapes must be its own."""
    import torch

    network.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in state.items()})

"""The autoencoder of a chart: convolutions, pooling, ReLU, batch normalisation, and its mirror.

The blocks are those of the authors' published code (E. Telari et al., ACS Nano 17, 21287 (2023),
doi:10.1021/acsnano.3c05653; arXiv:2407.17924): convolution over all bins, pooling of pairs, ReLU,
batch normalisation; then one linear layer to the coordinates. The decoder doubles the length again
by repetition. It is a list of plain layers, so that other programs can compute the same numbers.

A training job carries this file to the machine it runs on: it imports nothing of this package, and
torch only where a network is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..network_state import load_state

if TYPE_CHECKING:
    import torch

#: Bins that a pooling layer joins.
POOL = 2
#: Most weights of a network: some fifty times those of the authors.
MOST_WEIGHTS = 20_000_000
#: Rows that go through the network at once.
_BATCH = 1024

Arrays = Mapping[str, NDArray[Any]]


def pooled_lengths(bins: int, blocks: int) -> list[int]:
    """Return the lengths before and after each pooling, shape (blocks + 1,)."""
    lengths = [bins]
    for _ in range(blocks):
        lengths.append(lengths[-1] // POOL)
    return lengths


def weight_shapes(
    bins: int, channels: Sequence[int], kernels: Sequence[int], dimensions: int
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all numbers of the network by name, as torch's ``state_dict`` has them.

    Known without torch, so that a file of unknown origin is held against them before it is read.
    """
    shapes: dict[str, tuple[int, ...]] = {}

    def convolution(name: str, into: int, out: int, kernel: int) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out, into, kernel), (out,)

    def normalisation(name: str, size: int) -> None:
        for key in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{key}"] = (size,)
        shapes[f"{name}.num_batches_tracked"] = ()

    def linear(name: str, into: int, out: int) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out, into), (out,)

    flat = pooled_lengths(bins, len(channels))[-1] * channels[-1]
    for block, (into, out) in enumerate(zip([1, *channels], channels, strict=False)):
        convolution(f"encoder.{4 * block}", into, out, kernels[block])
        normalisation(f"encoder.{4 * block + 3}", out)
    linear(f"encoder.{4 * len(channels) + 1}", flat, dimensions)
    linear("decoder.0", dimensions, flat)
    mirrored = [*channels[::-1], 1]
    for block, kernel in enumerate(kernels[::-1]):
        place = 3 + 4 * block
        convolution(f"decoder.{place + 1}", mirrored[block], mirrored[block + 1], kernel)
        if block + 1 < len(kernels):
            normalisation(f"decoder.{place + 3}", mirrored[block + 1])
    return shapes


def count_weights(
    bins: int, channels: Sequence[int], kernels: Sequence[int], dimensions: int
) -> int:
    """Return how many numbers a network has."""
    shapes = weight_shapes(bins, channels, kernels, dimensions).values()
    return int(sum(np.prod(shape, dtype=np.int64) for shape in shapes))


def make_network(bins: int, settings: Mapping[str, Any]) -> torch.nn.ModuleDict:
    """Return ``encoder`` and ``decoder``, each a sequence of plain layers of single precision.

    Whatever torch's default is: a model of nequip leaves double precision in its process.

    Parameters
    ----------
    bins
        Of a distribution; the input has shape (batch, 1, bins).
    settings
        `channels`, `kernels` and `dimensions` as of NetworkSettings.
    """
    from torch import float32, nn

    channels, kernels = list(settings["channels"]), list(settings["kernels"])
    lengths = pooled_lengths(bins, len(channels))
    flat = lengths[-1] * channels[-1]
    encoder: list[nn.Module] = []
    for into, out, kernel in zip([1, *channels], channels, kernels, strict=False):
        encoder += [nn.Conv1d(into, out, kernel, padding="same", dtype=float32), nn.MaxPool1d(POOL)]
        encoder += [nn.ReLU(), nn.BatchNorm1d(out, dtype=float32)]
    encoder += [nn.Flatten(), nn.Linear(flat, settings["dimensions"], dtype=float32)]
    decoder: list[nn.Module] = [nn.Linear(settings["dimensions"], flat, dtype=float32), nn.ReLU()]
    decoder.append(nn.Unflatten(1, (channels[-1], lengths[-1])))
    mirrored = [*channels[::-1], 1]
    for block, kernel in enumerate(kernels[::-1]):
        into, out = mirrored[block], mirrored[block + 1]
        decoder += [nn.Upsample(size=lengths[-2 - block])]
        decoder += [nn.Conv1d(into, out, kernel, padding="same", dtype=float32)]
        if block + 1 < len(kernels):
            decoder += [nn.ReLU(), nn.BatchNorm1d(out, dtype=float32)]
    parts = {"encoder": nn.Sequential(*encoder), "decoder": nn.Sequential(*decoder)}
    return nn.ModuleDict(parts)


def load_network(bins: int, settings: Mapping[str, Any], state: Arrays) -> torch.nn.ModuleDict:
    """Return the network with the numbers of a trained one, ready to be evaluated."""
    network = make_network(bins, settings)
    load_state(network, state)
    return network.eval()


def encode(network: torch.nn.ModuleDict, rows: NDArray[Any]) -> NDArray[np.float32]:
    """Return the coordinates of normalised distributions (F, bins), shape (F, dimensions)."""
    return _through(network["encoder"], np.asarray(rows)[:, None, :])


def decode(network: torch.nn.ModuleDict, coordinates: NDArray[Any]) -> NDArray[np.float32]:
    """Return the normalised distributions of coordinates (F, dimensions), shape (F, bins)."""
    return _through(network["decoder"], np.asarray(coordinates))[:, 0, :]


def _through(part: torch.nn.Module, rows: NDArray[Any]) -> NDArray[np.float32]:
    import torch

    with torch.no_grad():
        blocks = [
            part(torch.from_numpy(np.ascontiguousarray(rows[i : i + _BATCH], dtype=np.float32)))
            for i in range(0, len(rows), _BATCH)
        ]
        return torch.cat(blocks).numpy()

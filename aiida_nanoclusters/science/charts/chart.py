"""A trained chart: from the distribution of pair distances to three coordinates.

A chart is numbers only: settings as JSON, arrays as npz without pickle. It is read in bounded time
and memory, whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from aiida_nanoclusters.science.charts.network import decode, encode, load_network, weight_shapes
from aiida_nanoclusters.science.charts.settings import DistributionSettings, NetworkSettings
from aiida_nanoclusters.science.network_state import check_architecture
from aiida_nanoclusters.science.number_files import (
    check_arrays,
    float_shapes,
    read_content,
    read_files,
    write_content,
)
from aiida_nanoclusters.science.settings import Settings, quantity

if TYPE_CHECKING:
    import torch

Floats32 = NDArray[np.float32]

#: Files of a chart, the same for all, so that equal charts have equal content.
CHART_FILE, ARRAYS_FILE = "chart.json", "chart.npz"
#: Coordinates of training frames that a chart keeps, to tell what it has seen.
MOST_SEEN = 20_000
#: Largest `chart.json` (bytes).
_MOST_TEXT = 1_000_000
_WHAT = "chart"
#: Arrays beside the numbers of the network.
_OWN = ("minimum", "scale", "target_minimum", "target_scale", "seen")


class ChartHead(Settings):
    """What a chart is, without its arrays."""

    distribution: DistributionSettings = quantity("Distributions that it takes.")
    network: NetworkSettings = quantity("Its network.")
    reproduces: Literal["relaxed", "thermal"] = quantity(
        "Whether it was trained on relaxed structures, or from thermal ones to their minima."
    )
    bond_lengths: dict[str, float] = quantity(
        "Bond length of each element it was trained on.", unit="Å"
    )
    sizes: list[int] = quantity("Numbers of atoms it was trained on.")
    largest_error: float = quantity("Reconstruction error beyond which a frame lies outside.", ge=0)
    largest_distance: float = quantity(
        "Distance in the chart to the nearest training frame beyond which a frame lies outside.",
        ge=0,
    )
    outside_quantile: float = quantity("Quantile of held-out frames that set both.", gt=0, le=1)
    n_seen: int = quantity("Training frames whose coordinates it keeps.", ge=1, le=MOST_SEEN)
    architecture: int = quantity(
        "Version of the code of the network that the numbers belong to.", default=1, ge=1
    )

    @model_validator(mode="after")
    def _check_sizes(self) -> ChartHead:
        check_architecture(_WHAT, self.architecture)
        if problem := self.network.problem_with(self.distribution.bins):
            raise ValueError(problem)
        if len(self.bond_lengths) > 118 or len(self.sizes) > 100_000:
            raise ValueError("a chart of more elements than there are, or of too many sizes")
        if any(not 0 < b < 100 for b in self.bond_lengths.values()):
            raise ValueError("`bond_lengths` must be positive numbers (Å)")
        return self


@dataclass(frozen=True, eq=False)
class Chart:
    """A trained chart.

    Attributes
    ----------
    head
        Settings, elements and sizes of the training, and the limits of what it has seen.
    minimum, scale
        Normalisation of the input: (g - minimum) / scale; shape (bins,), float32.
    target_minimum, target_scale
        The same of what the network reproduces; equal to those of the input unless it was trained
        from thermal frames to their minima.
    seen
        Coordinates of frames it was trained on, shape (S, dimensions), float32.
    state
        Numbers of the network by name, see :func:`.network.weight_shapes`.
    """

    head: ChartHead
    minimum: Floats32
    scale: Floats32
    target_minimum: Floats32
    target_scale: Floats32
    seen: Floats32
    state: Mapping[str, NDArray[Any]] = field(repr=False)

    def __post_init__(self) -> None:
        check_arrays(_WHAT, self._arrays(), self._expected(self.head))
        for name in ("scale", "target_scale"):
            if not (getattr(self, name) > 0).all():
                raise ValueError(f"chart: `{name}` holds numbers that are not positive")

    @property
    def distribution(self) -> DistributionSettings:
        """Settings of the distributions that it takes."""
        return self.head.distribution

    @property
    def network_settings(self) -> NetworkSettings:
        """Settings of its network."""
        return self.head.network

    @property
    def bond_lengths(self) -> dict[str, float]:
        """Bond length of each element it was trained on, Å."""
        return dict(self.head.bond_lengths)

    @property
    def dimensions(self) -> int:
        """Number of coordinates."""
        return self.head.network.dimensions

    # -- evaluation ------------------------------------------------------------------------

    @cached_property
    def network(self) -> torch.nn.ModuleDict:
        """``encoder`` and ``decoder`` in torch, in the mode of evaluation."""
        settings = self.head.network.model_dump()
        return load_network(self.head.distribution.bins, settings, self.state)

    def coordinates(self, distributions: NDArray[Any]) -> NDArray[np.float64]:
        """Return the coordinates of distributions (F, bins) in the chart, shape (F, dimensions).

        The centre of the training frames is the origin, the axes are their principal axes, and
        their root mean square distance from the origin is one.
        """
        return encode(self.network, self._normalised(distributions)).astype(np.float64)

    def reconstructions(self, coordinates: NDArray[Any]) -> NDArray[np.float64]:
        """Return the distributions that belong to coordinates (F, dimensions), (F, bins)."""
        rows = decode(self.network, coordinates).astype(np.float64)
        return rows * self.target_scale + self.target_minimum

    def reconstruction_errors(
        self, distributions: NDArray[Any], coordinates: NDArray[Any] | None = None
    ) -> NDArray[np.float64]:
        """Return the root mean square deviation of each distribution from its reconstruction, (F,).

        The mean is over the bins. A chart from thermal to relaxed distributions returns the
        deviation of the thermal one from the relaxed one that it predicts.
        """
        where = self.coordinates(distributions) if coordinates is None else coordinates
        deviations = self.reconstructions(where) - np.asarray(distributions)
        return np.asarray(np.sqrt(np.mean(deviations**2, axis=1)))

    def distances(self, coordinates: NDArray[Any]) -> NDArray[np.float64]:
        """Return the distance of each place (F, dimensions) to the nearest training frame, (F,)."""
        from scipy.spatial import KDTree

        return np.asarray(KDTree(self.seen.astype(np.float64)).query(coordinates)[0])

    def lies_outside(
        self, distributions: NDArray[Any], coordinates: NDArray[Any] | None = None
    ) -> NDArray[np.bool_]:
        """Return where frames lie outside of what the chart has seen, shape (F,).

        A frame does where its reconstruction error or its distance to the nearest training frame
        exceeds the quantile of frames that were held out of the training.
        """
        where = self.coordinates(distributions) if coordinates is None else coordinates
        errors = self.reconstruction_errors(distributions, where)
        far = self.distances(where) > self.head.largest_distance
        return np.asarray((errors > self.head.largest_error) | far)

    def _normalised(self, distributions: NDArray[Any]) -> NDArray[np.float32]:
        rows = np.asarray(distributions, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.head.distribution.bins:
            raise ValueError(
                f"distributions have shape {rows.shape}, the chart takes (F, "
                f"{self.head.distribution.bins}): make them with its own settings"
            )
        return (rows - self.minimum) / self.scale

    # -- the encoder for other programs ----------------------------------------------------

    def encoder_layers(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the layers of the encoder in order, as plain numbers.

        The input is ``(g - minimum) / scale`` of shape (1, bins). Layers by name, with torch's
        meaning: ``Conv1d`` (`weight` (out, in, kernel), `bias` (out,), `padding` [left, right] of
        zeros), ``MaxPool1d`` (`kernel_size`, equal to its stride), ``ReLU``, ``BatchNorm1d``
        (`weight`, `bias`, `running_mean`, `running_var`, `eps`), ``Flatten``, ``Linear`` (`weight`
        (out, in), `bias` (out,)). Arrays are float32.
        """
        blocks = len(self.head.network.channels)
        layers: list[tuple[str, dict[str, Any]]] = []
        for block, kernel in enumerate(self.head.network.kernels):
            left = (kernel - 1) // 2
            padding = [left, kernel - 1 - left]
            layers += [
                ("Conv1d", {**self._layer(4 * block, "weight", "bias"), "padding": padding}),
                ("MaxPool1d", {"kernel_size": 2}),
                ("ReLU", {}),
            ]
            names = ("weight", "bias", "running_mean", "running_var")
            layers.append(("BatchNorm1d", {**self._layer(4 * block + 3, *names), "eps": 1e-5}))
        layers.append(("Flatten", {}))
        layers.append(("Linear", self._layer(4 * blocks + 1, "weight", "bias")))
        return layers

    def _layer(self, place: int, *names: str) -> dict[str, Any]:
        return {name: np.array(self.state[f"encoder.{place}.{name}"]) for name in names}

    # -- files -----------------------------------------------------------------------------

    def save(self, folder: str | Path) -> None:
        """Write :data:`CHART_FILE` and :data:`ARRAYS_FILE` into an existing folder."""
        text, arrays = self.content()
        (Path(folder) / CHART_FILE).write_text(text, encoding="utf-8")
        (Path(folder) / ARRAYS_FILE).write_bytes(arrays)

    def content(self) -> tuple[str, bytes]:
        """Return the content of the two files; equal charts give equal content."""
        return write_content(self.head, self._arrays())

    @classmethod
    def load(cls, folder: str | Path) -> Chart:
        """Read a chart of :meth:`save`; nothing in it is executed.

        Raises
        ------
        ValueError
            If the files are missing, or are no chart.
        """
        names = (CHART_FILE, ARRAYS_FILE)
        return read_files(_WHAT, folder, names, cls.from_content, _MOST_TEXT)

    @classmethod
    def from_content(cls, text: str | bytes, arrays: IO[bytes]) -> Chart:
        """Return the chart of two files: settings as JSON, arrays as npz.

        Raises
        ------
        ValueError
            If they are no chart: no such JSON, or arrays of other names, shapes, sizes or kinds.
        """
        head, found = read_content(_WHAT, ChartHead, text, arrays, cls._expected, _MOST_TEXT)
        state = {name: array for name, array in found.items() if name not in _OWN}
        return cls(head=head, state=state, **{name: found[name] for name in _OWN})

    @staticmethod
    def _expected(head: ChartHead) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Return shape and type of each array by its name."""
        bins, settings = head.distribution.bins, head.network
        return float_shapes(
            {
                **{name: (bins,) for name in _OWN if name != "seen"},
                "seen": (head.n_seen, settings.dimensions),
                **weight_shapes(bins, settings.channels, settings.kernels, settings.dimensions),
            }
        )

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {**{name: getattr(self, name) for name in _OWN}, **self.state}

"""Settings of a structural chart: distributions, network, training, families."""

from __future__ import annotations

from math import isclose
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from aiida_nanoclusters.science.charts.network import MOST_WEIGHTS, count_weights, pooled_lengths
from aiida_nanoclusters.science.loop_settings import LoopSettings
from aiida_nanoclusters.science.settings import Settings, quantity

#: What a chart is trained to reproduce: the distribution itself, or that of the minimum below it.
RELAXED, THERMAL = "relaxed", "thermal"
#: Longest table of a distribution; the authors use 340 bins.
_MOST_BINS = 4096
#: Bins wider than this many bandwidths leave gaps between the Gaussians.
_WIDEST_BIN = 2.0


class DistributionSettings(Settings):
    """Distribution of pair distances, in units of the bond length of the bulk metal."""

    shortest: float = quantity(
        "Lower end of the distances, in bond lengths.", default=0.6, ge=0, le=1
    )
    longest: float = quantity(
        "Upper end of the distances, in bond lengths; longer pairs are counted in the "
        "normalisation only.",
        gt=1,
        le=100,
    )
    bins: int = quantity("Bins between the two.", default=200, ge=16, le=_MOST_BINS)
    bandwidth: float = quantity(
        "Standard deviation of the Gaussian that stands for each pair, in bond lengths.",
        default=0.05,
        gt=0,
        le=1,
    )

    @model_validator(mode="after")
    def _check_width(self) -> DistributionSettings:
        if self.width > _WIDEST_BIN * self.bandwidth and not isclose(
            self.width, _WIDEST_BIN * self.bandwidth
        ):
            least = int(np.ceil((self.longest - self.shortest) / (_WIDEST_BIN * self.bandwidth)))
            raise ValueError(
                f"bins of {self.width:.3g} bond lengths are wider than two bandwidths, so that "
                f"pairs fall between them: give at least {least} `bins`"
            )
        return self

    @property
    def width(self) -> float:
        """Width of a bin in bond lengths."""
        return (self.longest - self.shortest) / self.bins

    @property
    def centres(self) -> NDArray[np.float64]:
        """Centres r_k of the bins in bond lengths, shape (bins,)."""
        return np.asarray(self.shortest + (np.arange(self.bins) + 0.5) * self.width)


class NetworkSettings(Settings):
    """Convolutional autoencoder: blocks of convolution, pooling, ReLU and batch normalisation."""

    channels: list[int] = quantity(
        "Channels of each block of the encoder; the decoder mirrors them.", min_length=1
    )
    kernels: list[int] = quantity("Width of the kernel of each block.", unit="bins", min_length=1)
    dimensions: int = quantity("Coordinates of the chart.", default=3, ge=1, le=3)

    @model_validator(mode="after")
    def _check_blocks(self) -> NetworkSettings:
        if len(self.channels) != len(self.kernels):
            raise ValueError(
                f"{len(self.channels)} `channels` and {len(self.kernels)} `kernels`: give one of "
                "each for every block"
            )
        for name, most in (("channels", 1024), ("kernels", 255)):
            if wrong := [n for n in getattr(self, name) if not 1 <= n <= most]:
                raise ValueError(f"`{name}` has {wrong[0]}: give numbers from 1 to {most}")
        return self

    def problem_with(self, bins: int) -> str | None:
        """Return why the blocks do not fit distributions of so many bins, or None."""
        if pooled_lengths(bins, len(self.channels))[-1] < 1:
            return (
                f"{len(self.channels)} blocks halve {bins} bins to none: give at least "
                f"{2 ** len(self.channels)} `bins`, or fewer blocks"
            )
        weights = count_weights(bins, self.channels, self.kernels, self.dimensions)
        if weights > MOST_WEIGHTS:
            return f"{weights} weights are more than {MOST_WEIGHTS}: give fewer channels or bins"
        return None


class ChartTrainingSettings(LoopSettings):
    """How the network of a chart is trained."""

    reproduces: Literal["relaxed", "thermal"] = quantity(
        "What is learnt: `relaxed` reproduces the distributions of relaxed structures; `thermal` "
        "takes those of thermal frames to those of their minima, as a biased chart needs.",
        default=RELAXED,
    )
    epochs: int = quantity("Largest number of epochs.", default=250, ge=1)
    fewest_epochs: int = quantity("Epochs before the training may stop early.", default=75, ge=1)
    patience: int = quantity(
        "Epochs without a lower validation loss after which the training stops.", default=10, ge=1
    )
    batch_size: int = quantity("Distributions of a batch.", unit="frames", default=64, ge=2)
    learning_rate: float = quantity("Learning rate of the first epoch (Adam).", default=5e-3, gt=0)
    milestones: list[int] = quantity(
        "Epochs at which the learning rate is multiplied by `decay`.", default=[100, 250]
    )
    validation_share: float = quantity(
        "Share of the frames that is held out, the same for all seeds.", default=0.2, gt=0, lt=1
    )
    split_seed: int = quantity("Random seed of the choice of these frames.", default=0, ge=0)
    most_frames: int = quantity(
        "Frames of a training; drawn at random where there are more.",
        unit="frames",
        default=200_000,
        ge=10,
    )
    smallest_range: float = quantity(
        "Bins whose values differ by less than this fraction of the largest range are not "
        "stretched by the normalisation.",
        default=0.01,
        gt=0,
        lt=1,
    )
    outside_quantile: float = quantity(
        "Quantile of the reconstruction errors and of the distances of held-out frames, beyond "
        "which a new frame lies outside of what the chart has seen.",
        default=0.995,
        gt=0.5,
        le=1,
    )


class FamilySettings(Settings):
    """Families of structures by mean shift, and how its bandwidth is chosen.

    Lengths are in those of the chart, whose frames are one from its centre in the root mean square.
    """

    bandwidth: float | None = quantity(
        "Bandwidth of the mean shift, in the lengths of the chart; null chooses it from the "
        "range below.",
        default=None,
        gt=0,
    )
    smallest: float = quantity("Smallest bandwidth that is tried.", default=0.05, gt=0)
    largest: float = quantity("Largest bandwidth that is tried.", default=0.6, gt=0)
    tried: int = quantity(
        "Bandwidths between the two, evenly spaced in the logarithm.", default=16, ge=5, le=1000
    )
    agreement: float = quantity(
        "Smallest adjusted Rand index of the families at two neighbouring bandwidths of a plateau.",
        default=0.9,
        gt=0,
        le=1,
    )
    seed_share: float = quantity(
        "Smallest adjusted Rand index between the families of charts with other seeds, as a share "
        "of the highest at any bandwidth; the finest bandwidth that has it is taken.",
        default=0.9,
        gt=0,
        le=1,
    )
    fewest: int = quantity(
        "Frames that a family needs; smaller groups go to the nearest family.",
        unit="frames",
        default=10,
        ge=1,
    )
    fitted: int = quantity(
        "Frames on which the families are found, drawn at random where there are more; the others "
        "go to the nearest centre.",
        unit="frames",
        default=5000,
        ge=10,
    )
    nearest: int = quantity(
        "Frames nearest to each centre by which a family is named.", unit="frames", default=50, ge=1
    )
    named: int = quantity(
        "Frames that are named one by one by common neighbours, drawn at random where there are "
        "more, beside those near the centres.",
        unit="frames",
        default=20_000,
        ge=0,
    )
    seed: int = quantity("Random seed of both draws.", default=0, ge=0)

    @model_validator(mode="after")
    def _check_range(self) -> FamilySettings:
        if self.smallest >= self.largest:
            raise ValueError(
                f"`smallest` {self.smallest} is not below `largest` {self.largest}: give a range"
            )
        return self

    @property
    def bandwidths(self) -> list[float]:
        """Bandwidths that are tried, ascending."""
        if self.bandwidth is not None:
            return [self.bandwidth]
        return [float(b) for b in np.geomspace(self.smallest, self.largest, self.tried)]


class ChartSettings(Settings):
    """Settings of the work chain that makes a chart."""

    distribution: DistributionSettings = quantity("Distributions of pair distances.")
    network: NetworkSettings = quantity("The autoencoder.")
    training: ChartTrainingSettings = quantity("Its training.", default=ChartTrainingSettings())
    families: FamilySettings = quantity("Families of structures.", default=FamilySettings())

    @model_validator(mode="after")
    def _check_sizes(self) -> ChartSettings:
        if problem := self.network.problem_with(self.distribution.bins):
            raise ValueError(problem)
        return self

    def of_training(self) -> dict[str, Any]:
        """Return what a training depends on: equal values give equal charts."""
        return self.model_dump(include={"distribution", "network", "training"}, mode="json")


class DistributionChoice(DistributionSettings):
    """As DistributionSettings, but that the frames may set the range."""

    longest: float | None = quantity(  # type: ignore[assignment]
        "Upper end of the distances, in bond lengths; longer pairs are counted in the "
        "normalisation only; null is what the frames need.",
        default=None,
        gt=1,
        le=100,
    )

    @model_validator(mode="after")
    def _check_width(self) -> DistributionChoice:
        if self.longest is not None:
            DistributionSettings(**self.model_dump())
        return self


class ChartChoice(ChartSettings):
    """Settings of a chart as a protocol has them."""

    distribution: DistributionChoice = quantity("Distributions of pair distances.")

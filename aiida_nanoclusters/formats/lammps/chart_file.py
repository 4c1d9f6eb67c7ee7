"""A chart as plain text for ``fix nanoclusters/chart`` of the LAMMPS plugin.

The file has the bond length in Å, the distribution, the normalisation of its bins and the layers of
the encoder in order. It is read by ``lammps_plugin/chart_file.cpp``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

VERSION = 1
#: Numbers on a line.
_COLUMNS = 8
#: LAMMPS' fix takes so many variables at most.
MOST_COORDINATES = 3


def chart_file(
    layers: Sequence[tuple[str, Mapping[str, Any]]],
    distribution: Mapping[str, Any],
    minimum: ArrayLike,
    scale: ArrayLike,
    bond_length: float,
) -> str:
    """Return the text of a chart file.

    Parameters
    ----------
    layers
        Of the encoder, as `Chart.encoder_layers()` has them: ``Conv1d``, ``MaxPool1d``, ``ReLU``,
        ``BatchNorm1d``, ``Flatten`` and ``Linear`` with the names of torch.
    distribution
        ``shortest``, ``longest``, ``bins`` and ``bandwidth``, lengths in bond lengths.
    minimum, scale
        Normalisation of the bins, shape (bins,): the network takes ``(g - minimum) / scale``.
    bond_length
        Å.

    Raises
    ------
    ValueError
        If a layer is of another kind, a number is not finite, or the encoder has no one to three
        outputs.
    """
    lowest, width = np.asarray(minimum, float), np.asarray(scale, float)
    bins = int(distribution["bins"])
    if lowest.shape != (bins,) or width.shape != (bins,) or not (width > 0).all():
        raise ValueError(f"`minimum` and `scale` need {bins} numbers, one a bin, scales above 0")
    if not 0 < bond_length < np.inf:
        raise ValueError(f"the bond length {bond_length!r} must be a positive number (Å)")
    if not layers or layers[-1][0] != "Linear":
        raise ValueError("the last layer of the encoder must be `Linear`")
    outputs = len(np.asarray(layers[-1][1]["bias"]))
    if outputs > MOST_COORDINATES:
        raise ValueError(f"the chart has {outputs} coordinates: LAMMPS takes {MOST_COORDINATES}")
    lengths = [float(distribution[name]) for name in ("shortest", "longest", "bandwidth")]
    lines = [
        f"nanoclusters-chart {VERSION}",
        f"bond_length {float(bond_length)!r}",
        f"distribution {lengths[0]!r} {lengths[1]!r} {bins} {lengths[2]!r}",
        "minimum",
        *_rows(lowest),
        "scale",
        *_rows(width),
    ]
    for kind, values in layers:
        lines += _layer(kind, values)
    return "\n".join([*lines, "end", ""])


def _layer(kind: str, values: Mapping[str, Any]) -> list[str]:
    if kind in ("ReLU", "Flatten"):
        return [kind.lower()]
    if kind == "MaxPool1d":
        return [f"maxpool1d {int(values['kernel_size'])}"]
    if kind == "BatchNorm1d":  # as it is evaluated: a factor and a shift
        mean, variance = (np.asarray(values[n], float) for n in ("running_mean", "running_var"))
        factor = np.asarray(values["weight"], float) / np.sqrt(variance + float(values["eps"]))
        shift = np.asarray(values["bias"], float) - mean * factor
        return [f"batchnorm1d {len(factor)}", *_rows(factor), *_rows(shift)]
    weight = np.asarray(values["weight"], float) if kind in ("Conv1d", "Linear") else None
    if weight is None:
        raise ValueError(f"the fix of LAMMPS has no layer `{kind}`")
    bias = np.asarray(values["bias"], float)
    head = f"{weight.shape[1]} {weight.shape[0]}"
    if kind == "Linear":
        return [f"linear {head}", *_rows(weight), *_rows(bias)]
    left, right = (int(n) for n in values["padding"])
    return [f"conv1d {head} {weight.shape[2]} {left} {right}", *_rows(weight), *_rows(bias)]


def _rows(values: NDArray[np.float64]) -> Iterator[str]:
    if not np.isfinite(values).all():
        raise ValueError("the chart holds numbers that are not finite")
    flat = values.ravel()
    for start in range(0, len(flat), _COLUMNS):
        yield " ".join(format(v, ".9g") for v in flat[start : start + _COLUMNS])

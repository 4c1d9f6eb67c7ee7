"""A small random encoder, as a chart file and in torch, and LAMMPS runs with the fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.cluster import Icosahedron

from aiida_nanoclusters.formats.lammps.chart_file import chart_file
from tests.lammps_plugin.conftest import data_file, run_lmp, standard

DISTRIBUTION = {"shortest": 0.6, "longest": 4.2, "bins": 72, "bandwidth": 0.08}
BOND = 2.556
#: Distances between which an atom stops being a neighbour, Å.
NEIGHBOURS = "2.9 3.6"
HEAD = """units metal
atom_style atomic
atom_modify map array
boundary f f f
read_data data.lmp
mass * 63.546
"""
ZERO = "pair_style zero 6.0\npair_coeff * *\n"
#: Morse potential of copper (Girifalco and Weizer, Phys. Rev. 114, 687 (1959)).
MORSE = "pair_style morse 8.0\npair_coeff * * 0.3429 1.3588 2.866\npair_modify shift yes\n"


class RandomChart:
    """Blocks of convolution, pooling, ReLU and normalisation, and a linear layer."""

    def __init__(self, channels=(6, 5), kernels=(5, 4), outputs=3, seed=1):
        generator = torch.Generator().manual_seed(seed)

        def numbers(*shape: int) -> torch.Tensor:
            return torch.rand(*shape, generator=generator, dtype=torch.float64) - 0.5

        self.layers: list[tuple[str, dict[str, Any]]] = []
        before, length = 1, int(DISTRIBUTION["bins"])
        for after, kernel in zip(channels, kernels, strict=True):
            left = (kernel - 1) // 2
            weights = {"weight": numbers(after, before, kernel), "bias": numbers(after)}
            self.layers += [
                ("Conv1d", {**weights, "padding": [left, kernel - 1 - left]}),
                ("MaxPool1d", {"kernel_size": 2}),
                ("ReLU", {}),
            ]
            norm = {name: 1 + numbers(after) for name in ("weight", "running_var")}
            norm |= {name: numbers(after) for name in ("bias", "running_mean")}
            self.layers.append(("BatchNorm1d", {**norm, "eps": 1e-5}))
            before, length = after, length // 2
        linear = {"weight": numbers(outputs, before * length), "bias": numbers(outputs)}
        self.layers += [("Flatten", {}), ("Linear", linear)]
        self.minimum = 0.1 * numbers(int(DISTRIBUTION["bins"])).numpy()
        self.scale = 1 + numbers(int(DISTRIBUTION["bins"])).numpy()

    def write(self, path: Path) -> None:
        """Write the chart file."""
        layers = [(kind, {k: np.asarray(v) for k, v in p.items()}) for kind, p in self.layers]
        path.write_text(chart_file(layers, DISTRIBUTION, self.minimum, self.scale, BOND))

    def coordinates(self, positions: np.ndarray) -> np.ndarray:
        """Coordinates by the definition: the sum over all pairs, the layers of torch."""
        first, longest, bins, s = DISTRIBUTION.values()
        width = (longest - first) / bins
        centres = torch.tensor(first + (np.arange(int(bins)) + 0.5) * width)
        d = torch.pdist(torch.tensor(positions)) / BOND
        g = torch.exp(-((centres[:, None] - d) ** 2) / (2 * s**2)).mean(1) / (
            s * (2 * np.pi) ** 0.5
        )
        x = ((g - torch.tensor(self.minimum)) / torch.tensor(self.scale))[None, None]
        functional = torch.nn.functional
        for kind, p in self.layers:
            if kind == "Conv1d":
                x = functional.conv1d(functional.pad(x, p["padding"]), p["weight"], p["bias"])
            elif kind == "MaxPool1d":
                x = functional.max_pool1d(x, p["kernel_size"])
            elif kind == "ReLU":
                x = torch.relu(x)
            elif kind == "BatchNorm1d":
                moments = p["running_mean"], p["running_var"]
                x = functional.batch_norm(x, *moments, p["weight"], p["bias"], eps=p["eps"])
            elif kind == "Flatten":
                x = x.flatten(1)
            else:
                x = functional.linear(x, p["weight"], p["bias"])
        return x[0].numpy()


def cluster(seed: int = 3, amplitude: float = 0.15) -> Atoms:
    """Icosahedron of 55 copper atoms, rattled."""
    atoms = Icosahedron("Cu", 3)
    atoms.set_tags(0)
    atoms.rattle(amplitude, seed=seed)
    return standard(atoms)


def run(
    folder: Path, plugin: Path, script: str, atoms: Atoms, ranks: int = 1, potential: str = ZERO
) -> str:
    """Run LAMMPS with the fix, and return what it printed."""
    (folder / "data.lmp").write_text(data_file(atoms, ["Cu"]))
    done = run_lmp(HEAD + potential + script, folder, plugin, ranks)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def table(text: str) -> np.ndarray:
    """Rows of a file of the fix, or of a dump of forces."""
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return np.array(rows, float)


def thermo(output: str) -> np.ndarray:
    """All rows of thermodynamic output."""
    rows, inside = [], False
    for line in output.splitlines():
        words = line.split()
        if words and words[0] == "Step":
            inside = True
        elif line.startswith("Loop time"):
            inside = False
        elif inside and words and words[0].isdigit():
            rows.append([float(w) for w in words])
    return np.array(rows)

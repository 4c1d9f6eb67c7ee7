"""The networks: core encoder, ligand encoder, head of a pretraining, classification of pairs.

The core encoder embeds the elements linearly and lets the layers of a graph network act, each with
a skip connection from its input to its output and nothing after it; the mean over the atoms is the
vector of the core (J. Wang et al., CoLiM). Layers are those of torch_geometric. A training job
carries this file: it imports nothing of this package.

Weights are of single precision whatever torch's default is: a model of nequip leaves double
precision in its process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch_geometric.nn.conv import CGConv, GINEConv
from torch_geometric.nn.models.schnet import InteractionBlock

from .graphs import GraphBatch

#: Rows of the table of elements: atomic numbers up to 118.
ELEMENTS = 119
#: Whose versions a training reports.
LIBRARIES = ("numpy", "torch", "torch_geometric")


@contextmanager
def single_precision() -> Iterator[None]:
    """Make layers in single precision, and leave torch's default as it was."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class CrystalConvolution(CGConv):
    """The convolution of crystal graphs (T. Xie, J. C. Grossman, PRL 120, 145301 (2018)).

    The same numbers as torch_geometric's layer, from the same weights: the products with the
    features of the atoms are made once for each atom and not once for each edge.
    """

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """Return the features (A, F) after the convolution, its own skip connection included."""
        weight = torch.cat([self.lin_f.weight, self.lin_s.weight])
        bias = torch.cat([self.lin_f.bias, self.lin_s.bias])
        width = x.shape[1]
        to, of, along = weight[:, :width], weight[:, width : 2 * width], weight[:, 2 * width :]
        mixed = torch.addmm(bias, edge_attr, along.T)
        mixed += (x @ to.T).index_select(0, edge_index[1])
        mixed += (x @ of.T).index_select(0, edge_index[0])
        gate, core = mixed.chunk(2, dim=1)
        messages = torch.sigmoid(gate) * nn.functional.softplus(core)
        total = torch.zeros_like(x).index_add_(0, edge_index[1], messages)
        return (total if self.bn is None else self.bn(total)) + x


class _CrystalLayer(nn.Module):
    def __init__(self, features: int, gaussians: int, cutoff: float) -> None:
        super().__init__()
        self.conv = CrystalConvolution(features, gaussians, batch_norm=True)

    def forward(self, x: Tensor, edges: Tensor, distances: Tensor, expanded: Tensor) -> Tensor:
        """Return the features after the layer."""
        return self.conv(x, edges, expanded)


class _ContinuousLayer(nn.Module):
    def __init__(self, features: int, gaussians: int, cutoff: float) -> None:
        super().__init__()
        self.block = InteractionBlock(features, gaussians, features, cutoff)

    def forward(self, x: Tensor, edges: Tensor, distances: Tensor, expanded: Tensor) -> Tensor:
        """Return the features after the layer."""
        return x + self.block(x, edges, distances, expanded)


class _SumLayer(nn.Module):
    def __init__(self, features: int, edge_features: int, cutoff: float = 0.0) -> None:
        super().__init__()
        inner = nn.Sequential(
            nn.Linear(features, features), nn.ReLU(), nn.Linear(features, features)
        )
        self.conv = GINEConv(inner, edge_dim=edge_features)
        self.norm = nn.BatchNorm1d(features)

    def forward(self, x: Tensor, edges: Tensor, distances: Tensor, expanded: Tensor) -> Tensor:
        """Return the features after the layer."""
        return x + torch.relu(self.norm(self.conv(x, edges, expanded)))


_LAYERS = {"cgcnn": _CrystalLayer, "schnet": _ContinuousLayer, "gin": _SumLayer}


class CoreEncoder(nn.Module):
    """From cores to vectors.

    Parameters
    ----------
    settings
        Fields of CoreEncoderSettings.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        features, count = settings["features"], settings["gaussians"]
        self.cutoff, self.gaussians = float(settings["cutoff"]), int(count)
        self.embedding = nn.Embedding(ELEMENTS, features)
        layer = _LAYERS[settings["kind"]]
        self.layers = nn.ModuleList(
            layer(features, count, self.cutoff) for _ in range(settings["layers"])
        )

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return the vectors of the cores of a batch, shape (count, features)."""
        device = self.embedding.weight.device
        numbers, edges, distances, owners = (
            torch.as_tensor(a, device=device)
            for a in (batch.nodes, batch.edges, batch.values, batch.owners)
        )
        expanded = self._expand(distances)
        x = self.embedding(numbers)
        for layer in self.layers:
            x = layer(x, edges, distances, expanded)
        return _mean(x, owners, batch.count)

    def _expand(self, distances: Tensor) -> Tensor:
        """Return the Gaussians of distances (E,), shape (E, gaussians)."""
        step = self.cutoff / (self.gaussians - 1)
        centres = torch.arange(self.gaussians, device=distances.device, dtype=torch.float32) * step
        return torch.exp(-0.5 * ((distances[:, None] - centres) / step) ** 2)


class EnergyNetwork(nn.Module):
    """Core encoder with a head that gives the formation energy per atom, normalised."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__()
        features = settings["features"]
        self.core = CoreEncoder(settings)
        self.head = nn.Sequential(
            nn.Linear(features, features), nn.Softplus(), nn.Linear(features, 1)
        )

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return the normalised energies of a batch, shape (count,)."""
        return self.head(self.core(batch))[:, 0]


class LigandEncoder(nn.Module):
    """From ligands to vectors.

    Parameters
    ----------
    settings
        Fields of LigandEncoderSettings.
    inputs, edge_inputs
        Features of a ligand or of its atoms, and of its bonds.
    """

    def __init__(self, settings: Mapping[str, Any], inputs: int, edge_inputs: int) -> None:
        super().__init__()
        hidden, features = settings["hidden"], settings["features"]
        self.is_graph = settings["kind"] == "graph"
        if self.is_graph:
            self.embedding = nn.Linear(inputs, hidden)
            self.layers = nn.ModuleList(
                _SumLayer(hidden, edge_inputs) for _ in range(settings["layers"])
            )
            self.last = nn.Linear(hidden, features)
        else:
            self.layers = nn.ModuleList(
                [nn.Linear(inputs, hidden), nn.Softplus(), nn.Linear(hidden, features)]
            )

    def forward(self, ligands: GraphBatch | NDArray[Any]) -> Tensor:
        """Return the vectors of ligands (L, inputs), or of molecular graphs; (L, features)."""
        if not isinstance(ligands, GraphBatch):
            x = torch.as_tensor(ligands, device=next(self.parameters()).device)
            for layer in self.layers:
                x = layer(x)
            return x
        device = self.last.weight.device
        nodes, edges, bonds, owners = (
            torch.as_tensor(a, device=device)
            for a in (ligands.nodes, ligands.edges, ligands.values, ligands.owners)
        )
        x = self.embedding(nodes)
        for layer in self.layers:
            x = layer(x, edges, bonds, bonds)
        total = torch.zeros(ligands.count, x.shape[1], dtype=x.dtype, device=device)
        # The sum, not the mean: the length of a ligand matters.
        return self.last(total.index_add_(0, owners, x))


class MatchingNetwork(nn.Module):
    """Dual encoder and classification of pairs.

    The features of a pair are those of its core and those of its ligand set one after the other;
    those of a set are the mean over its members: order and ratio do not matter.

    Parameters
    ----------
    settings
        ``core``, ``ligand`` and ``classifier`` as of MatchingSettings.
    inputs, edge_inputs
        Features of a ligand or of its atoms, and of its bonds.
    """

    def __init__(self, settings: Mapping[str, Any], inputs: int, edge_inputs: int) -> None:
        super().__init__()
        hidden = settings["classifier"]["hidden"]
        width = settings["core"]["features"] + settings["ligand"]["features"]
        self.core = CoreEncoder(settings["core"])
        self.ligand = LigandEncoder(settings["ligand"], inputs, edge_inputs)
        self.head = nn.Sequential(
            nn.BatchNorm1d(width),
            nn.Dropout(settings["classifier"]["dropout"]),
            nn.Linear(width, hidden),
            nn.Softplus(),
            nn.Linear(hidden, 1),
        )
        self.frozen_core = False

    def freeze_core(self) -> None:
        """Keep the numbers of the core encoder, those of its batch normalisation included."""
        self.frozen_core = True
        self.core.requires_grad_(False)
        self.core.eval()

    def train(self, mode: bool = True) -> MatchingNetwork:
        """Set the mode; a frozen core encoder stays in that of evaluation."""
        super().train(mode)
        if self.frozen_core:
            self.core.eval()
        return self

    def classify(self, cores: Tensor, ligand_sets: Tensor) -> Tensor:
        """Return the logits of pairs from the vectors of both, shape (P,)."""
        return self.head(torch.cat([cores, ligand_sets], dim=1))[:, 0]


def mean_of_sets(ligands: Tensor, members: NDArray[Any], owners: NDArray[Any], n: int) -> Tensor:
    """Return the mean of the ligands of each set.

    Parameters
    ----------
    ligands
        Vectors of ligands, shape (L, features).
    members, owners
        Ligand of each membership and the set that it belongs to, shape (M,).
    n
        Number of sets.
    """
    device = ligands.device
    chosen = ligands[torch.as_tensor(members, device=device)]
    return _mean(chosen, torch.as_tensor(owners, device=device), n)


def _mean(rows: Tensor, owners: Tensor, count: int) -> Tensor:
    total = torch.zeros(count, rows.shape[1], dtype=rows.dtype, device=rows.device)
    numbers = torch.bincount(owners, minlength=count).clamp(min=1).to(rows.dtype)
    return total.index_add_(0, owners, rows) / numbers[:, None]


def make_energy_network(settings: Mapping[str, Any]) -> EnergyNetwork:
    """Return an untrained network of a pretraining, of single precision."""
    with single_precision():
        return EnergyNetwork(settings)


def make_matching_network(
    settings: Mapping[str, Any], inputs: int, edge_inputs: int
) -> MatchingNetwork:
    """Return an untrained matching network of single precision."""
    with single_precision():
        return MatchingNetwork(settings, inputs, edge_inputs)

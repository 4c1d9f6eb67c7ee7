"""Shapes of all numbers of the networks by name, known without torch.

A file of unknown origin is held against them before it is read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from aiida_nanoclusters.science.ligands.encoder_settings import (
    ClassifierSettings,
    CoreEncoderSettings,
    LigandEncoderSettings,
)

Shapes = dict[str, tuple[int, ...]]

#: Most weights of a model: some hundred times those of the defaults.
MOST_WEIGHTS = 50_000_000
#: Rows of the table of elements.
_ELEMENTS = 119


def _linear(name: str, into: int, out: int) -> Shapes:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def _norm(name: str, size: int) -> Shapes:
    keys = ("weight", "bias", "running_mean", "running_var")
    return {**{f"{name}.{k}": (size,) for k in keys}, f"{name}.num_batches_tracked": ()}


def _sum_layer(name: str, features: int, edges: int) -> Shapes:
    return {
        **_linear(f"{name}.conv.nn.0", features, features),
        **_linear(f"{name}.conv.nn.2", features, features),
        **_linear(f"{name}.conv.lin", edges, features),
        f"{name}.conv.eps": (1,),
        **_norm(f"{name}.norm", features),
    }


def _crystal_layer(name: str, features: int, edges: int) -> Shapes:
    into = 2 * features + edges
    return {
        **_linear(f"{name}.conv.lin_f", into, features),
        **_linear(f"{name}.conv.lin_s", into, features),
        **_norm(f"{name}.conv.bn", features),
    }


def _continuous_layer(name: str, features: int, edges: int) -> Shapes:
    block = f"{name}.block"
    filters = {**_linear("0", edges, features), **_linear("2", features, features)}
    return {
        **{f"{block}.mlp.{key}": shape for key, shape in filters.items()},
        **{f"{block}.conv.nn.{key}": shape for key, shape in filters.items()},
        f"{block}.conv.lin1.weight": (features, features),
        **_linear(f"{block}.conv.lin2", features, features),
        **_linear(f"{block}.lin", features, features),
    }


_LAYERS = {"cgcnn": _crystal_layer, "schnet": _continuous_layer, "gin": _sum_layer}


def core_shapes(settings: CoreEncoderSettings) -> Shapes:
    """Return the shapes of the numbers of a core encoder, by names that begin with ``core.``."""
    shapes: Shapes = {"core.embedding.weight": (_ELEMENTS, settings.features)}
    for layer in range(settings.layers):
        name = f"core.layers.{layer}"
        shapes |= _LAYERS[settings.kind](name, settings.features, settings.gaussians)
    return shapes


def energy_shapes(settings: CoreEncoderSettings) -> Shapes:
    """Return the shapes of the numbers of a network of a pretraining."""
    return {
        **core_shapes(settings),
        **_linear("head.0", settings.features, settings.features),
        **_linear("head.2", settings.features, 1),
    }


def ligand_shapes(settings: LigandEncoderSettings, inputs: int, edge_inputs: int) -> Shapes:
    """Return the shapes of the numbers of a ligand encoder."""
    hidden, features = settings.hidden, settings.features
    if settings.kind != "graph":
        first, last = _linear("ligand.layers.0", inputs, hidden), "ligand.layers.2"
        return {**first, **_linear(last, hidden, features)}
    shapes = _linear("ligand.embedding", inputs, hidden)
    for layer in range(settings.layers):
        shapes |= _sum_layer(f"ligand.layers.{layer}", hidden, edge_inputs)
    return {**shapes, **_linear("ligand.last", hidden, features)}


def matching_shapes(
    core: CoreEncoderSettings,
    ligand: LigandEncoderSettings,
    classifier: ClassifierSettings,
    inputs: int,
    edge_inputs: int,
) -> Shapes:
    """Return the shapes of the numbers of a matching network."""
    width = core.features + ligand.features
    return {
        **core_shapes(core),
        **ligand_shapes(ligand, inputs, edge_inputs),
        **_norm("head.0", width),
        **_linear("head.2", width, classifier.hidden),
        **_linear("head.4", classifier.hidden, 1),
    }


def count_numbers(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Return how many numbers a network has."""
    return sum(math.prod(shape) for shape in shapes.values())

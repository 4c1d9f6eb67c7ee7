"""What a report says of the committee: learning curves, errors, parity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from aiida_nanoclusters.cli import report_data as data


def collect_training(nodes: Mapping[str, Any]) -> data.TrainingPart | None:
    """Read the outputs of a TrainWorkChain, by dotted name; None where there are none."""
    if not nodes:
        return None
    errors = nodes["errors"].get_dict() if "errors" in nodes else {}
    uuid = nodes["errors"].uuid if "errors" in nodes else ""
    return data.TrainingPart(
        potentials=tuple(
            data.Potential(
                member=name,
                kind=node.kind,
                cutoff=node.cutoff,
                level_of_theory=node.level_of_theory,
                uuid=node.uuid,
                compiled_uuid=compiled.uuid if compiled is not None else "",
            )
            for name, node, compiled in _members(nodes)
        ),
        curves=tuple(
            _curve(name, node) for name, node in _namespace(nodes, "learning_curves").items()
        ),
        errors=tuple(_error_rows(errors)),
        errors_uuid=uuid,
        parities=tuple(_parities(nodes["parity"])) if "parity" in nodes else (),
        motif_difference=_motif_difference(errors, uuid),
    )


def _namespace(nodes: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {k.split(".", 1)[1]: node for k, node in nodes.items() if k.startswith(f"{name}.")}


def _members(nodes: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    compiled = _namespace(nodes, "compiled")
    packaged = _namespace(nodes, "potentials")
    for name in sorted({*packaged, *compiled}):
        yield name, packaged.get(name, compiled.get(name)), compiled.get(name)


def _curve(member: str, node: Any) -> data.LearningCurve:
    arrays = {name: np.asarray(node.get_array(name), float) for name in node.get_arraynames()}
    epochs = arrays.pop("epoch")
    metrics = {}
    for name, values in arrays.items():
        known = np.isfinite(values)
        if values.shape == epochs.shape and known.any():
            metrics[name] = (epochs[known], values[known])
    return data.LearningCurve(member, metrics, node.uuid)

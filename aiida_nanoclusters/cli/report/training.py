"""Section of a report on the committee: learning curves, errors, parity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from aiida_nanoclusters.cli.report import content
from aiida_nanoclusters.science.keys import FORMER_KEYS, with_present_keys
from aiida_nanoclusters.science.learning.error_rows import error_rows, in_order
from aiida_nanoclusters.science.learning.metrics import COMMITTEE, parity_name


def collect_training(nodes: Mapping[str, Any]) -> content.TrainingPart | None:
    """Read the outputs of a TrainWorkChain, by dotted name; None where there are none."""
    if not nodes:
        return None
    errors = with_present_keys(nodes["errors"].get_dict()) if "errors" in nodes else {}
    uuid = nodes["errors"].uuid if "errors" in nodes else ""
    return content.TrainingPart(
        potentials=tuple(
            content.Potential(
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
            read_curve(name, node) for name, node in _namespace(nodes, "learning_curves").items()
        ),
        errors=tuple(content.ErrorRow(**row) for row in error_rows(errors)),
        errors_uuid=uuid,
        deviations=tuple(_deviations(errors)),
        parities=tuple(_parities(nodes["parity"])) if "parity" in nodes else (),
        motif_difference=_motif_difference(errors, uuid),
        alignments=tuple(_alignments(_namespace(nodes, "reports"))),
    )


def _namespace(nodes: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {k.split(".", 1)[1]: node for k, node in nodes.items() if k.startswith(f"{name}.")}


def _members(nodes: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    compiled = _namespace(nodes, "compiled")
    packaged = _namespace(nodes, "potentials")
    for name in sorted({*packaged, *compiled}):
        yield name, packaged.get(name, compiled.get(name)), compiled.get(name)


def read_curve(member: str, node: Any) -> content.LearningCurve:
    """Return the learning curve of a member; epochs without a number are left out."""
    arrays = {name: np.asarray(node.get_array(name), float) for name in node.get_arraynames()}
    epochs = arrays.pop("epoch")
    metrics = {}
    for name, values in arrays.items():
        known = np.isfinite(values)
        if values.shape == epochs.shape and known.any():
            metrics[name] = (epochs[known], values[known])
    return content.LearningCurve(member, metrics, node.uuid)


def _deviations(errors: Mapping[str, Any]) -> Iterator[content.Deviation]:
    sets = errors.get("sets", {})
    for part in in_order(sets):
        found = sets[part]
        values = found[COMMITTEE].get("max_force_deviation")
        if values is not None:
            yield content.Deviation(part, values["mean"], values["max"], values["correlation"])


def _parities(node: Any) -> Iterator[content.Parity]:
    """Yield reference and mean of the members for each set, where both are known."""
    members = node.base.attributes.get("members")
    config_types = node.base.attributes.get("config_types")
    names = set(node.get_arraynames())
    for part in in_order(node.base.attributes.get("sets")):
        pairs = {}
        for quantity in ("energies", "forces"):
            own = [parity_name(part, quantity, m) for m in members]
            predicted = np.mean([node.get_array(name) for name in own if name in names], axis=0)
            reference = node.get_array(parity_name(part, quantity))
            known = np.isfinite(predicted) & np.isfinite(reference)
            pairs[quantity] = (reference[known], predicted[known], known)
        kinds = np.array(config_types[part])[pairs["energies"][2]]
        sizes, of_forces = parity_name(part, "sizes"), np.array([], dtype=str)
        if sizes in names:
            repeats = 3 * np.asarray(node.get_array(sizes), dtype=int)
            of_forces = np.repeat(config_types[part], repeats)[pairs["forces"][2]]
        yield content.Parity(
            part=FORMER_KEYS.get(part, part),
            member="mean of the committee" if len(members) > 1 else members[0],
            energy=pairs["energies"][:2],
            force=pairs["forces"][:2],
            config_types=tuple(str(kind) or "other" for kind in kinds),
            force_types=tuple(str(kind) or "other" for kind in of_forces),
            uuid=node.uuid,
        )


def _motif_difference(errors: Mapping[str, Any], uuid: str) -> content.MotifDifference | None:
    found = errors.get("motif_difference")
    if found is None:
        return None
    members = {name: float(m["difference"]) for name, m in sorted(found["members"].items())}
    return content.MotifDifference(members, uuid)


def _alignments(reports: Mapping[str, Any]) -> Iterator[content.Alignment]:
    """Yield the alignment of each member that has one."""
    for member, node in sorted(reports.items()):
        found = node.get_dict().get("alignment")
        if found is None:
            continue
        before, blind = found.get("before") or {}, found.get("blind") or {}
        name = "motif_difference" if found.get("mode") == "motifs" else "held_out_energy_rmse"
        yield content.Alignment(
            member=member,
            applied=found["applied"],
            reason=found["reason"],
            damping=found.get("damping"),
            held_out=len(found.get("held_out", ())),
            before=before.get(name),
            blind=blind.get(name),
            forces_before=before.get("forces_rmse"),
            forces_after=(found.get("after") or {}).get("forces_rmse"),
            uuid=node.uuid,
        )

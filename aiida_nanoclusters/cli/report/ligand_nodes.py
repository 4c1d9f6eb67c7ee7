"""The parts of a report on ligands, read from the nodes of the work chains that made them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from aiida_nanoclusters.cli.report.content import Structure
from aiida_nanoclusters.cli.report.ligand_content import CompatibilityPart, RankingPart
from aiida_nanoclusters.queries.matching_models import COMPATIBILITY, RANKINGS, training_of
from aiida_nanoclusters.science.ligands.bond_lengths import bond_lengths

if TYPE_CHECKING:
    from aiida.orm import ProcessNode

#: Cores that are drawn at most, and atoms of the largest.
MOST_DRAWN, LARGEST_DRAWN = 60, 1500
#: Neighbours in a drawing are within this many bond lengths.
_BOND = 1.2


def collect_compatibility(process: ProcessNode) -> CompatibilityPart | None:
    """Read a CompatibilityWorkChain, of a ranking the one that trained its models; None without."""
    chain = process if process.process_label == COMPATIBILITY else training_of(process)
    nodes = {} if chain is None else _outputs(chain)
    if "pairs" not in nodes:
        return None
    told = nodes["pairs"].base.attributes
    counts = {name: int(told.get(name)) for name in ("n_pairs", "n_positive", "n_cores")}
    counts["n_ligands"] = int(told.get("n_ligands"))
    shown = ("pairs", "collection", "negatives", "encoder", "pretraining", "methods")
    return CompatibilityPart(
        counts=counts,
        methods=_content(nodes.get("methods")),
        left_out=tuple(_content(nodes.get("collection")).get("left_out", ())),
        negatives=_content(nodes.get("negatives")),
        leaks={key: node.get_dict() for key, node in _under(nodes, "leaks").items()},
        pretraining=_content(nodes.get("pretraining")),
        curves={key: _arrays(node) for key, node in _under(nodes, "learning_curves").items()},
        maps={key: _arrays(node) for key, node in _under(nodes, "maps").items()},
        separations={key: node.get_dict() for key, node in _under(nodes, "separations").items()},
        uuids={
            **{name: nodes[name].uuid for name in shown if name in nodes},
            **{f"model {key}": node.uuid for key, node in _under(nodes, "models").items()},
        },
    )


def collect_ranking(process: ProcessNode) -> RankingPart | None:
    """Read a ranking or edits of a core; None of another process, or where there is none yet."""
    nodes = _outputs(process) if process.process_label in RANKINGS else {}
    if "table" not in nodes:
        return None
    frames = nodes.get("edits") or _input(process, "cores")
    table, found = nodes["table"].get_dict(), _content(nodes.get("stability"))
    described = _content(nodes.get("edit_table")).get("rows", ())
    comparison = _content(nodes.get("comparison")).get("rows", ())
    drawn = [row["index"] for row in comparison] or list(range(len(table["cores"])))
    structures = [
        draw_core(frames.frames[k], table["cores"][k], described, k, frames.uuid)
        for k in drawn[:MOST_DRAWN]
        if int(frames.frames.sizes[k]) <= LARGEST_DRAWN
    ]
    return RankingPart(
        table=table,
        structures=tuple(structures),
        comparison=tuple(comparison),
        stability=tuple(found.get("rows", ())),
        level=str(found.get("level_of_theory", "")),
        uuids={name: node.uuid for name, node in sorted(nodes.items())},
    )


def _outputs(process: ProcessNode) -> dict[str, Any]:
    """Return the outputs by dotted name."""
    from aiida.common.links import LinkType

    links = process.base.links.get_outgoing(link_type=LinkType.RETURN).all()
    return {link.link_label.replace("__", "."): link.node for link in links}


def _content(node: Any) -> dict[str, Any]:
    return {} if node is None else dict(node.get_dict())


def _under(nodes: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = {k.partition(".")[2]: v for k, v in nodes.items() if k.startswith(f"{name}.")}
    return dict(sorted(found.items()))


def _arrays(node: Any) -> dict[str, Any]:
    return {name: node.get_array(name) for name in node.get_arraynames()}


def _input(chain: ProcessNode, name: str) -> Any:
    link = chain.base.links.get_incoming(link_label_filter=name).first()
    return None if link is None else link.node


def draw_core(
    atoms: Atoms, row: Mapping[str, Any], described: Any, index: int, uuid: str
) -> Structure:
    """Return a core as it is drawn: by element, with what is said of it.

    Parameters
    ----------
    atoms
        The core.
    row
        Its row of the ranking.
    described
        Rows of the edits; empty where none was edited.
    index, uuid
        Which of them it is, and the node that holds it.
    """
    limits = _BOND * bond_lengths(atoms.numbers, atoms.numbers)
    bonded = np.triu(atoms.get_all_distances() <= limits, 1)
    best = row["rows"][0]
    what = described[index]["description"] if described else row.get("name") or ""
    text = f"best set with probability {best['probability']:.2f}"
    if row["outside"]:
        text += "; outside of what the models have seen"
    return Structure(
        size=len(atoms),
        label=f"{row['formula']}{', ' + what if what else ''}",
        positions=atoms.positions - atoms.positions.mean(axis=0),
        coordination=bonded.sum(axis=0) + bonded.sum(axis=1),
        energy=None,
        motif="",
        uuid=uuid,
        text=f"{text}.",
        symbols=tuple(atoms.get_chemical_symbols()),
        bonds=tuple((int(a), int(b)) for a, b in zip(*np.nonzero(bonded), strict=True)),
    )

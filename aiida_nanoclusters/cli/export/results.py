"""What a result consists of: the nodes of a process by their names, or one node of data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiida.orm import Data, Node


@dataclass(frozen=True)
class Result:
    """A process or a node of data, and what is exported of it.

    Attributes
    ----------
    node
        The process or the data.
    nodes
        Nodes by dotted name: outputs of a process so far; of data the node itself, named by its
        label or its type.
    """

    node: Node
    nodes: Mapping[str, Data]

    def of_type(self, kind: type | tuple[type, ...]) -> dict[str, Any]:
        """Return the nodes of a type by their name, each once."""
        found: dict[str, Any] = {}
        for name, node in self.nodes.items():
            if isinstance(node, kind) and all(node.uuid != held.uuid for held in found.values()):
                found[name] = node
        return found


def result_of(node: Node) -> Result:
    """Return what can be exported of a process, which may still run or have failed, or of data."""
    from aiida.orm import Data, ProcessNode

    from aiida_nanoclusters.cli.report.collect import outputs_so_far

    if isinstance(node, ProcessNode):
        found = outputs_so_far(node)
        return Result(node, {name: n for name, n in found.items() if isinstance(n, Data)})
    assert isinstance(node, Data)
    name = node.label or type(node).__name__.removesuffix("Data").lower()
    return Result(node, {name: node})

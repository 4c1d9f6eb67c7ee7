"""What a shell completes: codes, and UUIDs of nodes, of the default profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from click.shell_completion import CompletionItem

from aiida_nanoclusters.cli.terminal import Fixable, open_profile

#: How many nodes a completion offers at most.
COMPLETED = 50


def complete_codes(*_: Any) -> list[CompletionItem]:
    """Return the codes of the default profile whose full label begins as typed."""
    from aiida.orm import Data

    # The abstract class of codes itself would find every Data.
    found = _stored(Data, {"node_type": {"like": "data.core.code.%"}})
    found = [code for code in found if not code.is_hidden]
    labels = {code.full_label: code.description for code in found}
    return [CompletionItem(k, help=v) for k, v in labels.items() if k.startswith(_[-1])]


def complete_nodes(*kinds: str) -> Callable[..., list[CompletionItem]]:
    """Return a completion of the UUIDs of the newest nodes of these classes of `aiida.orm`.

    ``frames`` and ``potential`` are those of this package.
    """

    def complete(*_: Any) -> list[CompletionItem]:
        from aiida import orm
        from aiida.plugins import DataFactory

        own = {"frames": "nanoclusters.frames", "potential": "nanoclusters.potential"}
        classes = [DataFactory(own[k]) if k in own else getattr(orm, k) for k in kinds]
        items = []
        for node in (node for one in classes for node in _stored(one)):
            if node.uuid.startswith(_[-1]):
                what = getattr(node, "process_label", None) or node.label or type(node).__name__
                items.append(CompletionItem(node.uuid, help=f"{what} {node.ctime:%Y-%m-%d %H:%M}"))
        return items

    return complete


def _stored(kind: Any, filters: Any = None) -> list[Any]:
    """Return the newest nodes of a class; none where there is no profile to ask."""
    from aiida.orm import QueryBuilder

    try:
        open_profile(None)
    except Fixable:
        return []
    query = (
        QueryBuilder()
        .append(kind, tag="node", filters=filters or {})
        .order_by({"node": {"ctime": "desc"}})
    )
    return query.limit(COMPLETED).all(flat=True)

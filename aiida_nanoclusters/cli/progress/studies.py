"""What was launched by a person: studies and single work chains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

#: What a person calls a study: all parts in one.
STUDY = "StudyWorkChain"


@dataclass(frozen=True)
class Launched:
    """A work chain that no other process called."""

    pk: int
    uuid: str
    name: str
    label: str
    started: datetime
    state: str
    exit_status: int | None

    @property
    def outcome(self) -> str:
        """State in one word."""
        if self.state == "finished":
            return "failed" if self.exit_status else "finished"
        return self.state


def launched() -> list[Launched]:
    """Return the work chains of this package that were launched by no other, the latest first."""
    from aiida.orm import QueryBuilder, WorkChainNode, WorkflowNode

    from aiida_nanoclusters.queries.nodes import linked

    names = ("process_label", "process_state", "exit_status")
    query = QueryBuilder().append(
        WorkChainNode,
        filters={"process_type": {"like": "aiida.workflows:nanoclusters.%"}},
        tag="node",
        project=["id", "uuid", "ctime", "label", *(f"attributes.{name}" for name in names)],
    )
    query.order_by({"node": [{"ctime": "desc"}, {"id": "desc"}]})
    rows = query.all()
    called = {
        pk
        for pk, *_ in linked(
            WorkChainNode,
            [row[0] for row in rows],
            WorkflowNode,
            "with_outgoing",
            {"type": "call_work"},
        )
    }
    return [
        Launched(pk, str(uuid), str(name), str(label), started, str(state or "created"), status)
        for pk, uuid, started, label, name, state, status in rows
        if pk not in called
    ]


def latest_study(found: Sequence[Launched]) -> Launched:
    """Return the latest study among work chains, or the latest of them where none is a study."""
    return next((one for one in found if one.name == STUDY), found[0])

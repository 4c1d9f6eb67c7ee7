"""Potentials that carry code are run only where they were made, or once their user says so.

A packaged Allegro model holds Python code, a compiled one machine code: whoever loads it runs it.
EAM files and Lennard-Jones parameters are numbers and need no trust.
"""

from __future__ import annotations

from aiida.manage import get_manager
from aiida.orm import ImportGroup, Node, QueryBuilder

from aiida_nanoclusters.data.potential import PotentialData

#: Kinds of potential that run code of their own.
CARRIES_CODE = ("allegro", "allegro-compiled")
#: Extra of a node that came from elsewhere by `aiida-nanoclusters import`.
IMPORTED = "nanoclusters_imported"
#: Extra of a node its user trusts: the UUID of the profile, which no archive of others can know.
TRUSTED = "nanoclusters_trusted"


def may_run(node: Node) -> bool:
    """Whether the code a node carries may run: it was made here, or its user trusts it.

    An import by `aiida-nanoclusters import` marks its nodes, one by AiiDA keeps them in a group.
    """
    if not node.is_stored or node.base.extras.get(TRUSTED, None) == _profile_uuid():
        return True
    if node.base.extras.get(IMPORTED, False):
        return False
    query = QueryBuilder().append(ImportGroup, tag="group")
    return not query.append(Node, with_group="group", filters={"id": node.pk}).count()


def trust(node: Node) -> None:
    """Let a stored node run its code in this profile from now on."""
    node.base.extras.set(TRUSTED, _profile_uuid())


def trust_problem(potential: PotentialData) -> str | None:
    """Return why a potential must not be run yet, with the command that allows it, or None."""
    if potential.kind not in CARRIES_CODE or may_run(potential):
        return None
    return (
        f"potential {potential.uuid} was imported and carries code that would run: if you trust "
        f"its maker, run `aiida-nanoclusters trust {potential.uuid}`"
    )


def _profile_uuid() -> str:
    profile = get_manager().get_profile()
    assert profile is not None  # a node is at hand
    return str(profile.uuid)

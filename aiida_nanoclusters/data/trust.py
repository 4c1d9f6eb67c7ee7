"""What came from others runs only once its user says so: trust is granted, never assumed.

A packaged Allegro model holds Python code, a compiled one machine code, and a calculator is
imported by its path: whoever loads them runs them. The command line and the texts of a recorded
code or process are run by whoever runs them again. Such a node runs where it was granted trust: as
it is stored by this package, or by `aiida-nanoclusters trust`. An import grants nothing, so that
one that was interrupted leaves nothing trusted.

A grant is a keyed hash of the node's identity and content. The key is kept in the settings of the
profile's database, of which no archive holds anything: a grant cannot be forged, and one that was
exported holds neither in another profile nor for other content under the same UUID. EAM files and
Lennard-Jones parameters are numbers and need no trust.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from aiida.orm import ImportGroup, Node, ProcessNode, QueryBuilder
from aiida.orm.implementation import StorageBackend
from sqlalchemy.exc import IntegrityError

#: Kinds of potential that run code of their own.
CARRIES_CODE = ("allegro", "allegro-compiled", "calculator")
#: Extra of a node that came from elsewhere by `aiida-nanoclusters import`.
IMPORTED = "nanoclusters_imported"
#: Extra of a node that may run: its grant.
GRANT = "nanoclusters_grant"
#: Attributes that change after a process is stored, or that only its engine sets.
_UNSETTLED = ("sealed", "process_state", "process_paused", "process_status")

_KEY = "nanoclusters|trust_key"
_withheld: ContextVar[bool] = ContextVar("nanoclusters_withheld", default=False)


def may_run(node: Node) -> bool:
    """Whether what a node carries may run: it is not stored yet, or it was granted trust."""
    if not node.is_stored:
        return True
    return is_seal(node.base.extras.get(GRANT, ""), _grant_of(node))


def trust(node: Node) -> None:
    """Let a stored node run in this profile from now on."""
    node.base.extras.set(GRANT, _grant_of(node))


def trust_as_made_here(node: Node) -> None:
    """Grant trust to a node that was made here.

    What AiiDA's cache gave is a copy: it may run where what it was copied from may.
    """
    if _withheld.get() or (_is_copy(node) and not any(may_run(n) for n in _equals_of(node))):
        return
    trust(node)


def _is_copy(node: Node) -> bool:
    """Whether the cache may have given a node: it copies finished jobs alone, with outputs.

    Outputs of a job that runs here are stored before it ends; one that was killed is never copied.
    """
    creator = getattr(node, "creator", None)
    return creator is not None and creator.is_finished


def _equals_of(node: Node) -> Iterator[Node]:
    """Yield the nodes of the same content, this one too."""
    attributes = node.base.attributes.all
    filters = {
        f"attributes.{key}": value
        for key, value in attributes.items()
        if isinstance(value, (str, int, float)) and "." not in key
    }
    content = _content(node)[1:]
    for other in QueryBuilder().append(type(node), filters=filters).all(flat=True):
        if _content(other)[1:] == content:
            yield other


@contextmanager
def nothing_granted() -> Iterator[None]:
    """Store nodes without a grant: their content is someone else's."""
    token = _withheld.set(True)
    try:
        yield
    finally:
        _withheld.reset(token)


def is_withheld() -> bool:
    """Whether nodes are stored without a grant now."""
    return _withheld.get()


def came_from_elsewhere(node: Node) -> bool:
    """Whether a node is known to have been imported, by this package's import or by AiiDA's."""
    if node.base.extras.get(IMPORTED, False):
        return True
    query = QueryBuilder().append(ImportGroup, tag="group")
    return bool(query.append(Node, with_group="group", filters={"id": node.pk}).count())


def nodes_made_here() -> Iterator[Node]:
    """Yield what carries code and may not run yet, without what is known to have been imported."""
    for kind in ("data.nanoclusters.potential.%", "data.core.code.%", "data.core.remote.%"):
        query = QueryBuilder().append(Node, filters={"node_type": {"like": kind}})
        for node in query.all(flat=True):
            if not may_run(node) and not came_from_elsewhere(node):
                yield node


def trust_problem(potential: Node) -> str | None:
    """Return why a potential must not be run yet, with the command that allows it, or None."""
    if potential.base.attributes.get("kind") not in CARRIES_CODE or may_run(potential):
        return None
    return refusal(f"potential {potential.uuid}", "carries code that would run", [potential])


def refusal(what: str, why: str, nodes: Iterable[Node]) -> str:
    """Return the sentence that refuses to run something, and the command that allows it."""
    uuids = " ".join(node.uuid for node in nodes)
    return (
        f"{what} was imported, or made by an earlier version, and {why}: if you trust its maker, "
        f"run `aiida-nanoclusters trust {uuids}`"
    )


def seal_of(storage: StorageBackend, content: Any) -> str:
    """Return a keyed hash by which what this profile wrote is known from what was imported.

    Parameters
    ----------
    storage
        Of the profile, whose key is used.
    content
        Anything that JSON can hold; other objects as their text.
    """
    text = json.dumps(content, sort_keys=True, default=str)
    return hmac.new(_key(storage), text.encode(), hashlib.sha256).hexdigest()


def is_seal(given: Any, wanted: str) -> bool:
    """Whether what is found in the place of a seal is the wanted one; it may be anything."""
    if not isinstance(given, str):
        return False
    return hmac.compare_digest(given.encode(errors="surrogatepass"), wanted.encode())


def _grant_of(node: Node) -> str:
    return seal_of(node.backend, _content(node))


def _content(node: Node) -> list[Any]:
    """Return the UUID of a node, then all that it may run."""
    computer = getattr(node, "computer", None)
    return [
        node.uuid,
        node.node_type,
        node.process_type if isinstance(node, ProcessNode) else None,
        {k: v for k, v in node.base.attributes.all.items() if k not in _UNSETTLED},
        node.base.repository.hash(),
        None if computer is None else computer.uuid,
    ]


def _key(storage: StorageBackend) -> bytes:
    """Return the profile's key, which is made when it is first wanted."""
    try:
        return bytes.fromhex(str(storage.get_global_variable(_KEY)))
    except KeyError:
        key = secrets.token_hex(32)
    try:
        storage.set_global_variable(_KEY, key, "key of the grants of trust", overwrite=False)
    except (ValueError, IntegrityError):  # another process was first
        return bytes.fromhex(str(storage.get_global_variable(_KEY)))
    return bytes.fromhex(key)

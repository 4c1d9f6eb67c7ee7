"""Where the matching models of a ranking come from."""

from __future__ import annotations

from aiida.common.links import LinkType
from aiida.orm import ProcessNode, WorkChainNode

#: Work chain that trains models for use and measures others that are trained alike.
COMPATIBILITY = "CompatibilityWorkChain"
#: Work chains with a ranking: pattern of the inputs that are its models.
RANKINGS = {"MatchLigandsWorkChain": "models__%", "EditCoreWorkChain": "match__models__%"}


def training_of(ranking: ProcessNode) -> WorkChainNode | None:
    """Return the CompatibilityWorkChain that returned a model of a ranking.

    Parameters
    ----------
    ranking
        A MatchLigandsWorkChain or an EditCoreWorkChain; of another process there is none.
    """
    pattern = RANKINGS.get(str(ranking.process_label))
    models = ranking.base.links.get_incoming(link_label_filter=pattern).all() if pattern else []
    for link in models:
        for source in link.node.base.links.get_incoming(WorkChainNode, LinkType.RETURN).all():
            chain = source.node
            if isinstance(chain, WorkChainNode) and chain.process_label == COMPATIBILITY:
                return chain
    return None

"""Description of a node in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida.orm import AbstractCode, ArrayData, Dict, List, Node, ProcessNode, RemoteData

from aiida_nanoclusters.calculations.labels.predictions import level_of
from aiida_nanoclusters.data.chart import ChartData
from aiida_nanoclusters.data.core_encoder import CoreEncoderData
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.matching_model import MatchingModelData
from aiida_nanoclusters.data.pairs import PairsData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.queries.nodes import leaving_out
from aiida_nanoclusters.science.labels.levels import is_prediction

_KINDS = {
    "allegro": "an Allegro package",
    "allegro-compiled": "an Allegro model compiled for a machine",
    "calculator": "an ASE calculator",
    "lj/cut": "a Lennard-Jones potential",
}
#: Length from which on values are shortened.
_LONGEST = 70


def describe(node: Node) -> str:
    """Return the description of a node in one line; also of one whose content cannot be read."""
    with leaving_out(node.uuid):
        return _describe(node)
    return f"{type(node).__name__} that cannot be read"


def _describe(node: Node) -> str:
    if isinstance(node, FramesData):
        return _frames(node)
    if isinstance(node, PotentialData):
        return _potential(node)
    if isinstance(node, ChartData):
        return _chart(node)
    if isinstance(node, PairsData):
        return _pairs(node)
    if isinstance(node, CoreEncoderData):
        return f"a core encoder pretrained on clusters of {_elements(node.elements)}"
    if isinstance(node, MatchingModelData):
        return _matching_model(node)
    if isinstance(node, ProcessNode):
        return _process(node)
    if isinstance(node, AbstractCode):
        where = node.computer.label if node.computer is not None else "any computer"
        return f"the code {node.label} on {where}"
    if isinstance(node, RemoteData):
        return f"a folder on {node.computer.label if node.computer else 'a computer'}"
    return _other(node)


def _frames(node: FramesData) -> str:
    n, labelled = len(node), int(node.base.attributes.get("n_labelled"))
    sizes = f"{min(node.sizes)}" + (f" to {max(node.sizes)}" if len(node.sizes) > 1 else "")
    text = f"{n} frame{'s' if n != 1 else ''} of {', '.join(node.elements)} with {sizes} atoms"
    if not labelled:
        return f"{text}, unlabelled"
    which = "all" if labelled == n else f"{labelled}"
    level = level_of(node)
    if is_prediction(level):
        return f"{text}, {which} with energies predicted by {level}"
    return f"{text}, {which} labelled by {level or 'an unnamed level of theory'}"


def _chart(node: ChartData) -> str:
    sizes = list(node.base.attributes.get("sizes"))
    count = f"{min(sizes)}" + (f" to {max(sizes)}" if len(sizes) > 1 else "")
    from_what = "relaxed" if node.reproduces == "relaxed" else "thermal"
    return f"a chart of {from_what} clusters of {', '.join(node.elements)} with {count} atoms"


def _matching_model(node: MatchingModelData) -> str:
    get = node.base.attributes.get
    start = "pretrained" if get("pretrained") else "not pretrained"
    return (
        f"a matching model of {get('n_known_cores')} cores of {_elements(node.elements)} and "
        f"{get('n_known_ligands')} ligand sets (core encoder {get('core_encoder')}, {start}; "
        f"ligand encoder {get('ligand_encoder')}), seed {get('seed')}"
    )


def _elements(symbols: Sequence[str]) -> str:
    return ", ".join(symbols) if len(symbols) <= 6 else f"{len(symbols)} elements"


def _pairs(node: PairsData) -> str:
    get = node.base.attributes.get
    pairs, cores, ligands = (
        f"{get(f'n_{what}s')} {what}{'s' if get(f'n_{what}s') != 1 else ''}"
        for what in ("pair", "core", "ligand")
    )
    return (
        f"{pairs} of {cores} of {_elements(node.elements)} and {ligands}, "
        f"{get('n_positive')} of them compatible"
    )


def _potential(node: PotentialData) -> str:
    kind = _KINDS.get(node.kind, f"a potential of the kind {node.kind}")
    text = f"{kind} for {', '.join(node.elements)} (cutoff {node.cutoff:.2f} Å)"
    if not node.architecture:
        return f"{text}, level of theory {node.level_of_theory}"
    text += f", trained at the level of theory {node.level_of_theory}"
    training = node.base.attributes.get("training_set", "")
    return text + (f" on {training}" if training else "")


def _process(node: ProcessNode) -> str:
    state = node.process_state.value if node.process_state is not None else "state unknown"
    if node.exit_status:
        state = f"failed [{node.exit_status}] {node.exit_message or ''}".rstrip()
    return f"{node.process_label or type(node).__name__}, {state}"


def _other(node: Node) -> str:
    kind = type(node).__name__
    if isinstance(node, Dict):
        content = node.get_dict()
        if isinstance(content.get("sentence"), str):
            return content["sentence"]
        return f"{kind} of {_listed(content)}"
    if isinstance(node, ArrayData):
        names = [f"{name} {node.get_shape(name)}" for name in sorted(node.get_arraynames())]
        return f"{kind} with {_shortened(', '.join(names))}" if names else kind
    if isinstance(node, List):
        return f"{kind} {_shortened(str(node.get_list()))}"
    if hasattr(node, "get_formula"):
        return f"{kind} {node.get_formula()}"
    if hasattr(node, "value"):
        return f"{kind} {_shortened(str(node.value))}"
    if hasattr(node, "filename"):
        return f"{kind} {node.filename}"
    return kind


def _listed(content: Mapping[str, Any]) -> str:
    return _shortened(", ".join(str(key) for key in content)) or "nothing"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."

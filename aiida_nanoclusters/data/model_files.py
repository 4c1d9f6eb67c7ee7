"""Nodes that are JSON and arrays as npz: charts, core encoders, matching models, sets of pairs.

One that came in an archive is read by the same readers, which execute nothing, and its attributes
are held against its files.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

from aiida.orm.implementation.utils import clean_value

from aiida_nanoclusters.data.chart import describe
from aiida_nanoclusters.data.core_encoder import describe_encoder
from aiida_nanoclusters.data.matching_model import describe_model
from aiida_nanoclusters.data.pairs import describe_pairs, read_pairs
from aiida_nanoclusters.formats.frames_file import FILENAME
from aiida_nanoclusters.formats.plain_text import excerpt
from aiida_nanoclusters.science.charts.chart import ARRAYS_FILE, CHART_FILE, Chart
from aiida_nanoclusters.science.ligands.core_encoder import PretrainedEncoder
from aiida_nanoclusters.science.ligands.matching_model import MatchingModel
from aiida_nanoclusters.science.ligands.pairs import PAIRS_FILE
from aiida_nanoclusters.science.ligands.training_files import (
    ENCODER_ARRAYS_FILE,
    ENCODER_FILE,
    MODEL_ARRAYS_FILE,
    MODEL_FILE,
)

#: Nodes of two files: that of the head, that of the arrays, the reader of both, and what describes
#: the result, by the type of node.
_MODELS: dict[str, tuple[str, str, Callable[..., Any], Callable[..., dict[str, Any]]]] = {
    "data.nanoclusters.chart.": (CHART_FILE, ARRAYS_FILE, Chart.from_content, describe),
    "data.nanoclusters.core_encoder.": (
        *(ENCODER_FILE, ENCODER_ARRAYS_FILE, PretrainedEncoder.from_content),
        describe_encoder,
    ),
    "data.nanoclusters.matching_model.": (
        *(MODEL_FILE, MODEL_ARRAYS_FILE, MatchingModel.from_content),
        describe_model,
    ),
    "data.nanoclusters.pairs.": (PAIRS_FILE, FILENAME, read_pairs, describe_pairs),
}


def _model_of(node_type: str) -> Any:
    return next((row for kind, row in _MODELS.items() if node_type.startswith(kind)), None)


def head_file(node_type: str) -> str | None:
    """Return the file of a chart, an encoder or a model that says what its arrays are, or None."""
    found = _model_of(node_type)
    return None if found is None else str(found[0])


def arrays_file(node_type: str) -> str | None:
    """Return the file of its arrays, or None."""
    found = _model_of(node_type)
    return None if found is None else str(found[1])


def model_problem(
    node_type: str, attributes: Mapping[str, Any], text: bytes, arrays: bytes
) -> str | None:
    """Return what of the attributes of a chart, an encoder or a model follows not from its files.

    Parameters
    ----------
    node_type, attributes
        Of the node.
    text, arrays
        Content of its head and of its arrays.
    """
    *_, read, description = _model_of(node_type)
    try:
        again = clean_value(description(read(text, io.BytesIO(arrays))))
    except ValueError as error:
        what = node_type.removeprefix("data.nanoclusters.").partition(".")[0].replace("_", " ")
        return f"it holds no {what} ({excerpt(str(error))})"
    wrong = [key for key in again if attributes.get(key) != again[key]]
    return f"`{wrong[0]}` does not follow from its file" if wrong else None


def chart_problem(attributes: Mapping[str, Any], text: bytes, arrays: bytes) -> str | None:
    """Return what of the attributes of a chart does not follow from its two files."""
    return model_problem("data.nanoclusters.chart.", attributes, text, arrays)

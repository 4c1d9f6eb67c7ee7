"""Levels of theory by name: a label names its method, a prediction the model that made it.

The energy of a trained model lies below or above that at the level of its training set by the error
of the model, so that the two are not of one level: ``PBE`` and ``Allegro 1a2b3c4d (PBE)``.
"""

from __future__ import annotations

import re

#: Kinds of potentials that are models, and the names of their architectures.
MODELS = {"allegro": "Allegro", "allegro-compiled": "Allegro"}
#: Architecture of a model that nequip evaluates as a calculator.
MESSAGE_PASSING = "NequIP"
_PREDICTION = re.compile(r"((?:Allegro|NequIP) [0-9a-f]{8}) \((.*)\)", re.DOTALL)


def prediction_level(architecture: str, uuid: str, trained_at: str) -> str:
    """Return the level of theory of what a model predicts.

    Parameters
    ----------
    architecture
        Such as ``Allegro``.
    uuid
        Of the model; of a compiled one that of its package.
    trained_at
        Level of theory of the labels that it was trained on.
    """
    return f"{architecture} {uuid[:8]} ({trained_at})"


def is_prediction(level: str) -> bool:
    """Return whether a level of theory is that of a model's predictions."""
    return _PREDICTION.fullmatch(level) is not None


def model_of(level: str) -> str:
    """Return the model that a level of predictions names, ``Allegro 1a2b3c4d``; else the level."""
    found = _PREDICTION.fullmatch(level)
    return level if found is None else found[1]


def trained_at(level: str) -> str:
    """Return the level of the labels behind a level of predictions; of labels their own."""
    found = _PREDICTION.fullmatch(level)
    return level if found is None else found[2]

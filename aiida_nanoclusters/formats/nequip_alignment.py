"""Settings of the alignment that follows a training; ``science/alignment.py`` reads the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

ALIGNMENT_FILE = "alignment.json"
ALIGNMENT_REPORT = "alignment_report.json"
ALIGNMENT_SCRIPT = "alignment.py"
ALIGNED_CHECKPOINT = "aligned.ckpt"

#: Lowest value of each number, an int standing for a whole number; None for a list.
_LOWEST: dict[str, float | None] = {
    **{"dampings": None, "iterations": 1, "projections": 0, "energy_scale": 1e-9},
    **{"force_scale": 1e-9, "hot_force": 1e-9, "relaxed_force": 0.0, "motifs": None},
    **{"force_growth": 1.0, "max_frames": 30},
}


def render_alignment(
    settings: Mapping[str, Any], *, seed: int, max_seconds: float | None = None
) -> str | None:
    """Return what the alignment's ``--settings`` file must hold, or None where none is wanted.

    Parameters
    ----------
    settings
        Those of a training; its section ``alignment``, as in ``workflows/protocols/train.yaml``,
        may be absent or None. Keys that are left out have the script's default.
    seed
        Of the random projections of the forces, and of the frames held out where these are drawn.
    max_seconds
        Time after which the weights are left as they are, or None.

    Raises
    ------
    ValueError
        If a setting is unknown or makes no sense.
    """
    section = settings.get("alignment")
    if section is None:
        return None
    if not isinstance(section, Mapping):
        raise ValueError(f"settings.alignment must be a mapping or null, got {section!r}")
    if unknown := sorted(set(section) - set(_LOWEST)):
        raise ValueError(f"settings.alignment: unknown keys {unknown}, use {sorted(_LOWEST)}")
    for key, value in section.items():
        least = _LOWEST[key]
        if least is not None and not _number(value, least):
            kind = "a whole number" if isinstance(least, int) else "a number"
            raise ValueError(f"settings.alignment.{key} must be {kind} >= {least}, got {value!r}")
    dampings = section.get("dampings", [1.0])
    if not (isinstance(dampings, list) and dampings and all(_number(d, 1e-12) for d in dampings)):
        raise ValueError(f"settings.alignment.dampings must be numbers above 0, got {dampings!r}")
    motifs = section.get("motifs", [])
    if not isinstance(motifs, list) or len(motifs) not in (0, 2) or len(set(motifs)) < len(motifs):
        raise ValueError(f"settings.alignment.motifs must be two names or none, got {motifs!r}")
    return json.dumps({**section, "seed": seed, "max_seconds": max_seconds}, indent=2) + "\n"


def _number(value: object, least: float) -> bool:
    if isinstance(value, bool) or not isinstance(
        value, int if isinstance(least, int) else (int, float)
    ):
        return False
    return isfinite(value) and value >= least

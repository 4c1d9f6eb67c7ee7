"""Settings file of the alignment after a training, for ``science/learning/alignment.py``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiida_nanoclusters.science.learning.training_settings import AlignmentSettings

ALIGNMENT_FILE = "alignment.json"
ALIGNMENT_REPORT = "alignment_report.json"
ALIGNMENT_SCRIPT = "alignment.py"
ALIGNED_CHECKPOINT = "aligned.ckpt"


def render_alignment(
    settings: Mapping[str, Any], *, seed: int, max_seconds: float | None = None
) -> str | None:
    """Return the content of the alignment's ``--settings`` file, or None without alignment.

    Parameters
    ----------
    settings
        Settings of a training, as in ``workflows/protocols/train.yaml``; the section ``alignment``
        may be absent or None. Keys that are left out have the script's default.
    seed
        Seed of the random projections of the forces, and of the frames held out where these are
        drawn.
    max_seconds
        Time (s) after which the weights are left unchanged; None for no limit.

    Raises
    ------
    ValueError
        If a setting is unknown or out of its limits.
    """
    section = settings.get("alignment")
    if section is None:
        return None
    if not isinstance(section, Mapping):
        raise ValueError(f"`alignment` is {section!r}: give its settings, or null")
    known = AlignmentSettings.from_values(**section).model_dump(exclude_unset=True)
    return json.dumps({**known, "seed": seed, "max_seconds": max_seconds}, indent=2) + "\n"

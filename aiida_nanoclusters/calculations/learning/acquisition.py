"""What to label next, from the predictions of a committee."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict, Int

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.keys import FORMER_LOOP_KEYS, with_present_keys
from aiida_nanoclusters.science.learning.acquisition import (
    CALIBRATION,
    DIVERSE,
    Choice,
    choose,
)
from aiida_nanoclusters.science.learning.classes import Thresholds
from aiida_nanoclusters.science.learning.committee import (
    Calibration,
    Deviation,
    TooFewLabelsError,
    calibrate,
    classify,
    committee_deviation,
)
from aiida_nanoclusters.science.learning.metrics import max_force_error
from aiida_nanoclusters.science.learning.settings import (
    RANDOM,
    SelectionSettings,
    ThresholdCalibration,
)

#: Prefix of the arguments that hold the frames as a member of the committee labels them.
PREDICTED = "predicted_"


@calcfunction
def calibrate_thresholds(settings: Dict, labelled: FramesData, **predicted: FramesData) -> Dict:
    """Determine the force deviation below which frames are accurate.

    See :func:`.science.learning.committee.calibrate`.

    Parameters
    ----------
    settings
        As of :class:`.science.learning.settings.ThresholdCalibration`.
    labelled
        The calibration set: frames drawn at random, labelled, and learnt by no member.
    predicted
        ``predicted_<member>``: the same frames as a member of the committee labels them.

    Returns
    -------
    Dict
        ``accurate_below`` and ``failed_above`` in eV/Å; ``calibrated``, and in ``message`` why not;
        ``n_labels``, ``n_below`` and ``n_wrong``.
    """
    given = ThresholdCalibration.from_values(**settings.get_dict())
    frames = labelled.frames
    deviation = _deviation(frames, predicted)
    errors = max_force_error(frames, deviation.mean_forces)
    try:
        found = calibrate(
            deviation.forces,
            errors,
            given.max_error,
            share=given.share,
            confidence=given.confidence,
        )
    except TooFewLabelsError as error:
        known = int((np.isfinite(deviation.forces) & np.isfinite(errors)).sum())
        counts = {"n_labels": known, "n_below": 0, "n_wrong": 0}
        return Dict(
            {**asdict(given.thresholds), **counts, "calibrated": False, "message": str(error)}
        )
    low = min(found.accurate_below, given.failed_above)
    return Dict(
        {
            **asdict(Thresholds(low, given.failed_above)),
            "n_labels": found.n_labels,
            "n_below": found.n_below,
            "n_wrong": found.n_wrong,
            "calibrated": True,
            "message": _warning(found, given.failed_above),
        }
    )


def _warning(found: Calibration, failed_above: float) -> str:
    """Return what is unusual about a calibrated threshold; empty where nothing is."""
    if found.accurate_below >= failed_above:
        return f"all frames below {failed_above} eV/Å are accurate: there are no candidates"
    if not found.accurate_below:
        return "no threshold can be shown to hold: no frame is accurate"
    return ""


@calcfunction
def assess_frames(frames: FramesData, thresholds: Dict, **predicted: FramesData) -> Dict:
    """Say how uncertain a committee is about frames that are not to be labelled.

    Parameters
    ----------
    frames, thresholds, predicted
        As of :func:`select_to_label`.

    Returns
    -------
    Dict
        ``thresholds`` (eV/Å), ``classes`` (how many of each), ``by_size`` (``classes`` of each
        number of atoms, a string) and ``max_force_deviation`` of each frame in eV/Å.
    """
    deviation, limits = _deviation(frames.frames, predicted), _thresholds(thresholds)
    classes, sizes = classify(deviation.forces, limits), frames.frames.sizes
    by_size = {str(n): _counts(classes[sizes == n]) for n in np.unique(sizes)}
    return Dict(
        {
            "thresholds": asdict(limits),
            "classes": _counts(classes),
            "by_size": by_size,
            "max_force_deviation": [_finite(value) for value in deviation.forces],
        }
    )


@calcfunction
def select_to_label(
    frames: FramesData,
    thresholds: Dict,
    settings: Dict,
    seed: Int,
    known: FramesData | None = None,
    held_out: FramesData | None = None,
    **predicted: FramesData,
) -> dict[str, Any]:
    """Choose frames to label, see :func:`.science.learning.acquisition.choose`.

    Parameters
    ----------
    frames
        The candidates; labels they carry do not enter.
    thresholds
        ``accurate_below`` and ``failed_above`` in eV/Å, given or from
        :func:`calibrate_thresholds`.
    settings
        As of :class:`.science.learning.settings.SelectionSettings`; ``budget`` must be there.
    seed
        Of all random draws.
    known, held_out
        Frames that are learnt already, and frames that are labelled and not learnt.
    predicted
        ``predicted_<member>``: the candidates as a member of the committee labels them.

    Returns
    -------
    dict
        ``report``: ``thresholds`` (eV/Å), ``classes`` and ``reasons`` (how many of each),
        ``selected`` and ``calibration_frames`` (how many), and ``frames``: for each its ``index``,
        ``class``, ``selected``, ``reason``, ``max_force_deviation`` (eV/Å) and
        ``energy_deviation`` (eV/atom), None where a member has none. ``frames``: the chosen ones
        without labels, calibration frames first; missing where none was chosen.
    """
    candidates = frames.frames.without_labels()
    deviation, limits = _deviation(candidates, predicted), _thresholds(thresholds)
    choice = choose(
        candidates,
        deviation.forces,
        limits,
        known=None if known is None else known.frames,
        held_out=None if held_out is None else held_out.frames,
        seed=seed.value,
        **SelectionSettings.from_values(**settings.get_dict()).model_dump(),
    )
    outputs: dict[str, Any] = {"report": Dict(_report(choice, deviation, limits))}
    if len(choice.indices):
        outputs["frames"] = FramesData(candidates.select(choice.indices))
    return outputs


def _report(choice: Choice, deviation: Deviation, limits: Thresholds) -> dict[str, Any]:
    rows = zip(choice.classes, choice.reasons, deviation.forces, deviation.energies, strict=True)
    return {
        "thresholds": asdict(limits),
        "classes": _counts(choice.classes),
        "reasons": _counts(choice.reasons),
        "selected": len(choice.indices),
        "calibration_frames": int((choice.reasons == CALIBRATION).sum()),
        "frames": [
            {
                "index": index,
                "class": str(kind),
                "selected": str(reason) in (CALIBRATION, DIVERSE, RANDOM),
                "reason": str(reason),
                "max_force_deviation": _finite(forces),
                "energy_deviation": _finite(energy),
            }
            for index, (kind, reason, forces, energy) in enumerate(rows)
        ],
    }


def _thresholds(node: Dict) -> Thresholds:
    """Return thresholds that are given, or that a calibration has found."""
    found = with_present_keys(node.get_dict(), FORMER_LOOP_KEYS)
    return Thresholds(found["accurate_below"], found["failed_above"])


def _counts(names: np.ndarray) -> dict[str, int]:
    return dict(Counter(names.tolist()))


def _deviation(frames: Frames, predicted: Mapping[str, FramesData]) -> Deviation:
    if unknown := sorted(key for key in predicted if not key.startswith(PREDICTED)):
        raise ValueError(f"unknown input `{unknown[0]}`: members are named `{PREDICTED}<member>`")
    return committee_deviation(frames, {key: node.frames for key, node in predicted.items()})


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

"""What to label next, from the predictions of a committee."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict, Int

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.committee import (
    Deviation,
    Thresholds,
    TooFewLabelsError,
    calibrate,
    classify,
    committee_deviation,
    fewest_labels,
)
from aiida_nanoclusters.science.errors import max_force_error
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.label_choice import (
    CHANCE,
    CHECK,
    DIVERSE,
    MEDOIDS,
    TOLERANCE,
    WAYS,
    choose,
)

#: Prefix of the arguments that hold the frames as a member of the committee labels them.
PREDICTED = "predicted_"
CHOICE = {
    "budget": "most frames to label",
    "checks": "of these, frames drawn by chance, for calibrating",
    "wanted": "classes to label, of good, decent and poor",
    "tolerance": "distance below which frames are alike, see `science.label_choice`",
    "by": "medoids, farthest or chance",
}
CALIBRATION = {
    "low": "eV/Å; frames of smaller deviation are good. Where it cannot be calibrated",
    "high": "eV/Å; frames of larger deviation are poor",
    "error": "eV/Å; largest force error that a good frame may have",
    "share": "of the good frames that may have a larger one",
    "confidence": "with which that holds",
}


def validate_choice(value: Dict, _: Any) -> str | None:
    """Refuse settings of :func:`select_to_label` that make no sense."""
    settings = value.get_dict()
    if problem := _keys_problem(settings, CHOICE, required=("budget",)):
        return problem
    budget, checks = settings["budget"], settings.get("checks", 0)
    if not all(isinstance(n, int) and n >= 0 for n in (budget, checks)) or checks > budget:
        return f"`budget` {budget}, `checks` {checks}: whole numbers, the checks within the budget"
    if unknown := sorted(set(settings.get("wanted", [])) - {"good", "decent", "poor"}):
        return f"`wanted` names {', '.join(unknown)}: only good, decent and poor"
    if settings.get("by", MEDOIDS) not in WAYS:
        return f"`by` is {settings['by']!r}: only {', '.join(WAYS)}"
    if not settings.get("tolerance", TOLERANCE) >= 0:
        return "`tolerance` must not be negative"
    return None


def validate_calibration(value: Dict, _: Any) -> str | None:
    """Refuse settings of :func:`calibrate_thresholds` that make no sense."""
    settings = value.get_dict()
    if problem := _keys_problem(settings, CALIBRATION, required=tuple(CALIBRATION)):
        return problem
    if not settings["error"] > 0:
        return "`error` must be positive, in eV/Å"
    try:
        fewest_labels(settings["share"], settings["confidence"])
        Thresholds(settings["low"], settings["high"])
    except ValueError as error:
        return str(error)
    return None


def _keys_problem(
    settings: Mapping[str, Any], known: Mapping[str, str], required: tuple[str, ...]
) -> str | None:
    if unknown := sorted(set(settings) - set(known)):
        return f"unknown settings {', '.join(unknown)}: only {', '.join(known)}"
    if missing := [key for key in required if key not in settings]:
        return f"`{missing[0]}` is missing: {known[missing[0]]}"
    return None


@calcfunction
def calibrate_thresholds(settings: Dict, labelled: FramesData, **predicted: FramesData) -> Dict:
    """Find the deviation below which frames are good, see `science.committee.calibrate`.

    Parameters
    ----------
    settings
        The keys of :data:`CALIBRATION`.
    labelled
        Frames drawn by chance (the checks of a choice), labelled, and learnt by no member.
    predicted
        ``predicted_<member>``: the same frames as a member of the committee labels them.

    Returns
    -------
    Dict
        ``low`` and ``high`` in eV/Å; ``calibrated``, and in ``message`` why not; ``n_labels``,
        ``n_below`` and ``n_wrong``.
    """
    given = settings.get_dict()
    frames = labelled.frames
    deviation = _deviation(frames, predicted)
    errors = max_force_error(frames, deviation.mean_forces)
    report: dict[str, Any] = {"low": given["low"], "high": given["high"], "calibrated": False}
    try:
        found = calibrate(
            deviation.forces,
            errors,
            given["error"],
            share=given["share"],
            confidence=given["confidence"],
        )
    except TooFewLabelsError as error:
        known = int((np.isfinite(deviation.forces) & np.isfinite(errors)).sum())
        counts = {"n_labels": known, "n_below": 0, "n_wrong": 0}
        return Dict({**report, **counts, "message": str(error)})
    message = ""
    if found.low >= given["high"]:
        message = f"all frames below {given['high']} eV/Å are good: there are no decent ones"
    elif not found.low:
        message = "no threshold can be shown to hold: no frame is good"
    report.update(low=min(found.low, given["high"]), calibrated=True, message=message)
    counts = {"n_labels": found.n_labels, "n_below": found.n_below, "n_wrong": found.n_wrong}
    return Dict({**report, **counts})


@calcfunction
def assess_frames(frames: FramesData, thresholds: Dict, **predicted: FramesData) -> Dict:
    """Say how well a committee knows frames that shall not be labelled.

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
    deviation = _deviation(frames.frames, predicted)
    limits = Thresholds(thresholds["low"], thresholds["high"])
    classes, sizes = classify(deviation.forces, limits), frames.frames.sizes
    by_size = {str(n): dict(Counter(classes[sizes == n].tolist())) for n in np.unique(sizes)}
    return Dict(
        {
            "thresholds": {"low": limits.low, "high": limits.high},
            "classes": dict(Counter(classes.tolist())),
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
    checked: FramesData | None = None,
    **predicted: FramesData,
) -> dict[str, Any]:
    """Choose frames to label, see `science.label_choice.choose`.

    Parameters
    ----------
    frames
        The candidates; labels they carry do not enter.
    thresholds
        ``low`` and ``high`` in eV/Å, given or from :func:`calibrate_thresholds`.
    settings
        The keys of :data:`CHOICE`; only ``budget`` must be there.
    seed
        Of all that is drawn by chance.
    known
        Frames that are learnt already.
    checked
        Frames that are labelled and not learnt.
    predicted
        ``predicted_<member>``: the candidates as a member of the committee labels them.

    Returns
    -------
    dict
        ``report``: ``thresholds`` (eV/Å), ``classes`` and ``reasons`` (how many of each),
        ``selected`` and ``checks`` (how many), and ``frames``: for each its ``index``, ``class``,
        ``selected``, ``reason``, ``max_force_deviation`` (eV/Å) and ``energy_deviation``
        (eV/atom), None where a member has none. ``frames``: the chosen ones without labels,
        checks first; missing where none was chosen.
    """
    candidates = frames.frames.without_labels()
    deviation = _deviation(candidates, predicted)
    limits = Thresholds(thresholds["low"], thresholds["high"])
    choice = choose(
        candidates,
        deviation.forces,
        limits,
        known=None if known is None else known.frames,
        checked=None if checked is None else checked.frames,
        seed=seed.value,
        **settings.get_dict(),
    )
    report = {
        "thresholds": {"low": limits.low, "high": limits.high},
        "classes": dict(Counter(choice.classes.tolist())),
        "reasons": dict(Counter(choice.reasons.tolist())),
        "selected": len(choice.indices),
        "checks": int((choice.reasons == CHECK).sum()),
        "frames": [
            {
                "index": index,
                "class": str(choice.classes[index]),
                "selected": str(choice.reasons[index]) in (CHECK, DIVERSE, CHANCE),
                "reason": str(choice.reasons[index]),
                "max_force_deviation": _finite(deviation.forces[index]),
                "energy_deviation": _finite(deviation.energies[index]),
            }
            for index in range(len(candidates))
        ],
    }
    outputs: dict[str, Any] = {"report": Dict(report)}
    if len(choice.indices):
        outputs["frames"] = FramesData(candidates.select(choice.indices))
    return outputs


def _deviation(frames: Frames, predicted: Mapping[str, FramesData]) -> Deviation:
    if unknown := sorted(key for key in predicted if not key.startswith(PREDICTED)):
        raise ValueError(f"unknown input `{unknown[0]}`: members are named `{PREDICTED}<member>`")
    return committee_deviation(frames, {key: node.frames for key, node in predicted.items()})


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

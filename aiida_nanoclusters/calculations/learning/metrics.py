"""A committee of potentials compared with its reference."""

from __future__ import annotations

from typing import Any

from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.learning import metrics as science

#: Prefixes of the arguments of :func:`compare_committee`.
REFERENCE, PREDICTED = "reference", "predicted"
#: The set from which the error of the difference between motifs is measured.
MOTIFS = "motifs"


@calcfunction
def compare_committee(**frames: FramesData) -> dict[str, Any]:
    """Compare the members of a committee with the reference, on one or more sets of frames.

    Parameters
    ----------
    frames
        ``reference_<set>``: labelled frames. ``predicted_<set>_<member>``: the same frames as a
        member of the committee labels them. Names of sets hold no underscore.

    Returns
    -------
    dict
        ``errors``: ``units``, ``members``, and under ``sets`` what
        :func:`.science.learning.metrics.compare_committee` says of each set;
        ``motif_difference`` where the set ``motifs`` has both motifs. ``parity``: arrays named by
        :func:`.science.learning.metrics.parity_name`, with the attributes ``sets``, ``members``,
        ``units`` and ``config_types`` (by set, one a frame).
    """
    predicted: dict[str, dict[str, FramesData]] = {}
    for name in sorted(frames):
        if name.startswith(f"{PREDICTED}_"):
            _, part, member = name.split("_", 2)
            predicted.setdefault(part, {})[member] = frames[name]
    members = sorted({member for own in predicted.values() for member in own})
    errors: dict[str, Any] = {"units": science.UNITS, "members": members, "sets": {}}
    parity, config_types = ArrayData(), {}
    for part in sorted(predicted):
        reference = frames[f"{REFERENCE}_{part}"].frames
        labelled = {member: node.frames for member, node in predicted[part].items()}
        errors["sets"][part], arrays = science.compare_committee(reference, labelled, part)
        config_types[part] = [str(c) for c in reference.config_types]
        for name, values in arrays.items():
            parity.set_array(name, values)
        if part == MOTIFS:
            by_member = {
                member: science.motif_difference(reference, science.align(reference, own)[0])
                for member, own in labelled.items()
            }
            known = {member: value for member, value in by_member.items() if value is not None}
            if known:
                errors["motif_difference"] = science.summarise_motif_difference(known)
    parity.base.attributes.set_many(
        {
            "sets": sorted(predicted),
            "members": members,
            "units": science.PARITY_UNITS,
            "config_types": config_types,
        }
    )
    return {"errors": Dict(errors), "parity": parity}

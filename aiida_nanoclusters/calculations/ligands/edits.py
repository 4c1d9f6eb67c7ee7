"""Single-atom edits of a core, and what a committee of models says of them."""

from __future__ import annotations

import json
from typing import Any

from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict

from aiida_nanoclusters.calculations.ligands.ranking import MEMBER_PROBABILITIES
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.ligands.core_edits import enumerate_edits
from aiida_nanoclusters.science.ligands.design_settings import EditSettings
from aiida_nanoclusters.science.ligands.edit_table import (
    edit_rows,
    edit_words,
    indistinct_words,
    summarise_edits,
)

#: Kind of the core itself, the first of the frames.
UNEDITED = "unedited"


def editing_problem(core: FramesData, settings: Dict) -> str | None:
    """Return what is wrong with a core that is to be edited, or with its settings, or None."""
    if len(core) != 1:
        return f"{len(core)} cores: give one, whose edits are enumerated"
    try:
        values = EditSettings.from_values(**settings.get_dict())
        edits = enumerate_edits(core.frames[0], values)
    except ValueError as error:
        return str(error)
    return None if edits else "these settings leave no edit of the core: choose other `kinds`"


@calcfunction
def enumerate_core_edits(core: FramesData, settings: Dict) -> dict[str, Any]:
    """Enumerate the distinct single-atom edits of a core.

    Parameters
    ----------
    core
        One frame.
    settings
        See :class:`.EditSettings`.

    Returns
    -------
    dict
        ``edits``: the core itself, then its edits. ``table``: a row for each of them: kind,
        description, multiplicity, element, site (Å), neighbours.
    """
    atoms = core.frames[0]
    edits = enumerate_edits(atoms, EditSettings(**settings.get_dict()))
    rows = edit_rows(atoms, edits)
    images = [atoms, *(edit.atoms for edit in edits)]
    for image, row in zip(images, rows, strict=True):
        image.calc = None
        told = {key: row[key] for key in ("description", "multiplicity")}
        image.info = {"config_type": row["kind"], "parent": row["formula"], **told}
    frames = Frames.from_atoms(images)
    counts = {kind: sum(row["kind"] == kind for row in rows) for kind in ("remove", "add")}
    counts["replace"] = len(edits) - sum(counts.values())
    words = ", ".join(f"{number} to {kind}" for kind, number in counts.items() if number)
    return {
        "edits": FramesData(frames),
        "table": Dict(
            {
                "sentence": f"{len(edits)} distinct edits of {rows[0]['formula']}: {words}",
                "rows": json.loads(json.dumps(rows)),
            }
        ),
    }


@calcfunction
def compare_edits(edits: Dict, ranking: Dict, probabilities: ArrayData) -> Dict:
    """Return what edits do to the best probability and to the best set of ligands.

    Parameters
    ----------
    edits
        Table of :func:`enumerate_core_edits`.
    ranking, probabilities
        Table and arrays of the ranking of its frames.

    Returns
    -------
    Dict
        ``rows``, see :func:`.summarise_edits`; ``sentence``; ``warning``, of edits that the models
        do not tell from the core.
    """
    members = probabilities.get_array(MEMBER_PROBABILITIES)
    rows = summarise_edits(edits["rows"], ranking["cores"], ranking["ligand_sets"], members)
    words, warning = edit_words(rows, ranking["names"]), indistinct_words(rows)
    return Dict({"sentence": words, "warning": warning, "rows": rows})

"""Edits of a core beside each other: what is changed, and which ligands suit it best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from aiida_nanoclusters.science.ligands.core_edits import CoreEdit
from aiida_nanoclusters.science.ligands.ligand_ranking import ligand_words

#: Change of a probability that counts as one.
_TOLD = 0.05


def edit_rows(core: Atoms, edits: Sequence[CoreEdit]) -> list[dict[str, Any]]:
    """Return a core and its edits as plain values, the core first as ``unedited``."""
    first = {
        "kind": "unedited",
        "description": "the core as it is",
        "formula": core.get_chemical_formula("metal"),
        "multiplicity": 1,
        "element": "",
        "replaced": "",
        "atom": -1,
        "site": None,
        "neighbours": None,
    }
    return [
        first,
        *(
            {
                "kind": edit.kind,
                "description": edit.description,
                "formula": edit.atoms.get_chemical_formula("metal"),
                "multiplicity": edit.multiplicity,
                "element": str(edit.element),
                "replaced": str(edit.replaced),
                "atom": edit.atom,
                "site": [float(x) for x in edit.site],
                "neighbours": edit.neighbours,
            }
            for edit in edits
        ),
    ]


def summarise_edits(
    edits: Sequence[Mapping[str, Any]],
    rankings: Sequence[Mapping[str, Any]],
    sets: Sequence[Sequence[str]],
    members: NDArray[np.float64],
) -> list[dict[str, Any]]:
    """Return a row for the core and each edit, the edits by decreasing best probability.

    Parameters
    ----------
    edits
        Rows of :func:`edit_rows`.
    rankings
        Tables of the ranking of the same cores, in their order.
    sets, members
        The sets of ligands, and the probability of each core and set by each model, shape
        (cores, sets, models).

    Returns
    -------
    list of dict
        The unedited core first. Beside what `edits` has: ``index`` of the frame, ``outside``,
        best ``ligands`` with ``probability``, ``spread`` and ``set_outside``; ``change``, the
        probability of these ligands less that which they have with the unedited core, the mean
        over the models, and ``change_spread``, its standard deviation over them (0 of one model).
    """
    place = {tuple(own): k for k, own in enumerate(sets)}
    rows = []
    for index, (edit, ranking) in enumerate(zip(edits, rankings, strict=True)):
        best = ranking["rows"][0]
        own = place[tuple(best["ligands"])]
        change = members[index, own] - members[0, own]
        rows.append(
            {
                **edit,
                "index": index,
                "outside": ranking["outside"],
                "ligands": best["ligands"],
                "probability": best["probability"],
                "spread": best["spread"],
                "set_outside": best["outside"],
                "change": float(change.mean()),
                "change_spread": float(change.std(ddof=1)) if len(change) > 1 else 0.0,
            }
        )
    return [rows[0], *sorted(rows[1:], key=lambda r: (-round(r["probability"], 6), r["index"]))]


def edit_words(rows: Sequence[Mapping[str, Any]], names: Mapping[str, str] | None = None) -> str:
    """Return in one sentence which edit has the most probable ligands."""
    if len(rows) < 2:
        return "no edit of the core"
    best, core = rows[1], rows[0]
    text = (
        f"{best['description']}: {best['formula']} with {ligand_words(best['ligands'], names)}, "
        f"probability {best['probability']:.2f} ± {best['spread']:.2f}; {core['formula']} itself "
        f"{core['probability']:.2f} ± {core['spread']:.2f}"
    )
    return text + ("; it lies outside of what the models have seen" if best["outside"] else "")


def indistinct_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return how many edits the models do not tell from the core; empty where they tell all."""
    alike = [r for r in rows[1:] if abs(r["change"]) < max(_TOLD, 2 * r["change_spread"])]
    if not alike:
        return ""
    return (
        f"the models do not tell {len(alike)} of {len(rows) - 1} edits from the core: the change "
        f"is below {_TOLD:g}, or below twice its spread between the models"
    )

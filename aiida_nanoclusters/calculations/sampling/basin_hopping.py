"""Basin hopping, its proposals and its minima, as nodes; the physics is in `science`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiida.engine import calcfunction
from aiida.orm import Dict, Int, List, Str

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.annealing import describe
from aiida_nanoclusters.science.basin_hopping import BasinHopping
from aiida_nanoclusters.science.frames import Frames


@calcfunction
def start_basin_hopping(element: Str, sizes: List, settings: Dict, seed: Int) -> Dict:
    """Set up the walkers; returns their state."""
    return Dict(_with_progress(make_search(element, sizes, settings, seed)))


@calcfunction
def propose_structures(state: Dict) -> FramesData:
    """Build what the walkers want relaxed next, one structure each, in their order."""
    return FramesData(Frames.from_atoms(_search(state).next().values()))


@calcfunction
def update_basin_hopping(
    state: Dict, report: Dict | None = None, structures: FramesData | None = None
) -> Dict:
    """Tell the walkers what came of their structures.

    Parameters
    ----------
    state
        Of the search.
    report, structures
        Of a StagesWorkChain that relaxed what :func:`propose_structures` built; none where it came
        to nothing. A structure that is missing or did not converge is no minimum: it failed.
    """
    search = _search(state)
    keys = list(search.next())
    results: dict[Any, Any] = dict.fromkeys(keys)
    if report is not None and structures is not None:
        ended = [row for row in report["structures"] if row["state"] == "finished"]
        for row, atoms in zip(ended, structures.frames, strict=True):
            if row.get("converged") is not False:
                results[keys[row["index"]]] = atoms
    search.update(results)
    return Dict(_with_progress(search))


@calcfunction
def collect_minima(state: Dict, reference: FramesData) -> dict:
    """Return the ``minima``, lowest first of each size, and a ``table`` of the sizes.

    Parameters
    ----------
    state
        Of the search.
    reference
        Any relaxed structures: their level of theory and energies of isolated atoms are everyone's.
    """
    search = _search(state)
    frames = search.minima(level_of_theory=reference.frames.level_of_theory)
    frames = replace(frames, atom_energies=dict(reference.frames.atom_energies))
    lowest = {len(atoms): atoms for atoms in reversed(list(frames))}
    rows = [
        {**row, **(describe(lowest[row["size"]]) if row["size"] in lowest else {})}
        for row in search.table()
    ]
    return {"minima": FramesData(frames), "table": Dict({"columns": _COLUMNS, "rows": rows})}


def make_search(element: Str, sizes: List, settings: Dict, seed: Int) -> BasinHopping:
    """Make the search that settings describe; ValueError where they make no sense."""
    numbers = {k: v for k, v in settings.get_dict().items() if k != "relax_stages"}
    return BasinHopping(element.value, sizes.get_list(), **numbers, seed=seed.value)


def _search(state: Dict) -> BasinHopping:
    return BasinHopping.from_state(state.get_dict())


def _with_progress(search: BasinHopping) -> dict[str, Any]:
    return search.state | {"is_finished": search.is_finished}


_COLUMNS = {
    "size": "number of atoms",
    "relaxations": "of all walkers of this size",
    "refused": "relaxations that gave no minimum, by reason",
    "minima": "unlike minima that are kept",
    "lowest": "eV, total",
    "hits": "how often the lowest was found",
    "found_by": "walker that was there first",
    "found_at": "its relaxation, from 1",
    "acceptance": "share of accepted moves",
    "step": "mean length of shakes at the end, bond lengths",
    "point_group": "of the lowest, Schoenflies",
    "coordination": "of the lowest: atoms by number of neighbours",
    "n_twelvefold": "of the lowest: atoms with 12 neighbours",
    "motif": "of the lowest, from common neighbour analysis",
    "motif_reason": "why it was called so",
}

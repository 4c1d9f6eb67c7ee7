"""Basin hopping, its proposals and its minima, as nodes; the physics is in `science`."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from aiida.engine import calcfunction
from aiida.orm import Dict, Int, List, Str

from aiida_nanoclusters.calculations.sampling.relaxed import relaxed_by_index
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.compositions import composition_of
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recognition.lowest import lowest_energies
from aiida_nanoclusters.science.sampling.basin_hopping import BasinHopping
from aiida_nanoclusters.science.sampling.ranking import describe
from aiida_nanoclusters.science.stability.mixing import excess_energies


@calcfunction
def start_basin_hopping(
    settings: Dict,
    seed: Int,
    element: Str | None = None,
    sizes: List | None = None,
    compositions: List | None = None,
) -> Dict:
    """Set up the walkers of an element and sizes, or of compositions; returns their state."""
    return Dict(_with_progress(make_search(settings, seed, element, sizes, compositions)))


@calcfunction
def propose_structures(state: Dict) -> FramesData:
    """Build the structures that the walkers propose, one each, in their order."""
    return FramesData(Frames.from_atoms(_search(state).next().values()))


@calcfunction
def update_basin_hopping(
    state: Dict, report: Dict | None = None, structures: FramesData | None = None
) -> Dict:
    """Update the walkers with their relaxed structures.

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
    found = relaxed_by_index(report, structures)
    search.update({key: found.get(k) for k, key in enumerate(keys)})
    return Dict(_with_progress(search))


@calcfunction
def collect_minima(state: Dict, reference: FramesData) -> dict:
    """Return the ``minima``, lowest first of each size, and a ``table`` of the sizes.

    Parameters
    ----------
    state
        Of the search.
    reference
        Any relaxed structures: their level of theory and energies of isolated atoms hold for all.
    """
    search = _search(state)
    frames = search.minima(level_of_theory=reference.frames.level_of_theory)
    frames = replace(frames, atom_energies=dict(reference.frames.atom_energies))
    lowest = {composition_of(atoms): atoms for atoms in reversed(list(frames))}
    rows = []
    for row in search.table():
        found = lowest.get(row.get("formula") or f"{search.element}{row['size']}")
        rows.append({**row, **({} if found is None else describe(found))})
    table: dict[str, Any] = {"columns": _COLUMNS, "rows": rows}
    if any("formula" in row for row in rows):
        table["columns"] = {"formula": "composition", **_COLUMNS}
        table["excess"] = [asdict(row) for row in excess_energies(lowest_energies(frames))]
    return {"minima": FramesData(frames), "table": Dict(table)}


def make_search(
    settings: Dict,
    seed: Int,
    element: Str | None = None,
    sizes: List | None = None,
    compositions: List | None = None,
) -> BasinHopping:
    """Make the search that settings describe; ValueError where one is out of its limits."""
    numbers = {k: v for k, v in settings.get_dict().items() if k != "relax_stages"}
    return BasinHopping(
        None if element is None else element.value,
        [] if sizes is None else sizes.get_list(),
        **numbers,
        seed=seed.value,
        compositions=[] if compositions is None else compositions.get_list(),
    )


def _search(state: Dict) -> BasinHopping:
    return BasinHopping.from_state(state.get_dict())


def _with_progress(search: BasinHopping) -> dict[str, Any]:
    return search.state | {"is_finished": search.is_finished}


_COLUMNS = {
    "size": "number of atoms",
    "relaxations": "of all walkers of this size",
    "refused": "relaxations without a minimum, by reason",
    "minima": "distinct minima that are kept",
    "lowest": "eV, total",
    "hits": "how often the lowest was found",
    "found_by": "walker that found it first",
    "found_at": "its relaxation, from 1",
    "acceptance": "fraction of accepted moves",
    "step": "mean length of shakes at the end, bond lengths",
    "point_group": "of the lowest, Schoenflies",
    "coordination": "of the lowest: atoms by number of neighbours",
    "n_12_coordinated": "of the lowest: atoms with 12 neighbours",
    "motif": "of the lowest, from common neighbour analysis",
    "motif_reason": "rule by which it was recognised",
}

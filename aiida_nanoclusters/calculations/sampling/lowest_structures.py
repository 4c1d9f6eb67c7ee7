"""The search for the lowest structures, its rounds and its result, as nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiida.engine import calcfunction
from aiida.orm import Dict, Int, List, Str

from aiida_nanoclusters.calculations.sampling.relaxed import relaxed_by_index
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.sampling.lowest_settings import LowestSettings
from aiida_nanoclusters.science.sampling.lowest_structures import LowestSearch
from aiida_nanoclusters.science.sampling.ranking import describe

#: Settings that concern the work chain only.
_NOT_OF_SEARCH = ("keep", "relax_stages")


@calcfunction
def start_lowest_search(
    element: Str, sizes: List, settings: Dict, seed: Int, **known: FramesData
) -> Dict:
    """Begin a search; returns its state.

    Parameters
    ----------
    element, sizes, settings, seed
        As of the work chain.
    known
        Relaxed structures by what found them, such as annealing, from which the search begins too.
    """
    search = make_search(element, sizes, settings, seed)
    for source, structures in sorted(known.items()):
        search.add(structures.frames, source)
    return Dict(_with_progress(search))


@calcfunction
def propose_lowest(state: Dict) -> FramesData:
    """Build the structures of the next round."""
    return FramesData(Frames.from_atoms(LowestSearch.from_state(state.get_dict()).next().values()))


@calcfunction
def update_lowest_search(
    state: Dict,
    proposed: FramesData,
    report: Dict | None = None,
    structures: FramesData | None = None,
) -> Dict:
    """Take the relaxed structures of a round.

    Parameters
    ----------
    state, proposed
        Of the search, and what :func:`propose_lowest` built of it.
    report, structures
        Of a StagesWorkChain that relaxed these; none where it came to nothing.
    """
    search = LowestSearch.from_state(state.get_dict(), proposed.frames)
    keys, found = list(search.next()), relaxed_by_index(report, structures)
    search.update({key: found.get(k) for k, key in enumerate(keys)})
    return Dict(_with_progress(search))


@calcfunction
def collect_lowest(state: Dict, keep: Int, reference: FramesData) -> dict[str, Any]:
    """Return the lowest ``structures`` of each size, and a ``table`` with a row for each.

    Parameters
    ----------
    state, keep
        Of the search; number of isomers of each size.
    reference
        Any relaxed structures: their level of theory and energies of isolated atoms hold for all.
    """
    search = LowestSearch.from_state(state.get_dict())
    frames = search.minima(keep.value, level_of_theory=reference.frames.level_of_theory)
    frames = replace(frames, atom_energies=dict(reference.frames.atom_energies))
    found = {row["size"]: row for row in search.table()}
    rows: list[dict[str, Any]] = []
    for atoms in frames:
        rank = sum(row["size"] == len(atoms) for row in rows)
        own = found[len(atoms)]
        rows.append(
            {
                "size": len(atoms),
                "rank": rank,
                "energy": atoms.get_potential_energy(),
                "parent": atoms.info["parent"],
                "origin": atoms.info["move"],
                "hits": None if rank else sum(own["hits"].values()),
                "runs": None,
                "relaxations": own["relaxations"],
                "hits_by_source": {} if rank else own["hits"],
                "chance_of_lower": None if rank else own["chance_of_lower"],
                "lowest_by_source": {} if rank else own["energies"],
                "found_in": atoms.info["step"],
                **describe(atoms),
            }
        )
    return {
        "structures": FramesData(frames),
        "table": Dict({"columns": _COLUMNS, "rows": rows}),
    }


def make_search(element: Str, sizes: List, settings: Dict, seed: Int) -> LowestSearch:
    """Make the search that inputs describe; ValueError where one is out of its limits."""
    values = {k: v for k, v in settings.get_dict().items() if k not in _NOT_OF_SEARCH}
    checked = LowestSettings.from_values(**values)
    return LowestSearch(element.value, sizes.get_list(), checked, seed=seed.value)


def _with_progress(search: LowestSearch) -> dict[str, Any]:
    rows = search.table()
    return search.state | {
        "is_finished": search.is_finished,
        "n_found": sum(row["lowest"] is not None for row in rows),
    }


_COLUMNS = {
    "size": "number of atoms",
    "rank": "0 is the lowest",
    "energy": "eV, total",
    "parent": "what it was made from",
    "origin": "source that found it first",
    "hits": "lineages in which the lowest was found",
    "runs": "none: these are no annealing runs",
    "relaxations": "of this size",
    "hits_by_source": "the same by source",
    "chance_of_lower": "estimate, 1 / (hits + 1): that the next lineage finds a lower one",
    "lowest_by_source": "lowest energy that each source gave, eV",
    "found_in": "round, from 0",
    "point_group": "Schoenflies",
    "coordination": "atoms by number of neighbours",
    "n_12_coordinated": "atoms with 12 neighbours",
    "motif": "from common neighbour analysis",
    "motif_reason": "rule by which it was recognised",
}

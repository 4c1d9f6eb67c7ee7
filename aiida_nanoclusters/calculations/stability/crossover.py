"""The crossover search, its clusters and its answer, as nodes; the physics is in `science`."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict, Float, List, Str

from aiida_nanoclusters.calculations.arrays import arrays_node
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recognition.neighbours import coordination_numbers
from aiida_nanoclusters.science.stability import magic
from aiida_nanoclusters.science.stability.crossing import difference_curve
from aiida_nanoclusters.science.stability.elasticity import (
    crystal_from_energies,
    strained_cells,
)
from aiida_nanoclusters.science.stability.search import CrossoverSearch
from aiida_nanoclusters.science.stability.settings import CrossoverSettings
from aiida_nanoclusters.science.structures import crystals as builders
from aiida_nanoclusters.science.structures.crystals import wulff_cluster, wulff_sizes
from aiida_nanoclusters.science.structures.motifs import incomplete_icosahedron, motif_family

#: Surfaces whose energies shape a Wulff polyhedron of an fcc metal.
FACETS = ("111", "100", "110")
#: Layers of the slabs surface energies are taken from, and Å of vacuum between them.
SLAB_LAYERS, SLAB_VACUUM = 12, 15.0


@calcfunction
def build_bulk(element: Str) -> FramesData:
    """Build the fcc crystal at the element's experimental lattice constant."""
    crystal = builders.bulk_cell(element.value)
    crystal.info.update(config_type="bulk", parent="bulk")
    return FramesData([crystal])


@calcfunction
def build_slabs(element: Str, relaxed: FramesData) -> FramesData:
    """Cut slabs with (111), (100) and (110) surfaces out of the relaxed crystal."""
    lattice = float(relaxed.frames[0].cell.lengths()[0])
    slabs = []
    for facet in FACETS:
        slab = builders.surface_slab(
            element.value, facet, SLAB_LAYERS, SLAB_VACUUM, lattice_constant=lattice
        )
        slab.info.update(config_type=f"slab {facet}", parent=f"slab {facet}")
        slabs.append(slab)
    return FramesData(slabs)


@calcfunction
def bulk_properties(element: Str, relaxed: FramesData, slabs: FramesData) -> Dict:
    """Lattice constant (Å), energies (eV), atomic volume (Å^3), surface energies (eV/Å^2)."""
    crystal = relaxed.frames[0]
    energy = crystal.get_potential_energy() / len(crystal)
    surfaces = {}
    for slab in slabs.frames:
        surfaces[slab.info["config_type"].split()[1]] = builders.surface_energy(
            slab.get_potential_energy(), len(slab), energy, builders.slab_area(slab)
        )
    return Dict(
        {
            "lattice_constant": float(crystal.cell.lengths()[0]),
            "energy": energy,
            "cohesive_energy": relaxed.atom_energies[element.value] - energy,
            "atomic_volume": crystal.get_volume() / len(crystal),
            "surface_energies": surfaces,
        }
    )


@calcfunction
def build_strained_cells(element: Str, relaxed: FramesData) -> FramesData:
    """Strain the relaxed crystal, for the elastic constants of every member."""
    lattice = float(relaxed.frames[0].cell.lengths()[0])
    cells = strained_cells(element.value, lattice)
    for number, atoms in enumerate(cells):
        atoms.info.update(config_type="strained bulk", parent=f"strained bulk {number}")
    return FramesData(cells)


@calcfunction
def crystal_properties(relaxed: FramesData, committee: List, **members: FramesData) -> Dict:
    """Energy, atomic volume and moduli of each member's crystal, or why they are not known.

    Parameters
    ----------
    relaxed
        The crystal that was strained.
    committee
        Names of all members.
    members
        Strained cells with energies, by name.
    """
    lattice = float(relaxed.frames[0].cell.lengths()[0])
    names = committee.get_list()
    if missing := [name for name in names if name not in members]:
        return Dict({"unknown": f"no energies of strained cells by {', '.join(missing)}"})
    energies = [members[name].frames.energies / members[name].frames.sizes for name in names]
    try:
        return Dict(crystal_from_energies(energies, lattice).as_dict())
    except ValueError as error:
        return Dict({"unknown": str(error)})


@calcfunction
def start_search(
    settings: Dict, bulk: Dict, systematic_mev: Float, crystal: Dict | None = None
) -> Dict:
    """Set up the search over all closed shells of the families; returns its state.

    Without `crystal`, or where it is not known, every volume term is fitted freely.
    """
    options = CrossoverSettings.model_validate(settings.get_dict())
    families = {
        motif: [
            member.size
            for member in motif_family(
                motif,
                options.n_min,
                options.n_max,
                shape=options.shape,
                surface_energies=_surface_energies(bulk) if motif == "Wulff" else None,
            )
        ]
        for motif in options.families
    }
    known = None if crystal is None or "unknown" in crystal else crystal.get_dict()
    physics = options.search(
        systematic_mev=systematic_mev.value,
        atomic_volume=bulk["atomic_volume"],
        crystal_properties=known,
    )
    search = CrossoverSearch(families, **dict(physics))
    return Dict(search.state | _progress(search))


@calcfunction
def build_clusters(element: Str, settings: Dict, bulk: Dict, state: Dict) -> FramesData:
    """Build the clusters of the plan of the search, at the crystal's bond length."""
    options, distance = settings.get_dict(), bulk["lattice_constant"] / np.sqrt(2)
    images = []
    for motif, size in _search(state).next():
        (member,) = motif_family(
            motif,
            size,
            size,
            shape=options["shape"],
            surface_energies=_surface_energies(bulk) if motif == "Wulff" else None,
        )
        atoms = member.build(element.value, distance)
        atoms.info.update(config_type=motif, parent=f"{motif} {size}")
        images.append(atoms)
    return FramesData(images)


@calcfunction
def update_search(state: Dict, committee: List | None = None, **members: FramesData) -> Dict:
    """Update the search with the relaxed structures of each committee member.

    A cluster that any member failed to relax has failed, and the search proposes another.

    Parameters
    ----------
    state
        Of the search.
    committee
        Names of all members; those in `members` where not given, as by earlier versions.
    members
        Relaxed structures by name; a member without any is left out.
    """
    search = _search(state)
    names = sorted(members) if committee is None else committee.get_list()
    tables = [_energies(members[name].frames) if name in members else {} for name in names]
    search.update(
        {
            cluster: np.array([table.get(cluster, np.nan) for table in tables])
            for cluster in search.next()
        }
    )
    return Dict(search.state | _progress(search))


@calcfunction
def join_clusters(**rounds: FramesData) -> FramesData:
    """Join the relaxed clusters of all rounds, by motif and size."""
    frames = Frames.concatenate([rounds[key].frames for key in sorted(rounds)])
    return FramesData(frames.select(np.lexsort((frames.sizes, frames.config_types))))


@calcfunction
def answer_crossover(state: Dict, structures: FramesData) -> dict:
    """Return the crossing with its interval, its fits, and the arrays for plots."""
    search = _search(state)
    fits, crossing = search.fits(), search.result()
    answer = crossing.as_dict()
    answer["reason"] = search.reason
    answer["atoms_relaxed"] = search.spent
    answer["clusters_relaxed"] = len(search.relaxed)
    answer["failed"] = [f"{motif} {size}" for motif, size in search.failed]
    answer["fits"] = {
        motif: {
            "coefficients": [float(x) for x in fit.coefficients],
            "terms": ["N", "N^(2/3)", "N^(1/3)", "1"],
            "sizes": [int(n) for n in fit.sizes],
        }
        for motif, fit in fits.fits.items()
    }
    if strains := search.strain_energies():
        answer["strain_energies"] = strains
    low, high = crossing.n_min, crossing.n_max
    curve = difference_curve(
        fits,
        np.unique(np.geomspace(low, high, 200).round()),
        cluster=crossing.cluster,
        crystal=crossing.crystal,
        confidence=crossing.confidence,
        systematic_mev=crossing.systematic_mev,
    )
    curves = arrays_node(
        {
            keys.GRID: curve.n,
            keys.DIFFERENCE: curve.median,
            keys.DIFFERENCE_LOW: curve.low,
            keys.DIFFERENCE_HIGH: curve.high,
        }
    )
    return {
        "answer": Dict(answer),
        "curves": curves,
        "energies": _clusterarrays_node(structures.frames, state),
    }


@calcfunction
def build_modes(element: Str, bulk: Dict, sizes: List) -> dict[str, FramesData]:
    """Build Wulff polyhedra near the given sizes, and incomplete icosahedra of equal size.

    Sizes are those of Wulff polyhedra with the potential's own surface energies, so that the
    icosahedra are never closed shells: the published comparison of cluster and Wulff mode.
    """
    surface_energies = _surface_energies(bulk)
    wanted = sizes.get_list()
    available = np.array(wulff_sizes(surface_energies, 13, 2 * max(wanted)))
    chosen = sorted({int(available[np.argmin(np.abs(available - n))]) for n in wanted})
    lattice = bulk["lattice_constant"]
    modes: dict[str, list] = {"cluster": [], "wulff": []}
    for n in chosen:
        crystal = wulff_cluster(element.value, surface_energies, n, lattice)
        shell = incomplete_icosahedron(element.value, n, lattice / np.sqrt(2))
        for mode, atoms in (("wulff", crystal), ("cluster", shell)):
            atoms.info.update(config_type=f"{mode} mode", parent=f"{mode} {n}")
            modes[mode].append(atoms)
    return {mode: FramesData(images) for mode, images in modes.items()}


@calcfunction
def compare_modes(cluster: FramesData, wulff: FramesData) -> ArrayData:
    """Compare both modes by equations 3 and 4 at every size they share."""
    sides = []
    for node in (cluster, wulff):
        sides.append(
            {
                len(atoms): (atoms.get_potential_energy(), coordination_numbers(atoms).sum())
                for atoms in node.frames
            }
        )
    sizes = sorted(set(sides[0]) & set(sides[1]))
    e, z = (np.array([[side[n][k] for n in sizes] for side in sides]) for k in (0, 1))
    return arrays_node(
        {
            keys.MODE_SIZES: np.array(sizes),
            keys.DELTA_E: magic.energy_difference(e[0], e[1], sizes),
            keys.DELTA_Z: magic.coordination_difference(z[1], z[0], sizes),
        }
    )


def _search(state: Dict) -> CrossoverSearch:
    return CrossoverSearch.from_state(state.get_dict())


def _progress(search: CrossoverSearch) -> dict[str, Any]:
    return {"is_finished": search.is_finished, "reason": search.reason}


def _surface_energies(bulk: Dict) -> dict[tuple[int, int, int], float]:
    energies = bulk["surface_energies"]
    return {tuple(int(c) for c in facet): value for facet, value in energies.items()}  # type: ignore[misc]


def _energies(frames: Frames) -> dict[tuple[str, int], float]:
    rows = zip(frames.config_types, frames.sizes, frames.energies, strict=True)
    return {(str(motif), int(n)): float(e) for motif, n, e in rows}


def _clusterarrays_node(frames: Frames, state: Dict) -> ArrayData:
    table = {(motif, n): values for motif, n, values in state["results"] if values is not None}
    known = [
        i
        for i in range(len(frames))
        if (str(frames.config_types[i]), int(frames.sizes[i])) in table
    ]
    frames = frames.select(known)
    pairs = [(str(m), int(n)) for m, n in zip(frames.config_types, frames.sizes, strict=True)]
    energies = np.array([table[pair] for pair in pairs]).T
    (atom_energy,) = [frames.atom_energies[e] for e in frames.elements]
    node = arrays_node(
        {
            keys.SIZES: frames.sizes,
            keys.MEMBER_ENERGIES: energies,
            keys.BINDING_ENERGIES: magic.binding_energy(
                frames.sizes, energies.mean(axis=0), atom_energy
            ),
            keys.COORDINATION: np.array([coordination_numbers(a).mean() for a in frames]),
        }
    )
    node.base.attributes.set("motifs", [motif for motif, _ in pairs])
    return node

"""Columns of tables: one name, one unit and one meaning, wherever a table is written.

CSV files (`export`, `publish`), data frames (`to_dataframe`), notes of extended XYZ and lists of
`find` use these names. Arrays of results are named in :mod:`aiida_nanoclusters.science.keys`;
:data:`COLUMN_OF` has the column of each.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiida_nanoclusters.science import keys


@dataclass(frozen=True)
class Column:
    """Unit (empty for numbers without one) and meaning of a column."""

    unit: str
    meaning: str


#: Column of each array that is not named as its column is.
_RENAMED = {
    "size": (
        *(keys.SIZES, keys.SECOND_DIFFERENCE_SIZES, keys.GRID, keys.MODE_SIZES),
        keys.CLUSTER_SIZES,
    ),
    "energy": (keys.ENERGIES,),
    "binding_energy": (keys.BINDING_ENERGIES,),
    "second_difference": (keys.SECOND_DIFFERENCES,),
    "spread": (keys.SECOND_DIFFERENCE_SPREADS,),
    "chance_of_change": (keys.SECOND_DIFFERENCE_CHANCES,),
    "member_energy": (keys.MEMBER_ENERGIES,),
    "mean_coordination": (keys.COORDINATION,),
    "metal_neighbours": (keys.METAL_COORDINATION,),
    "coordination_number": (keys.COORDINATION_NUMBERS,),
    "component": (keys.TRAINING_COMPONENTS, keys.TARGET_COMPONENTS),
    "distance": (keys.TRAINING_DISTANCES, keys.TARGET_DISTANCES),
    "frame": (keys.TRAINING_FRAMES, keys.TARGET_FRAMES, keys.PLACED_FRAMES),
    "atom": (keys.TRAINING_PLACES, keys.TARGET_PLACES),
    "group": (keys.TRAINING_GROUPS,),
    "temperature": (keys.TEMPERATURES, keys.LADDER),
    "bulk_fraction": (keys.BULK_FRACTIONS,),
    "measured_temperature": (keys.MEASURED_TEMPERATURES,),
    "potential_energy": (keys.POTENTIAL_ENERGIES,),
    "potential_energy_error": (keys.POTENTIAL_ENERGY_ERRORS,),
    "total_energy": (keys.TOTAL_ENERGIES,),
    "total_energy_error": (keys.TOTAL_ENERGY_ERRORS,),
    "heat_capacity": (keys.HEAT_CAPACITIES,),
    "heat_capacity_error": (keys.HEAT_CAPACITY_ERRORS,),
    "heat_capacity_by_slope": (keys.HEAT_CAPACITIES_BY_SLOPE,),
    "lindemann_error": (keys.LINDEMANN_ERRORS,),
    "lindemann_block": (keys.LINDEMANN_BLOCKS,),
    "lindemann_atom": (keys.LINDEMANN_ATOMS,),
    "is_surface": (keys.SURFACE_ATOMS,),
    "step": (keys.STEPS, keys.SWAP_STEPS, keys.HILL_STEPS),
    "replica_temperature": (keys.REPLICA_TEMPERATURES,),
    "replica_energy": (keys.REPLICA_ENERGIES,),
    "replica_wall": (keys.REPLICA_WALLS,),
    "population": (keys.POPULATIONS,),
    "population_error": (keys.POPULATION_ERRORS,),
    "packing_population": (keys.PACKING_POPULATIONS,),
    "packing_population_error": (keys.PACKING_POPULATION_ERRORS,),
    "minimum": (keys.MINIMUM_OF,),
    "chart_coordinate": (keys.CHART_COORDINATES,),
    "reconstruction_error": (keys.RECONSTRUCTION_ERRORS,),
    "seen_distance": (keys.SEEN_DISTANCES,),
    "cell_coordinate": (keys.CELL_COORDINATES,),
    "free_energy": (keys.FREE_ENERGIES, keys.PATH_FREE_ENERGIES),
    "free_energy_error": (keys.FREE_ENERGY_ERRORS, keys.PATH_FREE_ENERGY_ERRORS),
    "free_energy_by_hills": (keys.FREE_ENERGIES_BY_HILLS,),
    "path_coordinate": (keys.PATH_COORDINATES,),
    "family": (keys.FAMILY, keys.PATH_FAMILIES),
    "time": (keys.TIMES, keys.DIFFERENCE_TIMES),
    "run": (keys.RUNS,),
    "core": (keys.CORES,),
    "state": (keys.STATES,),
    "smoothed_coordinate": (keys.SMOOTHED_COORDINATES,),
    "variable": (keys.VARIABLES, keys.PATH_VARIABLES),
    "bias_energy": (keys.BIAS_ENERGIES,),
    "hills_energy": (keys.HILLS_ENERGIES,),
    "hill_centre": (keys.HILL_CENTRES,),
    "hill_width": (keys.HILL_WIDTHS,),
    "hill_height": (keys.HILL_HEIGHTS,),
    "cell_edge": (keys.CELL_EDGES,),
    "basin": (keys.BASIN_LABELS,),
    "basin_difference": (keys.BASIN_DIFFERENCES,),
    "basin_difference_error": (keys.BASIN_DIFFERENCE_ERRORS,),
    "basin_difference_by_hills": (keys.BASIN_DIFFERENCES_BY_HILLS,),
    "solvent_count": (keys.SOLVENT_COUNTS,),
    "shell_radius": (keys.SHELL_RADII,),
    "solvent_density": (keys.SOLVENT_DENSITIES,),
    "solvent_density_error": (keys.SOLVENT_DENSITY_ERRORS,),
    "distribution": (keys.DISTRIBUTION_NUMBERS,),
    "value": (keys.DISTRIBUTION_VALUES,),
    "density": (keys.DISTRIBUTION_DENSITIES,),
    "density_error": (keys.DISTRIBUTION_ERRORS,),
    "n_clusters": (keys.CLUSTER_COUNTS,),
    "nucleus": (keys.NUCLEUS_NUMBERS,),
}
#: Column of each array of :mod:`aiida_nanoclusters.science.keys`, by the name of the array.
COLUMN_OF: dict[str, str] = {name: name for name in keys.UNITS} | {
    array: column for column, arrays in _RENAMED.items() for array in arrays
}

#: Column of each number of an answer that is not named as its column is.
COLUMN_OF_FIELD = {"diameter_nm": "diameter", "systematic_mev": "systematic"}

#: What columns of arrays are; `_k` is added to the name where an array has several, from 1 on.
_MEANINGS = {
    "size": "number of atoms; of metal atoms where clusters carry ligands",
    "energy": "total energy",
    "binding_energy": "energy of the isolated atoms less that of the cluster, per atom (eq. 2)",
    "second_difference": "E(N+1) + E(N-1) - 2 E(N) (eq. 1)",
    "spread": "standard deviation over the committee",
    "chance_of_change": "probability that N - 1, N or N + 1 has a lower structure",
    "member_energy": "total energy by the k-th member of the committee",
    "mean_coordination": "mean number of neighbours of an atom",
    "difference": "icosahedral minus crystalline, median",
    "difference_low": "lower end of its band",
    "difference_high": "upper end of its band",
    "delta_e": "cluster mode minus Wulff mode at equal size (eq. 4)",
    "delta_z": "the same of the mean number of neighbours (eq. 3)",
    "temperature": "of the thermostat",
    "bulk_fraction": "temperature over the melting point of the bulk",
    "measured_temperature": "of the motion",
    "potential_energy": "mean",
    "potential_energy_error": "its standard error",
    "total_energy": "mean",
    "total_energy_error": "its standard error",
    "heat_capacity": "from fluctuations of the energy",
    "heat_capacity_error": "its standard error",
    "heat_capacity_by_slope": "from the slope of the caloric curve",
    "lindemann": "Lindemann index",
    "lindemann_error": "its standard error",
    "lindemann_surface": "of pairs of atoms at the surface",
    "lindemann_core": "of all other pairs",
    "lindemann_block": "in the k-th stretch of time",
    "lindemann_atom": "of this atom at the k-th temperature",
    "is_surface": "1 for atoms at the surface",
    "step": "time step",
    "replica_temperature": "place of replica k on the ladder",
    "replica_energy": "potential energy of replica k",
    "replica_wall": "of it, the energy of the confinement",
    "population": "share of the k-th class or family",
    "population_error": "its standard error",
    "packing_population": "share of the k-th packing",
    "packing_population_error": "its standard error",
    "minimum": "index of the minimum of this frame, -1 for none",
    "chart_coordinate": "place in the chart",
    "family": "family of the chart",
    "packing": "packing by common neighbours, -1 for none",
    "reconstruction_error": "rms deviation of the distribution of distances",
    "seen_distance": "to the nearest training frame in the chart",
    "beyond_range": "share of pairs beyond the range of the chart",
    "frame": "index of the frame",
    "outside": "1 where a frame lies outside of what the chart has seen",
    "family_frames": "frames of the k-th family",
    "packing_frames": "frames of the k-th packing",
    "frames_without_minimum": "frames of no family",
    "cell_coordinate": "centre of the cell of the grid",
    "free_energy": "above the lowest cell, or above the first cell of a path",
    "free_energy_error": "its standard error",
    "free_energy_by_hills": "from the sum of hills",
    "path_coordinate": "along the lowest path between two families",
    "time": "time",
    "run": "number of the trajectory",
    "core": "family in whose core a frame lies, -1 between cores",
    "state": "family by the last core, -1 before the first",
    "smoothed_coordinate": "running mean in the chart",
    "variable": "k-th collective variable",
    "bias_energy": "of hills and walls",
    "hills_energy": "of the hills",
    "hill_centre": "of a hill",
    "hill_width": "of a hill",
    "hill_height": "of a hill, times g/(g - 1) for the bias factor g",
    "cell_edge": "edge of the cells along the k-th variable",
    "basin": "0 for basin A, 1 for B, -1 for none",
    "basin_difference": "basin B above basin A",
    "basin_difference_error": "its standard error",
    "basin_difference_by_hills": "the same from the sum of hills",
    "solvent_count": "atoms of the solvent within the radius",
    "solvent_coordination": "sum of the switching function",
    "shell_radius": "middle of a shell about the metal",
    "solvent_density": "number density in the shell",
    "solvent_density_error": "its standard error",
    "distribution": "number of the distance or angle",
    "value": "distance or angle",
    "density": "probability density",
    "density_error": "its standard error",
    "metal_neighbours": "mean number of metal neighbours of a metal atom",
    "n_clusters": "clusters of the k-th size",
    "nucleus": "number of a nucleus",
    "nucleus_rmsd": "of the k-th nucleus from an octahedron",
    "coordination_number": "number of neighbours",
    "training_atoms": "atoms of the training set: in clusters, at surfaces, in crystals",
    "target_atoms": "atoms of the target, likewise",
    "component": "k-th principal component of the SOAP vector",
    "distance": "of the SOAP vector to the nearest of other training frames",
    "atom": "place of the atom in its frame",
    "group": "0 cluster, 1 surface, 2 bulk",
    "explained_variance": "share of the variance along a component",
}
#: Columns of tables that are made of rows: unit, meaning.
_OF_ROWS = {
    "frame": ("", "index of the frame"),
    "formula": ("", "chemical formula"),
    "level_of_theory": ("", "level of theory of the energy"),
    "config_type": ("", "configuration type"),
    "parent": ("", "structure or trajectory it was made from"),
    "origin": ("", "which part of a search found it"),
    "charge": ("e", "total charge"),
    "energy_per_atom": ("eV/atom", "total energy per atom"),
    "excess": ("eV", "energy above the sum of the pure parts"),
    "max_force": ("eV/Å", "largest force on an atom"),
    "rank": ("", "0 is the lowest isomer of its composition"),
    "relative_energy": ("eV", "energy above the lowest isomer of its composition"),
    "hits": ("", "runs that ended in this structure"),
    "runs": ("", "runs of this size"),
    "chance_of_lower": ("", "probability that there is a lower structure of this size"),
    "point_group": ("", "Schoenflies symbol"),
    "motif": ("", "structural motif, by common neighbours or as it was built"),
    "motif_reason": ("", "rule by which it was recognised"),
    "n_12_coordinated": ("atoms", "atoms with 12 neighbours"),
    "uncertainty": ("eV", "standard deviation of a second difference over the committee"),
    "probability": ("", "share of the committee's draws, or of a model"),
    "low": ("atoms", "lower end of the interval of the crossover"),
    "high": ("atoms", "upper end of the interval of the crossover"),
    "diameter": ("nm", "diameter of a sphere of the bulk with as many atoms"),
    "systematic": ("meV/atom", "standard deviation of the systematic shift in the interval"),
    "confidence": ("", "probability with which the interval holds the crossover"),
    "lattice_constant": ("Å", "of the relaxed crystal"),
    "cohesive_energy": ("eV/atom", "energy of the isolated atom less that of the crystal"),
    "atomic_volume": ("Å^3", "of the relaxed crystal"),
    "epoch": ("", "epoch of a training"),
    "member": ("", "potential or network of a committee"),
    "part": ("", "set of frames: test, extrapolation, motifs"),
    "energy_rmse": ("meV/atom", "root mean square error of energies"),
    "energy_mae": ("meV/atom", "mean absolute error of energies"),
    "energy_mean": ("meV/atom", "mean error of energies"),
    "forces_rmse": ("meV/Å", "root mean square error of force components"),
    "forces_mae": ("meV/Å", "mean absolute error of force components"),
    "cutoff": ("Å", "cutoff of a potential"),
    "uuid": ("", "UUID of the node that holds it"),
}


def _columns() -> dict[str, Column]:
    found = {name: Column(*row) for name, row in _OF_ROWS.items()}
    for array, name in COLUMN_OF.items():
        column = Column(keys.UNITS[array], _MEANINGS.get(name, ""))
        if found.setdefault(name, column).unit != column.unit:
            raise ValueError(f"column `{name}` has two units: {array}")
    return dict(sorted(found.items()))


#: Every column with its unit and meaning.
COLUMNS: dict[str, Column] = _columns()


def unit_of(column: str) -> str:
    """Return the unit of a column, of the first of several also with its number; else empty."""
    if column not in COLUMNS:
        column = column.rstrip("0123456789").removesuffix("_")
    return COLUMNS[column].unit if column in COLUMNS else ""


def column_table() -> str:
    """Return the table of all columns (Markdown)."""
    lines = ["", "| column | unit | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | {c.unit} | {c.meaning} |" for name, c in COLUMNS.items()]
    return "\n".join([*lines, ""])

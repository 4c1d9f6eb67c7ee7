"""Names of the arrays in result nodes, with their units: what people plot is found by these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Energies per size (``nanoclusters.size_scan``): one row per size, ascending.
SIZES = "sizes"  # number of atoms, (S,)
ENERGIES = "energies"  # eV, (S,)
BINDING_ENERGIES = "binding_energies"  # eV/atom, (S,), equation 2
SECOND_DIFFERENCE_SIZES = "second_difference_sizes"  # number of atoms, (D,)
SECOND_DIFFERENCES = "second_differences"  # eV, (D,), equation 1
SECOND_DIFFERENCE_SPREADS = "second_difference_spreads"  # eV, (D,), over the committee; NaN if one
# Probability, (D,), that N - 1, N or N + 1 has a lower structure; absent where none was searched.
SECOND_DIFFERENCE_CHANCES = "second_difference_chances"

#: Relaxed closed shells (``nanoclusters.crossover``): one row per cluster.
MEMBER_ENERGIES = "member_energies"  # eV, (M, S), one row per member of the committee
COORDINATION = "coordination"  # mean number of neighbours, (S,)

#: The difference icosahedron - crystal along a grid of sizes.
GRID = "grid"  # number of atoms, (G,)
DIFFERENCE = "difference"  # eV/atom, (G,), median
DIFFERENCE_LOW = "difference_low"  # eV/atom, (G,), lower end of the band
DIFFERENCE_HIGH = "difference_high"  # eV/atom, (G,), upper end

#: Cluster mode against Wulff mode at equal size.
MODE_SIZES = "mode_sizes"  # number of atoms, (W,)
DELTA_E = "delta_e"  # eV/atom, (W,), equation 4
DELTA_Z = "delta_z"  # neighbours per atom, (W,), equation 3

#: Structure and solvent in the frames of a solution (``nanoclusters.nucleate``): one row per frame
#: (with ``times``), per shell about the metal, and per point of the distributions, of all distances
#: and angles one below the other, each by its place in the attribute ``names``.
SOLVENT_COUNTS = "solvent_counts"  # atoms within the radius, (F,)
SOLVENT_COORDINATION = "solvent_coordination"  # sum of the switching function, (F,)
SHELL_RADII = "shell_radii"  # Å, middles of the shells, (K,)
SOLVENT_DENSITIES = "solvent_densities"  # 1/Å^3, (K,)
SOLVENT_DENSITY_ERRORS = "solvent_density_errors"  # 1/Å^3, (K,)
DISTRIBUTION_NUMBERS = "distribution_numbers"  # place in `names`, (T,)
DISTRIBUTION_VALUES = "distribution_values"  # Å or degrees, (T,)
DISTRIBUTION_DENSITIES = "distribution_densities"  # per Å or degree, (T,)
DISTRIBUTION_ERRORS = "distribution_errors"  # per Å or degree, (T,)

#: Atoms of a training set and a target by coordination number: one row per number. The second
#: dimension is the group of frames: cluster, surface, bulk.
COORDINATION_NUMBERS = "coordination_numbers"  # (K,)
TRAINING_ATOMS = "training_atoms"  # (3, K)
TARGET_ATOMS = "target_atoms"  # (3, K)

#: Environments of a training set and a target on one map: one row per atom that was drawn.
TRAINING_COMPONENTS = "training_components"  # (C, S), principal components of SOAP vectors
TRAINING_DISTANCES = "training_distances"  # (S,), to the nearest in another training frame
TRAINING_FRAMES = "training_frames"  # (S,), index of the frame
TRAINING_PLACES = "training_places"  # (S,), place of the atom in the frame
TRAINING_GROUPS = "training_groups"  # (S,), 0 cluster, 1 surface, 2 bulk
TARGET_COMPONENTS = "target_components"  # (C, T)
TARGET_DISTANCES = "target_distances"  # (T,), to the nearest of the training set
TARGET_FRAMES = "target_frames"  # (T,)
TARGET_PLACES = "target_places"  # (T,)
EXPLAINED_VARIANCE = "explained_variance"  # (C,), share along each component

#: Melting (``nanoclusters.melting``): one row per temperature, ascending.
TEMPERATURES = "temperatures"  # K, (S,), of the thermostat
BULK_FRACTIONS = "bulk_fractions"  # of the bulk's melting point, (S,)
MEASURED_TEMPERATURES = "measured_temperatures"  # K, (S,), of the motion
POTENTIAL_ENERGIES = "potential_energies"  # eV/atom, (S,)
TOTAL_ENERGIES = "total_energies"  # eV/atom, (S,)
TOTAL_ENERGY_ERRORS = "total_energy_errors"  # eV/atom, (S,), standard errors
HEAT_CAPACITIES = "heat_capacities"  # k/atom, (S,), from fluctuations of the energy
HEAT_CAPACITIES_BY_SLOPE = "heat_capacities_by_slope"  # k/atom, (S,), from the curve
LINDEMANN = "lindemann"  # (S,), over a whole run
LINDEMANN_ERRORS = "lindemann_errors"  # (S,), standard errors by blocks
LINDEMANN_SURFACE = "lindemann_surface"  # (S,), pairs of atoms with up to 10 neighbours
LINDEMANN_CORE = "lindemann_core"  # (S,), pairs of all others
LINDEMANN_BLOCKS = "lindemann_blocks"  # (B, S), in each stretch of time on its own
LINDEMANN_ATOMS = "lindemann_atoms"  # (S, N), of each atom
SURFACE_ATOMS = "surface_atoms"  # (N,), 1 for surface, 0 for core

#: Parallel tempering (``nanoclusters.parallel_tempering``): the table of swaps, one row per
#: attempt; R replicas on a ladder of R temperatures.
SWAP_STEPS = "swap_steps"  # time step of each attempt, (S,)
REPLICA_TEMPERATURES = "replica_temperatures"  # index into the ladder after each attempt, (S, R)
REPLICA_ENERGIES = "replica_energies"  # eV, with the confinement, before each attempt, (S, R)
REPLICA_WALLS = "replica_walls"  # eV, of the confinement alone, before each attempt, (S, R)
#: Thermodynamics by reweighting: one row per temperature, ascending. Standard errors.
POTENTIAL_ENERGY_ERRORS = "potential_energy_errors"  # eV/atom, (G,)
HEAT_CAPACITY_ERRORS = "heat_capacity_errors"  # k/atom, (G,)
POPULATIONS = "populations"  # share of each class of structures, (C, G)
POPULATION_ERRORS = "population_errors"  # (C, G)
#: Minimum of each sampled frame.
MINIMUM_OF = "minimum_of"  # index of the minimum, -1 where there is none, (F,)

#: Frames in a chart (``nanoclusters.chart``, ``nanoclusters.classify``): one row per frame.
CHART_COORDINATES = "chart_coordinates"  # in the lengths of the chart, (F, d)
FAMILY = "family"  # family with the nearest centre, (F,)
PACKING = "packing"  # index into FAMILIES of packing_family.py, -1 for not named, (F,)
RECONSTRUCTION_ERRORS = "reconstruction_errors"  # rms deviation of the distribution, (F,)
SEEN_DISTANCES = "seen_distances"  # to the nearest training frame in the chart, (F,)
BEYOND_RANGE = "beyond_range"  # share of pairs out of the range of the chart, (F,)
PLACED_FRAMES = "placed_frames"  # index among the frames that were given, (F,)
OUTSIDE = "outside"  # 1 where a frame lies outside of what the chart has seen, (F,)

#: Populations in a chart (``nanoclusters.chart_populations``): families of the chart (C) and
#: packings by common neighbours (P) at the temperatures of the grid (G), and frames as they were
#: sampled at those of the ladder (L).
PACKING_POPULATIONS = "packing_populations"  # share of each packing, (P, G)
PACKING_POPULATION_ERRORS = "packing_population_errors"  # standard errors, (P, G)
LADDER = "ladder"  # K, (L,)
FAMILY_FRAMES = "family_frames"  # frames of each family, not reweighted, (C, L)
PACKING_FRAMES = "packing_frames"  # frames of each packing, (P, L)
FRAMES_WITHOUT_MINIMUM = "frames_without_minimum"  # frames of no family, (L,)
#: Free energy over the chart (``nanoclusters.chart_free_energy``): one row per cell of the grid
#: that was sampled (S), and per cell of the path (P).
CELL_COORDINATES = "cell_coordinates"  # centre, (d, S)
FREE_ENERGIES = "free_energies"  # eV above the lowest cell, (S,)
FREE_ENERGY_ERRORS = "free_energy_errors"  # eV, standard errors, (S,)
PATH_COORDINATES = "path_coordinates"  # lowest path between two families, (d, P)
PATH_FREE_ENERGIES = "path_free_energies"  # eV above its first cell, (P,)
PATH_FREE_ENERGY_ERRORS = "path_free_energy_errors"  # eV, standard errors, (P,)
PATH_FAMILIES = "path_families"  # family with the nearest centre, (P,)
#: A trajectory in a chart (``nanoclusters.chart_transitions``): one row per frame.
TIMES = "times"  # ps, (F,)
RUNS = "runs"  # number of the trajectory, (F,)
CORES = "cores"  # family in whose core the frame lies, -1 between cores, (F,)
STATES = "states"  # family by the last core, -1 before the first, (F,)
SMOOTHED_COORDINATES = "smoothed_coordinates"  # running mean in the chart, (d, F)

#: Metadynamics (``nanoclusters.metadynamics``): D variables, in the order of the attribute
#: ``names``; one row per value that was kept (S), one per hill (H).
STEPS = "steps"  # time step since the bias began, (S,)
VARIABLES = "variables"  # (S, D)
BIAS_ENERGIES = "bias_energies"  # eV, of hills and walls, (S,)
HILLS_ENERGIES = "hills_energies"  # eV, of the hills, (S,)
HILL_STEPS = "hill_steps"  # (H,)
HILL_CENTRES = "hill_centres"  # (H, D)
HILL_WIDTHS = "hill_widths"  # (H, D)
HILL_HEIGHTS = "hill_heights"  # eV, times g/(g - 1) for the bias factor g, (H,)
#: Its free energy: C cells along each variable; `FREE_ENERGIES` and their errors have (C, ...).
CELL_EDGES = "cell_edges"  # (D, C + 1)
FREE_ENERGIES_BY_HILLS = "free_energies_by_hills"  # eV, from the sum of hills, (C, ...)
BASIN_LABELS = "basin_labels"  # 0 for basin A, 1 for B, ..., -1 for none, (C, ...)
PATH_VARIABLES = "path_variables"  # lowest path from basin A to B, (P, D)
#: How far basin B is above A, at moments (T) of the runs.
DIFFERENCE_TIMES = "difference_times"  # ps, (T,)
BASIN_DIFFERENCES = "basin_differences"  # eV, from the samples until then, (T,)
BASIN_DIFFERENCE_ERRORS = "basin_difference_errors"  # eV, standard errors, (T,)
BASIN_DIFFERENCES_BY_HILLS = "basin_differences_by_hills"  # eV, (T,)

#: Assembly of a trajectory (``nanoclusters.analyse_assembly``): one row per frame (F), S sizes of
#: clusters, K nuclei of six metal atoms. `TIMES` are NaN where they are not known.
METAL_COORDINATION = "metal_coordination"  # mean number of metal neighbours of a metal atom, (F,)
CLUSTER_SIZES = "cluster_sizes"  # metal atoms, ascending, (S,)
CLUSTER_COUNTS = "cluster_counts"  # clusters of each size, (F, S)
NUCLEUS_NUMBERS = "nucleus_numbers"  # number of the cluster, (K,)
NUCLEUS_RMSD = "nucleus_rmsd"  # Å, from an octahedron, NaN where it is not there, (F, K)

#: Standard errors of averages over dynamics, by the array of the averages.
STANDARD_ERRORS = {
    POTENTIAL_ENERGIES: POTENTIAL_ENERGY_ERRORS,
    HEAT_CAPACITIES: HEAT_CAPACITY_ERRORS,
    POPULATIONS: POPULATION_ERRORS,
    PACKING_POPULATIONS: PACKING_POPULATION_ERRORS,
    FREE_ENERGIES: FREE_ENERGY_ERRORS,
}

#: Unit of each array, as tables of them say it.
UNITS = {
    SIZES: "atoms",
    ENERGIES: "eV",
    BINDING_ENERGIES: "eV/atom",
    SECOND_DIFFERENCE_SIZES: "atoms",
    SECOND_DIFFERENCES: "eV",
    SECOND_DIFFERENCE_SPREADS: "eV",
    SECOND_DIFFERENCE_CHANCES: "",
    MEMBER_ENERGIES: "eV",
    COORDINATION: "neighbours/atom",
    GRID: "atoms",
    DIFFERENCE: "eV/atom",
    DIFFERENCE_LOW: "eV/atom",
    DIFFERENCE_HIGH: "eV/atom",
    MODE_SIZES: "atoms",
    DELTA_E: "eV/atom",
    DELTA_Z: "neighbours/atom",
    TEMPERATURES: "K",
    BULK_FRACTIONS: "",
    MEASURED_TEMPERATURES: "K",
    POTENTIAL_ENERGIES: "eV/atom",
    TOTAL_ENERGIES: "eV/atom",
    TOTAL_ENERGY_ERRORS: "eV/atom",
    HEAT_CAPACITIES: "k/atom",
    HEAT_CAPACITIES_BY_SLOPE: "k/atom",
    LINDEMANN: "",
    LINDEMANN_ERRORS: "",
    LINDEMANN_SURFACE: "",
    LINDEMANN_CORE: "",
    LINDEMANN_BLOCKS: "",
    LINDEMANN_ATOMS: "",
    SURFACE_ATOMS: "",
    SWAP_STEPS: "time steps",
    REPLICA_TEMPERATURES: "",
    REPLICA_ENERGIES: "eV",
    REPLICA_WALLS: "eV",
    POTENTIAL_ENERGY_ERRORS: "eV/atom",
    HEAT_CAPACITY_ERRORS: "k/atom",
    POPULATIONS: "",
    POPULATION_ERRORS: "",
    MINIMUM_OF: "",
    CHART_COORDINATES: "",
    FAMILY: "",
    PACKING: "",
    RECONSTRUCTION_ERRORS: "",
    SEEN_DISTANCES: "",
    BEYOND_RANGE: "",
    PLACED_FRAMES: "",
    OUTSIDE: "",
    PACKING_POPULATIONS: "",
    PACKING_POPULATION_ERRORS: "",
    LADDER: "K",
    FAMILY_FRAMES: "frames",
    PACKING_FRAMES: "frames",
    FRAMES_WITHOUT_MINIMUM: "frames",
    CELL_COORDINATES: "lengths of the chart",
    FREE_ENERGIES: "eV",
    FREE_ENERGY_ERRORS: "eV",
    PATH_COORDINATES: "lengths of the chart",
    PATH_FREE_ENERGIES: "eV",
    PATH_FREE_ENERGY_ERRORS: "eV",
    PATH_FAMILIES: "",
    TIMES: "ps",
    RUNS: "",
    CORES: "",
    STATES: "",
    SMOOTHED_COORDINATES: "lengths of the chart",
    STEPS: "time steps",
    VARIABLES: "",
    BIAS_ENERGIES: "eV",
    HILLS_ENERGIES: "eV",
    HILL_STEPS: "time steps",
    HILL_CENTRES: "",
    HILL_WIDTHS: "",
    HILL_HEIGHTS: "eV",
    CELL_EDGES: "",
    FREE_ENERGIES_BY_HILLS: "eV",
    BASIN_LABELS: "",
    PATH_VARIABLES: "",
    DIFFERENCE_TIMES: "ps",
    BASIN_DIFFERENCES: "eV",
    BASIN_DIFFERENCE_ERRORS: "eV",
    BASIN_DIFFERENCES_BY_HILLS: "eV",
    SOLVENT_COUNTS: "atoms",
    SOLVENT_COORDINATION: "",
    SHELL_RADII: "Å",
    SOLVENT_DENSITIES: "1/Å^3",
    SOLVENT_DENSITY_ERRORS: "1/Å^3",
    DISTRIBUTION_NUMBERS: "",
    DISTRIBUTION_VALUES: "Å or degrees",
    DISTRIBUTION_DENSITIES: "1/Å or 1/degree",
    DISTRIBUTION_ERRORS: "1/Å or 1/degree",
    METAL_COORDINATION: "neighbours/atom",
    CLUSTER_SIZES: "atoms",
    CLUSTER_COUNTS: "clusters",
    NUCLEUS_NUMBERS: "",
    NUCLEUS_RMSD: "Å",
    COORDINATION_NUMBERS: "neighbours",
    TRAINING_ATOMS: "atoms",
    TARGET_ATOMS: "atoms",
    TRAINING_COMPONENTS: "",
    TRAINING_DISTANCES: "",
    TRAINING_FRAMES: "",
    TRAINING_PLACES: "",
    TRAINING_GROUPS: "",
    TARGET_COMPONENTS: "",
    TARGET_DISTANCES: "",
    TARGET_FRAMES: "",
    TARGET_PLACES: "",
    EXPLAINED_VARIANCE: "",
}

#: Arrays of two dimensions of which the first is that of the rows; of others it is the last.
ROWS_FIRST = (
    *(CHART_COORDINATES, REPLICA_TEMPERATURES, REPLICA_ENERGIES, REPLICA_WALLS),
    *(VARIABLES, HILL_CENTRES, HILL_WIDTHS, PATH_VARIABLES, CLUSTER_COUNTS, NUCLEUS_RMSD),
)

#: Arrays that share their rows, by the name of their table. A result has those tables of which the
#: columns are not all in another of its tables.
TABLES = {
    "temperatures": (TEMPERATURES,),
    "energies": (SIZES, ENERGIES, BINDING_ENERGIES, MEMBER_ENERGIES, COORDINATION),
    "second_differences": (
        SECOND_DIFFERENCE_SIZES,
        SECOND_DIFFERENCES,
        SECOND_DIFFERENCE_SPREADS,
        SECOND_DIFFERENCE_CHANCES,
    ),
    "curve": (GRID, DIFFERENCE, DIFFERENCE_LOW, DIFFERENCE_HIGH),
    "modes": (MODE_SIZES, DELTA_E, DELTA_Z),
    "melting": (
        *(TEMPERATURES, BULK_FRACTIONS, MEASURED_TEMPERATURES, POTENTIAL_ENERGIES),
        *(TOTAL_ENERGIES, TOTAL_ENERGY_ERRORS, HEAT_CAPACITIES, HEAT_CAPACITIES_BY_SLOPE),
        *(LINDEMANN, LINDEMANN_ERRORS, LINDEMANN_SURFACE, LINDEMANN_CORE),
        LINDEMANN_BLOCKS,
    ),
    "thermodynamics": (
        *(TEMPERATURES, POTENTIAL_ENERGIES, POTENTIAL_ENERGY_ERRORS),
        *(HEAT_CAPACITIES, HEAT_CAPACITY_ERRORS),
    ),
    "melting_atoms": (SURFACE_ATOMS, LINDEMANN_ATOMS),
    "coordination": (COORDINATION_NUMBERS, TRAINING_ATOMS, TARGET_ATOMS),
    "training_environments": (
        *(TRAINING_FRAMES, TRAINING_PLACES, TRAINING_GROUPS),
        *(TRAINING_DISTANCES, TRAINING_COMPONENTS),
    ),
    "target_environments": (TARGET_FRAMES, TARGET_PLACES, TARGET_DISTANCES, TARGET_COMPONENTS),
    "components": (EXPLAINED_VARIANCE,),
    "chart": (FAMILY, PACKING, CHART_COORDINATES),
    "placements": (
        *(PLACED_FRAMES, FAMILY, OUTSIDE, SEEN_DISTANCES, RECONSTRUCTION_ERRORS, BEYOND_RANGE),
        CHART_COORDINATES,
    ),
    "populations": (
        *(TEMPERATURES, POPULATIONS, POPULATION_ERRORS),
        *(PACKING_POPULATIONS, PACKING_POPULATION_ERRORS),
    ),
    "sampled_frames": (LADDER, FAMILY_FRAMES, PACKING_FRAMES, FRAMES_WITHOUT_MINIMUM),
    "free_energy": (
        *(CELL_COORDINATES, FREE_ENERGIES, FREE_ENERGY_ERRORS),
        *(FREE_ENERGIES_BY_HILLS, BASIN_LABELS),
    ),
    "path": (
        *(PATH_FAMILIES, PATH_COORDINATES, PATH_VARIABLES),
        *(PATH_FREE_ENERGIES, PATH_FREE_ENERGY_ERRORS),
    ),
    "basin_differences": (
        *(DIFFERENCE_TIMES, BASIN_DIFFERENCES, BASIN_DIFFERENCE_ERRORS),
        BASIN_DIFFERENCES_BY_HILLS,
    ),
    "swaps": (SWAP_STEPS, REPLICA_TEMPERATURES, REPLICA_ENERGIES, REPLICA_WALLS),
    "minimum_of": (MINIMUM_OF,),
    "bias": (STEPS, TIMES, VARIABLES, BIAS_ENERGIES, HILLS_ENERGIES),
    "hills": (HILL_STEPS, HILL_CENTRES, HILL_WIDTHS, HILL_HEIGHTS),
    "cells": (CELL_EDGES,),
    "solvent": (TIMES, SOLVENT_COUNTS, SOLVENT_COORDINATION),
    "shells": (SHELL_RADII, SOLVENT_DENSITIES, SOLVENT_DENSITY_ERRORS),
    "distributions": (
        *(DISTRIBUTION_NUMBERS, DISTRIBUTION_VALUES),
        *(DISTRIBUTION_DENSITIES, DISTRIBUTION_ERRORS),
    ),
    "assembly": (TIMES, METAL_COORDINATION, CLUSTER_COUNTS, NUCLEUS_RMSD),
    "cluster_sizes": (CLUSTER_SIZES,),
    "nuclei": (NUCLEUS_NUMBERS,),
    "trajectory": (TIMES, RUNS, CORES, STATES, SMOOTHED_COORDINATES),
}

#: Keys of stored results that earlier versions called otherwise: former key: present key.
FORMER_KEYS: dict[str, str] = {
    "n_twelvefold": "n_12_coordinated",
    "unseen": "extrapolation",
    "unseen size": "extrapolation",
    "rung": "settings_level",
    "rungs": "levels",
    "deaths": "failures",
    "max_deaths": "max_failures",
    "barren": "failed_jobs",
    "max_barren": "max_failed_jobs",
}
#: The same for the state and the reports of active learning, whose words mean something else in
#: other results.
FORMER_LOOP_KEYS = {
    **FORMER_KEYS,
    "low": "accurate_below",
    "high": "failed_above",
    "checks": "calibration_frames",
    "calm": "converged_rounds",
    "setbacks": "failures_in_a_row",
    "probe": "convergence_test_size",
    "probes": "convergence_test",
    "doubtful": "uncertain",
    "check": "calibration",
    "chance": "random",
}


def with_present_keys(value: Any, former: Mapping[str, str] = FORMER_KEYS) -> Any:
    """Return stored results with every key of a mapping, at any depth, as it is called now.

    Whoever reads a result that an earlier version may have stored reads it through this function.

    Parameters
    ----------
    value
        What was stored.
    former
        Former key: present key.
    """
    if isinstance(value, Mapping):
        return {
            former.get(key, key): with_present_keys(inner, former) for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [with_present_keys(inner, former) for inner in value]
    return value

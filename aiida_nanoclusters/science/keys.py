"""Names of the arrays in result nodes, with their units: what people plot is found by these."""

#: Energies per size (``nanoclusters.size_scan``): one row per size, ascending.
SIZES = "sizes"  # number of atoms, (S,)
ENERGIES = "energies"  # eV, (S,)
BINDING_ENERGIES = "binding_energies"  # eV/atom, (S,), equation 2
SECOND_DIFFERENCE_SIZES = "second_difference_sizes"  # number of atoms, (D,)
SECOND_DIFFERENCES = "second_differences"  # eV, (D,), equation 1
SECOND_DIFFERENCE_SPREADS = "second_difference_spreads"  # eV, (D,), over the committee; NaN if one

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

#: Unit of each array, as tables of them say it.
UNITS = {
    SIZES: "atoms",
    ENERGIES: "eV",
    BINDING_ENERGIES: "eV/atom",
    SECOND_DIFFERENCE_SIZES: "atoms",
    SECOND_DIFFERENCES: "eV",
    SECOND_DIFFERENCE_SPREADS: "eV",
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

#: Arrays that share their rows, by the name of their table.
TABLES = {
    "energies": (SIZES, ENERGIES, BINDING_ENERGIES, MEMBER_ENERGIES, COORDINATION),
    "second_differences": (
        SECOND_DIFFERENCE_SIZES,
        SECOND_DIFFERENCES,
        SECOND_DIFFERENCE_SPREADS,
    ),
    "curve": (GRID, DIFFERENCE, DIFFERENCE_LOW, DIFFERENCE_HIGH),
    "modes": (MODE_SIZES, DELTA_E, DELTA_Z),
    "melting": (
        *(TEMPERATURES, BULK_FRACTIONS, MEASURED_TEMPERATURES, POTENTIAL_ENERGIES),
        *(TOTAL_ENERGIES, TOTAL_ENERGY_ERRORS, HEAT_CAPACITIES, HEAT_CAPACITIES_BY_SLOPE),
        *(LINDEMANN, LINDEMANN_ERRORS, LINDEMANN_SURFACE, LINDEMANN_CORE),
        LINDEMANN_BLOCKS,
    ),
    "melting_atoms": (SURFACE_ATOMS, LINDEMANN_ATOMS),
    "coordination": (COORDINATION_NUMBERS, TRAINING_ATOMS, TARGET_ATOMS),
    "training_environments": (
        *(TRAINING_FRAMES, TRAINING_PLACES, TRAINING_GROUPS),
        *(TRAINING_DISTANCES, TRAINING_COMPONENTS),
    ),
    "target_environments": (TARGET_FRAMES, TARGET_PLACES, TARGET_DISTANCES, TARGET_COMPONENTS),
    "components": (EXPLAINED_VARIANCE,),
}

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
}

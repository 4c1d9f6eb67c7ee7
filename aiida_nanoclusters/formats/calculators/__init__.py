"""ASE calculators as potentials: how one is made, and the process that LAMMPS asks."""

"""LAMMPS: input, output, dumps, potential files."""

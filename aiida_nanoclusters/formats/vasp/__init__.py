"""VASP: input, runs, labels."""

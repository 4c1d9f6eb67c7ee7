"""Node types: frames and potentials."""

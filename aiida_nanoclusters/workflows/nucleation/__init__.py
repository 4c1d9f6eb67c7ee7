"""Nucleation in solution: from packed molecules to the free energy of their assembly."""

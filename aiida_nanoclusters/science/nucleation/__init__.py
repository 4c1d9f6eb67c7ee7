"""Nucleation of protected clusters in solution."""

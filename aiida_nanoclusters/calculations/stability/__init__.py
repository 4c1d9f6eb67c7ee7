"""Calcfunctions of energies against size."""

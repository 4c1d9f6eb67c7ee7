"""Energies against size: expansion, crossing, crossover search, magic numbers."""

"""Physics on numpy arrays and ase.Atoms; imports where AiiDA is not installed."""

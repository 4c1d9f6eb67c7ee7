"""Base work chains: one job through the faults of machines and programs."""

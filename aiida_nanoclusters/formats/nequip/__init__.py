"""nequip: configuration, models, and scripts that are copied into its jobs."""

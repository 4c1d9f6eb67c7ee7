"""Which ligands go with which inorganic core: pairs, encoders, the matching model, its use."""

"""Which ligands go with which core: pairs, trainings, predictions."""

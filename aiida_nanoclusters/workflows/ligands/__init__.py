"""Which ligands go with which core: models of compatibility, rankings, edits of cores."""

"""What can be built: motifs, crystals, starting structures, recipes of frames."""

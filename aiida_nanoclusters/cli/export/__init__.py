"""Results as files for other programs: structures, tables, figures, potentials."""

"""Jobs and calcfunctions that make configurations."""

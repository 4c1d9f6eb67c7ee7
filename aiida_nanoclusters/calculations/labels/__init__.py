"""Jobs and calcfunctions that label frames."""

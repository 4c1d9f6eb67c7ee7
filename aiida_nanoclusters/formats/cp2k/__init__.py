"""CP2K: input, output, runs."""

"""CalcJobs, and calcfunctions that wrap science."""

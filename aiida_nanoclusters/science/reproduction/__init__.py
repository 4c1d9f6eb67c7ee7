"""Whether results computed anew agree with recorded ones."""

"""A folder that others can read, check and go on from."""

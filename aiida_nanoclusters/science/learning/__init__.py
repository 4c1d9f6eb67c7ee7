"""Data set, committee, errors, choice of frames, active learning, alignment."""

"""The machine: setup, doctor, profiles."""

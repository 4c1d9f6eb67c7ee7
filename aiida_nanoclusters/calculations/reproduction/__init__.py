"""Calcfunctions that compare runs."""

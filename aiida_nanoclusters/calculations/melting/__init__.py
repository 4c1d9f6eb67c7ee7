"""Calcfunctions of melting."""

"""Structural charts."""

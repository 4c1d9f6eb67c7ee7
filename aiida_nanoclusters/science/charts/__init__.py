"""Structural charts: distributions of pair distances, an autoencoder, families of structures."""

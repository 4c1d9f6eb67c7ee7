"""Computing again what a published node holds."""

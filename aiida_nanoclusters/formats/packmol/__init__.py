"""Solutions packed by packmol."""

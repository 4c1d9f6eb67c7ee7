"""Work chains of energies against size."""

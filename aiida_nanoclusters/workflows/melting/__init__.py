"""Work chains of melting."""

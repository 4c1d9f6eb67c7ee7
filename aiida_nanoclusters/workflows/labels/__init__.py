"""Work chains that label frames."""

"""Work chains that make configurations."""

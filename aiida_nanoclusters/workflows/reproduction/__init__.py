"""Work chains that run recorded processes again."""

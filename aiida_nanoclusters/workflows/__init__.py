"""Work chains, their protocols and the reference engines."""

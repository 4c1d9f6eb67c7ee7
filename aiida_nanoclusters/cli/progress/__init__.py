"""How far a process is."""

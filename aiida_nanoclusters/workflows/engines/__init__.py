"""Reference engines: anything that can label frames, behind one contract."""

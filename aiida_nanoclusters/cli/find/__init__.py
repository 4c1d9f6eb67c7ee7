"""What is in the profile, and where it came from."""

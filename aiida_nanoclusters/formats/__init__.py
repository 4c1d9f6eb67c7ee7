"""Text and binary files to arrays and back; imports where AiiDA is not installed."""

"""Taking in what others published or computed: archives, and labels in files."""

"""The `aiida-nanoclusters` command."""

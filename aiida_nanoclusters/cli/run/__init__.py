"""Commands that launch work chains: `aiida-nanoclusters run NAME`."""

"""Which cluster sizes are magic, and at what size does a cluster become a crystal?"""

__version__ = "0.1.0"

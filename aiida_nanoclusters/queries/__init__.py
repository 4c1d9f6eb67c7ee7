"""Queries of the database that return plain data: for notebooks, scripts and the commands.

Filters are evaluated by the database, on SQLite and PostgreSQL alike; nodes are not loaded. Load
the AiiDA profile first (``aiida.load_profile()``).
"""

from aiida_nanoclusters.queries.crossovers import Crossover, Member, find_crossovers
from aiida_nanoclusters.queries.datasets import Dataset, find_datasets
from aiida_nanoclusters.queries.dependents import Dependent, find_dependents
from aiida_nanoclusters.queries.explanation import Explanation, explain
from aiida_nanoclusters.queries.labels import LabelledFrame, find_labels
from aiida_nanoclusters.queries.nodes import find_node
from aiida_nanoclusters.queries.potentials import Potential, find_potentials
from aiida_nanoclusters.queries.structures import LowestStructure, find_structures

__all__ = [
    "Crossover",
    "Dataset",
    "Dependent",
    "Explanation",
    "LabelledFrame",
    "LowestStructure",
    "Member",
    "Potential",
    "explain",
    "find_crossovers",
    "find_datasets",
    "find_dependents",
    "find_labels",
    "find_node",
    "find_potentials",
    "find_structures",
]

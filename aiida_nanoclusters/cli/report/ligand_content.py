"""The parts of a report on the compatibility of cores and ligands, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiida_nanoclusters.cli.report.content import Structure


@dataclass(frozen=True)
class CompatibilityPart:
    """Pairs, methods and models of a CompatibilityWorkChain.

    Attributes
    ----------
    counts
        ``n_pairs``, ``n_positive``, ``n_cores``, ``n_ligands``.
    methods
        As the output `methods`; empty where nothing was measured.
    left_out
        Rows of clusters that are no pairs: origin, reason, message.
    negatives
        As the output `negatives`; empty where the pairs had some.
    leaks
        By split, as the output `leaks`: what its subsets have in common.
    pretraining
        Report of the pretraining; empty without one.
    curves
        By member its losses by epoch: ``train_loss``, ``val_loss``.
    maps, separations
        By method the arrays of the map, and how well the features separate the labels.
    """

    counts: Mapping[str, int]
    methods: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[Mapping[str, Any], ...] = ()
    negatives: Mapping[str, Any] = field(default_factory=dict)
    leaks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pretraining: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    maps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    separations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    uuids: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RankingPart:
    """Sets of ligands ranked for cores; with edits, what each of them changes.

    Attributes
    ----------
    table
        As the output `table`.
    structures
        Cores that are drawn, in the order of the table.
    comparison
        Rows of the edits, the core first; empty where none was edited.
    stability
        Rows of the bare cores that were relaxed.
    level
        Level of theory of these energies.
    """

    table: Mapping[str, Any]
    structures: tuple[Structure, ...] = ()
    comparison: tuple[Mapping[str, Any], ...] = ()
    stability: tuple[Mapping[str, Any], ...] = ()
    level: str = ""
    uuids: Mapping[str, str] = field(default_factory=dict)

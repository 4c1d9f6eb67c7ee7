"""A world of cores and ligands in which a known rule decides what is compatible.

With few real pairs a metric is noise. Here the truth is known: a method that works finds the rule,
and finds nothing where the labels are shuffled or the rule concerns what it cannot see. The rule
is a score of the core times a score of the ligand set, beyond a threshold, with noise: neither the
core nor the ligands alone tell the label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, reference_states
from numpy.typing import NDArray
from pydantic import model_validator

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.settings import Settings, quantity

if TYPE_CHECKING:
    from aiida_nanoclusters.science.ligands.pairs import PairSet

#: Ligands by functional group: (canonical SMILES, carbon atoms).
LIGANDS: dict[str, tuple[tuple[str, int], ...]] = {
    "thiolate": (
        *((f"{'C' * n}[S]", n) for n in (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 18)),
        ("CC(C)(C)[S]", 4),
        ("[S]c1ccccc1", 6),
        ("[S]C1CCCCC1", 6),
        ("Cc1ccc([S])cc1", 7),
        ("[S]CCc1ccccc1", 8),
        ("CC(C)(C)c1ccc([S])cc1", 10),
        ("[S]C12CC3CC(CC(C3)C1)C2", 10),
        ("[S]c1ccc2ccccc2c1", 10),
    ),
    "selenolate": (
        *((f"{'C' * n}[Se]", n) for n in (2, 4, 8, 12)),
        ("[Se]c1ccccc1", 6),
        ("[Se]CCc1ccccc1", 8),
    ),
    "phosphine": (
        ("CP(C)C", 3),
        ("CCP(CC)CC", 6),
        ("CCCCP(CCCC)CCCC", 12),
        ("CP(C)c1ccccc1", 8),
        ("CP(c1ccccc1)c1ccccc1", 13),
        ("c1ccc(P(c2ccccc2)c2ccccc2)cc1", 18),
        ("C1CCC(P(C2CCCCC2)C2CCCCC2)CC1", 18),
    ),
    "alkynyl": (
        ("[C]#CC", 3),
        ("[C]#CCC", 4),
        ("[C]#CC(C)(C)C", 6),
        ("[C]#Cc1ccccc1", 8),
        ("[C]#Cc1ccc(C)cc1", 9),
        ("[C]#Cc1cccc2ccccc12", 12),
    ),
    "carboxylate": (
        ("[O]C=O", 1),
        ("CC([O])=O", 2),
        ("CC(C)(C)C([O])=O", 5),
        ("[O]C(=O)c1ccccc1", 7),
        ("CCCCCCCC([O])=O", 8),
        ("CCCCCCCCCCCC([O])=O", 12),
    ),
}
_CARBONS = {smiles: n for rows in LIGANDS.values() for smiles, n in rows}
_GROUPS = {smiles: group for group, rows in LIGANDS.items() for smiles, _ in rows}
#: Groups whose binding atom is a chalcogen without oxygen.
_SOFT = ("thiolate", "selenolate")
#: Smallest and largest core (atoms).
_SIZES = (8, 60)


class WorldSettings(Settings):
    """What a synthetic world is made of, and its rule."""

    n_pairs: int = quantity("Pairs.", default=1000, ge=4, le=100_000)
    n_cores: int = quantity("Cores.", default=200, ge=2, le=10_000)
    elements: list[str] = quantity(
        "Elements of the cores: one or two of them in each.",
        default=["Au", "Ag", "Cu"],
        min_length=1,
    )
    most_ligands: int = quantity("Ligands of the largest set.", default=3, ge=1, le=4)
    core_score: Literal["size", "composition", "charge"] = quantity(
        "What of the core the rule concerns: its number of atoms; the share of the first of "
        "`elements`; or a charge, which no encoder sees.",
        default="size",
    )
    ligand_score: Literal["carbon", "group"] = quantity(
        "What of the ligands the rule concerns: their mean number of carbon atoms, or the share "
        "that binds by sulphur or selenium.",
        default="carbon",
    )
    threshold: float = quantity(
        "Product of both scores, each from -1 to 1, beyond which a pair is compatible.",
        default=0.0,
        ge=-1,
        le=1,
    )
    noise: float = quantity("Standard deviation that is added to the product.", default=0.0, ge=0)
    rattle: float = quantity(
        "Displacement of the atoms in each direction.", unit="Å", default=0.05, ge=0, le=1
    )

    @model_validator(mode="after")
    def _check(self) -> WorldSettings:
        if unknown := [e for e in self.elements if atomic_numbers.get(e, 0) < 1]:
            raise ValueError(f"`{unknown[0]}` is no chemical symbol: write it as Au")
        if any((reference_states[atomic_numbers[e]] or {}).get("symmetry") != "fcc"
               for e in self.elements):  # fmt: skip
            raise ValueError(f"{self.elements}: give elements that are face-centred cubic")
        if self.n_pairs > self.n_cores * len(_CARBONS) / 2:
            raise ValueError(f"{self.n_pairs} pairs are too many for {self.n_cores} `n_cores`")
        return self


def make_world(settings: WorldSettings, seed: int) -> PairSet:
    """Return labelled pairs of a synthetic world.

    Parameters
    ----------
    settings
        Of the world.
    seed
        Random seed; equal seeds give equal worlds.

    Returns
    -------
    PairSet
        Distinct pairs with the label that the rule gives. A hidden charge is that of the frame.
    """
    from aiida_nanoclusters.science.ligands.pairs import Pair, PairSet

    random = np.random.default_rng(seed)
    cores = [_make_core(k, settings, random) for k in range(settings.n_cores)]
    of_core = np.array([_score_core(atoms, settings) for atoms in cores])
    chosen: dict[tuple[int, tuple[str, ...]], None] = {}
    known = sorted(_CARBONS)
    while len(chosen) < settings.n_pairs:
        core = int(random.integers(len(cores)))
        count = int(random.integers(1, settings.most_ligands + 1))
        drawn = random.choice(len(known), size=count, replace=False)
        chosen[core, tuple(sorted(known[k] for k in drawn))] = None
    pairs = []
    for core, ligands in chosen:
        score = of_core[core] * score_ligands(ligands, settings)
        label = int(score + settings.noise * random.normal() > settings.threshold)
        pairs.append(Pair(core=core, ligands=ligands, label=label, origin="synthetic"))
    frames = Frames.from_atoms(cores)
    return PairSet(cores=frames, pairs=tuple(pairs))


def shuffle_labels(pairs: PairSet, seed: int) -> PairSet:
    """Return the same pairs with their labels in random order: there is nothing to find."""
    order = np.random.default_rng(seed).permutation(len(pairs.pairs))
    labels = [pairs.pairs[k].label for k in order]
    shuffled = (replace(pair, label=n) for pair, n in zip(pairs.pairs, labels, strict=True))
    return replace(pairs, pairs=tuple(shuffled))


def score_ligands(ligands: Sequence[str], settings: WorldSettings) -> float:
    """Return the score of a ligand set, from -1 to 1: the mean over its members."""
    if settings.ligand_score == "group":
        return float(np.mean([1.0 if _GROUPS[s] in _SOFT else -1.0 for s in ligands]))
    return float(np.clip((np.mean([_CARBONS[s] for s in ligands]) - 7.5) / 7.5, -1.0, 1.0))


def _score_core(atoms: Atoms, settings: WorldSettings) -> float:
    if settings.core_score == "charge":
        return float(np.sign(atoms.info["charge"]))
    if settings.core_score == "composition":
        share = np.mean(atoms.numbers == atomic_numbers[settings.elements[0]])
        return float(2.0 * share - 1.0)
    low, high = _SIZES
    return float((2 * len(atoms) - low - high) / (high - low))


def _make_core(number: int, settings: WorldSettings, random: Any) -> Atoms:
    """Return a compact piece of a crystal of any size, of one element or of two."""
    size = int(random.integers(_SIZES[0], _SIZES[1] + 1))
    kinds = random.permutation(settings.elements)[: int(random.integers(1, 3))]
    share = float(random.random()) if len(kinds) > 1 else 1.0
    symbols = np.where(random.random(size) < share, kinds[0], kinds[-1])
    lattice = float(np.mean([_lattice_constant(str(s)) for s in symbols]))
    places = _nearest_sites(size, random.random(3)) * lattice
    places += settings.rattle * random.normal(size=places.shape)
    charge = float(random.choice([-2, -1, 1, 2]))
    name = f"synthetic {number}"
    info = {"charge": charge, "config_type": "core", "parent": name}
    return Atoms([str(s) for s in symbols], places, info=info)


def _lattice_constant(symbol: str) -> float:
    state: Any = reference_states[atomic_numbers[symbol]]
    return float(state["a"])


def _nearest_sites(count: int, centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sites of a face-centred cubic lattice nearest to a point, shape (count, 3)."""
    cells = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    basis = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    sites = (cells[:, None] + basis).reshape(-1, 3) - centre
    return sites[np.argsort(np.sum(sites**2, axis=1), kind="stable")[:count]]

"""A trained matching model: the probability that a core and a ligand set form a cluster.

It is numbers only: a head as JSON, arrays as npz without pickle, read in bounded time and memory,
whoever wrote them. Evaluation needs torch, torch_geometric and, for the ligands, RDKit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray
from pydantic import model_validator

from aiida_nanoclusters.science.ligands.core_arrays import core_arrays
from aiida_nanoclusters.science.ligands.encoder_settings import (
    ClassifierSettings,
    CoreEncoderSettings,
    LigandEncoderSettings,
)
from aiida_nanoclusters.science.ligands.network_shapes import (
    MOST_WEIGHTS,
    count_numbers,
    matching_shapes,
)
from aiida_nanoclusters.science.ligands.training_files import MODEL_ARRAYS_FILE, MODEL_FILE
from aiida_nanoclusters.science.network_state import check_architecture, load_state
from aiida_nanoclusters.science.number_files import (
    check_arrays,
    float_shapes,
    read_content,
    read_files,
    write_content,
)
from aiida_nanoclusters.science.settings import Settings, quantity

if TYPE_CHECKING:
    from aiida_nanoclusters.science.ligands.networks import MatchingNetwork

Floats = NDArray[np.float64]
LigandSet = tuple[str, ...]

#: Cores, or ligand sets, that a model keeps to tell what it has seen.
MOST_KNOWN = 20_000
#: Longest name of a core or of a ligand (characters).
_LONGEST = 2000
_WHAT = "matching model"
_OWN = ("known_cores", "known_ligands")
_NORMALISATION = ("ligand_mean", "ligand_scale")


class KnownCore(Settings):
    """A core of the training."""

    name: str = quantity("Name of the file or of the structure.", max_length=_LONGEST)
    formula: str = quantity("Formula of the core.", max_length=_LONGEST)


class MatchingHead(Settings):
    """What a matching model is, without its arrays."""

    core: CoreEncoderSettings = quantity("The core encoder.")
    ligand: LigandEncoderSettings = quantity("The ligand encoder.")
    classifier: ClassifierSettings = quantity("Classification of the pairs.")
    ligand_inputs: int = quantity("Features of a ligand or of its atoms.", ge=1, le=100_000)
    bond_inputs: int = quantity("Features of a bond; 0 without graphs.", ge=0, le=1000)
    elements: list[str] = quantity("Elements of the cores of the training.", min_length=1)
    pretrained: bool = quantity("Whether the core encoder was pretrained on formation energies.")
    seed: int = quantity("Random seed of the training.", ge=0)
    validation_loss: float = quantity("Binary cross entropy of the validation pairs.", ge=0)
    outside_quantile: float = quantity("Quantile of the two distances.", gt=0, le=1)
    core_distance: float = quantity(
        "Distance to the nearest known core beyond which a core lies outside, in units of the root "
        "mean square distance of the known ones from their centre.",
        ge=0,
    )
    ligand_distance: float = quantity("The same of ligand sets.", ge=0)
    core_distance_from: Literal["held_out", "leave_one_out", "one_known"] = quantity(
        "What it was measured on: cores held out of the training, each known core against the "
        "others, or nothing."
    )
    ligand_distance_from: Literal["held_out", "leave_one_out", "one_known"] = quantity(
        "The same of ligand sets."
    )
    core_scale: float = quantity("Unit of the distances between cores.", gt=0)
    ligand_scale: float = quantity("Unit of the distances between ligand sets.", gt=0)
    known_cores: list[KnownCore] = quantity(
        "Cores of the compatible pairs of the training.", min_length=1, max_length=MOST_KNOWN
    )
    known_ligands: list[list[str]] = quantity(
        "Ligand sets of these pairs.", min_length=1, max_length=MOST_KNOWN
    )
    architecture: int = quantity(
        "Version of the code of the network that the numbers belong to.", default=1, ge=1
    )

    @model_validator(mode="after")
    def _check_sizes(self) -> MatchingHead:
        check_architecture(_WHAT, self.architecture)
        if unknown := sorted(set(self.elements) - set(chemical_symbols[1:])):
            raise ValueError(f"`{unknown[0][:20]}` is no chemical element")
        if any(not 1 <= len(s) <= 16 or max(map(len, s)) > _LONGEST for s in self.known_ligands):
            raise ValueError("`known_ligands` holds a set of no or of too many ligands")
        names = [text for core in self.known_cores for text in (core.name, core.formula)]
        if not all(map(str.isprintable, (*names, *(s for own in self.known_ligands for s in own)))):
            raise ValueError("a name of a known core or ligand cannot be printed")
        if (self.ligand.kind == "graph") != (self.bond_inputs > 0):
            raise ValueError("`bond_inputs` does not follow from the kind of the ligand encoder")
        count = count_numbers(self._network_shapes())
        if count > MOST_WEIGHTS:
            raise ValueError(f"{count} weights are more than {MOST_WEIGHTS}: give fewer features")
        return self

    def _network_shapes(self) -> dict[str, tuple[int, ...]]:
        inputs, bonds = self.ligand_inputs, self.bond_inputs
        return matching_shapes(self.core, self.ligand, self.classifier, inputs, bonds)

    def expected(self) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Return shape and type of each array by its name."""
        shapes = {
            **self._network_shapes(),
            "known_cores": (len(self.known_cores), self.core.features),
            "known_ligands": (len(self.known_ligands), self.ligand.features),
        }
        if self.ligand.kind != "graph":
            shapes |= {name: (self.ligand_inputs,) for name in _NORMALISATION}
        return float_shapes(shapes)


@dataclass(frozen=True)
class Neighbour:
    """A known core or ligand set and its distance, in the units of ``core_distance``."""

    index: int
    name: str
    distance: float


@dataclass(frozen=True, eq=False)
class MatchingModel:
    """A trained dual encoder with its classification of pairs.

    Attributes
    ----------
    head
        Settings, elements, what it has seen, and the limits of that.
    arrays
        Numbers of the networks by name (``core.``, ``ligand.``, ``head.``), normalisation of the
        ligands (``ligand_mean``, ``ligand_scale``) and vectors of what it has seen
        (``known_cores``, ``known_ligands``).
    """

    head: MatchingHead
    arrays: Mapping[str, NDArray[Any]] = field(repr=False)

    def __post_init__(self) -> None:
        check_arrays(_WHAT, self.arrays, self.head.expected())
        if "ligand_scale" in self.arrays and not (self.arrays["ligand_scale"] > 0).all():
            raise ValueError("matching model: `ligand_scale` holds numbers that are not positive")

    # -- evaluation ------------------------------------------------------------------------

    @cached_property
    def network(self) -> MatchingNetwork:
        """The networks in torch, in the mode of evaluation.

        Raises
        ------
        ImportError
            If torch or torch_geometric is missing; the message names the extra to install.
        """
        networks = import_networks()
        settings = {
            "core": self.head.core.model_dump(),
            "ligand": self.head.ligand.model_dump(),
            "classifier": self.head.classifier.model_dump(),
        }
        network = networks.make_matching_network(
            settings, self.head.ligand_inputs, self.head.bond_inputs
        )
        own = {k: v for k, v in self.arrays.items() if k not in (*_OWN, *_NORMALISATION)}
        load_state(network, own)
        return network.eval()

    def probability(self, cores: Sequence[Atoms], ligand_sets: Sequence[LigandSet]) -> Floats:
        """Return the probability that each core forms a cluster with its ligand set, shape (P,).

        Parameters
        ----------
        cores
            Core of each pair; the same object may stand in many pairs and is encoded once. Frames
            with a box are taken out of it.
        ligand_sets
            Ligand set of each pair, canonical SMILES in any order, repetitions without effect on
            distinct ones.

        Raises
        ------
        ValueError
            If the numbers differ, a SMILES is none, or a core is periodic.
        """
        if len(cores) != len(ligand_sets):
            raise ValueError(f"{len(cores)} cores and {len(ligand_sets)} ligand sets: give pairs")
        from aiida_nanoclusters.science.ligands.matching import probabilities

        if not len(cores):
            return np.empty(0)
        distinct = list({id(core): core for core in cores}.values())
        core_of = {id(core): k for k, core in enumerate(distinct)}
        sets = list(dict.fromkeys(_sorted(s) for s in ligand_sets))
        set_of = {s: k for k, s in enumerate(sets)}
        of_cores = self._core_vectors(distinct)[[core_of[id(core)] for core in cores]]
        of_sets = self._set_vectors(sets)[[set_of[_sorted(s)] for s in ligand_sets]]
        return np.asarray(probabilities(self.network, of_cores, of_sets))

    def embed_cores(self, cores: Sequence[Atoms]) -> Floats:
        """Return the vectors of cores, shape (n, features of a core)."""
        return self._core_vectors(cores).astype(np.float64)

    def embed_ligands(self, ligand_sets: Sequence[LigandSet]) -> Floats:
        """Return the vectors of ligand sets, shape (n, features of a ligand)."""
        return self._set_vectors([_sorted(s) for s in ligand_sets]).astype(np.float64)

    def pair_features(self, cores: Sequence[Atoms], ligand_sets: Sequence[LigandSet]) -> Floats:
        """Return the vectors of core and ligand set one after the other, shape (P, features)."""
        return np.hstack([self.embed_cores(cores), self.embed_ligands(ligand_sets)])

    def _core_vectors(self, cores: Sequence[Atoms]) -> NDArray[np.float32]:
        from aiida_nanoclusters.science.ligands.graphs import core_graphs

        network, cutoff = self.network, self.head.core.cutoff
        if not len(cores):
            return np.empty((0, self.head.core.features), dtype=np.float32)
        from aiida_nanoclusters.science.ligands.matching import all_cores

        return all_cores(network.core, core_graphs(*core_arrays(cores, cutoff), cutoff))

    def _set_vectors(self, ligand_sets: Sequence[LigandSet]) -> NDArray[np.float32]:
        from aiida_nanoclusters.science.ligands.ligand_graphs import ligand_inputs, membership

        network = self.network
        if not len(ligand_sets):
            return np.empty((0, self.head.ligand.features), dtype=np.float32)
        from aiida_nanoclusters.science.ligands.matching import (
            LigandSets,
            all_sets,
            normalise,
            read_ligands,
        )

        smiles, members, offsets = membership(ligand_sets)
        ligands = read_ligands(ligand_inputs(smiles, self.head.ligand))
        if isinstance(ligands, np.ndarray):
            if ligands.shape[1] != self.head.ligand_inputs:
                raise ValueError(
                    f"ligands have {ligands.shape[1]} features, the model takes "
                    f"{self.head.ligand_inputs}: it was trained with another version, train again"
                )
            ligands = normalise(ligands, *(self.arrays[name] for name in _NORMALISATION))
        return all_sets(network.ligand, ligands, LigandSets(members, offsets))

    # -- what it has seen ------------------------------------------------------------------

    @property
    def known_cores(self) -> list[KnownCore]:
        """Names and formulas of the cores of the compatible pairs of the training."""
        return list(self.head.known_cores)

    @property
    def known_ligands(self) -> list[LigandSet]:
        """Ligand sets of these pairs."""
        return [tuple(s) for s in self.head.known_ligands]

    def nearest_cores(self, cores: Sequence[Atoms], count: int = 3) -> list[list[Neighbour]]:
        """Return the nearest known cores of each core, nearest first."""
        names = [f"{core.name} ({core.formula})" for core in self.head.known_cores]
        return self._nearest("core", self.embed_cores(cores), names, count)

    def nearest_ligands(
        self, ligand_sets: Sequence[LigandSet], count: int = 3
    ) -> list[list[Neighbour]]:
        """Return the nearest known ligand sets of each set, nearest first; names join by ``.``."""
        names = [".".join(s) for s in self.head.known_ligands]
        return self._nearest("ligand", self.embed_ligands(ligand_sets), names, count)

    def outside_cores(self, cores: Sequence[Atoms]) -> NDArray[np.bool_]:
        """Return where cores lie outside of what the model has seen, shape (n,).

        A core does where its distance to the nearest known one exceeds ``head.core_distance``, or
        where it has an element that no core of the training had.
        """
        unknown = [not set(c.get_chemical_symbols()) <= set(self.head.elements) for c in cores]
        nearest = [found[0].distance for found in self.nearest_cores(cores, 1)]
        return np.array(unknown, dtype=bool) | (np.array(nearest) > self.head.core_distance)

    def outside_ligands(self, ligand_sets: Sequence[LigandSet]) -> NDArray[np.bool_]:
        """Return where ligand sets lie outside of what the model has seen, shape (n,)."""
        nearest = [found[0].distance for found in self.nearest_ligands(ligand_sets, 1)]
        return np.array(nearest, dtype=float) > self.head.ligand_distance

    def _nearest(
        self, what: str, vectors: Floats, names: Sequence[str], count: int
    ) -> list[list[Neighbour]]:
        from scipy.spatial import KDTree

        scale = getattr(self.head, f"{what}_scale")
        known = self.arrays[f"known_{what}s"].astype(np.float64) / scale
        many = min(count, len(known))
        distances, indices = KDTree(known).query(vectors / scale, k=[*range(1, many + 1)])
        return [
            [Neighbour(int(k), names[k], float(d)) for k, d in zip(row, gaps, strict=True)]
            for row, gaps in zip(indices, distances, strict=True)
        ]

    # -- files -----------------------------------------------------------------------------

    def content(self) -> tuple[str, bytes]:
        """Return the content of the two files; equal models give equal content."""
        return write_content(self.head, dict(sorted(self.arrays.items())))

    def save(self, folder: str | Path) -> None:
        """Write ``matching_model.json`` and ``matching_model.npz`` into an existing folder."""
        text, arrays = self.content()
        (Path(folder) / MODEL_FILE).write_text(text, encoding="utf-8")
        (Path(folder) / MODEL_ARRAYS_FILE).write_bytes(arrays)

    @classmethod
    def load(cls, folder: str | Path) -> MatchingModel:
        """Read a model of :meth:`save`; nothing in it is executed.

        Raises
        ------
        ValueError
            If the files are missing, or are no model.
        """
        return read_files(_WHAT, folder, (MODEL_FILE, MODEL_ARRAYS_FILE), cls.from_content)

    @classmethod
    def from_content(cls, text: str | bytes, arrays: IO[bytes]) -> MatchingModel:
        """Return the model of two files: head as JSON, arrays as npz.

        Raises
        ------
        ValueError
            If they are no model: no such JSON, or arrays of other names, shapes, sizes or kinds.
        """
        return cls(*read_content(_WHAT, MatchingHead, text, arrays, MatchingHead.expected))


def import_networks() -> Any:
    """Return the module of the networks.

    Raises
    ------
    ImportError
        If torch or torch_geometric is missing.
    """
    try:
        from aiida_nanoclusters.science.ligands import networks
    except ModuleNotFoundError as error:
        raise ImportError(
            f"the matching model needs `{error.name}`: pip install 'aiida-nanoclusters[ligands]'"
        ) from error
    return networks


def _sorted(ligands: LigandSet) -> LigandSet:
    return tuple(sorted(set(ligands)))

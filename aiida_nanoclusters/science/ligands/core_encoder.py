"""A core encoder that was pretrained on formation energies: numbers only, as a matching model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray
from pydantic import model_validator

from aiida_nanoclusters.science.ligands.core_arrays import core_arrays
from aiida_nanoclusters.science.ligands.encoder_settings import CoreEncoderSettings
from aiida_nanoclusters.science.ligands.formation_energies import (
    composition_energies,
    compositions,
)
from aiida_nanoclusters.science.ligands.network_shapes import (
    MOST_WEIGHTS,
    count_numbers,
    energy_shapes,
)
from aiida_nanoclusters.science.ligands.training_files import ENCODER_ARRAYS_FILE, ENCODER_FILE
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
    from aiida_nanoclusters.science.ligands.networks import EnergyNetwork

Floats = NDArray[np.float64]

_WHAT = "core encoder"


class EncoderHead(Settings):
    """What a pretrained core encoder is, without its arrays."""

    core: CoreEncoderSettings = quantity("The core encoder.")
    elements: list[str] = quantity("Elements of the training.", min_length=1, max_length=118)
    references: dict[str, float] = quantity(
        "Energy per atom of each element from which formation energies count.", unit="eV/atom"
    )
    references_from: Literal["given", "isolated_atoms", "lowest"] = quantity(
        "Where they come from: given; isolated atoms of the level of theory; or the lowest energy "
        "per atom of each element among the structures that were trained on."
    )
    level_of_theory: str = quantity("Level of theory of the energies.", max_length=1000)
    composition: dict[str, tuple[float, float]] = quantity(
        "Volume and surface term of each element, to which the network adds what the structure "
        "does: the formation energy of the composition is the sum of share times (volume + surface "
        "times N^(-1/3)). Default: none, the network gives it all.",
        unit="eV/atom",
        default={},
    )
    energy_mean: float = quantity(
        "Mean, over the training, of the formation energy less that of the composition.",
        unit="eV/atom",
    )
    energy_scale: float = quantity("Its standard deviation.", unit="eV/atom", gt=0)
    seed: int = quantity("Random seed of the training.", ge=0)
    validation_loss: float = quantity(
        "Mean squared error of the validation structures, in squares of `energy_scale`.", ge=0
    )
    architecture: int = quantity(
        "Version of the code of the network that the numbers belong to.", default=1, ge=1
    )

    @model_validator(mode="after")
    def _check_elements(self) -> EncoderHead:
        check_architecture(_WHAT, self.architecture)
        for symbol in (*self.elements, *self.references, *self.composition):
            if atomic_numbers.get(symbol, 0) < 1:
                raise ValueError(f"`{symbol[:20]}` is no chemical element")
        if not self.level_of_theory.isprintable():
            raise ValueError("`level_of_theory` cannot be printed")
        if missing := sorted(set(self.elements) - set(self.references)):
            raise ValueError(f"`references` has no {missing[0]}")
        if self.composition and (missing := sorted(set(self.elements) - set(self.composition))):
            raise ValueError(f"`composition` has no {missing[0]}")
        count = count_numbers(energy_shapes(self.core))
        if count > MOST_WEIGHTS:
            raise ValueError(f"{count} weights are more than {MOST_WEIGHTS}: give fewer features")
        return self

    def expected(self) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Return shape and type of each array by its name."""
        return float_shapes(energy_shapes(self.core))


@dataclass(frozen=True, eq=False)
class PretrainedEncoder:
    """A core encoder with its head for formation energies.

    Attributes
    ----------
    head
        Settings, elements and references of the training.
    arrays
        Numbers of the network by name (``core.``, ``head.``).
    """

    head: EncoderHead
    arrays: Mapping[str, NDArray[Any]] = field(repr=False)

    def __post_init__(self) -> None:
        check_arrays(_WHAT, self.arrays, self.head.expected())

    @cached_property
    def network(self) -> EnergyNetwork:
        """The network in torch, in the mode of evaluation.

        Raises
        ------
        ImportError
            If torch or torch_geometric is missing; the message names the extra to install.
        """
        from aiida_nanoclusters.science.ligands.matching_model import import_networks

        networks = import_networks()
        network = networks.make_energy_network(self.head.core.model_dump())
        load_state(network, self.arrays)
        return network.eval()

    def formation_energies(self, cores: Sequence[Atoms]) -> Floats:
        """Return the predicted formation energies per atom of cores, eV/atom, shape (n,).

        They count from ``head.references``.
        """
        network, graphs = self.network, self._graphs(cores)
        from aiida_nanoclusters.science.ligands.pretraining import predict

        structural = predict(network, graphs) * self.head.energy_scale + self.head.energy_mean
        return structural + self._composition_energies(cores)

    def embed_cores(self, cores: Sequence[Atoms]) -> Floats:
        """Return the vectors of cores, shape (n, features)."""
        network, graphs = self.network, self._graphs(cores)
        from aiida_nanoclusters.science.ligands.matching import all_cores

        return all_cores(network.core, graphs).astype(np.float64)

    def _composition_energies(self, cores: Sequence[Atoms]) -> Floats:
        fractions = compositions(cores)
        terms = np.zeros((fractions.shape[1], 2))
        for symbol, values in self.head.composition.items():
            terms[atomic_numbers[symbol]] = values
        return composition_energies(terms, fractions, np.array([len(core) for core in cores]))

    def _graphs(self, cores: Sequence[Atoms]) -> Any:
        from aiida_nanoclusters.science.ligands.graphs import core_graphs

        cutoff = self.head.core.cutoff
        return core_graphs(*core_arrays(cores, cutoff), cutoff)

    # -- files -----------------------------------------------------------------------------

    def content(self) -> tuple[str, bytes]:
        """Return the content of the two files; equal encoders give equal content."""
        return write_content(self.head, dict(sorted(self.arrays.items())))

    @classmethod
    def load(cls, folder: str | Path) -> PretrainedEncoder:
        """Read the two files of a folder; nothing in them is executed.

        Raises
        ------
        ValueError
            If the files are missing, or are no encoder.
        """
        return read_files(_WHAT, folder, (ENCODER_FILE, ENCODER_ARRAYS_FILE), cls.from_content)

    @classmethod
    def from_content(cls, text: str | bytes, arrays: IO[bytes]) -> PretrainedEncoder:
        """Return the encoder of two files: head as JSON, arrays as npz.

        Raises
        ------
        ValueError
            If they are no encoder: no such JSON, or arrays of other names, shapes, sizes or kinds.
        """
        return cls(*read_content(_WHAT, EncoderHead, text, arrays, EncoderHead.expected))

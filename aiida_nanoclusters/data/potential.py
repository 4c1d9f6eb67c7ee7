"""PotentialData: a potential that LAMMPS or ASE can evaluate, as one node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aiida.common.exceptions import ValidationError
from aiida.orm import Data
from ase.data import atomic_numbers

from aiida_nanoclusters.formats.nequip_model import read_compiled_metadata, read_package_metadata
from aiida_nanoclusters.formats.potentials import read_eam_metadata
from aiida_nanoclusters.science.interactions import FILENAMES, KINDS, Interaction

#: By what torch calls an instruction set, the flag of processors that have it.
_FLAGS = {"avx512": "avx512f", "avx2": "avx2", "asimd": "asimd"}


class PotentialData(Data):
    """A potential: an Allegro package, the same compiled for a machine, EAM or Lennard-Jones.

    Attributes that can be queried: ``kind``, ``elements``, ``cutoff`` (Å), ``level_of_theory``,
    ``atom_energies`` (eV), ``parameters``, ``training_set`` (UUID of the FramesData).

    Make one with :meth:`from_file` or :meth:`lennard_jones`.
    """

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        kind: str,
        *,
        level_of_theory: str,
        elements: Sequence[str] | None = None,
        atom_energies: Mapping[str, float] | None = None,
        training_set: str = "",
    ) -> PotentialData:
        """Make a potential from a file; elements and cutoff are read from it.

        Parameters
        ----------
        path
            ``*.nequip.zip``, ``*.nequip.pt2`` or a LAMMPS (DYNAMO) EAM file.
        kind
            One of :data:`~aiida_nanoclusters.science.interactions.KINDS`.
        level_of_theory
            What its energies stand for, e.g. the level of its training labels.
        elements
            Only for ``eam``, whose files name the element in a free comment.
        atom_energies
            Energy of an isolated atom of each element in eV; zero where not given, as it is
            for EAM and Lennard-Jones.
        training_set
            UUID of the FramesData it was trained on.

        Raises
        ------
        ValueError
            If the file is not of that kind.
        """
        path = Path(path)
        if kind not in KINDS or kind == "lj/cut":
            known = ", ".join(k for k in KINDS if k != "lj/cut")
            raise ValueError(f"unknown kind of potential file `{kind}`: choose one of {known}")
        if not path.is_file():
            raise ValueError(f"no potential file at {path}")
        machine: dict[str, Any] = {}
        if kind == "allegro":
            meta = read_package_metadata(path)
            symbols, cutoff = list(meta["type_names"]), float(meta["r_max"])
        elif kind == "allegro-compiled":
            meta = read_compiled_metadata(path)
            symbols, cutoff = list(meta["type_names"]), float(meta["r_max"])
            machine = {"device": meta["device"], "isa": meta["cpu_isa"]}
        else:
            symbols, cutoff = read_eam_metadata(path, kind)
            symbols = list(elements or symbols)
        node = cls()
        with path.open("rb") as handle:
            node.base.repository.put_object_from_filelike(handle, FILENAMES[kind])
        node._describe(kind, symbols, cutoff, level_of_theory, atom_energies)
        node.base.attributes.set_many({"training_set": training_set, "machine": machine})
        return node

    @classmethod
    def lennard_jones(
        cls, element: str, *, epsilon: float, sigma: float, cutoff: float
    ) -> PotentialData:
        """Make an unshifted Lennard-Jones potential: epsilon in eV, sigma and cutoff in Å."""
        if min(epsilon, sigma, cutoff) <= 0:
            raise ValueError("Lennard-Jones needs positive epsilon (eV), sigma and cutoff (Å)")
        node = cls()
        node._describe("lj/cut", [element], cutoff, "LJ", None)
        node.base.attributes.set_many(
            {
                "parameters": {"epsilon": epsilon, "sigma": sigma},
                "training_set": "",
                "machine": {},
            }
        )
        return node

    def _describe(
        self,
        kind: str,
        elements: Sequence[str],
        cutoff: float,
        level_of_theory: str,
        atom_energies: Mapping[str, float] | None,
    ) -> None:
        energies = {e: float((atom_energies or {}).get(e, 0.0)) for e in elements}
        self.base.attributes.set_many(
            {
                "kind": kind,
                "elements": list(elements),
                "cutoff": float(cutoff),
                "level_of_theory": level_of_theory,
                "atom_energies": energies,
                "parameters": {},
            }
        )

    @property
    def kind(self) -> str:
        """One of :data:`~aiida_nanoclusters.science.interactions.KINDS`."""
        return str(self.base.attributes.get("kind"))

    @property
    def elements(self) -> list[str]:
        """Chemical symbols it knows, in its own order."""
        return list(self.base.attributes.get("elements"))

    @property
    def cutoff(self) -> float:
        """Radius beyond which atoms do not interact, Å."""
        return float(self.base.attributes.get("cutoff"))

    @property
    def level_of_theory(self) -> str:
        """What its energies stand for."""
        return str(self.base.attributes.get("level_of_theory"))

    @property
    def atom_energies(self) -> dict[str, float]:
        """Isolated-atom energies in eV."""
        return dict(self.base.attributes.get("atom_energies"))

    @property
    def machine(self) -> dict[str, Any]:
        """What a compiled model was made for: ``device``, ``isa``; empty for all others."""
        return dict(self.base.attributes.get("machine", {}))

    @property
    def processor_flag(self) -> str:
        """Flag in ``/proc/cpuinfo`` of processors that a compiled model runs on; empty for any."""
        isa = str(self.machine.get("isa") or "").lower()
        return next((flag for name, flag in _FLAGS.items() if isa.startswith(name)), "")

    @property
    def runs_in_lammps(self) -> bool:
        """False for an Allegro package, which must be compiled for a machine first."""
        return self.kind != "allegro"

    @property
    def interaction(self) -> Interaction:
        """What LAMMPS input needs to know of it."""
        return Interaction(
            kind=self.kind,
            elements=tuple(self.elements),
            cutoff=self.cutoff,
            parameters=dict(self.base.attributes.get("parameters")),
        )

    def _validate(self) -> bool:
        super()._validate()
        if self.base.attributes.get("kind", None) not in KINDS:
            raise ValidationError("make a PotentialData with `from_file` or `lennard_jones`")
        unknown = [e for e in self.elements if e not in atomic_numbers]
        if unknown or not self.elements:
            raise ValidationError(f"no chemical elements: {unknown or 'none given'}")
        return True

"""PotentialData: a potential that LAMMPS or ASE can evaluate, as one node."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from aiida.common.exceptions import ValidationError
from ase.calculators.calculator import Calculator
from ase.data import atomic_numbers

from aiida_nanoclusters.data.potential_attributes import PotentialAttributes
from aiida_nanoclusters.data.trust import CARRIES_CODE, trust_as_made_here, trust_problem
from aiida_nanoclusters.formats.calculators.calculator_server import make_calculator
from aiida_nanoclusters.formats.calculators.description import (
    RANGE,
    describe,
    isolated_atom_energies,
    summary,
)
from aiida_nanoclusters.formats.input_text import chemical_symbols
from aiida_nanoclusters.formats.lammps.calculator import LammpsCalculator
from aiida_nanoclusters.formats.lammps.potential_files import EamFile, read_eam
from aiida_nanoclusters.formats.lammps.potential_lines import FILENAMES, KINDS
from aiida_nanoclusters.formats.nequip.calculator import (
    FILE_ARGUMENT,
    IMPORT_PATH,
    TYPES_ARGUMENT,
    load_package,
    package_calculator,
)
from aiida_nanoclusters.formats.nequip.element_types import element_types
from aiida_nanoclusters.formats.nequip.model import (
    compiled_problem,
    read_compiled_metadata,
    read_package_metadata,
    read_package_types,
)
from aiida_nanoclusters.formats.plain_text import excerpt

if TYPE_CHECKING:
    from typing_extensions import Self


class PotentialData(PotentialAttributes):
    """A potential: an Allegro package or the same compiled, an ASE calculator, EAM, Lennard-Jones.

    Attributes that can be queried: ``kind``, ``elements``, ``cutoff`` (Å), ``level_of_theory``,
    ``atom_energies`` (eV), ``parameters``, ``training_set`` (UUID of the FramesData), ``types``
    (atom type of a model by element, where a type is no chemical symbol).

    Make one with :meth:`from_file`, :meth:`from_package`, :meth:`from_calculator` or
    :meth:`lennard_jones`.
    """

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        kind: str | None = None,
        *,
        level_of_theory: str,
        atom_energies: Mapping[str, float] | None = None,
        training_set: str = "",
        types: Mapping[str, str] | None = None,
    ) -> PotentialData:
        """Make a potential from a file; elements and cutoff are read from it, no code in it is run.

        Parameters
        ----------
        path
            ``*.nequip.zip``, ``*.nequip.pt2`` or a LAMMPS (DYNAMO) EAM file, which may be
            compressed. One that LAMMPS reads is kept byte by byte, see
            :func:`~aiida_nanoclusters.formats.lammps.potential_files.read_eam`.
        kind
            One of :data:`~aiida_nanoclusters.formats.lammps.potential_lines.KINDS`. Default: which
            kind of EAM file it is, is read from it.
        level_of_theory
            Level of theory of its energies, e.g. that of its training labels.
        atom_energies
            Energy of an isolated atom of each element, eV; default zero, which is right for EAM
            and Lennard-Jones.
        training_set
            UUID of the FramesData it was trained on.
        types
            Atom type of a model for each element that has another name than its symbol.

        Raises
        ------
        ValueError
            If the file is not of that kind.

        Warns
        -----
        UserWarning
            If an EAM file holds numbers that are not read.
        """
        path = Path(path)
        without_file = ("calculator", "lj/cut")
        if kind is not None and (kind not in KINDS or kind in without_file):
            known = ", ".join(k for k in KINDS if k not in without_file)
            raise ValueError(f"unknown kind of potential file `{kind}`: choose one of {known}")
        if path.is_dir():
            raise ValueError(f"{path} is a folder: give the potential file in it")
        if not path.is_file():
            raise ValueError(f"no potential file at {path}")
        eam: EamFile | None = None
        machine: dict[str, Any] = {}
        named: dict[str, str] = {}
        if kind == "allegro":
            meta = read_package_metadata(path)
            if not meta["local"]:
                raise ValueError(
                    f"{path.name} is built by {excerpt(meta['builder'])}, which is not Allegro: "
                    "make it with PotentialData.from_package, which evaluates it by nequip"
                )
            named, cutoff = element_types(meta["type_names"], types), float(meta["r_max"])
        elif kind == "allegro-compiled":
            meta = read_compiled_metadata(path)
            if problem := compiled_problem(meta):
                raise ValueError(f"{path.name} {problem}")
            named, cutoff = element_types(meta["type_names"], types), float(meta["r_max"])
            machine = {"device": meta["device"], "isa": meta["cpu_isa"]}
        else:
            eam = read_eam(path, kind)
            kind, symbols, cutoff = eam.kind, eam.symbols, eam.cutoff
            if eam.remark:
                warnings.warn(f"{path.name}: {eam.remark}", stacklevel=2)
        node = cls()
        with path.open("rb") if eam is None else BytesIO(eam.content) as handle:
            # Annotated as a file on disk, but any binary stream will do.
            node.base.repository.put_object_from_filelike(handle, FILENAMES[kind])  # type: ignore[arg-type]
        node._describe(kind, list(named) or symbols, cutoff, level_of_theory, atom_energies)
        node.base.attributes.set_many({"training_set": training_set, "machine": machine})
        node._set_types(named)
        return node

    @classmethod
    def from_package(
        cls,
        path: str | Path,
        *,
        level_of_theory: str,
        types: Mapping[str, str] | None = None,
        device: str = "cpu",
    ) -> PotentialData:
        """Make a potential from a package of nequip (``.nequip.zip``) of any origin; its code runs.

        Allegro becomes a package (kind ``allegro``) that is compiled for LAMMPS. A model that
        passes messages between atoms becomes a calculator, which nequip evaluates in the jobs:
        LAMMPS's division of space would cut its messages off.

        Parameters
        ----------
        path
            The file.
        level_of_theory
            Level of theory of its energies.
        types
            Atom type of the model for each element that has another name than its symbol, e.g.
            ``{"Cu": "Cu_a"}``.
        device
            Where a model that passes messages is evaluated, ``cpu`` or ``cuda``.

        Raises
        ------
        ValueError
            If it is no package, cannot be loaded here, or its types name no elements; the message
            names the fix.
        """
        path = Path(path)
        named = element_types(read_package_types(path), types)
        model = load_package(path, named)
        if not model.is_local:
            return cls.from_calculator(
                IMPORT_PATH,
                list(named),
                arguments={TYPES_ARGUMENT: named, "device": device},
                checkpoint=(FILE_ARGUMENT, path),
                level_of_theory=level_of_theory,
                atom_energies=model.atom_energies,
                cutoff=model.cutoff,
            )
        node = cls()
        with path.open("rb") as handle:
            node.base.repository.put_object_from_filelike(handle, FILENAMES["allegro"])
        energies = model.atom_energies
        node._describe("allegro", list(named), model.cutoff, level_of_theory, energies)
        node.base.attributes.set_many({"training_set": "", "machine": {}})
        node._set_types(named)
        return node

    @classmethod
    def from_calculator(
        cls,
        calculator: str,
        elements: Sequence[str],
        *,
        arguments: Mapping[str, Any] | None = None,
        checkpoint: tuple[str, str | Path] | None = None,
        dispersion: str | None = None,
        level_of_theory: str | None = None,
        atom_energies: Mapping[str, float] | None = None,
        cutoff: float = RANGE,
    ) -> PotentialData:
        """Make a potential of an ASE calculator, which jobs import by its path.

        Parameters
        ----------
        calculator
            Import path ``package.module:Name`` of a class, or of a function that returns a
            calculator, e.g. ``sevenn.calculator:SevenNetCalculator``.
        elements
            Chemical symbols for which it is used.
        arguments
            Its keyword arguments, which JSON can hold.
        checkpoint
            Argument that takes the path of a file of weights, and the file, which is kept in the
            node.
        dispersion
            Functional of the D3(BJ) correction that is added, e.g. ``PBE``. Default: none.
        level_of_theory
            Default: the calculator and its arguments.
        atom_energies
            Energy of an isolated atom of each element, eV. Default: computed here by the
            calculator, which is thereby imported and run.
        cutoff
            Distance (Å) at which separate clusters do not interact any more.

        Raises
        ------
        ValueError
            If there is no such calculator or file, it knows not all elements, or it returns no
            finite energies and forces; the message names the fix.
        """
        elements = chemical_symbols(elements)
        file = None if checkpoint is None else (checkpoint[0], Path(checkpoint[1]))
        described = describe(calculator, arguments, checkpoint=file, dispersion=dispersion)
        node = cls()
        with TemporaryDirectory(prefix="nanoclusters-calculator-") as folder:
            if file is not None:
                name = described["checkpoint"]["file"]
                shutil.copyfile(file[1], Path(folder) / name)
                node.base.repository.put_object_from_file(str(Path(folder) / name), name)
            if atom_energies is None:
                atom_energies = isolated_atom_energies(described, elements, folder)
        text = json.dumps(described, indent=1, sort_keys=True) + "\n"
        node.base.repository.put_object_from_bytes(text.encode(), FILENAMES["calculator"])
        level = level_of_theory or summary(described)
        node._describe("calculator", elements, cutoff, level, atom_energies)
        node.base.attributes.set_many({"training_set": "", "machine": {}})
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

    def _set_types(self, types: Mapping[str, str]) -> None:
        """Keep types that are not the symbols of their elements; equal nodes stay equal."""
        if any(symbol != name for symbol, name in types.items()):
            self.base.attributes.set("types", dict(types))

    def get_calculator(
        self, *, device: str = "cpu", plugin: str | Path | None = None
    ) -> Calculator:
        """Return an ASE calculator: energy in eV, forces in eV/Å, stress of crystals in eV/Å³.

        An Allegro package is evaluated by nequip, a calculator is imported, and every other kind is
        evaluated by the LAMMPS library in this process. The potential's files are kept in a
        temporary folder as long as the calculator.

        Parameters
        ----------
        device
            Where an Allegro package is evaluated, ``cpu`` or ``cuda``; default ``cpu``. A compiled
            model runs where it was compiled for, the other kinds on the CPU.
        plugin
            Folder of the LAMMPS plugin that compiled Allegro models need; default is the
            environment variable ``LAMMPS_PLUGIN_PATH``.

        Raises
        ------
        ValueError
            If the potential was imported, carries code and is not trusted, is compiled for another
            processor, or its file was left out of the archive it came from.
        CalculatorSetupError
            If a program that evaluates it is missing, or cannot read it; the message names the fix.
        """
        problem = trust_problem(self) or self._processor_problem() or self.file_problem
        if problem:
            raise ValueError(problem)
        folder: TemporaryDirectory[str] = TemporaryDirectory(prefix="nanoclusters-potential-")
        file = None
        for name in self.file_names:
            path = Path(folder.name) / name
            with self.base.repository.open(name, "rb") as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
            file = file or path
        if self.kind == "calculator":
            calculator = make_calculator(self.calculator_description, folder.name)
            calculator.potential_folder = folder  # type: ignore[attr-defined]
            return calculator
        if self.kind == "allegro":
            assert file is not None
            return package_calculator(file, self.types, device=device, keep=folder)
        return LammpsCalculator(self.interaction, file, plugin=plugin, keep=folder)

    def _processor_problem(self) -> str | None:
        """Return why a compiled model must not run on this processor, which would crash."""
        if self.fits_processor:
            return None
        return (
            f"the model was compiled for processors with `{self.processor_flag}`, which this "
            "one is not: compile its package on this machine, or take the calculator of the package"
        )

    def store(self) -> Self:
        """Store the potential; what is made here may run here. An import does not come this way."""
        is_new = not self.is_stored
        super().store()
        if is_new and self.kind in CARRIES_CODE:
            trust_as_made_here(self)
        return self

    def _validate(self) -> bool:
        super()._validate()
        if self.base.attributes.get("kind", None) not in KINDS:
            raise ValidationError(
                "make a PotentialData with `from_file`, `from_package`, `from_calculator` or "
                "`lennard_jones`"
            )
        unknown = [e for e in self.elements if e not in atomic_numbers]
        if unknown or not self.elements:
            raise ValidationError(f"no chemical elements: {unknown or 'none given'}")
        return True

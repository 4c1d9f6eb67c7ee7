"""What a potential's attributes say: kind, range, types, and the machines that it runs on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiida_nanoclusters.data.level import LevelData
from aiida_nanoclusters.formats.calculators.description import read_description
from aiida_nanoclusters.formats.lammps.potential_lines import FILENAMES, Interaction
from aiida_nanoclusters.formats.nequip.calculator import IMPORT_PATH
from aiida_nanoclusters.science.labels.levels import MESSAGE_PASSING, MODELS, prediction_level

#: Torch's name of an instruction set -> flag of processors that have it.
_FLAGS = {"avx512": "avx512f", "avx2": "avx2", "asimd": "asimd"}


class PotentialAttributes(LevelData):
    """The attributes of a potential that can be queried."""

    @property
    def kind(self) -> str:
        """One of :data:`~aiida_nanoclusters.formats.lammps.potential_lines.KINDS`."""
        return str(self.base.attributes.get("kind"))

    @property
    def architecture(self) -> str:
        """Of a trained model the name of its architecture, such as ``Allegro``; else empty."""
        if self.kind == "calculator":
            evaluated_by = self.calculator_description["calculator"]
            return MESSAGE_PASSING if evaluated_by == IMPORT_PATH else ""
        return MODELS.get(self.kind, "")

    @property
    def calculator_description(self) -> dict[str, Any]:
        """Of a calculator its import path, arguments, checkpoint and dispersion correction.

        Raises
        ------
        ValueError
            If the potential is of another kind, or its file is none of this package.
        """
        if self.kind != "calculator":
            raise ValueError(f"a potential of the kind `{self.kind}` is no calculator")
        content = self.base.repository.get_object_content(FILENAMES["calculator"], mode="rb")
        return read_description(content)

    @property
    def file_names(self) -> list[str]:
        """Names of the files that a job needs, that of the potential first; plain names."""
        first = self.interaction.filename
        names = [] if first is None else [first]
        if self.kind == "calculator" and (held := self.calculator_description["checkpoint"]):
            names.append(str(held["file"]))
        return names

    @property
    def file_problem(self) -> str | None:
        """Why it cannot run for want of a file, as small publications leave some out; or None."""
        held = self.base.repository.list_object_names()
        absent = [name for name in self.file_names if name not in held]
        if not absent:
            return None
        words = f"its {', '.join(absent)} is not in this profile, as it was left out of an archive"
        if self._model_uuid == self.uuid:
            return f"{words}: ask for one that holds it"
        return (
            f"{words}: compile its package again (`aiida-nanoclusters run compile "
            f"{self._model_uuid}`)"
        )

    @property
    def computed_level(self) -> str:
        """Level of theory of the energies that it computes.

        Those of a trained model are predictions and name it, ``Allegro 1a2b3c4d (PBE)``; a compiled
        model is its package. Those of any other potential are labels at its own level.
        """
        if not self.architecture:
            return self.level_of_theory
        return prediction_level(self.architecture, self._model_uuid, self.level_of_theory)

    @property
    def _model_uuid(self) -> str:
        """UUID of the package that a compiled model was made from; where unknown, its own."""
        creator = self.creator if self.kind == "allegro-compiled" else None
        packages = (
            [] if creator is None else creator.base.links.get_incoming(type(self)).all_nodes()
        )
        return str(packages[0].uuid if packages else self.uuid)

    @property
    def cutoff(self) -> float:
        """Radius beyond which atoms do not interact, Å."""
        return float(self.base.attributes.get("cutoff"))

    @property
    def types(self) -> dict[str, str]:
        """Atom type of a model for each element; of other kinds the elements themselves."""
        own = {symbol: symbol for symbol in self.elements}
        return {**own, **dict(self.base.attributes.get("types", {}))}

    @property
    def machine(self) -> dict[str, Any]:
        """Of a compiled model ``device`` and ``isa``, its instruction set; empty for others."""
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
        """Kind, elements, cutoff and parameters, from which its LAMMPS input is written."""
        return Interaction(
            kind=self.kind,
            elements=tuple(self.elements),
            cutoff=self.cutoff,
            parameters=dict(self.base.attributes.get("parameters")),
            types=self.types,
        )

    @property
    def fits_processor(self) -> bool:
        """Whether this machine's processor can run the model, as far as it tells."""
        cpuinfo, flag = Path("/proc/cpuinfo"), self.processor_flag
        if not flag or not cpuinfo.exists():
            return True
        return flag in cpuinfo.read_text(encoding="utf-8").split()

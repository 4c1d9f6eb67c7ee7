"""What a potential's attributes say: kind, range, types, and the machines that it runs on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiida_nanoclusters.data.level import LevelData
from aiida_nanoclusters.formats.lammps.potential_lines import Interaction

#: Torch's name of an instruction set -> flag of processors that have it.
_FLAGS = {"avx512": "avx512f", "avx2": "avx2", "asimd": "asimd"}


class PotentialAttributes(LevelData):
    """The attributes of a potential that can be queried."""

    @property
    def kind(self) -> str:
        """One of :data:`~aiida_nanoclusters.formats.lammps.potential_lines.KINDS`."""
        return str(self.base.attributes.get("kind"))

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

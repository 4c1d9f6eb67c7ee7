"""Commands of a LAMMPS input that define the potential: the only ones that depend on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiida_nanoclusters.formats.input_text import (
    chemical_symbols,
    finite,
    lammps_file,
    lammps_type,
)

#: Kinds of potential; all but `allegro` can be run by LAMMPS as they are.
KINDS = ("allegro", "allegro-compiled", "calculator", "eam/alloy", "eam/fs", "eam", "lj/cut")

#: Fixed names, so that equal content gives equal nodes and equal inputs.
FILENAMES = {
    "allegro": "model.nequip.zip",
    "allegro-compiled": "model.nequip.pt2",
    "calculator": "calculator.json",
    "eam/alloy": "potential.eam.alloy",
    "eam/fs": "potential.eam.fs",
    "eam": "potential.eam",
}


@dataclass(frozen=True)
class Interaction:
    """A potential as LAMMPS sees it.

    Attributes
    ----------
    kind
        One of :data:`KINDS`.
    elements
        Chemical symbols it knows.
    cutoff
        Å.
    parameters
        For ``lj/cut``: ``epsilon`` (eV) and ``sigma`` (Å).
    types
        Of a compiled model the name of its atom type for each element; where an element is not
        named, its symbol.
    """

    kind: str
    elements: tuple[str, ...]
    cutoff: float
    parameters: Mapping[str, float] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)

    @property
    def filename(self) -> str | None:
        """Name of its file, None where the potential is parameters only."""
        return FILENAMES.get(self.kind)

    def lammps_lines(self, symbols: Sequence[str], filename: str | Path | None = None) -> list[str]:
        """Return `pair_style` and `pair_coeff` for atom types in the order of `symbols`.

        Parameters
        ----------
        symbols
            Chemical symbols.
        filename
            Plain name of its file in the folder of the job, or a Path of this process. Default:
            :attr:`filename`.

        Raises
        ------
        ValueError
            If LAMMPS cannot run the potential, it lacks an element, or it holds text that must not
            become part of an input.
        """
        missing = [s for s in symbols if s not in self.elements]
        if missing:
            raise ValueError(
                f"the potential knows {', '.join(self.elements)} but not {', '.join(missing)}: "
                "choose a potential of these elements"
            )
        file = filename or self.filename
        name = "" if file is None else lammps_file(file)
        types = " ".join(chemical_symbols(symbols))
        if self.kind == "allegro-compiled":
            own = " ".join(lammps_type(self.types.get(s, s)) for s in symbols)
            return ["pair_style allegro", f"pair_coeff * * {name} {own}"]
        if self.kind == "calculator":
            return ["pair_style calculator", f"pair_coeff * * {name} {types}"]
        if self.kind in ("eam/alloy", "eam/fs"):
            return [f"pair_style {self.kind}", f"pair_coeff * * {name} {types}"]
        if self.kind == "eam":
            return ["pair_style eam", f"pair_coeff * * {name}"]
        if self.kind == "lj/cut":
            epsilon, sigma = (
                finite(self.parameters.get(name), f"`{name}` of the potential")
                for name in ("epsilon", "sigma")
            )
            return [
                f"pair_style lj/cut {finite(self.cutoff, 'the cutoff of the potential')!r}",
                f"pair_coeff * * {epsilon!r} {sigma!r}",
            ]
        raise ValueError("LAMMPS runs compiled Allegro models: compile the package first")

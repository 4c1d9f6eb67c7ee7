"""How a potential is spelt in a LAMMPS input: the only lines which differ between potentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

#: Kinds of potential; all but `allegro` can be run by LAMMPS as they are.
KINDS = ("allegro", "allegro-compiled", "eam/alloy", "eam/fs", "eam", "lj/cut")

#: Fixed names, so that equal content gives equal nodes and equal inputs.
FILENAMES = {
    "allegro": "model.nequip.zip",
    "allegro-compiled": "model.nequip.pt2",
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
    """

    kind: str
    elements: tuple[str, ...]
    cutoff: float
    parameters: Mapping[str, float] = field(default_factory=dict)

    @property
    def filename(self) -> str | None:
        """Name of its file, None where the potential is parameters only."""
        return FILENAMES.get(self.kind)

    def lammps_lines(self, symbols: Sequence[str], filename: str | None = None) -> list[str]:
        """Return `pair_style` and `pair_coeff` for atom types in the order of `symbols`.

        Raises
        ------
        ValueError
            If LAMMPS cannot run the potential, or it lacks an element.
        """
        missing = [s for s in symbols if s not in self.elements]
        if missing:
            raise ValueError(
                f"the potential knows {', '.join(self.elements)} but not {', '.join(missing)}: "
                "choose a potential of these elements"
            )
        name = filename or self.filename
        types = " ".join(symbols)
        if self.kind == "allegro-compiled":
            return ["pair_style allegro", f"pair_coeff * * {name} {types}"]
        if self.kind in ("eam/alloy", "eam/fs"):
            return [f"pair_style {self.kind}", f"pair_coeff * * {name} {types}"]
        if self.kind == "eam":
            return ["pair_style eam", f"pair_coeff * * {name}"]
        if self.kind == "lj/cut":
            epsilon, sigma = self.parameters["epsilon"], self.parameters["sigma"]
            return [
                f"pair_style lj/cut {self.cutoff!r}",
                f"pair_coeff * * {epsilon!r} {sigma!r}",
            ]
        raise ValueError("LAMMPS runs compiled Allegro models: compile the package first")

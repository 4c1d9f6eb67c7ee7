"""Attributes that frames and potentials have in common: elements, level, energy reference."""

from __future__ import annotations

from aiida.orm import Data


class LevelData(Data):
    """Data with energies of one level of theory."""

    @property
    def elements(self) -> list[str]:
        """Chemical symbols: of frames sorted, of a potential in the order of its file."""
        return list(self.base.attributes.get("elements"))

    @property
    def level_of_theory(self) -> str:
        """Level of theory of the energies; empty for frames without labels."""
        return str(self.base.attributes.get("level_of_theory"))

    @property
    def atom_energies(self) -> dict[str, float]:
        """Energy of an isolated atom of each element (eV), the reference of binding energies."""
        return dict(self.base.attributes.get("atom_energies"))

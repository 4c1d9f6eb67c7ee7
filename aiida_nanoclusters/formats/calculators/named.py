"""Calculators that have a name: of a known package, with weights that come with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any


@dataclass(frozen=True)
class NamedCalculator:
    """How a calculator is made, and what it is.

    Attributes
    ----------
    path
        Import path ``package.module:Name``.
    level
        Level of theory of its energies.
    extra
        Extra of this package that installs it.
    about
        On what it was trained, in a sentence or two.
    arguments
        Its keyword arguments.
    """

    path: str
    level: str
    extra: str
    about: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def missing(self) -> str | None:
        """What to install if its package is not here, or None."""
        package = self.path.partition(":")[0].partition(".")[0]
        if find_spec(package) is not None:
            return None
        return f'{package} is not installed: pip install "aiida-nanoclusters[{self.extra}]"'


def _tight_binding(method: str) -> NamedCalculator:
    return NamedCalculator(
        path="tblite.ase:TBLite",
        arguments={"method": method, "verbosity": 0},
        level=f"tblite/{method}",
        extra="tblite",
        about=f"{method} is a tight-binding method for molecules; its metals are not those of PBE.",
    )


NAMED: dict[str, NamedCalculator] = {
    "sevennet": NamedCalculator(
        path="sevenn.calculator:SevenNetCalculator",
        arguments={"model": "7net-0"},
        level="SevenNet/7net-0",
        extra="sevennet",
        about="7net-0 (MIT licence) was trained on PBE labels of crystals near equilibrium, of "
        "the Materials Project. It has seen no cluster and no surface: its energies stand in for "
        "PBE's and are not PBE's.",
    ),
    "chgnet": NamedCalculator(
        path="chgnet.model.dynamics:CHGNetCalculator",
        level="CHGNet/0.3.0",
        extra="chgnet",
        about="CHGNet 0.3.0 (BSD licence) was trained on PBE and PBE+U labels of crystals near "
        "equilibrium and on their way there, of the Materials Project. It has seen no cluster and "
        "no surface.",
    ),
    "gfn1-xtb": _tight_binding("GFN1-xTB"),
    "gfn2-xtb": _tight_binding("GFN2-xTB"),
}

"""The table of motifs: to add one, write its family and its builder, and add a row here.

What else names motifs (settings, `--family`, ports, help texts) reads this table. Builders are
loaded when they are used, so that a help text that lists the motifs needs neither numpy nor ASE.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ase import Atoms

    from aiida_nanoclusters.science.structures.shells import Members, Range


@dataclass(frozen=True)
class Motif:
    """One kind of cluster.

    Attributes
    ----------
    name
        As recorded with every cluster (``config_type``).
    multiply_twinned
        Whether several crystals meet in it, whose closing of the angular gap strains every atom.
    family_function, builder_function
        ``module:function`` of :attr:`family` and :attr:`build`, modules beside this one.
    aliases
        Further names under which energies of it may be recorded, in lower case.
    strain
        Which disclination strains it: ``icosahedron``, ``decahedron``, or None.
    """

    name: str
    multiply_twinned: bool
    family_function: str
    builder_function: str
    aliases: tuple[str, ...] = ()
    strain: str | None = None

    @property
    def family(self) -> Callable[[Range], Members]:
        """Lists its closed shells in a :class:`.Range`: size -> arguments of :attr:`build`."""
        found: Callable[[Range], Members] = _load(self.family_function)
        return found

    @property
    def build(self) -> Callable[..., Atoms]:
        """Builds a cluster.

        From the chemical symbol, the keyword `distance` (Å; None for that of the crystal) and the
        arguments that :attr:`family` lists.
        """
        found: Callable[..., Atoms] = _load(self.builder_function)
        return found


def _load(path: str) -> Any:
    module, _, function = path.partition(":")
    return getattr(import_module(f"aiida_nanoclusters.science.structures.{module}"), function)


#: All motifs by name.
MOTIFS = {
    motif.name: motif
    for motif in (
        Motif(
            "icosahedron",
            True,
            "icosahedra:icosahedra",
            "icosahedra:mackay_icosahedron",
            ("ico", "ih", "icosahedra", "mackay icosahedra"),
            strain="icosahedron",
        ),
        Motif(
            "incomplete icosahedron",
            True,
            "icosahedra:incomplete_icosahedra",
            "icosahedra:incomplete_icosahedron",
            strain="icosahedron",
        ),
        Motif(
            "truncated octahedron",
            False,
            "octahedra:truncated_octahedra",
            "octahedra:truncated_octahedron",
            ("to", "octahedron", "truncated octahedra"),
        ),
        Motif(
            "Marks decahedron",
            True,
            "decahedra:marks_decahedra",
            "decahedra:marks_decahedron",
            ("deca", "dh", "decahedron", "marks decahedra"),
            strain="decahedron",
        ),
        Motif(
            "Ino decahedron",
            True,
            "decahedra:ino_decahedra",
            "decahedra:marks_decahedron",
            ("ino", "ino decahedra"),
            strain="decahedron",
        ),
        Motif(
            "Wulff",
            False,
            "polyhedra:wulff_polyhedra",
            "polyhedra:wulff_polyhedron",
            ("fcc",),
        ),
    )
}


def motif_of(name: str) -> Motif:
    """Motif of this name or alias.

    Raises
    ------
    ValueError
        If there is no such motif; the message lists the known ones.
    """
    for motif in MOTIFS.values():
        if name == motif.name or name.lower() in (motif.name.lower(), *motif.aliases):
            return motif
    raise ValueError(f"unknown motif {name!r}; known: {', '.join(MOTIFS)}")


def is_multiply_twinned(name: str) -> bool:
    """Whether the motif of this name or alias is multiply twinned; else as :func:`motif_of`."""
    return motif_of(name).multiply_twinned

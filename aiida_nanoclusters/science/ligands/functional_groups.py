"""The functional group by which a ligand binds to metals."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from importlib import import_module
from typing import Any

#: Groups in the order in which they are looked for, with patterns (SMARTS) of the atoms that bind.
#: ``X1v1`` is an atom with one neighbour, bonded once: it has an unpaired electron. An acid that
#: binds with its hydrogen counts as its anion.
_PATTERNS: tuple[tuple[str, str], ...] = (
    ("dithiophosphate", "[SX1v1]P=[SX1]"),
    ("diselenophosphate", "[SeX1v1]P=[SeX1]"),
    ("dithiocarbamate", "[SX1v1]C(=[SX1])[#7]"),
    ("xanthate", "[SX1v1]C(=[SX1])[#8]"),
    ("dithiocarboxylate", "[SX1v1]C=[SX1]"),
    ("thiocarboxylate", "[SX1v1]C=[OX1]"),
    ("thiocyanate", "[SX1v1]C#[NX1]"),
    ("polysulfide", "[SX1v1]S"),
    ("thiolate", "[SX1v1,SX2H1]"),
    ("selenolate", "[SeX1v1,SeX2H1]"),
    ("tellurolate", "[TeX1v1]"),
    ("carbene", "[#6X2v2]"),
    ("alkynyl", "[CX1v3]#[CX2]"),
    ("cyanide", "[CX1v3]#[NX1]"),
    ("isocyanide", "[CX1-]#[N+]"),
    ("carbonyl", "[CX1-]#[O+]"),
    ("organyl", "[#6;v3;+0]"),
    ("phosphide", "[PX2v2]"),
    ("phosphite", "[PX3v3]~[#7,#8]"),
    ("phosphine", "[PX3v3]"),
    ("arsine", "[As,Sb;X3v3]"),
    ("oxyanion", "[OX1v1][$([N+](=O)[O-]),$([NX2]=O),$([#6](~O)(~O)~O),$([Cl,Br,I])]"),
    ("oxyanion", "[OX1v1][P,S,Se,As;!$(*~[!#8])]"),
    ("carboxylate", "[OX1v1,OX2H1]C=[OX1]"),
    ("sulfonate", "[OX1v1][S,Se]"),
    ("phosphonate", "[OX1v1][P,As]"),
    ("diketonate", "[OX1v1]C=CC=[OX1]"),
    ("hydroxide", "[OX1v1H1]"),
    ("alkoxide", "[OX1v1;+0]"),
    ("nitrosyl", "[NX1v2]=[OX1]"),
    ("azide", "[NX1]=[N+]=[N-]"),
    ("azolate", "[NX2v2;r5]"),
    ("amide", "[N;v2;+0]"),
    ("borohydride", "[BH4-]"),
    ("halide", "[F,Cl,Br,I,At;v0]"),
    ("oxide", "[OX1-][#7+]~[#6]"),
    ("thione", "[SX1v2]=[#6,P]"),
    ("thioether", "[SX2]"),
    ("pyridine", "[nX2]"),
    ("amine", "[NX3;!$(N-[#6,P,S]=[O,S,N])]"),
    ("imine", "[NX2]=[#6]"),
    ("nitrile", "[NX1]#[CX2]"),
    ("oxygen donor", "[OX1,OX2]"),
    ("olefin", "[#6]=,#,:[#6]"),
)
OTHER = "other"
#: All functional groups.
GROUPS = (*dict.fromkeys(name for name, _ in _PATTERNS), OTHER)


@lru_cache(maxsize=1)
def _compiled() -> list[tuple[str, Any]]:
    chem = import_module("rdkit.Chem")
    return [(name, chem.MolFromSmarts(pattern)) for name, pattern in _PATTERNS]


def group_of(molecule: Any, binding: Collection[int] | None = None) -> str:
    """Return the functional group of a ligand, the first of :data:`GROUPS` that binds.

    Parameters
    ----------
    molecule
        Of RDKit, with unpaired electrons where it binds as an anion.
    binding
        Atoms that bind to a metal; any may where they are not known.
    """
    for name, pattern in _compiled():
        for match in molecule.GetSubstructMatches(pattern):
            if binding is None or not binding or set(match) & set(binding):
                return name
    return OTHER

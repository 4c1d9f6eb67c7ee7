"""What a set of pairs must hold: checked whoever made it, in time that grows with its length."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.ligands.design_settings import MOST_LIGANDS

if TYPE_CHECKING:
    from aiida_nanoclusters.science.ligands.pairs import Pair

#: Longest text (bytes), most pairs, cores, and atoms of a core.
MOST_TEXT, MOST_PAIRS, MOST_CORES, MOST_CORE_ATOMS = 30_000_000, 100_000, 20_000, 3000
#: Characters of an origin at most.
LONGEST_ORIGIN = 500
_MOST_COUNT = 100_000
_SMILES = re.compile(r"[!-\-/-~]{1,2000}")  # printed ASCII without spaces and `.`
_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ,-]{0,59}")
_PAIR_KEYS = frozenset({"core", "ligands", "label", "origin", "counts"})
_KEYS = frozenset({"groups", "pairs", "tolerance"})


def check_cores(cores: Frames) -> None:
    """Refuse frames that are no cores.

    Raises
    ------
    ValueError
        If there are too many, or one is too large, periodic, or of no elements.
    """
    if len(cores) > MOST_CORES:
        raise ValueError(f"{len(cores)} cores are more than {MOST_CORES}")
    largest = int(cores.sizes.max())
    if largest > MOST_CORE_ATOMS:
        raise ValueError(f"a core has {largest} atoms, more than {MOST_CORE_ATOMS}: leave it out")
    if cores.pbc.any():
        raise ValueError("a core is periodic: take the cluster out of its crystal")
    if not np.isfinite(cores.positions).all() or (cores.numbers < 1).any():
        raise ValueError("a core has atoms of no element, or places that are not finite")


def check_pair(pair: Pair, n_cores: int) -> None:
    """Refuse a pair of a core that is not there, of ligands that are none, or with other labels.

    Raises
    ------
    ValueError
        Saying what is wrong with it.
    """
    if not _is_whole(pair.core, 0, n_cores - 1):
        raise ValueError(f"core {pair.core!r:.40} is none of the {n_cores}")
    if not _is_whole(pair.label, 0, 1):
        raise ValueError(f"the label {pair.label!r:.40} is neither 0 nor 1")
    if not 1 <= len(pair.ligands) <= MOST_LIGANDS:
        raise ValueError(f"{len(pair.ligands)} ligands: a set has 1 to {MOST_LIGANDS}")
    for smiles in pair.ligands:
        if not (isinstance(smiles, str) and _SMILES.fullmatch(smiles)):
            raise ValueError(f"{smiles!r:.40} is no SMILES of one ligand")
    if list(pair.ligands) != sorted(set(pair.ligands)):
        raise ValueError("its ligands are not distinct and sorted")
    origin = pair.origin
    if not isinstance(origin, str) or len(origin) > LONGEST_ORIGIN or not origin.isprintable():
        raise ValueError(f"its origin is no text of up to {LONGEST_ORIGIN} characters")
    if pair.counts and len(pair.counts) != len(pair.ligands):
        raise ValueError(f"{len(pair.counts)} counts of {len(pair.ligands)} ligands")
    if not all(_is_whole(count, 1, _MOST_COUNT) for count in pair.counts):
        raise ValueError("its counts are no positive whole numbers")


def check_groups(groups: Mapping[Any, Any]) -> None:
    """Refuse names of functional groups that are none.

    Raises
    ------
    ValueError
        Naming the ligand.
    """
    for smiles, group in groups.items():
        if not (isinstance(group, str) and _GROUP.fullmatch(group)):
            raise ValueError(f"`{str(smiles)[:40]}` has no functional group: {group!r:.60}")


def read_pairs_text(text: str | bytes) -> tuple[list[dict[str, Any]], dict[str, str], float]:
    """Return the rows of the pairs, the functional groups and the tolerance (Å) of a text.

    The types of the values of a row are left to :func:`check_pair`.

    Raises
    ------
    ValueError
        If it is too long, no JSON, or of another form.
    """
    if len(text) > MOST_TEXT:
        raise ValueError("it is longer than any set of pairs")
    values = json.loads(text, parse_constant=_refuse)
    if not isinstance(values, dict) or set(values) != _KEYS:
        raise ValueError(f"it does not hold {', '.join(sorted(_KEYS))}")
    groups, rows, tolerance = values["groups"], values["pairs"], values["tolerance"]
    if not isinstance(groups, dict) or not isinstance(rows, list):
        raise ValueError("it holds no table of groups or no list of pairs")
    if type(tolerance) not in (int, float):
        raise ValueError("its tolerance is no number")
    if len(rows) > MOST_PAIRS:
        raise ValueError(f"{len(rows)} pairs are more than {MOST_PAIRS}")
    for row in rows:
        if not isinstance(row, dict) or set(row) != _PAIR_KEYS:
            raise ValueError(f"a pair does not hold {', '.join(sorted(_PAIR_KEYS))}")
        if not isinstance(row["ligands"], list) or not isinstance(row["counts"], list):
            raise ValueError("`ligands` or `counts` of a pair is no list")
    return rows, groups, float(tolerance)


def printable(origin: str) -> str:
    """Return a name as an origin may be: printed characters, not too many."""
    return "".join(c if c.isprintable() else "?" for c in origin)[:LONGEST_ORIGIN]


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}")


def _is_whole(value: Any, low: int, high: int) -> bool:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return bool(whole and low <= value <= high)

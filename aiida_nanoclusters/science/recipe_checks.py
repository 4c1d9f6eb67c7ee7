"""What is wrong with a recipe, and how to mend it, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from aiida_nanoclusters.science.recipe import KINDS, MINIMA, VARIED, Entry, structures_of

#: Keys of the two ways to vary what was built; all hold lists of numbers but `copies`.
_PARTS = {
    "distort": {"strains", "uniaxial", "random_strains", "rattles", "copies"},
    "sample": {"temperatures", "pressures"},
}
#: Kinds that take their time to build, and what they are told.
_SEARCHED = {"cluster", MINIMA}
_ABOUT_SEARCHED = {"sizes", "structures"}


def recipe_problem(recipe: Sequence[Entry]) -> str | None:
    """Return what is wrong with a recipe and how to mend it, or None."""
    if not recipe:
        return "the recipe is empty: give at least one entry, e.g. {kind: atom}"
    for k, entry in enumerate(recipe):
        if not isinstance(entry, Mapping):
            return f"entry {k}: write it as {{kind: ...}}, got {entry!r}"
        if problem := _entry_problem(entry):
            return f"entry {k} ({entry.get('kind')}): {problem}"
    return None


def _entry_problem(entry: Entry) -> str | None:
    kind = entry.get("kind")
    if kind not in KINDS:
        return f"unknown kind {kind!r}, use {', '.join(KINDS)}"
    for part, keys in _PARTS.items():
        if problem := _part_problem(part, entry.get(part), keys):
            return problem
    sample = entry.get("sample")
    if entry.get("distort") and sample:
        return "either distort or sample; write two entries for both"
    if sample and not sample.get("temperatures"):
        return "sample needs a list of temperatures in K"
    if sample and min(sample["temperatures"]) <= 0:
        return f"temperatures are above 0 K, got {sample['temperatures']}"
    if sample and kind == "atom":
        return "a single atom has no motion: leave out `sample`"
    if entry.get("probe") and not sample:
        return "a probe is sampled: give `sample: {temperatures: [...]}`"
    if entry.get("probe") and kind not in ("cluster", "motif"):
        return "probes are clusters: give a `cluster` or a `motif`"
    if entry.get("relax") and kind == MINIMA:
        return "they are relaxed already, leave out `relax`"
    return _arguments_problem(entry)


def _part_problem(part: str, given: Any, known: set[str]) -> str | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        return f"`{part}` has keys {', '.join(sorted(known))}, got {given!r}"
    if unknown := set(given) - known:
        return f"unknown {sorted(unknown)} in {part}, use {sorted(known)}"
    for name, values in given.items():
        if name == "pressures" and values is None:
            continue  # as if it were left out: the cell is kept
        if name == "copies":
            if not isinstance(values, Integral) or values < 1:
                return f"`copies` is a whole number, at least 1, got {values!r}"
        elif not _is_list(values, Real):
            hint = ", in K or such as `0.8 Tm`" if name == "temperatures" else ""
            return f"`{name}` is a list of numbers{hint}, got {values!r}"
    return None


def _arguments_problem(entry: Entry) -> str | None:
    """Return why the structures of an entry could not be built, or None."""
    arguments = {name: value for name, value in entry.items() if name not in VARIED}
    kind = arguments.pop("kind")
    if "sizes" in arguments or kind in _SEARCHED:
        sizes: Any = entry.get("sizes")
        if not _is_list(sizes, Integral) or len(sizes) == 0 or min(sizes) < 1:
            return f"give `sizes`, a list of numbers of atoms, got {sizes!r}"
    if kind in _SEARCHED:
        if unknown := set(arguments) - _ABOUT_SEARCHED:
            return f"unknown {sorted(unknown)}, use {sorted(_ABOUT_SEARCHED)}"
        structures = entry.get("structures", 1 if kind == MINIMA else None)
        if not isinstance(structures, Integral) or structures < 1:
            return f"give `structures`, how many of each size, got {structures!r}"
        return None
    for name in ("lattices", "facets", "sequences"):
        if name in arguments and not _is_list(arguments[name], str | Integral):
            return f"`{name}` is a list, got {arguments[name]!r}"
    try:
        structures_of(entry, "X", 1.0, 0)
    except ValueError as error:
        return str(error)
    return None


def _is_list(values: Any, of: Any) -> bool:
    is_list = isinstance(values, Sequence) and not isinstance(values, str)
    return is_list and all(isinstance(value, of) for value in values)

"""Entries of a recipe whose structures are handed in, such as solutions."""

from __future__ import annotations

from collections.abc import Sequence

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.structures.molecules import broken_molecules, find_molecules
from aiida_nanoclusters.science.structures.recipe import Entry
from aiida_nanoclusters.science.structures.settings import GIVEN


def given_structures(entry: Entry, index: int, given: Frames) -> Frames:
    """Return the structures that an entry of kind ``given`` takes, with its origin.

    Parameters
    ----------
    entry, index
        The entry and its place in the recipe.
    given
        All structures that are handed in.
    """
    chosen = []
    for k in entry.get("frames") or range(len(given)):
        atoms = given[k]
        atoms.calc = None
        charge = {name: atoms.info[name] for name in ("charge",) if name in atoms.info}
        atoms.info = {
            **charge,
            "config_type": GIVEN,
            "parent": f"{index:02d}-{GIVEN}-{len(atoms)}-{k:03d}",
            "entry": index,
        }
        chosen.append(atoms)
    return Frames.from_atoms(chosen)


def whole_entries(recipe: Sequence[Entry]) -> list[int]:
    """Return the indices of entries whose trajectories end where a molecule comes apart."""
    return [k for k, e in enumerate(recipe) if e["kind"] == GIVEN and e.get("whole", True)]


def until_broken(starts: Frames, frames: Frames) -> tuple[Frames, dict[str, str]]:
    """Return trajectories up to the first frame in which a molecule has come apart, with it.

    Parameters
    ----------
    starts
        Structures that the trajectories begin with, by their parents; trajectories of others stay
        as they are.
    frames
        Of all trajectories, each in the order of time.

    Returns
    -------
    frames, reasons
        Which molecules came apart, by the parent of the trajectory.
    """
    before = {
        str(parent): find_molecules(atoms)
        for parent, atoms in zip(starts.parents, starts, strict=True)
    }
    reasons: dict[str, str] = {}
    kept = []
    for k, parent in enumerate(map(str, frames.parents)):
        if parent in reasons:
            continue
        kept.append(k)
        if parent in before and (broken := broken_molecules(before[parent], frames[k])):
            reasons[parent] = "; ".join(broken)
    return frames.select(kept), reasons


def given_problem(
    recipe: Sequence[Entry], given: Frames | None, symbols: Sequence[str]
) -> str | None:
    """Return why structures that are handed in are not those of the recipe, or None."""
    entries = [(k, entry) for k, entry in enumerate(recipe) if entry["kind"] == GIVEN]
    if not entries:
        return None if given is None else f"no entry of kind `{GIVEN}` takes `structures`: add one"
    if given is None:
        return f"entry {entries[0][0]} of the recipe is of kind `{GIVEN}`: give `structures`"
    if foreign := sorted(set(given.elements) - set(symbols)):
        return f"`structures` hold {', '.join(foreign)}: add it to the elements"
    for k, entry in entries:
        beyond = [n for n in entry.get("frames") or [] if n >= len(given)]
        if beyond:
            return (
                f"entry {k} takes structure {beyond[0]}: there are {len(given)}, from 0: give "
                "more, or other `frames` (of a study of nucleation `biased.structures`)"
            )
    return None

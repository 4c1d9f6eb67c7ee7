"""Which of the labels that frames say become theirs: two that differ are chosen between by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from aiida_nanoclusters.formats.label_keys import (
    QUANTITIES,
    SAME,
    UNITS,
    LabelKeys,
    Said,
    differ,
    is_label,
    method_of,
    spell,
)
from aiida_nanoclusters.science.labels.acceptance import zero_forces_problem

_OPTIONS = {"energy": "--energy-key", "forces": "--force-key", "stress": "--stress-key"}


class DifferingLabelsError(ValueError):
    """A quantity is there under two names with values that differ, and none was chosen."""


def choose_labels(
    images: Sequence[Atoms], said: Sequence[Said], keys: LabelKeys, places: Sequence[str], file: str
) -> list[tuple[str, str]]:
    """Give every frame a calculator with its labels; one without labels gets none.

    Parameters
    ----------
    images, said
        Frames, and what they say.
    keys
        Names that the user chose.
    places
        Where the frames are, for messages.
    file
        Name of the file, for the example of a command.

    Returns
    -------
    list
        Names that are not used, each with the reason.

    Raises
    ------
    DifferingLabelsError
        If there are two that differ and none was chosen.
    ValueError
        If a name was chosen that is nowhere.
    """
    picks: list[dict[str, str]] = [{} for _ in images]
    foreign: dict[str, str] = {}
    for quantity in QUANTITIES:
        _check_choice(said, quantity, keys)
        clashes = []
        for at, (one, pick) in enumerate(zip(said, picks, strict=True)):
            name, reasons = _pick(one, pick.get("energy"), quantity, keys, foreign)
            one.unused.update(reasons)
            if name is not None:
                pick[quantity] = name
            elif one.labels[quantity]:
                clashes.append(at)
        if clashes:
            raise DifferingLabelsError(_clash(said, clashes, quantity, keys, places, file))
        if quantity == "energy":
            foreign = _foreign(said, picks)
    for atoms, one, pick in zip(images, said, picks, strict=True):
        found = {quantity: one.labels[quantity][name] for quantity, name in pick.items()}
        if found:
            atoms.calc = SinglePointCalculator(atoms, **found)
    unused = Counter(item for one in said for item in one.unused.items())
    return [*_sorted(unused), *_mixed(picks)]


def _foreign(said: Sequence[Said], picks: Sequence[dict[str, str]]) -> dict[str, str]:
    """Return the methods whose energy is another one in any frame, with its name."""
    found = {}
    for one, pick in zip(said, picks, strict=True):
        energies = one.labels["energy"]
        for name, value in energies.items():
            if name != pick["energy"] and differ("energy", value, energies[pick["energy"]]):
                found[str(method_of(name, "energy"))] = name
    return found


def _check_choice(said: Sequence[Said], quantity: str, keys: LabelKeys) -> None:
    chosen = keys.of(quantity)
    there = {name for one in said for name in one.labels[quantity]}
    if chosen is not None and chosen.lower() not in {name.lower() for name in there}:
        others = {n for one in said for n in one.unused if quantity[:5] in n.lower()}
        known = ", ".join(f"`{name}`" for name in sorted(there | others)) or f"no {quantity}"
        raise ValueError(f"no {quantity} `{chosen}` in it ({_OPTIONS[quantity]}): it has {known}")


def _pick(
    one: Said, energy: str | None, quantity: str, keys: LabelKeys, foreign: dict[str, str]
) -> tuple[str | None, dict[str, str]]:
    """Return the name to be used, None where names differ or there is none; and why not others.

    `energy` is the name of the energy that is used: forces and stress of its method go with it,
    those of a method whose energy is `foreign` do not.
    """
    labels, chosen = one.labels[quantity], keys.of(quantity)
    if chosen is not None:
        name = next((name for name in labels if name.lower() == chosen.lower()), None)
        if name is None and labels:
            one.problem = one.problem or f"no {quantity} `{chosen}`"
            labels.clear()
        return name, {other: f"`{name}` was chosen" for other in labels if other != name}
    reasons = {}
    if quantity != "energy" and energy is not None:
        method = method_of(energy, "energy")
        for name in list(labels):
            own = method_of(name, quantity)
            if own != method and own in foreign:
                reasons[name] = f"it goes with `{foreign[own]}`, not with `{energy}`"
                del labels[name]
        mates = [name for name in labels if method_of(name, quantity) == method]
        if keys.energy is not None and mates:
            for name in [name for name in labels if name != mates[0]]:
                reasons[name] = f"`{mates[0]}` goes with `{energy}`"
                del labels[name]
    if not labels:
        return None, reasons
    first, *others = sorted(labels, key=lambda name: method_of(name, quantity) != "")
    if any(differ(quantity, labels[first], labels[name]) for name in others):
        return None, reasons
    return first, {**reasons, **{name: f"equal to `{first}`" for name in others}}


def _clash(
    said: Sequence[Said],
    clashes: Sequence[int],
    quantity: str,
    keys: LabelKeys,
    places: Sequence[str],
    file: str,
) -> str:
    """Return what differs, with an example of the command by which the user chooses."""
    first = clashes[0]
    labels = said[first].labels[quantity]
    example = max(
        labels, key=lambda name: (is_label(name, quantity), bool(method_of(name, quantity)))
    )
    given = " ".join(f"{_OPTIONS[q]} {keys.of(q)}" for q in QUANTITIES if keys.of(q))
    command = " ".join(
        word
        for word in ("aiida-nanoclusters import-labels", file, given, _OPTIONS[quantity], example)
        if word
    )
    return (
        f"{len(labels)} sources of the {quantity} that differ by more than {SAME[quantity]:g} "
        f"{UNITS[quantity]}: {spell(labels, quantity)} ({places[first]}; {len(clashes)} of "
        f"{len(said)} frames): choose one, e.g. `{command}`"
    )


def _sorted(unused: Counter[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return names that are not used with the reason most frames have."""
    found: dict[str, str] = {}
    for (name, reason), _ in unused.most_common():
        found.setdefault(name, reason)
    return sorted(found.items())


def _mixed(picks: Sequence[dict[str, str]]) -> list[tuple[str, str]]:
    """Return where the frames of one file have a quantity under several names."""
    found = []
    for quantity in QUANTITIES:
        names = Counter(pick[quantity] for pick in picks if quantity in pick)
        if len(names) > 1:
            text = ", ".join(f"{count} from `{name}`" for name, count in names.most_common())
            found.append((quantity, f"of different names, each used: {text}"))
    return found


def missing_labels(atoms: Atoms, said: Said) -> str | None:
    """Return what a frame lacks to be a label, or None.

    The forces of a single atom, alone or in each cell of a crystal, vanish by symmetry: they are
    set to zero where the file does not give them.
    """
    results: dict[str, Any] = {} if atoms.calc is None else atoms.calc.results
    if said.problem:
        return said.problem
    if "energy" not in results:
        others = [f"`{name}`" for name in said.unused if "energy" in name.lower()]
        return f"no energy; {', '.join(others)} is not known as one" if others else "no energy"
    if not np.isfinite(results["energy"]):
        return "the energy is not a finite number"
    if "forces" not in results:
        if len(atoms) == 1:
            results["forces"] = np.zeros((1, 3))
            return None
        reason = next((r for n, r in said.unused.items() if method_of(n, "forces") == ""), "")
        return f"no forces{': ' + reason if reason else ''}"
    bad = np.flatnonzero(~np.isfinite(results["forces"]).all(axis=1))
    if len(bad):
        return f"the force on atom {bad[0]} is not finite"
    return zero_forces_problem(atoms, results["forces"])

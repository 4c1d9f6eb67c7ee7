"""Errors of a committee as rows: of each member and of their mean, by set and by group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aiida_nanoclusters.science.learning.metrics import COMMITTEE

#: Order of the sets on which a committee is compared with its labels.
ORDER = ("test", "extrapolation", "motifs")
#: Group of all frames of a set.
OVERALL = "all frames"
_NUMBERS = ("energy_rmse", "energy_mae", "energy_mean", "forces_rmse", "forces_mae")


def in_order(parts: Iterable[str]) -> list[str]:
    """Return sets in the order of :data:`ORDER`, others behind by name."""
    return sorted(parts, key=lambda part: (part not in ORDER, (*ORDER, part).index(part), part))


def error_rows(errors: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the errors of every member and of their mean; of the mean also by group.

    Parameters
    ----------
    errors
        As stored by a training, with present keys; `sets` may be missing.

    Yields
    ------
    dict
        ``member``, ``part`` (the set), ``group``, ``frames`` (their number), and the numbers of an
        error row in meV/atom and meV/Å.
    """
    sets = errors.get("sets", {})
    for part in in_order(sets):
        found = sets[part]
        members = found["members"]
        if len(members) > 1:
            for member, table in sorted(members.items()):
                yield _row(member, part, OVERALL, table["overall"])
        best = COMMITTEE if len(members) > 1 else next(iter(members))
        table = found[COMMITTEE] if best == COMMITTEE else members[best]
        yield _row(best, part, OVERALL, table["overall"])
        for group, row in table["by_config_type"].items():
            yield _row(best, part, group, row)
        if len(table["by_size"]) > 1:
            for size, row in sorted(table["by_size"].items(), key=lambda item: int(item[0])):
                yield _row(best, part, f"N = {size}", row)


def _row(member: str, part: str, group: str, row: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: row[name] for name in _NUMBERS}
    return {"member": member, "part": part, "group": group, "frames": row["n_frames"], **known}

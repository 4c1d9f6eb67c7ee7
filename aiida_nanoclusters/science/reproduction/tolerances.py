"""Whether recomputed numbers agree with recorded ones: arrays, nested mappings, answers.

A *tolerance* is a mapping with ``value``, ``unit`` and ``reason``; ``tolerances`` holds them by
quantity: ``energy`` (eV/atom), ``force``, ``stress``, ``position``, ``second_difference``,
``number`` (relative) with ``absolute`` below it, ``error_factor`` and ``standard_error``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Tolerances = Mapping[str, Mapping[str, Any]]

IDENTICAL, AGREES, DIFFERS, NOT_COMPARED = "identical", "agrees", "differs", "not compared"
#: Total energies: compared per atom, where the numbers of atoms are known.
TOTAL = "energy_total"
#: Quantities that always need a tolerance.
QUANTITIES = (
    *("energy", "force", "stress", "position", "second_difference"),
    *("number", "absolute", "error_factor", "standard_error"),
)
#: Combined standard errors that one difference counts for at the most.
_MOST_ERRORS = 10.0
#: Keys of results that later versions add, which follow from what was always recorded: in the state
#: of a crossover search the plan, and that it knows nothing of the crystal; of magic sizes those
#: that could not be judged, and how likely a lower structure changes each.
ADDED = frozenset({"plan", "crystal_properties", "bounded", "not_judged", "chance_of_change"})
#: Outputs, as patterns of ``process.output``, that earlier versions did not have.
ADDED_OUTPUTS = ("*crossover.crystal",)


@dataclass(frozen=True)
class Finding:
    """Result of one comparison.

    Attributes
    ----------
    verdict
        ``identical``, ``agrees``, ``differs`` or ``not compared``.
    quantity
        What was compared.
    difference, tolerance, unit
        Largest difference and its tolerance; None where they do not exist.
    note
        Where the results differ, or why they were not compared.
    """

    verdict: str
    quantity: str = ""
    difference: float | None = None
    tolerance: float | None = None
    unit: str = ""
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as plain values."""
        return asdict(self)


def overall(verdicts: Sequence[str]) -> str:
    """Return the worst of several verdicts; what was not compared does not count.

    >>> overall(["identical", "agrees", "not compared"])
    'agrees'
    """
    for verdict in (DIFFERS, AGREES, IDENTICAL):
        if verdict in verdicts:
            return verdict
    return NOT_COMPARED


def worst(findings: Sequence[Finding]) -> Finding:
    """Return the deciding finding: of equal verdicts the one closest to its tolerance."""

    def share(finding: Finding) -> float:
        if finding.difference is None or not finding.tolerance:
            return 0.0
        return finding.difference / finding.tolerance

    verdict = overall([finding.verdict for finding in findings])
    return max((f for f in findings if f.verdict == verdict), key=share)


def compare_numbers(
    recorded: ArrayLike,
    new: ArrayLike,
    quantity: str,
    tolerances: Tolerances,
    *,
    sizes: ArrayLike | None = None,
    name: str = "",
) -> Finding:
    """Compare arrays of one quantity element by element; NaN agrees with NaN alone.

    Parameters
    ----------
    recorded, new
        In the unit of the quantity; total energies in eV.
    quantity
        Key of `tolerances`, or ``energy_total``.
    sizes
        Numbers of atoms, for total energies; broadcast against them.
    name
        Name of the array in the note.
    """
    one, other = np.asarray(recorded, float), np.asarray(new, float)
    if one.shape != other.shape:
        note = f"{name or quantity}: {one.shape} recorded, {other.shape} now"
        return Finding(DIFFERS, quantity, note=note)
    unknown = np.isnan(one) != np.isnan(other)
    if unknown.any():
        note = f"{name or quantity}: {int(unknown.sum())} known in one of them only"
        return Finding(DIFFERS, quantity, note=note)
    unlike = ~(np.isnan(one) | (one == other))
    difference = np.abs(np.subtract(one, other, out=np.zeros(one.shape), where=unlike))
    if quantity == TOTAL:
        quantity = "energy"
        difference = difference / np.asarray(1.0 if sizes is None else sizes, float)
    tolerance = tolerances[quantity]
    if tolerance["unit"] == "relative":
        scale = np.fmax(np.fmax(np.abs(one), np.abs(other)), 0.0)
        significant = difference > tolerances["absolute"]["value"]
        difference = np.where(significant, difference, 0.0) / np.where(scale > 0, scale, 1.0)
    largest = float(difference.max()) if difference.size else 0.0
    verdict = AGREES if largest <= tolerance["value"] else DIFFERS
    note = name if verdict == DIFFERS else ""
    return Finding(verdict, quantity, largest, float(tolerance["value"]), tolerance["unit"], note)


def without_added(recorded: Any, new: Any) -> Any:
    """Return a new result without the keys that earlier versions did not record.

    Only keys of :data:`ADDED`, and only where the recorded result lacks them: any other key that
    one of the two has alone is a difference.

    >>> without_added({"results": [1]}, {"results": [1], "plan": {}})
    {'results': [1]}
    >>> without_added([{"size": 13}], [{"size": 13, "chance_of_change": 0.1}])
    [{'size': 13}]
    """
    if isinstance(recorded, Mapping) and isinstance(new, Mapping):
        return {
            name: without_added(recorded.get(name), value)
            for name, value in new.items()
            if name in recorded or name not in ADDED
        }
    if isinstance(recorded, list) and isinstance(new, list) and len(recorded) == len(new):
        return [without_added(*pair) for pair in zip(recorded, new, strict=True)]
    return new


def compare_trees(
    recorded: Any,
    new: Any,
    tolerances: Tolerances,
    quantities: Mapping[str, str],
    ignored: Sequence[str] = (),
) -> list[Finding]:
    """Compare nested mappings and lists: numbers within tolerances, other values exactly.

    Parameters
    ----------
    recorded, new
        Mappings, lists and values as in JSON.
    quantities
        Quantity of a number by its name; ``number`` for all others.
    ignored
        Names that are left out wherever they occur.
    """
    return list(_trees(recorded, new, "", {}, (tolerances, quantities, frozenset(ignored))))


def _trees(
    one: Any, other: Any, path: str, around: Mapping[str, Any], rules: Any
) -> Iterator[Finding]:
    tolerances, quantities, ignored = rules
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        names = [name for name in sorted({*one, *other}) if name not in ignored]
        for name in names:
            where = f"{path}.{name}".lstrip(".")
            if name not in one or name not in other:
                note = f"{where}: only {'recorded' if name in one else 'now'}"
                yield Finding(DIFFERS, name, note=note)
            else:
                yield from _trees(one[name], other[name], where, one, rules)
    elif isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            yield Finding(DIFFERS, path, note=f"{path}: {len(one)} recorded, {len(other)} now")
            return
        for index, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from _trees(a, b, f"{path}[{index}]", around, rules)
    elif _is_number(one) and _is_number(other):
        quantity = _quantity(path, quantities)
        sizes = around.get("size")
        if quantity == TOTAL and not _is_number(sizes):
            sizes = None
        yield compare_numbers(one, other, quantity, tolerances, sizes=sizes, name=path)
    elif one == other and type(one) is type(other):
        yield Finding(AGREES, path)
    else:
        yield Finding(DIFFERS, path, note=f"{path}: {_short(one)} recorded, {_short(other)} now")


def _quantity(path: str, quantities: Mapping[str, str]) -> str:
    """Return the quantity of the innermost name on a path that has one."""
    for name in reversed(path.replace("[", ".").split(".")):
        if name in quantities:
            return quantities[name]
    return "number"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def compare_arrays(
    recorded: Mapping[str, ArrayLike],
    new: Mapping[str, ArrayLike],
    tolerances: Tolerances,
    quantities: Mapping[str, str],
) -> list[Finding]:
    """Compare named arrays; an array ``sizes`` makes total energies energies per atom."""
    findings = []
    for name in sorted({*recorded, *new}):
        if name not in recorded or name not in new:
            note = f"{name}: only {'recorded' if name in recorded else 'now'}"
            findings.append(Finding(DIFFERS, name, note=note))
            continue
        one, other = np.asarray(recorded[name]), np.asarray(new[name])
        if one.dtype.kind not in "fiub" or other.dtype.kind not in "fiub":
            same = one.shape == other.shape and bool((one == other).all())
            findings.append(Finding(AGREES if same else DIFFERS, name, note="" if same else name))
            continue
        quantity = quantities.get(name, "number")
        sizes = recorded.get("sizes") if quantity == TOTAL else None
        findings.append(compare_numbers(one, other, quantity, tolerances, sizes=sizes, name=name))
    return findings


def compare_averages(
    recorded: Mapping[str, ArrayLike],
    new: Mapping[str, ArrayLike],
    errors: Mapping[str, str],
    tolerances: Tolerances,
) -> list[Finding]:
    """Compare averages over dynamics by their standard errors; all else is not compared.

    Each difference is counted in combined standard errors, sqrt(a^2 + b^2), a missing one as zero,
    and as ten of them at the most: errors from a few stretches may vanish by chance. Their root
    mean square decides. Averages that exist in one of the two only, as places that only
    one run came to, are counted in the note.

    Parameters
    ----------
    recorded, new
        Arrays by name.
    errors
        Name of the standard errors by that of the averages.
    """
    allowed = float(tolerances["standard_error"]["value"])
    unit = tolerances["standard_error"]["unit"]
    findings = []
    for name in sorted({*recorded} & {*new} & {*errors}):
        one, other = np.asarray(recorded[name], float), np.asarray(new[name], float)
        if one.shape != other.shape or errors[name] not in recorded or errors[name] not in new:
            note = f"{name}: {one.shape} recorded, {other.shape} now"
            findings.append(Finding(NOT_COMPARED, name, note=note))
            continue
        error = np.hypot(
            *(np.nan_to_num(np.asarray(s[errors[name]], float)) for s in (recorded, new))
        )
        both = np.isfinite(one) & np.isfinite(other)
        known = both & (error > 0)
        apart = np.abs(one[known] - other[known]) / error[known]
        if not apart.size:
            findings.append(Finding(NOT_COMPARED, name, note=f"{name}: no value has errors"))
            continue
        typical = float(np.sqrt(np.mean(np.minimum(apart, _MOST_ERRORS) ** 2)))
        alone = int((np.isfinite(one) != np.isfinite(other)).sum())
        notes = [f"{name}: {alone} of {one.size} known in one of the two only"] if alone else []
        if typical > allowed:
            notes.append(f"{name}, at most {apart.max():.3g} {unit}")
        verdict = AGREES if typical <= allowed else DIFFERS
        findings.append(Finding(verdict, name, typical, allowed, unit, "; ".join(notes)))
    return findings or [Finding(NOT_COMPARED, note="no averages with standard errors")]


def compare_lowest(
    recorded: Mapping[int, float], new: Mapping[int, float], tolerances: Tolerances
) -> list[Finding]:
    """Compare the lowest energy found of each size: lower than recorded agrees, with a note.

    Parameters
    ----------
    recorded, new
        Energy in eV by number of atoms.
    """
    tolerance = tolerances["energy"]
    allowed, unit = float(tolerance["value"]), tolerance["unit"]
    findings = []
    for size in sorted({*recorded, *new}):
        if size not in recorded or size not in new:
            note = f"N = {size}: only {'recorded' if size in recorded else 'now'}"
            findings.append(Finding(DIFFERS, "energy", note=note))
            continue
        difference = (new[size] - recorded[size]) / size
        verdict, note = AGREES, ""
        if difference > allowed:
            verdict, note = DIFFERS, f"N = {size}: {size * difference:.4f} eV higher now"
        elif difference < -allowed:
            note = f"N = {size}: {-size * difference:.4f} eV lower now"
        shown = abs(difference) if verdict == DIFFERS or not note else None
        findings.append(Finding(verdict, "lowest energy", shown, allowed, unit, note))
    return findings


def compare_crossover(recorded: Mapping[str, Any], new: Mapping[str, Any]) -> list[Finding]:
    """Compare crossovers: the new size within the recorded interval, and the intervals overlap.

    Parameters
    ----------
    recorded, new
        ``verdict``, ``size``, ``low`` and ``high`` (numbers of atoms; None where there is none,
        which for ``high`` means above the largest size).
    """
    if recorded["verdict"] != new["verdict"]:
        note = f"{recorded['verdict']!r} recorded, {new['verdict']!r} now"
        return [Finding(DIFFERS, "verdict", note=note)]
    if recorded["size"] is None or new["size"] is None:
        same = recorded["size"] is new["size"]
        note = "" if same else f"size {recorded['size']} recorded, {new['size']} now"
        return [Finding(AGREES if same else DIFFERS, "size", note=note)]
    low, high = _interval(recorded)
    new_low, new_high = _interval(new)
    inside, meet = low <= new["size"] <= high, new_low <= high and low <= new_high
    difference = abs(new["size"] - recorded["size"])
    reach = max(recorded["size"] - low, high - recorded["size"])
    shown = f"{new['size']:.0f} now, recorded {recorded['size']:.0f} ({low:.0f} to {high:.0f})"
    note = "" if inside and meet else shown
    return [
        Finding(
            AGREES if inside and meet else DIFFERS,
            "size, within its recorded interval",
            difference,
            reach if np.isfinite(reach) else None,
            "atoms",
            note,
        )
    ]


def _interval(answer: Mapping[str, Any]) -> tuple[float, float]:
    low, high = answer["low"], answer["high"]
    return (0.0 if low is None else low), (np.inf if high is None else high)


def compare_errors(
    recorded: Mapping[str, float | None], new: Mapping[str, float | None], tolerances: Tolerances
) -> list[Finding]:
    """Compare errors of potentials by their ratio: smaller than recorded agrees.

    Parameters
    ----------
    recorded, new
        Root mean square errors by name, all in one unit each; None where not known.
    """
    allowed = float(tolerances["error_factor"]["value"])
    findings = []
    for name in sorted({*recorded, *new}):
        before, now = recorded.get(name), new.get(name)
        if before is None and now is None:
            continue
        if before is None or now is None:
            note = f"{name}: only {'now' if before is None else 'recorded'}"
            findings.append(Finding(DIFFERS, name, note=note))
            continue
        ratio = now / before if before > 0 else (1.0 if now == 0 else np.inf)
        verdict = AGREES if ratio <= allowed else DIFFERS
        note = f"{name}: {before:.4g} recorded, {now:.4g} now" if verdict == DIFFERS else ""
        findings.append(Finding(verdict, "error", float(ratio), allowed, "times", note))
    return findings


def compare_sets(recorded: Sequence[Any], new: Sequence[Any], quantity: str) -> list[Finding]:
    """Compare sets, such as the magic sizes: each member must be in both."""
    only_before, only_now = sorted({*recorded} - {*new}), sorted({*new} - {*recorded})
    notes = []
    if only_before:
        notes.append(f"only recorded: {', '.join(map(str, only_before))}")
    if only_now:
        notes.append(f"only now: {', '.join(map(str, only_now))}")
    return [Finding(DIFFERS if notes else AGREES, quantity, note="; ".join(notes))]

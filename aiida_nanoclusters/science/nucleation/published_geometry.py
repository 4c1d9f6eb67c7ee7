"""Published distances and angles of Ag6L6 beside those of a simulation, and of its crystals.

The maxima are those of 25 ns of Ag6(SCNH2)6 in methanol: V. Tiwari, T. Karmakar, "Understanding the
Mechanism of Nanocluster Formation from Machine-Learned Potential-based Simulations" (figure 1).
That work compares them with the ranges of two crystals of hexanuclear silver clusters, Y. Wu et
al., Polyhedron 122, 155 (2017), and K. Nomiya, S. Takahashi, R. Noguchi, J. Chem. Soc., Dalton
Trans. 2091 (2000), but draws the ranges as lines and gives no numbers: :func:`crystal_ranges` takes
them from a file of the crystal. Other chemistry than silver with S and N has no reference here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from scipy.optimize import linear_sum_assignment

from aiida_nanoclusters.science.nucleation.distributions import Distribution, Maximum
from aiida_nanoclusters.science.nucleation.geometry import GeometrySettings, measure

Ranges = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Published:
    """Published maxima (Å, degrees), and what the publication says of them beside the crystals."""

    maxima: tuple[float, ...]
    verdict: str


_CONSISTENT = "generally consistent with the crystals"
#: By elements as :attr:`GeometrySettings.elements` writes them.
PUBLISHED: dict[str, Published] = {
    "Ag-Ag": Published((2.97,), "aligned well with the crystals"),
    "Ag-S": Published((2.54,), "at the upper end of the crystals' range"),
    "Ag-N": Published((2.28,), "aligned well with the crystals"),
    "Ag-Ag-Ag": Published((59.0,), _CONSISTENT),
    "S-Ag-S": Published((126.0,), _CONSISTENT),
    "Ag-Ag-N": Published((81.0, 138.0), "slightly off the crystals' ranges"),
    "N-Ag-S": Published((100.0,), _CONSISTENT),
}
_NOTHING = Published((), "")
#: Values of a crystal that are further apart than this belong to different ranges: Å, degrees.
_GAPS = (0.4, 20.0)


@dataclass(frozen=True)
class Comparison:
    """A maximum of a distribution beside the published one.

    Attributes
    ----------
    name, unit
        Of the distance or angle.
    maximum
        Ours; None where no maximum is left for the published one.
    published
        Published maximum, Å or degrees; None where there is none.
    verdict
        What the publication says of that one beside the crystals; empty where there is none.
    crystal
        Range of the crystal that holds our maximum, or is nearest to it; None where none was given.
    """

    name: str
    unit: str
    maximum: Maximum | None
    published: float | None
    verdict: str
    crystal: tuple[float, float] | None

    @property
    def difference(self) -> float | None:
        """Ours less the published one, Å or degrees; None where one of them is missing."""
        if self.maximum is None or self.published is None:
            return None
        return self.maximum.place - self.published

    @property
    def inside(self) -> bool | None:
        """Whether ours lies in the range of the crystal; None where one of them is missing."""
        if self.maximum is None or self.crystal is None:
            return None
        return self.crystal[0] <= self.maximum.place <= self.crystal[1]

    def __str__(self) -> str:
        digits = 2 if self.unit == "Å" else 0
        parts = ["no maximum", "no published maximum"]
        if self.maximum is not None:
            error = self.maximum.error
            band = f" ± {error:.{digits + 1}f}" if np.isfinite(error) else ""
            parts[0] = f"{self.maximum.place:.{digits + 1}f}{band} {self.unit}"
        if self.published is not None:
            parts[1] = f"published {self.published:.{digits}f} ({self.verdict})"
        if self.crystal is not None:
            low, high = (f"{value:.{digits}f}" for value in self.crystal)
            where = "inside" if self.inside else "outside"
            parts.append(f"{where if self.maximum else 'beside'} {low} to {high} of the crystal")
        return f"{self.name}: {', '.join(parts)}"


def compare(
    found: Mapping[str, Distribution], crystals: Mapping[str, Ranges] | None = None
) -> list[Comparison]:
    """Return the maxima of distributions beside the published ones and the ranges of crystals.

    A published maximum is put beside one of ours, so that the sum of the distances between partners
    is least. Maxima of ours that are left, and those of distances and angles that were not
    published, have rows of their own.

    Parameters
    ----------
    found
        Distributions by name.
    crystals
        Ranges by the name of the distribution, Å or degrees, as of :func:`crystal_ranges`.

    Raises
    ------
    ValueError
        If a range has the name of no distribution.
    """
    given = dict(crystals or {})
    if unknown := sorted(set(given) - set(found)):
        raise ValueError(f"no distribution is called {', '.join(unknown)}: use {', '.join(found)}")
    rows = []
    for name, one in found.items():
        published = PUBLISHED.get(one.settings.elements or "", _NOTHING)
        for maximum, value in _partners(one.maxima, published.maxima):
            verdict = "" if value is None else published.verdict
            reference = maximum.place if maximum is not None else value
            crystal = _nearest(given.get(name, ()), reference)
            rows.append(Comparison(name, one.settings.unit, maximum, value, verdict, crystal))
    return rows


def crystal_ranges(
    crystal: Atoms, geometries: Sequence[GeometrySettings], solvent: Sequence[str] = ("CH4O", "H2O")
) -> dict[str, list[tuple[float, float]]]:
    """Return the ranges of distances and angles in a crystal, such as one read from a CIF file.

    Values with a gap of more than 0.4 Å or 20 degrees between them belong to different ranges.

    Parameters
    ----------
    crystal
        All atoms of the cell.
    geometries
        As of the simulation; those without any values are left out.
    solvent
        Formulas of solvent molecules.

    Raises
    ------
    ValueError
        If no atom has a role.
    """
    samples, _ = measure([crystal], geometries, solvent)
    ranges = {}
    for geometry, one in zip(geometries, samples, strict=True):
        if not one.values.size:
            continue
        values = np.sort(one.values)
        parts = np.split(values, np.flatnonzero(np.diff(values) > _GAPS[geometry.is_angle]) + 1)
        ranges[geometry.name] = [(float(part[0]), float(part[-1])) for part in parts]
    return ranges


def _partners(
    maxima: Sequence[Maximum], published: Sequence[float]
) -> list[tuple[Maximum | None, float | None]]:
    """Return pairs of ours and published in the order of these, then those of ours left over."""
    distances = np.array([[abs(m.place - value) for m in maxima] for value in published])
    rows, columns = linear_sum_assignment(distances) if distances.size else ([], [])
    own = {int(row): int(column) for row, column in zip(rows, columns, strict=True)}
    pairs: list[tuple[Maximum | None, float | None]] = [
        (maxima[own[k]] if k in own else None, value) for k, value in enumerate(published)
    ]
    taken = set(own.values())
    return pairs + [(maximum, None) for k, maximum in enumerate(maxima) if k not in taken]


def _nearest(ranges: Ranges, value: float | None) -> tuple[float, float] | None:
    if not ranges or value is None:
        return None
    return min(ranges, key=lambda one: max(one[0] - value, value - one[1], 0.0))

"""Readers of ``HILLS`` and ``COLVAR`` files of PLUMED."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import pi
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.formats.limits import read_text
from aiida_nanoclusters.science.sampling.metadynamics import Hills

Floats = NDArray[np.float64]

#: Longest file that is read, bytes: some ten million numbers.
_LONGEST = 400_000_000


@dataclass(frozen=True)
class Table:
    """A table of PLUMED.

    Attributes
    ----------
    names
        Of the columns.
    values
        Shape (R, columns).
    constants
        What ``#! SET`` lines say, by name.
    """

    names: tuple[str, ...]
    values: Floats
    constants: dict[str, str]

    def column(self, name: str) -> Floats:
        """Return a column.

        Raises
        ------
        ValueError
            If there is none of that name; the message lists those there are.
        """
        if name not in self.names:
            raise ValueError(f"no column `{name}`: there are {', '.join(self.names)}")
        return np.asarray(self.values[:, self.names.index(name)])


def read_table(path: Path, *, replaced: bool = True) -> Table:
    """Return the table in a file of PLUMED: HILLS, COLVAR, or a free energy of `sum_hills`.

    The last row of a killed run may be cut off: it is left out.

    Parameters
    ----------
    path
        Of the file.
    replaced
        Whether rows after a repeated header, that of a run that was continued, replace those
        before it whose time is not below theirs: right for `COLVAR`, and wrong for `HILLS`, every
        one of which acts.

    Raises
    ------
    ValueError
        If it has no ``#! FIELDS`` line, headers that differ, or a row of another length.
    """
    names: tuple[str, ...] = ()
    constants: dict[str, str] = {}
    rows: list[list[float]] = []
    text = read_text(path, _LONGEST)
    whole = text if text.endswith("\n") else text[: text.rfind("\n") + 1]
    began = 0
    for number, words in _lines(whole):
        if words[:2] == ["#!", "FIELDS"]:
            if names and tuple(words[2:]) != names:
                raise ValueError(f"{path.name}, line {number}: other columns than before")
            names, began = tuple(words[2:]), len(rows)
        elif words[:2] == ["#!", "SET"] and len(words) > 3:
            constants[words[2]] = words[3]
        elif not words[0].startswith("#"):
            row = _numbers(words, len(names), path, number)
            if replaced and names[:1] == ("time",):
                while began and rows and len(rows) == began and rows[-1][0] >= row[0]:
                    rows.pop()
                    began -= 1
            rows.append(row)
    if not names:
        raise ValueError(f"{path.name} has no line `#! FIELDS`: it is no table of PLUMED")
    return Table(names, np.array(rows, dtype=np.float64).reshape(-1, len(names)), constants)


def read_hills(path: Path, energy_unit: float = 1.0) -> tuple[tuple[str, ...], Hills]:
    """Return the names of the variables and the hills of a ``HILLS`` file.

    Parameters
    ----------
    path
        Of PLUMED's METAD.
    energy_unit
        eV in its unit of energy: 1 where `UNITS ENERGY=eV` was given, otherwise that of kJ/mol,
        ``ase.units.kJ / ase.units.mol``.

    Raises
    ------
    ValueError
        As for :func:`read_table`; if columns are missing, numbers are not finite, or hills are
        multivariate or of another shape than PLUMED's Gaussians that end at zero (PLUMED 2.8 and
        later).
    """
    table = read_table(path, replaced=False)
    if not np.isfinite(table.values).all():
        raise ValueError(f"{path.name} holds numbers that are not finite")
    names = tuple(name for name in table.names[1:] if f"sigma_{name}" in table.names)
    if not names or not {"height", "biasf"} <= set(table.names):
        raise ValueError(
            f"{path.name} has the columns {', '.join(table.names)}: not those of HILLS"
        )
    if table.constants.get("multivariate") == "true":
        raise ValueError(f"{path.name}: multivariate hills are not read")
    if (kind := table.constants.get("kerneltype", "gaussian")) != "stretched-gaussian":
        raise ValueError(
            f"{path.name}: hills of kind `{kind}` are not read, stretched-gaussian are"
        )
    factors = np.unique(table.column("biasf"))
    if len(factors) != 1:
        raise ValueError(f"{path.name}: bias factors {factors.tolist()}: give one run")
    centres, widths = (
        np.stack([table.column(f"{prefix}{name}") for name in names], axis=1)
        for prefix in ("", "sigma_")
    )
    factor = float(factors[0])
    heights = table.column("height") * energy_unit
    tempered = factor if factor > 1 else 0.0
    return names, Hills(centres, widths, heights, tempered, _periods(table, names))


def _periods(table: Table, names: tuple[str, ...]) -> tuple[float, ...]:
    found = []
    for name in names:
        low, high = (table.constants.get(f"{end}_{name}") for end in ("min", "max"))
        found.append(0.0 if low is None or high is None else _angle(high) - _angle(low))
    return tuple(found)


def _angle(text: str) -> float:
    """Return a number, of which pi may be a part: ``-pi``, ``2*pi``."""
    factor, has_pi, rest = text.partition("pi")
    if not has_pi:
        return float(text)
    if rest:
        raise ValueError(f"`{text}` is no limit of a variable")
    factor = factor.rstrip("*")
    return pi * (float(f"{factor}1") if factor in ("", "-", "+") else float(factor))


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if words:
            yield number, words


def _numbers(words: list[str], count: int, path: Path, number: int) -> list[float]:
    try:
        row = [float(word) for word in words]
    except ValueError as error:
        raise ValueError(f"{path.name}, line {number}: {error}") from error
    if len(row) != count:
        raise ValueError(f"{path.name}, line {number}: {len(row)} numbers in {count} columns")
    return row

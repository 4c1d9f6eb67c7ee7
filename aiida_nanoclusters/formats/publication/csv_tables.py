"""Results as tables that any program reads: CSV with the unit of each column in its header."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aiida_nanoclusters.science import keys

#: Columns by their header, all of one length.
Table = Mapping[str, Sequence[Any]]


def write_csv(table: Table, path: str | Path) -> None:
    """Write a table; numbers with every digit, what is not known as an empty cell.

    Raises
    ------
    ValueError
        If its columns differ in length.
    """
    with Path(path).open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(table)
        for row in zip(*table.values(), strict=True):
            writer.writerow([_cell(value) for value in row])


def header(name: str, unit: str = "") -> str:
    """Return ``name (unit)``."""
    return f"{name} ({unit})" if unit else name


def tables_of_arrays(
    arrays: Mapping[str, Any], motifs: Sequence[str] = (), units: Mapping[str, str] | None = None
) -> dict[str, Table]:
    """Return the tables of a result's arrays, by name; other arrays are left out.

    Parameters
    ----------
    arrays
        As named in :mod:`aiida_nanoclusters.science.keys`.
    motifs
        Of the rows of ``energies``, where they have any.
    units
        By array, of a result that tells them itself: all its arrays are the columns of one table,
        named by an empty string.
    """
    if units is not None:
        names = [name for name in units if name in arrays]
        return {"": {header(name, units[name]): list(arrays[name]) for name in names}}
    tables: dict[str, Table] = {}
    for name, members in keys.TABLES.items():
        columns: dict[str, Sequence[Any]] = {}
        for key in members:
            if key in arrays:
                columns.update(_columns(key, np.asarray(arrays[key])))
        if columns:
            known = {"motif": list(motifs)} if name == "energies" and motifs else {}
            tables[name] = {**known, **columns}
    return tables


def table_of_rows(rows: Sequence[Mapping[str, Any]], units: Mapping[str, str]) -> Table:
    """Return the table of a list of mappings; a key that a row lacks is an empty cell."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {header(name, units.get(name, "")): [row.get(name) for row in rows] for name in names}


def _columns(key: str, values: Any) -> dict[str, Sequence[Any]]:
    if values.ndim == 1:
        return {header(key, keys.UNITS[key]): values.tolist()}
    return {
        header(f"{key}_{number}", keys.UNITS[key]): row.tolist()
        for number, row in enumerate(values, start=1)
    }


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return repr(float(value)) if isinstance(value, float) else str(value)
    return " ".join(_cell(v) for v in value)

"""Results as tables that any program reads: CSV with the unit of each column in its header."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aiida_nanoclusters.formats.output_files import written_beside
from aiida_nanoclusters.formats.plain_text import printable
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.columns import COLUMN_OF, COLUMN_OF_FIELD, unit_of

_FORMULA = re.compile(r"[=@\t\r]|[+-](?!(?:[\d.]+(?:[eE][+-]?\d+)?|inf|nan)\Z)")
#: Columns by their name or header, all of one length.
Table = Mapping[str, Sequence[Any]]


def write_csv(table: Table, path: str | Path) -> None:
    """Write a table; numbers with every digit, what is not known as an empty cell.

    Cells and headers that a spreadsheet would take for a formula (``=``, ``@``, and ``+``, ``-``
    before what is no number) are preceded by an apostrophe.

    Raises
    ------
    ValueError
        If its columns differ in length.
    """
    with written_beside(path) as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow([_cell(name) for name in table])
        for row in zip(*table.values(), strict=True):
            writer.writerow([_cell(value) for value in row])


def header(name: str, unit: str = "") -> str:
    """Return ``name (unit)``."""
    return f"{name} ({unit})" if unit else name


def with_units(table: Table, units: Mapping[str, str] | None = None) -> Table:
    """Return a table with the unit of each column in its header.

    Parameters
    ----------
    table
        Columns by their name, as in :mod:`aiida_nanoclusters.science.columns`.
    units
        Of columns that tell their own.
    """
    found = units_of(table, units)
    return {header(name, found[name]): cells for name, cells in table.items()}


def units_of(table: Table, units: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the unit of each column, empty where it has none; parameters as above."""
    own = units or {}
    return {name: own.get(name, unit_of(name)) for name in table}


def tables_of_arrays(
    arrays: Mapping[str, Any], motifs: Sequence[str] = (), units: Mapping[str, str] | None = None
) -> dict[str, Table]:
    """Return the tables of a result's arrays, by name; other arrays are left out.

    Columns have the names of :mod:`aiida_nanoclusters.science.columns`, without units.

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
        return {"": {name: list(arrays[name]) for name in units if name in arrays}}
    held = {name: {k for k in members if k in arrays} for name, members in keys.TABLES.items()}
    chosen: list[str] = []
    for name, own in held.items():
        others = [held[other] for other in held if own < held[other]]
        if own and not others and own not in [held[other] for other in chosen]:
            chosen.append(name)
    tables: dict[str, Table] = {}
    for name in chosen:
        columns: dict[str, Sequence[Any]] = {}
        on_grid = keys.CELL_EDGES in arrays and name == "free_energy"
        if on_grid:
            columns.update(_cells(np.asarray(arrays[keys.CELL_EDGES])))
        for key in keys.TABLES[name]:
            if key in arrays:
                values = np.asarray(arrays[key])
                columns.update(_columns(key, values.ravel() if on_grid else values))
        known = {"motif": list(motifs)} if name == "energies" and motifs else {}
        tables[name] = {**known, **columns}
    return tables


def table_of_rows(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the table of a list of mappings; what a row lacks is None."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {COLUMN_OF_FIELD.get(name, name): [row.get(name) for row in rows] for name in names}


def _columns(key: str, values: Any) -> dict[str, Sequence[Any]]:
    name = COLUMN_OF[key]
    if values.ndim == 1:
        return {name: values.tolist()}
    columns = values.T if key in keys.ROWS_FIRST else values
    return {f"{name}_{k}": column.tolist() for k, column in enumerate(columns, start=1)}


def _cells(edges: Any) -> dict[str, Sequence[Any]]:
    """Return the variables at the middle of each cell of a grid, in the order of its arrays."""
    middles = np.meshgrid(*(edges[:, :-1] + edges[:, 1:]) / 2, indexing="ij")
    name = COLUMN_OF[keys.VARIABLES]
    return {f"{name}_{k}": axis.ravel().tolist() for k, axis in enumerate(middles, start=1)}


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, str | bytes):
        text = printable(str(value))
        return f"'{text}" if _FORMULA.match(text) else text
    if not isinstance(value, Iterable):
        return repr(float(value)) if isinstance(value, float) else str(value)
    return " ".join(_cell(v) for v in value)

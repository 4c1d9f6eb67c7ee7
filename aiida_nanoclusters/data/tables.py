"""Results as tables: arrays, lists of rows, frames and pairs, whichever node holds them.

`export`, `publish` and :func:`to_dataframe` take the same tables. Columns are named as in
:mod:`aiida_nanoclusters.science.columns`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from aiida.orm import ArrayData, Data, Dict

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.pairs import PairsData
from aiida_nanoclusters.formats.data_frame import make_data_frame
from aiida_nanoclusters.formats.frames_table import frames_table, pairs_table
from aiida_nanoclusters.formats.publication.csv_tables import (
    Table,
    table_of_rows,
    tables_of_arrays,
    with_units,
)
from aiida_nanoclusters.science.keys import with_present_keys
from aiida_nanoclusters.science.learning.error_rows import error_rows
from aiida_nanoclusters.science.learning.metrics import PARITY_UNITS, REFERENCE, parity_name

if TYPE_CHECKING:
    import pandas

_OF_CRYSTALS = {"energy": "energy_per_atom"}
_SCALARS = (str, int, float, bool)


@dataclass(frozen=True)
class NodeTable:
    """Columns by their name, and the units of those that tell their own."""

    columns: Table
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def headed(self) -> Table:
        """The same with the unit of each column in its header."""
        return with_units(self.columns, self.units)

    def to_dataframe(self) -> pandas.DataFrame:
        """Return it as a data frame; ``attrs["units"]`` has the units."""
        return make_data_frame(self.columns, self.units)


def to_dataframe(node: Data, table: str | None = None) -> pandas.DataFrame:
    """Return a result as a data frame of pandas; ``attrs["units"]`` has the units.

    Parameters
    ----------
    node
        Arrays, rows, frames or pairs, such as the outputs of the work chains.
    table
        Which one, where a result holds several; see :func:`tables_of`.

    Raises
    ------
    ValueError
        If the node holds no table, or several and none of that name.
    ModuleNotFoundError
        If pandas is not installed; the message names the extra.
    """
    tables = tables_of(node)
    if not tables:
        raise ValueError(f"{type(node).__name__} {node.uuid} holds no table")
    if table is None and len(tables) == 1:
        table = next(iter(tables))
    if table not in tables:
        names = ", ".join(name or "''" for name in tables)
        raise ValueError(f"{type(node).__name__} {node.uuid} holds the tables {names}: name one")
    return tables[table].to_dataframe()


def tables_of(node: Data) -> dict[str, NodeTable]:
    """Return the tables of a result, by name; empty for a node without any.

    The only table of a result, and its main one, has an empty name.
    """
    if isinstance(node, FramesData):
        return {"": NodeTable(frames_table(node.frames))}
    if isinstance(node, PairsData):
        return {"": NodeTable(pairs_table(node.pairs))}
    if isinstance(node, Dict):
        return tables_of_mapping(node.get_dict())
    if isinstance(node, ArrayData):
        return _of_arrays(node)
    return {}


def tables_of_mapping(content: Mapping[str, Any]) -> dict[str, NodeTable]:
    """Return the tables of the content of a Dict, by name."""
    return {name: NodeTable(columns) for name, columns in _of_mapping(content)}


def named_tables(name: str, tables: Mapping[str, NodeTable]) -> dict[str, NodeTable]:
    """Return the tables of a node by the names of their files, without ending.

    A table that is called as the node is, or has no name, is called as the node only.
    """
    own = name.rpartition(".")[2]
    main = "" if "" in tables else own
    return {name if label == main else f"{name}.{label}": t for label, t in tables.items()}


def _of_arrays(node: ArrayData) -> dict[str, NodeTable]:
    arrays = {key: node.get_array(key) for key in node.get_arraynames()}
    attributes = node.base.attributes
    if "sets" in attributes.keys():
        return dict(_of_parity(arrays, attributes.get("sets"), attributes.all))
    units = attributes.get("units", None)
    if units is not None:
        if len({len(values) for values in arrays.values()}) > 1:
            return {}
        arrays = {k: v for k, v in arrays.items() if v.ndim == 1}
    tables = tables_of_arrays(arrays, attributes.get("motifs", []), units)
    if len(tables) == 1:
        tables = {"": next(iter(tables.values()))}
    return {name: NodeTable(columns, units or {}) for name, columns in tables.items()}


def _of_parity(
    arrays: Mapping[str, Any], sets: list[str], attributes: Mapping[str, Any]
) -> Iterator[tuple[str, NodeTable]]:
    """Yield, of each set, labels and predictions: of energies, and of components of forces."""
    members = attributes.get("members", [])
    for part in sets:
        for quantity in ("energies", "forces"):
            named = {who: parity_name(part, quantity, who) for who in (REFERENCE, *members)}
            columns = {who: arrays[name].tolist() for who, name in named.items() if name in arrays}
            if not columns:
                continue
            units = dict.fromkeys(columns, PARITY_UNITS[quantity])
            if quantity == "energies":
                sizes = np.asarray(arrays[parity_name(part, "sizes")], int).tolist()
                kinds = attributes.get("config_types", {}).get(part, [""] * len(sizes))
                columns = {"config_type": kinds, "size": sizes, **columns}
            yield f"{part}_{quantity}", NodeTable(columns, units)


def _of_mapping(content: Mapping[str, Any]) -> Iterator[tuple[str, Table]]:
    """Yield the lists of rows of a mapping, and its own numbers and texts as one row."""
    content = with_present_keys(content)
    if "lattice_constant" in content:  # of a crystal, whose energy is that of one atom
        content = {_OF_CRYSTALS.get(name, name): value for name, value in content.items()}
    if "sets" in content:
        yield "", table_of_rows(list(error_rows(content)))
        return
    found = {name: rows for name, rows in content.items() if _are_rows(rows)}
    for name, rows in found.items():
        yield ("" if name == "rows" else name), table_of_rows([_flat(row) for row in rows])
    own = {name: value for name, value in content.items() if isinstance(value, _SCALARS)}
    if own and "rows" not in found:
        yield ("summary" if "" in found else ""), table_of_rows([own])


def _are_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row whose cells are numbers and texts; of a mapping in it ``key=value ...``."""
    return {name: _cell(value) for name, value in row.items()}


def _cell(value: Any) -> Any:
    if isinstance(value, Mapping):
        return " ".join(f"{key}={_cell(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return " ".join(str(_cell(inner)) for inner in value)
    return value

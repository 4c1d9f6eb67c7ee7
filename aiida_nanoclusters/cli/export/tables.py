"""Tables of a result as CSV: the unit of each column in its header."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aiida_nanoclusters.formats.output_files import inside
from aiida_nanoclusters.formats.plain_text import file_name
from aiida_nanoclusters.formats.publication.csv_tables import write_csv

if TYPE_CHECKING:
    from aiida_nanoclusters.cli.export.results import Result
    from aiida_nanoclusters.data.tables import NodeTable


def tables_of_result(result: Result) -> dict[str, NodeTable]:
    """Return every table of a result by the name of its file, without ending."""
    from aiida.orm import ArrayData, Dict

    from aiida_nanoclusters.cli.export.structures import COLUMNS, images_of, structures_of
    from aiida_nanoclusters.data.frames import FramesData
    from aiida_nanoclusters.data.pairs import PairsData
    from aiida_nanoclusters.data.tables import NodeTable, named_tables, tables_of

    tables: dict[str, NodeTable] = {}
    for name, node in result.of_type((FramesData, PairsData, Dict, ArrayData)).items():
        tables |= named_tables(name, tables_of(node))
    # of structures also what the XYZ file says of them
    rows: dict[str, list[dict[str, object]]] = {}
    for atoms in images_of(result):
        rows.setdefault(str(atoms.info["result"]), []).append(atoms.info)
    for name in structures_of(result):
        own = rows.get(name, [])
        added = {c: [info.get(c) for info in own] for c in COLUMNS if any(c in i for i in own)}
        held = tables[name]
        tables[name] = NodeTable({**held.columns, **added}, held.units)
    return tables


def write_tables(result: Result, folder: Path) -> Iterator[Path]:
    """Write every table of a result below `folder` and yield the paths."""
    for name, table in tables_of_result(result).items():
        path = inside(folder, f"{file_name(name)}.csv")
        write_csv(table.headed, path)
        yield path

"""Tables of pairs that a person reports: a core by its name, ligands as SMILES, a label."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path
from typing import Any

from aiida_nanoclusters.formats.limits import read_text
from aiida_nanoclusters.science.ligands.pair_settings import ReportedPair

COLUMNS = ("core", "ligands", "label")
#: Largest table (bytes), and its rows.
_MOST_TEXT, _MOST_ROWS = 10_000_000, 100_000


def read_reported(path: str | Path) -> list[dict[str, Any]]:
    """Return the pairs of a table, as `PairSettings.reported` takes them.

    Parameters
    ----------
    path
        Text with commas (CSV) and the columns ``core``, the name of a cluster; ``ligands``, SMILES
        joined by dots; ``label``, 1 where they go together and 0 where they are known not to.

    Raises
    ------
    ValueError
        If a column is missing, or a row is no pair; the row is named.
    """
    path = Path(path)
    try:
        text = read_text(path, _MOST_TEXT)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        rows = list(csv.DictReader(StringIO(text.removeprefix("\ufeff")), strict=True))
    except csv.Error as error:
        raise ValueError(f"{path.name} is no table with commas: {error}") from error
    if len(rows) > _MOST_ROWS:
        raise ValueError(f"{path.name} has more than {_MOST_ROWS} rows: divide it")
    return [_pair(row, f"{path.name}, row {number}") for number, row in enumerate(rows, 2)]


def _pair(row: dict[str, Any], where: str) -> dict[str, Any]:
    if missing := [name for name in COLUMNS if row.get(name) is None]:
        raise ValueError(f"{where} has no `{missing[0]}`: give the columns {', '.join(COLUMNS)}")
    label = row["label"].strip()
    if label not in ("0", "1"):
        raise ValueError(f"{where}: the label is `{label[:40]}`: give 0 or 1")
    ligands = [part for part in row["ligands"].strip().split(".") if part]
    values = {"core": row["core"].strip(), "ligands": ligands, "label": int(label)}
    if problem := ReportedPair.problem(values):
        raise ValueError(f"{where}: {problem}")
    return values

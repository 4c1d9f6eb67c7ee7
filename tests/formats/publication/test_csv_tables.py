import csv

import numpy as np
import pytest

from aiida_nanoclusters.formats.tables import table_of_rows, tables_of_arrays, write_csv
from aiida_nanoclusters.science import keys


def rows_of(path):
    with path.open() as handle:
        return list(csv.reader(handle))


def test_numbers_keep_every_digit_and_gaps_stay_empty(tmp_path) -> None:
    values = [0.1 + 0.2, -1 / 3, float("nan"), None]
    write_csv({"x (eV)": values, "name": ["a,b", "é", "", None]}, tmp_path / "t.csv")
    head, *rows = rows_of(tmp_path / "t.csv")
    assert head == ["x (eV)", "name"]
    assert [float(row[0]) for row in rows[:2]] == values[:2]
    assert [row[0] for row in rows[2:]] == ["", ""]
    assert [row[1] for row in rows] == ["a,b", "é", "", ""]


def test_columns_of_unequal_length_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError):
        write_csv({"a": [1], "b": [1, 2]}, tmp_path / "t.csv")


def test_every_array_of_the_project_has_a_unit_and_a_table() -> None:
    names = {
        value for name, value in vars(keys).items() if name.isupper() and isinstance(value, str)
    }
    assert set(keys.UNITS) == names
    assert {key for members in keys.TABLES.values() for key in members} == names


def test_arrays_that_share_rows_share_a_table() -> None:
    arrays = {
        keys.SIZES: np.array([13, 55]),
        keys.MEMBER_ENERGIES: np.array([[-1.0, -2.0], [-3.0, -4.0]]),
        keys.GRID: np.array([1.0]),
        keys.DIFFERENCE: np.array([2.0]),
        "else": np.zeros(7),
    }
    tables = tables_of_arrays(arrays, ["icosahedron", "icosahedron"])
    assert tables == {
        "energies": {
            "motif": ["icosahedron", "icosahedron"],
            "sizes (atoms)": [13, 55],
            "member_energies_1 (eV)": [-1.0, -2.0],
            "member_energies_2 (eV)": [-3.0, -4.0],
        },
        "curve": {"grid (atoms)": [1.0], "difference (eV/atom)": [2.0]},
    }


def test_rows_may_lack_keys() -> None:
    table = table_of_rows([{"a": 1}, {"a": 2, "b": 3}], {"b": "eV"})
    assert table == {"a": [1, 2], "b (eV)": [None, 3]}

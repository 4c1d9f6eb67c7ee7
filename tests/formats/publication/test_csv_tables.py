import csv

import numpy as np
import pytest

from aiida_nanoclusters.formats.publication.csv_tables import (
    table_of_rows,
    tables_of_arrays,
    with_units,
    write_csv,
)
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.columns import COLUMN_OF, COLUMNS


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


def test_headers_are_no_formulas(tmp_path) -> None:
    write_csv({"=cmd|' /C calc'!A1": [1]}, tmp_path / "t.csv")
    assert rows_of(tmp_path / "t.csv")[0] == ["'=cmd|' /C calc'!A1"]


def test_columns_of_unequal_length_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError):
        write_csv({"a": [1], "b": [1, 2]}, tmp_path / "t.csv")


def test_every_array_of_the_project_has_a_unit_and_a_table() -> None:
    names = {
        value for name, value in vars(keys).items() if name.isupper() and isinstance(value, str)
    }
    assert set(keys.UNITS) == names
    assert {key for members in keys.TABLES.values() for key in members} == names
    assert set(COLUMN_OF) == names and set(COLUMN_OF.values()) <= set(COLUMNS)
    assert all(column.meaning for column in COLUMNS.values())
    for members in keys.TABLES.values():  # no column twice in a table
        assert len({COLUMN_OF[key] for key in members}) == len(members)


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
            "size": [13, 55],
            "member_energy_1": [-1.0, -2.0],
            "member_energy_2": [-3.0, -4.0],
        },
        "curve": {"size": [1.0], "difference": [2.0]},
    }


def test_rows_are_those_of_the_result_whatever_dimension_they_have() -> None:
    ladder, attempts = np.array([300.0, 400.0]), np.array([10, 20, 30])
    swaps = {
        keys.TEMPERATURES: ladder,
        keys.SWAP_STEPS: attempts,
        keys.REPLICA_TEMPERATURES: np.array([[0, 1], [1, 0], [0, 1]]),
    }
    assert tables_of_arrays(swaps) == {
        "temperatures": {"temperature": [300.0, 400.0]},
        "swaps": {
            "step": [10, 20, 30],
            "replica_temperature_1": [0, 1, 0],
            "replica_temperature_2": [1, 0, 1],
        },
    }
    own = {keys.TEMPERATURES: ladder, keys.HEAT_CAPACITIES: [3, 4]}
    assert list(tables_of_arrays({**own, keys.HEAT_CAPACITY_ERRORS: [1, 1]})) == ["thermodynamics"]
    assert list(tables_of_arrays({**own, keys.LINDEMANN: [0, 1]})) == ["melting"]


def test_rows_may_lack_keys() -> None:
    table = table_of_rows([{"a": 1}, {"a": 2, "b": 3}])
    assert table == {"a": [1, 2], "b": [None, 3]}
    assert list(with_units(table, {"b": "eV"})) == ["a", "b (eV)"]


def test_headers_have_the_units_of_the_columns_numbered_ones_too() -> None:
    table = {"size": [1], "member_energy_12": [2.0], "point_group": ["Ih"], "no_column": [0]}
    heads = ["size (atoms)", "member_energy_12 (eV)", "point_group", "no_column"]
    assert list(with_units(table)) == heads


def test_cells_of_a_grid_are_rows_with_their_place() -> None:
    edges = np.array([[0.0, 1.0, 2.0], [10.0, 20.0, 30.0]])
    arrays = {keys.CELL_EDGES: edges, keys.FREE_ENERGIES: np.array([[1.0, 2.0], [3.0, 4.0]])}
    table = tables_of_arrays(arrays)["free_energy"]
    rows = list(zip(table["variable_1"], table["variable_2"], table["free_energy"], strict=True))
    assert rows == [(0.5, 15.0, 1.0), (0.5, 25.0, 2.0), (1.5, 15.0, 3.0), (1.5, 25.0, 4.0)]


def test_units_are_not_in_names():
    table = with_units(table_of_rows([{"size": 1004.0, "diameter_nm": 2.8, "systematic_mev": 0.5}]))
    assert list(table) == ["size (atoms)", "diameter (nm)", "systematic (meV/atom)"]

import csv

import numpy as np
import pytest

from aiida_nanoclusters.formats.publication.csv_tables import (
    table_of_rows,
    tables_of_arrays,
    write_csv,
)
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


def test_rows_are_those_of_the_result_whatever_dimension_they_have() -> None:
    ladder, attempts = np.array([300.0, 400.0]), np.array([10, 20, 30])
    swaps = {
        keys.TEMPERATURES: ladder,
        keys.SWAP_STEPS: attempts,
        keys.REPLICA_TEMPERATURES: np.array([[0, 1], [1, 0], [0, 1]]),
    }
    assert tables_of_arrays(swaps) == {
        "temperatures": {"temperatures (K)": [300.0, 400.0]},
        "swaps": {
            "swap_steps (time steps)": [10, 20, 30],
            "replica_temperatures_1": [0, 1, 0],
            "replica_temperatures_2": [1, 0, 1],
        },
    }
    own = {keys.TEMPERATURES: ladder, keys.HEAT_CAPACITIES: [3, 4]}
    assert list(tables_of_arrays({**own, keys.HEAT_CAPACITY_ERRORS: [1, 1]})) == ["thermodynamics"]
    assert list(tables_of_arrays({**own, keys.LINDEMANN: [0, 1]})) == ["melting"]


def test_rows_may_lack_keys() -> None:
    table = table_of_rows([{"a": 1}, {"a": 2, "b": 3}], {"b": "eV"})
    assert table == {"a": [1, 2], "b (eV)": [None, 3]}

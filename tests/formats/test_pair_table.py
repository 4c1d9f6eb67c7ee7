"""Tables of reported pairs: what they hold, and what is refused."""

import pytest

from aiida_nanoclusters.formats import pair_table
from aiida_nanoclusters.formats.pair_table import read_reported
from aiida_nanoclusters.science.ligands.pair_settings import PairSettings


@pytest.fixture
def table(tmp_path):
    def write(text: str | bytes):
        path = tmp_path / "reported.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_rows_become_pairs(table) -> None:
    rows = read_reported(
        table('\ufefflabel,core,ligands,note\r\n0,au25, CS.CP(C)C ,tried\r\n1,"a, b",[S-]C,\r\n')
    )
    assert rows == [
        {"core": "au25", "ligands": ["CS", "CP(C)C"], "label": 0},
        {"core": "a, b", "ligands": ["[S-]C"], "label": 1},
    ]
    settings = PairSettings(reported=rows)
    assert [pair.label for pair in settings.reported] == [0, 1]
    assert read_reported(table("core,ligands,label\n")) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("core,ligands\nau25,CS\n", "row 2 has no `label`: give the columns core, ligands, label"),
        ("core,ligands,label\nau25,CS\n", "row 2 has no `label`"),
        ("core,ligands,label\nau25,CS,yes\n", "row 2: the label is `yes`: give 0 or 1"),
        ("core,ligands,label\na,CS,1\n,CS,0\n", "row 3: `core`"),
        ("core,ligands,label\na,,1\n", "row 2: `ligands`"),
        ("core,ligands,label\na,C.N.O.P.S,1\n", "row 2: `ligands`"),
        ('core,ligands,label\n"a', "is no table with commas"),
        ("core,ligands,label\n" + "a" * 200_000 + ",C,1\n", "is no table with commas"),
        (b"\xff\xfe\x00", "no text in UTF-8"),
    ],
)
def test_tables_that_are_none(table, text, message) -> None:
    with pytest.raises(ValueError) as raised:
        read_reported(table(text))
    assert message in str(raised.value)


def test_tables_that_are_too_large(table, monkeypatch, tmp_path) -> None:
    path = table("core,ligands,label\n" + "a,CS,1\n" * 20)
    monkeypatch.setattr(pair_table, "_MOST_ROWS", 10)
    with pytest.raises(ValueError, match="more than 10 rows"):
        read_reported(path)
    monkeypatch.setattr(pair_table, "_MOST_TEXT", 50)
    with pytest.raises(ValueError, match="too many for such a file"):
        read_reported(path)
    with pytest.raises(ValueError, match="cannot be read"):
        read_reported(tmp_path / "none.csv")

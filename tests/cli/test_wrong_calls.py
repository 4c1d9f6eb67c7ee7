"""Names of nothing, given to every command that takes one: a line with the fix, nothing stored."""

import pytest
from aiida.orm import Node, QueryBuilder
from click.testing import CliRunner

from aiida_nanoclusters.cli.main import cli

COMMANDS = [
    ("explain",),
    ("find", "dependents"),
    ("find", "labels"),
    ("import",),
    ("publish", "--out", "published"),
    ("report",),
    ("reproduce",),
    ("status",),
    ("trust",),
]
NAMES = [
    *(
        "0",
        "999999",
        "1e3",
        "ffffffff",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "not-a-uuid",
        "Cu55",
    ),
    *("../../etc/hostname", "%", "a b", "' OR 1=1 --", "ü", "[bold]", "none\nnone"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_name_of_nothing(aiida_profile_clean, tmp_path, monkeypatch, command) -> None:
    monkeypatch.chdir(tmp_path)
    before = QueryBuilder().append(Node).count()
    for name in NAMES:
        done = CliRunner().invoke(cli, [*command, name])
        assert done.exit_code == 2, (name, done.output, done.exception)
        lines = done.output.strip().splitlines()
        assert sum(line.startswith("Error: ") for line in lines) == 1, (name, done.output)
        assert len(lines) <= 1 + name.count("\n"), (name, done.output)
    assert QueryBuilder().append(Node).count() == before
    assert not any(tmp_path.iterdir())

"""The command `find`: tables that fit, JSON for scripts, one line for what makes no sense."""

import json

import pytest
from aiida.orm import Int, Node, QueryBuilder
from click.testing import CliRunner

from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.data.frames import FramesData
from tests.labellings import images

COMMANDS = ("datasets", "potentials", "structures", "crossovers", "dependents", "labels")


def find(*arguments: str):
    return CliRunner().invoke(cli, ["find", *arguments])


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command) -> None:
    shown = find(command, "--help")
    assert shown.exit_code == 0
    assert f"Example:\n    aiida-nanoclusters find {command}" in shown.output


def test_tables_fit_and_json_says_the_same(labellings, other_potential) -> None:
    run = labellings[1]
    asked = {
        ("datasets", "--element", "Cu", "--labelled"): run.outputs.frames.uuid,
        ("potentials", "--kind", "eam"): other_potential.uuid,
        ("structures", "Cu13", "--potential", other_potential.uuid): None,
        ("dependents", other_potential.uuid): run.uuid,
        ("labels", run.uuid): None,
    }
    for arguments, uuid in asked.items():
        shown = find(*arguments)
        assert shown.exit_code == 0, shown.output
        lines = shown.output.splitlines()
        assert max(map(len, lines[:-1])) <= 80, shown.output
        told = find(*arguments, "--json")
        rows = json.loads(told.output)
        assert rows
        if uuid:
            assert uuid in shown.output and uuid in {row["uuid"] for row in rows}
        if "uuid" in rows[0]:
            assert all(row["uuid"] in shown.output for row in rows)


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("datasets",), "run dataset"),
        (("potentials", "--element", "Cu"), "run train"),
        (("structures", "Cu55"), "run anneal"),
        (("crossovers",), "run crossover"),
    ],
)
def test_nothing_found_says_what_to_try(aiida_profile_clean, arguments, advice) -> None:
    shown = find(*arguments)
    assert shown.exit_code == 0 and advice in shown.output
    assert json.loads(find(*arguments, "--json").output) == []


def test_more_than_the_limit_is_said(aiida_profile_clean) -> None:
    for seed in range(3):
        FramesData(images(seed)).store()
    shown = find("datasets", "--limit", "2")
    assert "there are more: --limit 4" in shown.output
    assert len(json.loads(find("datasets", "--limit", "2", "--json").output)) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("datasets", "--element", "Xx"), "`Xx` is no chemical element"),
        (("datasets", "--sizes", "many"), "`many` is no range"),
        (("datasets", "--sizes", "55-13"), "empty range"),
        (("datasets", "--frames", "-5"), "no range"),
        (("datasets", "--limit", "0"), "x>=1"),
        (("datasets", "--profile", "nobody"), "no AiiDA profile `nobody`"),
        (("potentials", "--kind", "reaxff"), "choose one of"),
        (("potentials", "--trained-on", "ffffffff"), "no node `ffffffff`"),
        (("potentials", "--trained-on", "{int}"), "is a Int, no set of frames"),
        (("potentials", "--energy-error", "-1"), "not positive"),
        (("structures", "fifty"), "`fifty` is no formula"),
        (("structures", "Qq5"), "no formula of chemical elements"),
        (("structures", "Cu20-13"), "empty range"),
        (("structures", "Cu5", "--potential", "{int}"), "is a Int, no potential"),
        (("crossovers", "--verdict", "maybe"), "unknown verdict"),
        (("crossovers", "--element", "Copper"), "no chemical element"),
        (("dependents", "not-a-uuid"), "no node `not-a-uuid`"),
        (("dependents", "{prefix}"), "begins several UUIDs"),
        (("labels", "{int}"), "is a Int, no labelling process"),
        (("labels",), "Missing argument"),
    ],
)
def test_wrong_calls_are_one_line_with_a_fix(aiida_profile, arguments, message) -> None:
    number = Int(1).store()
    while "{prefix}" in arguments and not ambiguous():
        Int(1).store()
    before = QueryBuilder().append(Node).count()
    given = [a.format(int=number.uuid, prefix=ambiguous()) for a in arguments]
    shown = find(*given)
    assert shown.exit_code == 2, shown.output
    assert message in shown.output
    if not shown.output.startswith("Usage"):
        assert len(shown.output.strip().splitlines()) == 1
    assert QueryBuilder().append(Node).count() == before


def ambiguous() -> str:
    """Two digits, not all of them decimal, with which more than one UUID begins."""
    starts = [uuid[:2] for uuid in QueryBuilder().append(Node, project="uuid").all(flat=True)]
    return next((s for s in starts if starts.count(s) > 1 and not s.isdigit()), "")

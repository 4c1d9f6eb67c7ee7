"""Commands on the pages exist, with the options and the arguments that they are shown with."""

import re
import shlex

import click
import pytest

from aiida_nanoclusters.cli.main import cli
from tests.doc_blocks import PAGES, ROOT, blocks

NAME = "aiida-nanoclusters"
#: What ends a command within a line of a shell.
ENDS = {";", "&&", "||", "|", "&", ">", ">>", "2>&1", "<"}


def inline(text: str) -> list[str]:
    """Commands quoted within sentences."""
    outside = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return re.findall(rf"`({NAME} [^`]+)`", outside)


def words(line: str) -> list[list[str]]:
    """Words of each call of ours in a line of shell, without the name of the program."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|<>")
    lexer.whitespace_split = True
    calls: list[list[str]] = []
    current: list[str] | None = None
    for word in lexer:
        if word == NAME:
            current = []
            calls.append(current)
        elif word in ENDS:
            current = None
        elif current is not None:
            current.append(word)
    return calls


def problem(call: list[str], whole: bool) -> str | None:
    """What is wrong with a call; arguments may be left out unless it is `whole`."""
    command: click.Command = cli
    context = click.Context(cli, info_name=NAME)
    rest = [word.strip("[]") for word in call if word != "..."]
    while isinstance(command, click.Group) and rest and rest[0] not in ("-h", "--help"):
        found = command.get_command(context, rest[0])
        if found is None:
            return None if rest[0].isupper() and not whole else f"no command `{rest[0]}`"
        command, context = found, click.Context(found, parent=context, info_name=rest.pop(0))
    if whole and isinstance(command, click.Group) and not rest:
        return f"`{' '.join(call)}` lacks a command"
    try:
        values, left, _ = command.make_parser(context).parse_args(rest)
        if left:
            return f"too many arguments: {left}"
        for parameter in command.params:
            value = values.get(parameter.name)
            if isinstance(parameter.type, click.Choice) and isinstance(value, str):
                parameter.type.convert(value, parameter, context)
            missing = parameter.required and value is None and "help" not in values
            if whole and missing:
                return f"{parameter.human_readable_name} is missing"
    except click.UsageError as error:
        return error.format_message()
    return None


def calls() -> list[tuple[str, str, bool]]:
    found = []
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        name = str(page.relative_to(ROOT))
        lines = [line for block in blocks(page, "sh") for _, line in block.commands]
        found += [(name, line, True) for line in lines if f"{NAME} " in line]
        found += [(name, line, False) for line in inline(page.read_text())]
    return found


@pytest.mark.parametrize(("page", "line", "whole"), calls())
def test_command_on_a_page_is_one_of_ours(page, line, whole) -> None:
    for call in words(line):
        fault = problem(call, whole)
        assert fault is None, f"{page}: {line}\n{fault}"


def test_commands_are_found_on_the_pages() -> None:
    found = calls()
    assert sum(whole for *_, whole in found) > 20
    assert len(found) > 60
    assert {"README.md", "docs/tutorial.md"} <= {page for page, *_ in found}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("aiida-nanoclusters setupp", "no command `setupp`"),
        ("aiida-nanoclusters run study --nonsense 1", "No such option"),
        ("aiida-nanoclusters run label", "FRAMES is missing"),
        ("export A=1; aiida-nanoclusters report", "is missing"),
        ("aiida-nanoclusters run study --set", "requires an argument"),
        ("aiida-nanoclusters status a b", "too many arguments"),
    ],
)
def test_wrong_commands_are_noticed(line, fault) -> None:
    (call,) = words(line)
    assert fault in str(problem(call, whole=True))

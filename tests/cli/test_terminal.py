"""No character of a label, a message or a name of a file acts on the terminal."""

import json

import click
import pytest
from aiida.orm import Dict, Int, Str
from click.testing import CliRunner

from aiida_nanoclusters.cli.find.explain import explain
from aiida_nanoclusters.cli.imports.command import import_command
from aiida_nanoclusters.cli.imports.labels_command import import_labels
from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.cli.publish.command import publish
from aiida_nanoclusters.cli.terminal import Commands, Fixable, echo, make_console
from tests.cli.published import make_study

EVIL = "x\x1b[2J\x1b]0;owned\x07\u202ey"


def run(command, *arguments) -> str:
    done = CliRunner().invoke(command, [str(a) for a in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.output


def is_plain(text: str) -> bool:
    return not set(text) & set("\x1b\x07\u202e\r\x9b")


def test_console_and_echo(capsys) -> None:
    console = make_console()
    console.print(f"[red]{EVIL}[/red]")
    console.print(EVIL, markup=False)
    console.print({"key": EVIL})
    echo(EVIL)
    echo(EVIL, err=True)
    shown = capsys.readouterr()
    assert is_plain(shown.out) and is_plain(shown.err)
    assert shown.out.count("x\\u001b[2J") >= 3 and "\\u202e" in shown.err


def test_styles_of_our_own_remain(monkeypatch, capsys) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    make_console().print(f"[red]bad[/red] {EVIL}", soft_wrap=True)
    text = capsys.readouterr().out
    assert "\x1b[31mbad" in text and "\x1b[2J" not in text and "\\u001b[2J" in text


def test_errors() -> None:
    @click.command(cls=Commands, name="all")
    def group() -> None:
        pass

    @group.command()
    @click.argument("path", type=click.Path(exists=True))
    def fail(path) -> None:
        raise Fixable(EVIL)

    for path in (EVIL, "."):
        text = run(group, "fail", path)
        assert "1b[2J" in text and is_plain(text)


@pytest.fixture
def node(aiida_profile_clean, tmp_path):
    """A process whose labels clear the screen, and data of it."""
    frames, process = make_study(tmp_path)
    process.label = EVIL
    process.description = EVIL
    frames.label = EVIL
    return process


def test_labels_of_nodes(node, tmp_path) -> None:
    dictionary = Dict({"a": EVIL}, label=EVIL).store()
    for uuid in (node.uuid, dictionary.uuid):
        for options in ((), ("--json",)):
            text = run(explain, uuid, *options)
            assert "u001b" in text and is_plain(text), text
            if options:
                json.loads(text)
    picture = tmp_path / "p.svg"
    run(explain, node.uuid, "--graph", picture)
    assert is_plain(picture.read_text())
    text = run(publish, node.uuid, dictionary.uuid, Str(EVIL, label=EVIL).store().uuid,
               Int(1, label=f"{EVIL}\n# heading").store().uuid, "--author", "A",
               "--out", tmp_path / "out")  # fmt: skip
    assert is_plain(text)
    for file in (tmp_path / "out").rglob("*"):
        assert is_plain(str(file))
        if file.suffix in (".md", ".json", ".csv"):
            assert is_plain(file.read_text()), file
    assert "\n# heading" not in (tmp_path / "out" / "README.md").read_text()
    json.loads((tmp_path / "out" / "ro-crate-metadata.json").read_text())


def test_names_of_files(aiida_profile_clean, tmp_path) -> None:
    bad = tmp_path / f"{EVIL}.extxyz"
    bad.write_text("nothing")
    for command in (import_command, import_labels):
        text = run(command, bad)
        assert is_plain(text) and "\\u001b[2J" in text.replace("\n", "")


def test_unknown_commands(aiida_profile_clean) -> None:
    text = run(cli, EVIL)
    assert is_plain(text)

"""Ask in a terminal for the open values of a profile.yaml, and write them into the file."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from aiida_nanoclusters.cli.machine.profile import FILENAME, SHIPPED, parse_machine
from aiida_nanoclusters.cli.machine.profile_keys import (
    COMPUTER_KEYS,
    OPTION_KEYS,
    PLACEHOLDER,
    RESOURCE_KEYS,
)
from aiida_nanoclusters.cli.machine.ssh import Remote, configured_hosts
from aiida_nanoclusters.cli.terminal import echo
from aiida_nanoclusters.formats.limits import load_yaml, read_text
from aiida_nanoclusters.formats.output_files import path_beside

NUMBERS = frozenset(
    key
    for keys in (COMPUTER_KEYS, OPTION_KEYS, RESOURCE_KEYS)
    for key, kind in keys.items()
    if kind in (int, float)
)
HOSTS = frozenset({"hostname", "host"})
PATHS = frozenset({"workdir", "executable"})
NEEDED = NUMBERS | HOSTS | {"workdir"}  # a computer cannot be used without these
OPEN_LINE = (
    r"""^(?P<head>[ \t]+["']?{name}["']?:)[ \t]*(?:null|~)?[ \t]*(?:\#[ \t]*(?P<comment>.*))?$"""
)
STAND_IN = "4"  # fits text, numbers and paths alike where only the rest of the file is checked
LEAVE_OUT = '""'


@dataclass(frozen=True)
class Question:
    """One open value: its name, the comment beside it, and the keys that take it as it is."""

    name: str
    comment: str
    keys: frozenset[str]

    @property
    def needed(self) -> bool:
        """Whether an empty answer would leave the computer unusable."""
        return bool(self.keys & NEEDED)


def can_ask() -> bool:
    """Whether there is somebody to answer: standard input and output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def ask_missing(path: Path) -> Path | None:
    """Ask for every value that is null and write the answers into the file.

    The comments of the file stay. A shipped template stays as it is: the answers go into a copy,
    ``profile-NAME/profile.yaml`` in the current folder. Nothing is written before the last answer.

    Parameters
    ----------
    path
        The profile.yaml.

    Returns
    -------
    Path or None
        The file with the answers; None if no value is open, or there is no terminal to ask in.

    Raises
    ------
    ValueError
        If the file has another mistake, or the copy of the template is there already.
    """
    text = read_text(path)
    questions = open_questions(text)
    if not questions or not can_ask():
        return None
    parse_machine(path, with_answers(text, _stand_ins(questions)))  # before anything is asked
    target = _target(path)
    echo(f"{path} has {len(questions)} values to fill in; Ctrl-C ends without a change.")
    dialogue = Dialogue(path, text, questions)
    for question in questions:
        dialogue.ask(question)
    _write(path, target, with_answers(text, dialogue.answers))
    echo(f"Written to {target}; edit it there and run setup again whenever you like.")
    return target


def open_questions(text: str) -> list[Question]:
    """Values of a profile.yaml that are null, in the order of the file.

    Values that are not on a line of their own are left out: they are not found again as text.
    """
    try:
        raw = load_yaml(text)
    except ValueError:
        return []  # reading the profile says what is wrong
    values = raw.get("values") if isinstance(raw, Mapping) else None
    if not isinstance(values, Mapping):
        return []
    used: dict[str, set[str]] = {}
    for key, value in _texts({k: v for k, v in raw.items() if k != "values"}):
        match = PLACEHOLDER.fullmatch(value)
        if match:
            used.setdefault(match.group(1), set()).add(key)
    questions = []
    for name in (str(name) for name, value in values.items() if value is None):
        match = _line(name).search(text)
        if match:
            comment = (match.group("comment") or "").strip()
            questions.append(Question(name, comment, frozenset(used.get(name, ()))))
    return questions


def with_answers(text: str, answers: Mapping[str, str]) -> str:
    """Text of a profile.yaml with its open values filled in; comments stay.

    Raises
    ------
    ValueError
        If a value is not on a line of its own in the section `values`.
    """
    wanted = load_yaml(text)
    for name, answer in answers.items():
        written = _scalar(answer)
        wanted["values"][name] = load_yaml(written)

        def replace(match: re.Match[str], written: str = written) -> str:
            comment = match.group("comment")
            return f"{match.group('head')} {written}" + (f" # {comment}" if comment else "")

        text = _line(name).sub(replace, text, count=1)
    if load_yaml(text) != wanted:
        raise ValueError(f"write each of {', '.join(answers)} on a line `NAME: null` of `values`")
    return text


def _line(name: str) -> re.Pattern[str]:
    return re.compile(OPEN_LINE.format(name=re.escape(name)), re.MULTILINE)


def _scalar(answer: str) -> str:
    """Answer as YAML reads it back: plain where that is the same text or number, else quoted."""
    try:
        plain = load_yaml(f"key: {answer}")
    except ValueError:
        plain = None
    if plain == {"key": answer} or (answer.isdigit() and plain == {"key": int(answer)}):
        return answer
    return json.dumps(answer, ensure_ascii=False)


def _texts(section: Any) -> Iterator[tuple[str, str]]:
    """Every text below a section with its key."""
    for key, value in section.items() if isinstance(section, Mapping) else ():
        if isinstance(value, str):
            yield str(key), value
        yield from _texts(value)


def _stand_ins(questions: list[Question]) -> dict[str, str]:
    return {question.name: STAND_IN for question in questions}


def _uses_ssh(raw: Mapping[str, Any]) -> bool:
    computers = raw["computers"].values()
    return any(str(entry.get("transport", "")).startswith("core.ssh") for entry in computers)


def _known_host(raw: Mapping[str, Any]) -> str | None:
    """Host of the first computer reached by SSH, if the file names it already."""
    for entry in raw["computers"].values():
        if str(entry.get("transport", "")).startswith("core.ssh"):
            host = str((entry.get("connection") or {}).get("host") or entry.get("hostname", ""))
            match = PLACEHOLDER.fullmatch(host)
            return raw["values"].get(match.group(1)) if match else host or None
    return None


def _target(path: Path) -> Path:
    """Where the answers go: the file itself, or a copy of a shipped template.

    Raises
    ------
    ValueError
        If that copy is there already.
    """
    resolved = path.resolve()
    if SHIPPED.resolve() not in resolved.parents:
        return resolved  # a link stays a link
    copy = Path(f"profile-{resolved.parent.name}") / FILENAME
    if copy.exists():
        raise ValueError(
            f"{copy} is there already, made from this template: run `aiida-nanoclusters setup "
            f"{copy.parent}`, or copy {resolved.parent} to another folder and give that"
        )
    return copy


def _write(path: Path, target: Path, text: str) -> None:
    """Write a file beside its place and rename it, so that it is never half written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with path_beside(target) as beside:
        beside.write_text(text, encoding="utf-8")
        shutil.copymode(path, beside)


class Dialogue:
    """Questions and answers of one file; `answers` has a stand-in for what is not yet asked."""

    def __init__(self, path: Path, text: str, questions: list[Question]):
        self.path, self.text = path, text
        self.answers = _stand_ins(questions)
        raw = load_yaml(text)
        self.uses_ssh = _uses_ssh(raw)
        self.remote = Remote(_known_host(raw))

    def ask(self, question: Question) -> None:
        """Ask until the answer can be used; an empty text leaves the value out."""
        suggestion = self.suggest(question)
        hint = question.comment or f"`{question.name}` of the profile"
        if not question.needed:
            hint += f" ({LEAVE_OUT if suggestion else 'Enter'} leaves it out)"
        echo(f"\n{hint}")
        default = suggestion if suggestion or question.needed else ""
        while True:
            given = click.prompt(question.name, default=default, show_default=bool(default))
            answer = str(given).strip()
            answer = "" if answer == LEAVE_OUT else answer
            problem = _problem(question, answer) or self.conflict(question, answer)
            if problem:
                echo(f"  {problem}")
                continue
            doubt = self.doubt(question, answer)
            if doubt:
                echo(f"  {doubt}")
            if not doubt or click.confirm("  Use it nevertheless?", default=False):
                self.answers[question.name] = answer
                return

    def suggest(self, question: Question) -> str | None:
        """Value to offer, from ~/.ssh/config or the queue; the other ones there are shown."""
        if question.keys & HOSTS and self.uses_ssh:
            hosts = configured_hosts()
            if hosts:
                echo(f"\n~/.ssh/config has {', '.join(hosts)}")
            return hosts[0] if len(hosts) == 1 else None
        if "queue_name" in question.keys and self.remote.partitions:
            echo(f"\nPartitions of {self.remote.host}: {', '.join(self.remote.partitions)}")
            return self.remote.default_partition
        return None

    def conflict(self, question: Question, answer: str) -> str | None:
        """What the rules of the profile say against an answer."""
        try:
            parse_machine(
                self.path, with_answers(self.text, self.answers | {question.name: answer})
            )
        except ValueError as error:
            return str(error).removeprefix(f"{self.path}: ")
        return None

    def doubt(self, question: Question, answer: str) -> str | None:
        """What makes an answer look wrong, though it may be right."""
        if question.keys & HOSTS and self.uses_ssh:
            self.remote = Remote(answer)  # asked afresh: the user may have mended the login
            if self.remote.failure is None:
                echo(f"  {self.remote.login}")
            return self.remote.failure
        if "queue_name" in question.keys and self.remote.partitions and answer:
            unknown = sorted(set(answer.split(",")) - set(self.remote.partitions))
            if unknown:
                return f"{self.remote.host} lists no partition {', '.join(unknown)}"
        return None


def _problem(question: Question, answer: str) -> str | None:
    """What makes an answer unusable."""
    if not answer:
        return f"{question.name} cannot be left out" if question.needed else None
    if question.keys & NUMBERS and not (answer.isdigit() and int(answer) > 0):
        return "give a whole number greater than 0"
    if question.keys & HOSTS and not re.fullmatch(r"[^\s-]\S*", answer):
        return "give one name without blanks, as in `ssh NAME`"
    if question.keys & PATHS and not answer.startswith(("/", "{")):
        return "give a full path, which begins with /"
    return None

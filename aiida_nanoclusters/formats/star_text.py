"""Crystallographic Information Files (CIF) as names and values, within limits.

Of the grammar of S. R. Hall, F. H. Allen and I. D. Brown, Acta Cryst. A47, 655 (1991), what files
of crystal structures use: data blocks, single values, loops, quoted values and fields of text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

#: Fields of text between semicolons that begin a line, comments, quoted values, words. A quote ends
#: before white space; one that is not closed ends with its line. No part is tried twice.
_TOKEN = re.compile(
    r"""^;(?P<text>.*?)^;
      | (?P<comment>(?:(?<=\s)|^)\#[^\n]*)
      | (?:(?<=\s)|^)'(?P<single>(?:[^'\n]|'(?=\S))*)'?
      | (?:(?<=\s)|^)"(?P<double>(?:[^"\n]|"(?=\S))*)"?
      | (?P<word>\S+)""",
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)
_MOST_BLOCKS = 1000


@dataclass
class Block:
    """A data block: values by lower-case names; those of loops are lists."""

    name: str
    values: dict[str, str] = field(default_factory=dict)
    columns: dict[str, list[str]] = field(default_factory=dict)

    def column(self, *names: str) -> list[str]:
        """Return the values of the first of some names that the block has; one value is a list."""
        for name in names:
            if name in self.columns:
                return self.columns[name]
            if name in self.values:
                return [self.values[name]]
        return []

    def value(self, *names: str) -> str:
        """Return the value of the first of some names that the block tells, or an empty text."""
        for name in names:
            if self.values.get(name, "?") not in ("?", "."):
                return self.values[name]
        return ""


def read_blocks(text: str) -> list[Block]:
    """Return the data blocks of a CIF.

    Raises
    ------
    ValueError
        If a loop does not fill its columns, or the text is no CIF.
    """
    blocks: list[Block] = []
    tokens = _Tokens(text)
    for kind, word in tokens:
        lower = word.lower() if kind == "word" else ""
        if lower.startswith("data_"):
            blocks.append(Block(word[5:]))
            if len(blocks) > _MOST_BLOCKS:
                raise ValueError(f"it has more than {_MOST_BLOCKS} data blocks: divide it")
        elif not blocks:
            raise ValueError("it does not begin with a data block (`data_name`)")
        elif lower == "loop_":
            _read_loop(tokens, blocks[-1])
        elif lower.startswith("_"):
            value = tokens.value()
            if value is None:
                raise ValueError(f"`{word[:60]}` has no value")
            blocks[-1].values[lower] = value
        elif not lower.startswith(("save_", "global_", "stop_")):
            raise ValueError(f"`{word[:60]}` belongs to no name")
    return blocks


class _Tokens:
    """The tokens of a text, of which one can be put back."""

    def __init__(self, text: str) -> None:
        self._found = _TOKEN.finditer(text)
        self._kept: tuple[str, str] | None = None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        while (token := self.next()) is not None:
            yield token

    def next(self) -> tuple[str, str] | None:
        """Return kind and text of the next token, comments left out; None at the end."""
        if self._kept is not None:
            kept, self._kept = self._kept, None
            return kept
        for match in self._found:
            kind = match.lastgroup or "word"
            if kind != "comment":
                return kind, match[kind]
        return None

    def value(self) -> str | None:
        """Return the next token if it is a value."""
        token = self.next()
        if token is None:
            return None
        kind, word = token
        if kind == "word" and word.lower().startswith(("_", "data_", "loop_", "save_", "stop_")):
            self._kept = token
            return None
        return word.strip() if kind == "text" else word

    def name(self) -> str | None:
        """Return the next token if it is a name."""
        token = self.next()
        if token is not None and token[0] == "word" and token[1].startswith("_"):
            return token[1].lower()
        self._kept = token
        return None


def _read_loop(tokens: _Tokens, block: Block) -> None:
    names: list[str] = []
    while (name := tokens.name()) is not None:
        names.append(name)
    values: list[str] = []
    while (value := tokens.value()) is not None:
        values.append(value)
    if not names or len(values) % len(names):
        raise ValueError(f"a loop of {len(names)} columns has {len(values)} values")
    for k, name in enumerate(names):
        block.columns[name] = values[k :: len(names)]


def number(text: str) -> float:
    """Return a number of a CIF; its standard uncertainty, in brackets, is dropped.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> number("12.3456(7)")
    12.3456
    """
    plain = re.sub(r"\(\d*\)?$", "", text.strip())
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", plain):
        raise ValueError(f"`{text[:40]}` is no number")
    return float(plain)

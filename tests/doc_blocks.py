"""Code blocks of the README and the pages, for the tests that run them.

A block that no test runs is preceded by a comment that says why: ``<!-- not run: REASON -->``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOT_RUN = "not run: "


@dataclass(frozen=True)
class Block:
    """A fenced block: where its text begins, what stands before it, and the text."""

    page: Path
    line: int
    comment: str
    text: str

    @property
    def where(self) -> str:
        """The page and the line, for messages."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def gives_a_reason(self) -> bool:
        """Whether the comment before it says why it is not run."""
        return self.comment.startswith(NOT_RUN) and len(self.comment) > len(NOT_RUN) + 10

    @property
    def commands(self) -> list[tuple[int, str]]:
        """Of a block of shell: its lines with their numbers, continued ones joined."""
        found, begun = [], ""
        for number, line in enumerate(self.text.splitlines(), self.line):
            begun += line.removesuffix("\\")
            if not line.endswith("\\"):
                if begun.strip() and not begun.lstrip().startswith("#"):
                    found.append((number, begun.strip()))
                begun = ""
        return found


def blocks(page: Path, language: str) -> Iterator[Block]:
    """Yield the fenced blocks of a language, also those within lists, in their order."""
    comment, ended = "", -1
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block" and token.map:
            comment, ended = token.content.strip(), token.map[1]
        elif token.type == "fence" and token.map and token.info == language:
            first = token.map[0]
            said = comment.removeprefix("<!--").removesuffix("-->").strip()
            yield Block(page, first + 2, said if ended == first else "", token.content)


def indented(page: Path) -> list[str]:
    """Return the blocks that are set off by spaces, whose language nobody knows."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    return [token.content for token in tokens if token.type == "code_block"]


def languages(page: Path) -> set[str]:
    """Return what the fenced blocks of a page are written in."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    return {token.info for token in tokens if token.type == "fence"}

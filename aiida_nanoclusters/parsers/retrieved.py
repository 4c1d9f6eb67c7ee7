"""Files that a job has left, for the parsers of all programs."""

from __future__ import annotations

from aiida.parsers import Parser


def retrieved_text(parser: Parser, name: str) -> str:
    """Return a retrieved file as text, replacing what is no UTF-8; empty where there is none."""
    repository = parser.retrieved.base.repository
    if name not in repository.list_object_names():
        return ""
    return repository.get_object_content(name, mode="rb").decode("utf-8", "replace")

"""One input of the readers of finished calculations, and what has to come out of it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Expected:
    """What one frame has to be; None is not compared."""

    energy: float
    charge: float | None = None
    multiplicity: int | None = None
    level: str | None = None
    pbc: tuple[bool, bool, bool] | None = None


@dataclass(frozen=True)
class Case:
    """A folder of files.

    Attributes
    ----------
    name
        What is special about it.
    files
        Content by name.
    labels
        Of the folder as a whole, in any order.
    left_out
        For each step that is no label, words that its reason has to hold.
    problems
        Words that the problem of a file has to hold, by file.
    unused
        Words of what has to be named as not used.
    """

    name: str
    files: dict[str, bytes]
    labels: list[Expected]
    left_out: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)

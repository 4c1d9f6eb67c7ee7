"""EAM files as LAMMPS reads them: line by line, words, counts and tables of numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

#: Kinds of file: DYNAMO's setfl, the same with a density for each pair of elements, and funcfl.
EAM_KINDS = ("eam/alloy", "eam/fs", "eam")
#: Comments at the beginning of a file of each kind.
COMMENTS = {"eam/alloy": 3, "eam/fs": 3, "eam": 1}
#: Longest line in bytes: LAMMPS breaks longer ones in two, also within a number.
LONGEST_LINE = 1000
#: Fewest points of a table: LAMMPS's splines need them, it crashes with fewer.
FEWEST_POINTS = 3

_INTEGER = re.compile(rb"[+-]?\d{1,9}")
_NUMBER_CHARACTERS = b"0123456789+-.eE "
_UNITS = re.compile(rb"\sUNITS:\s+(\S+)")


@dataclass
class EamTables:
    """What a file says.

    Attributes
    ----------
    names
        Names of the elements; of a file of the kind ``eam`` empty.
    numbers, masses
        Atomic number and mass (u) in the header of each element.
    cutoff
        Å.
    element_line
        Index of the line that lists the elements; -1 where none does.
    end
        Index of the line after the last table.
    unread
        Numbers in lines of tables, or after the tables, that LAMMPS does not read.
    """

    cutoff: float
    names: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    masses: list[float] = field(default_factory=list)
    element_line: int = -1
    end: int = 0
    unread: int = 0


def read_tables(lines: Sequence[bytes], kind: str, *, whole: bool = True) -> EamTables:
    """Read a file by the rules of LAMMPS (``PotentialFileReader``), all of which is checked.

    Blank lines and what follows a ``#`` are left out after the comments at the beginning. A header
    may go over several lines; each table begins with a line, and what goes beyond its count in its
    last line is not read.

    Parameters
    ----------
    lines
        Of the file, without their ends.
    kind
        One of :data:`EAM_KINDS`.
    whole
        Whether anything but comments after the tables is refused.

    Raises
    ------
    ValueError
        If LAMMPS cannot read it, or it holds numbers that are not finite.
    """
    reader = _Lines(lines)
    reader.skip(COMMENTS[kind])
    units = _UNITS.search(b" " + lines[0])
    if units and units[1] not in (b"metal", b"real"):
        said = units[1].decode("latin-1")
        raise ValueError(f"its first line says UNITS: {said}: only metal or real can be used")
    names, place = [], -1
    if kind != "eam":
        count, *symbols = reader.words(1, "list of elements")
        place, names = reader.place - 1, [symbol.decode("latin-1") for symbol in symbols]
        if not names or _whole(count) != len(names):
            raise ValueError(f"line {reader.place} does not list as many elements as it says")
        found, points = _grid(reader)
    numbers, masses = [], []
    for _ in names or [""]:
        number, mass, *_rest = reader.words(2, "header of an element")
        numbers.append(_whole(number))
        masses.append(_float(mass))
        if kind == "eam":
            found, points = _grid(reader)
        reader.table(points[0])
        for _ in range(len(names) if kind == "eam/fs" else 1):
            reader.table(points[1])
    for _ in range(len(names) * (len(names) + 1) // 2 or 1):
        reader.table(points[1])
    found.names, found.numbers, found.masses = names, numbers, masses
    found.element_line, found.end, found.unread = place, reader.place, reader.unread
    while (line := reader.next_words()) is not None:
        if not b" ".join(line).translate(None, _NUMBER_CHARACTERS):
            found.unread += len(line)
        if whole:
            raise ValueError(
                f"after its tables it holds {b' '.join(line)[:60].decode('latin-1')!r}: remove all "
                "that follows them"
            )
    return found


class _Lines:
    """The lines of a file one after the other, as LAMMPS counts and divides them."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines, self.place, self.unread = lines, 0, 0

    def skip(self, count: int) -> None:
        if not any(map(bytes.strip, self._lines)):
            raise ValueError("it is empty")
        if len(self._lines) < count:
            raise ValueError(f"it ends within the {count} lines of comments with which it begins")
        for line in self._lines[:count]:
            self._measure(line)
        self.place = count

    def next_words(self) -> list[bytes] | None:
        """Return the words of the next line that has any; None at the end."""
        while self.place < len(self._lines):
            line = self._lines[self.place]
            self.place += 1
            self._measure(line)
            # A vertical tab divides no words in LAMMPS.
            if words := line.partition(b"#")[0].replace(b"\v", b"\0").split():
                return words
        return None

    def words(self, least: int, what: str) -> list[bytes]:
        """Return the words of the next line, or of several, until there are `least`."""
        found: list[bytes] = []
        while len(found) < least:
            line = self.next_words()
            if line is None:
                raise ValueError(f"it is cut short: it ends where the {what} should be")
            found += line
        return found

    def table(self, count: int) -> None:
        """Go over a table of `count` finite numbers."""
        words: list[bytes] = []
        while len(words) < count:
            line = self.next_words()
            if line is None:
                raise ValueError(
                    f"it is cut short: a table ends after {len(words)} of {count} numbers"
                )
            words += line
        # What follows in the last line LAMMPS does not look at.
        self.unread += len(words) - count
        del words[count:]
        if wrong := b" ".join(words).translate(None, _NUMBER_CHARACTERS):
            first = next(word for word in words if any(byte in wrong for byte in word))
            raise ValueError(
                f"line {self.place} or one before it holds {_shown(first)} in a table of numbers"
            )
        try:
            values = np.array(words, dtype="S").astype(np.float64)
        except ValueError as error:
            raise ValueError(f"a table that ends in line {self.place} holds no numbers") from error
        if not np.isfinite(values).all():
            raise ValueError("a table holds numbers that are not finite")

    def _measure(self, line: bytes) -> None:
        if len(line) > LONGEST_LINE:
            raise ValueError(f"line {self.place} has more than {LONGEST_LINE} characters")


def _grid(reader: _Lines) -> tuple[EamTables, tuple[int, int]]:
    """Return what the grid says, and the numbers of points in density and distance."""
    words = reader.words(5, "grid of its tables")
    points = _whole(words[0]), _whole(words[2])
    drho, dr, cutoff = (_float(words[i]) for i in (1, 3, 4))
    if min(points) < FEWEST_POINTS:
        raise ValueError(f"its tables of {points[0]} and {points[1]} points are too short")
    if not (drho > 0 and dr > 0):
        raise ValueError(f"its grid has steps of {drho:g} in density and {dr:g} Å in distance")
    if not cutoff > 0:
        raise ValueError(f"its cutoff is {cutoff:g} Å, which is not positive")
    return EamTables(cutoff), points


def _whole(word: bytes) -> int:
    if not _INTEGER.fullmatch(word):
        raise ValueError(f"{_shown(word)} stands where a whole number should be")
    return int(word)


def _float(word: bytes) -> float:
    try:
        if word.translate(None, _NUMBER_CHARACTERS):
            raise ValueError
        value = float(word)
    except ValueError as error:
        raise ValueError(f"{_shown(word)} stands where a number should be") from error
    if not np.isfinite(value):
        raise ValueError(f"{_shown(word)} is not finite")
    return value


def _shown(word: bytes) -> str:
    return f"`{word[:40].decode('latin-1')}`"

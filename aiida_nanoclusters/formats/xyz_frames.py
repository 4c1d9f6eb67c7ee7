"""Frames of an (extended) XYZ file, one by one: what is wrong with one costs that one only."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.io.extxyz import key_val_str_to_dict, read_xyz

from aiida_nanoclusters.formats.limits import check_count, check_depth, decimal_number, whole_number
from aiida_nanoclusters.formats.plain_text import excerpt, said_by

#: Bytes of the longest first line and of the longest other line of a frame.
LONGEST_HEAD, LONGEST_LINE = 80, 4_000_000
_MOST_COLUMNS = 1000
_BOM = b"\xef\xbb\xbf"
_PLAIN = "species:S:1:pos:R:3"
#: Keys of ASE by their names in lower case.
_NAMES = {"lattice": "Lattice", "properties": "Properties", "pbc": "pbc"}
_PROPERTIES = re.compile(r"""(?i)(?:^|\s)Properties\s*=\s*("[^"]*"|'[^']*'|\S+)""")
#: A stress or a virial under the names that ASE takes for nine numbers.
_SIX = re.compile(r"""(^|\s)(stress|virial)\s*=\s*["'{\[]([^"'}\]]*)["'}\]]""")
_PAIR = re.compile(r"""([^\s="']+)\s*=\s*("[^"]*"|'[^']*'|\S+)""")
_HEAD = re.compile(rb"(?i)(^|\s)(Properties|Lattice)\s*=")


@dataclass(frozen=True)
class TextFrame:
    """The lines of one frame, or what is wrong with them.

    Attributes
    ----------
    line
        That of the number of atoms, from 1.
    rows
        Number of atoms, comment and atoms, each with its line end.
    problem
        Why it is no frame, with the line, or None.
    """

    line: int
    rows: tuple[bytes, ...] = ()
    problem: str | None = None


def text_frames(path: Path) -> Iterator[TextFrame]:
    """Yield the frames of a file; after a damaged one it goes on where the next one begins.

    A line of nothing but digits that is no comment begins a frame. Frames of more atoms than the
    file can hold, or with lines of more than 4 MB, are not gathered.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        lines = _Lines(handle)
        last: TextFrame | None = None
        while (line := lines.next()) is not None:
            if not line.strip():
                continue
            if _is_count(line):
                if last is not None:
                    yield last
                last = _gather(lines, line, size)
                continue
            at = lines.number
            if last is not None and line.startswith(b"VEC"):  # a vector of the cell
                last = replace(last, rows=(*last.rows, line))
                continue
            if last is not None and _HEAD.search(line):
                following = lines.skip()
                yield _not_joined(last, following)
                last = TextFrame(at, problem=f"line {at}: a frame without its number of atoms")
            elif last is not None and last.problem is None:
                more = f"line {at}: more lines of atoms than the {len(last.rows) - 2} it says"
                last = replace(last, problem=more)
                lines.skip()
            elif last is None:
                last = TextFrame(at, problem=f"line {at}: {_no_count(line)}")
                lines.skip()
        if last is not None:
            yield _with_end(last)


def read_frame(frame: TextFrame) -> Atoms:
    """Return a frame as ASE reads it.

    Raises
    ------
    ValueError
        If it cannot be read; the message names the line and what is there.
    """
    if frame.problem:
        raise ValueError(frame.problem)
    texts = []
    for number, row in enumerate(frame.rows, frame.line):
        try:
            texts.append(row.decode("utf-8"))
        except UnicodeDecodeError as error:
            byte = row[error.start]
            raise ValueError(f"line {number}: byte 0x{byte:02x} is not UTF-8") from error
    rows = texts[2 : 2 + int(texts[0])]
    found = _PROPERTIES.search(texts[1])
    properties = found[1].strip("\"'") if found else ""
    wrong = _wrong_columns(rows, properties, frame.line + 2) or _twice(rows, frame.line + 2)
    if wrong:
        raise ValueError(wrong)
    chunk = io.StringIO("".join(texts), newline="\n")
    try:
        (atoms,) = read_xyz(chunk, slice(None), properties_parser=read_comment)
    except Exception as error:  # what ASE raises on a comment that is wrong is any
        wrong = _wrong_word(rows, properties, frame.line + 2)
        text = wrong or f"line {frame.line + 1}: {said_by(error, 200)}"
        raise ValueError(text) from error
    read: Atoms = atoms
    return read


def read_comment(line: str) -> dict[str, Any]:
    """Return what the comment of a frame says, as ASE reads it, within limits.

    The names of cell, periodicity and columns are known in any capitalisation, as to GPUMD.

    Raises
    ------
    ValueError
        If it is nested too deep, has too many columns, none with positions, or a key twice with
        different values: ASE takes the last without a word.
    """
    pairs = _PAIR.findall(line)
    if len(pairs) > len(dict(pairs)) < len(set(pairs)):
        twice = next(key for key, value in pairs if dict(pairs)[key] != value)
        raise ValueError(f"`{twice}` is there twice, with different values")
    found: dict[str, Any] = key_val_str_to_dict(_SIX.sub(_as_nine, line))
    check_depth(found)
    for key in list(found):
        name = _NAMES.get(key.lower(), key)
        if name != key and name not in found:
            found[name] = found.pop(key)
    if np.shape(found.get("Lattice", np.eye(3))) == (9,):
        found["Lattice"] = np.reshape(found["Lattice"], (3, 3), order="F")
    if "Properties" in found:
        words = str(found["Properties"]).split(":")
        for count in words[2::3]:
            if whole_number(count, "number of columns") > _MOST_COLUMNS:
                raise ValueError(f"it has {count} columns of one property")
        columns = [n.lower() if n.lower() in ("species", "pos") else n for n in words[::3]]
        if "pos" not in columns or not {"species", "Z"} & set(columns):
            raise ValueError("`Properties` names no column `pos`, or neither `species` nor `Z`")
        words[::3] = columns
        found["Properties"] = ":".join(words)
    return found


def _as_nine(found: re.Match[str]) -> str:
    """Write a stress of six numbers (xx yy zz yz xz xy) as the nine that ASE expects."""
    words = found[3].replace(",", " ").split()
    if len(words) != 6:
        return found[0]
    nine = " ".join(words[k] for k in (0, 5, 4, 5, 1, 3, 4, 3, 2))
    return f'{found[1]}{found[2]}="{nine}"'


class _Lines:
    """Lines of a file with their numbers; one can be put back."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle, self._back = handle, list[bytes]()
        self.number = 0

    def next(self) -> bytes | None:
        """Return the next line with its end, None after the last."""
        line = self._back.pop() if self._back else self._handle.readline(LONGEST_LINE)
        if not line:
            return None
        self.number += 1
        return line.removeprefix(_BOM) if self.number == 1 else line

    def back(self, line: bytes) -> None:
        """Put a line back, which is then the next one."""
        self._back.append(line)
        self.number -= 1

    def skip(self) -> int:
        """Go to where the next frame begins; return the number of lines that are left out."""
        passed = 0
        while (line := self.next()) is not None:
            if _is_count(line):
                self.back(line)
                break
            passed += bool(line.strip())
        return passed


def _is_count(line: bytes) -> bool:
    return line.strip().isdigit()


def _no_count(line: bytes) -> str:
    word = line[:LONGEST_HEAD].decode("utf-8", "replace").strip()
    return f"`{excerpt(word, 40)}` is no number of atoms"


def _gather(lines: _Lines, head: bytes, size: int) -> TextFrame:
    """Return the frame that begins with this line."""
    at = lines.number
    comment = lines.next()
    if comment is not None and _is_count(comment):
        first = lines.next()
        if first is not None:
            lines.back(first)
        if first is None or _HEAD.search(first):  # this is the number of atoms, doubled
            lines.back(comment)
            return TextFrame(at, problem=f"line {at}: a number of atoms without a frame")
    try:
        count = whole_number(head.decode("ascii"), "number of atoms")
        check_count(count, size, 2, "atoms")
    except ValueError as error:
        lines.skip()
        return TextFrame(at, problem=f"line {at}: {error}")
    if comment is None:
        return TextFrame(at, problem=_ends(at, 1, count))
    rows = [head, comment]
    while len(rows) < count + 2:
        row = lines.next()
        if row is None:
            return TextFrame(at, problem=_ends(lines.number, len(rows), count))
        if _is_count(row):
            lines.back(row)
            got = f"it has {len(rows) - 2} of its {count} lines of atoms"
            return TextFrame(at, problem=f"line {lines.number + 1}: {got}")
        rows.append(row)
    if any(len(row) == LONGEST_LINE for row in rows):
        lines.skip()
        return TextFrame(at, problem=f"line {at}: a line of more than {LONGEST_LINE // 10**6} MB")
    return TextFrame(at, tuple(rows))


def _ends(line: int, had: int, count: int) -> str:
    return f"line {line}: it ends after {had} of the {count + 2} lines of a frame"


def _not_joined(frame: TextFrame, following: int) -> TextFrame:
    """Refuse a frame whose last number may have run into the number of atoms of the next frame.

    That happens where files without a last line end are joined.
    """
    last = frame.rows[-1].strip() if frame.rows else b""
    if frame.problem or not last.endswith(str(following).encode()) or _as_the_others(frame):
        return frame
    at = frame.line + len(frame.rows) - 1
    return replace(frame, problem=f"line {at}: it runs into the next frame, whose head is missing")


def _with_end(frame: TextFrame) -> TextFrame:
    """Refuse the last frame of a file that may end within a number."""
    if frame.problem or not frame.rows or frame.rows[-1].endswith(b"\n") or _as_the_others(frame):
        return frame
    at = frame.line + len(frame.rows) - 1
    return replace(frame, problem=f"line {at}: the file ends within it, without a line end")


def _as_the_others(frame: TextFrame) -> bool:
    """Whether the last number of a frame has as many decimals as those like it."""
    columns = [row.split() for row in frame.rows[2:]]
    if not columns or not columns[-1]:
        return False
    last = _decimals(columns[-1][-1])
    others = [c[-1] for c in columns[:-1] if c] or columns[-1][1:-1]
    return last is not None and bool(others) and all(_decimals(word) == last for word in others)


def _decimals(word: bytes) -> int | None:
    found = re.fullmatch(rb"[-+]?\d*\.(\d+)", word)
    return None if found is None else len(found[1])


def _wrong_columns(rows: Sequence[str], properties: str, line: int) -> str | None:
    """Return which line of atoms has another number of columns than `Properties` say.

    A file without them may have any further columns.
    """
    expected = len(_kinds(properties))
    for at, row in enumerate(rows, line) if expected else ():
        found = len(row.split())
        if found < expected or (properties and found > expected):
            return f"line {at}: {found} columns, expected {expected}"
    return None


def _twice(rows: Sequence[str], line: int) -> str | None:
    """Return which line of atoms is there twice: two atoms cannot be in one place."""
    if len(set(rows)) == len(rows):
        return None
    seen: set[str] = set()
    for at, row in enumerate(rows, line):
        if row in seen:
            return f"line {at}: a line of atoms a second time"
        seen.add(row)
    return None


def _wrong_word(rows: Sequence[str], properties: str, line: int) -> str | None:
    """Return the first word of the lines of atoms that is not what its column holds."""
    kinds = _kinds(properties)
    for at, row in enumerate(rows, line):
        for (name, kind), word in zip(kinds, row.split(), strict=False):
            if name == "species" and word.capitalize() not in atomic_numbers:
                return f"line {at}: `{excerpt(word, 40)}` is no element"
            if kind in "RI" and decimal_number(word) is None:
                return f"line {at}: `{excerpt(word, 40)}` is no number ({name})"
    return None


def _kinds(properties: str) -> list[tuple[str, str]]:
    """Return name and type of each column; none where ASE says what is wrong with them."""
    words = (properties or _PLAIN).split(":")
    try:
        counts = [whole_number(word, "count") for word in words[2::3]]
        if sum(counts) > _MOST_COLUMNS:
            return []
        named = zip(words[::3], words[1::3], counts, strict=True)
        return [(name.lower(), kind) for name, kind, count in named for _ in range(count)]
    except ValueError:
        return []

"""Potential files of LAMMPS: what they say of themselves, and that they are numbers only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from ase.data import atomic_masses, atomic_numbers, chemical_symbols

from aiida_nanoclusters.formats.lammps.eam_tables import (
    COMMENTS,
    EAM_KINDS,
    LONGEST_LINE,
    EamTables,
    read_tables,
)
from aiida_nanoclusters.formats.lammps.potential_lines import Interaction
from aiida_nanoclusters.formats.limits import unpack
from aiida_nanoclusters.formats.plain_text import excerpt

#: Size in bytes above which a file is refused; the largest that LAMMPS ships with has 3 MB.
_LARGEST = 200_000_000
#: How compressed files begin, and the ending by which they are unpacked.
_PACKED = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\xfd7zXZ\0": ".xz"}
#: Difference in mass (u) up to which a mass names an element whose atomic number is not given.
_MASS_ERROR = 0.1
#: Characters in place of which LAMMPS, or a reader of the file, sees others.
_PLAIN = {
    **dict.fromkeys([0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000, 0x0B], " "),
    **dict.fromkeys([*range(0x2010, 0x2016), 0x2212, 0x02D7], "-"),
    **dict.fromkeys([0, 0x200B, 0x2060, 0xFEFF], None),
}
_FORTRAN = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[dDqQ]([+-]?\d+)|([+-]\d{3}))")
_LONGEST_NUMBER = 60
#: Endings of files of other styles, some of which have the same form.
_OTHER_STYLES = {".cdeam": "eam/cd", ".eam.he": "eam/he", ".meam": "meam", ".adp": "adp"}
_ELEMENT_LIST = re.compile(rb"\s*(\d+)((?:\s+[A-Z][a-z]?)+)\s*")


@dataclass(frozen=True)
class EamFile:
    """An EAM file as it is used.

    Attributes
    ----------
    kind
        ``eam/alloy``, ``eam/fs`` or ``eam``.
    symbols
        Chemical symbols.
    cutoff
        Å.
    content
        What LAMMPS reads: the file itself, or, where LAMMPS does not read that, the same numbers.
    remark
        What the user must know of numbers in it that are not read; empty where all are.
    """

    kind: str
    symbols: list[str]
    cutoff: float
    content: bytes
    remark: str = ""


def check_potential_file(path: Path, interaction: Interaction) -> None:
    """Refuse an EAM file that LAMMPS must not read: of more than numbers, or of other elements.

    Files of Allegro models are not looked into: they are code and run only where they are trusted.

    Raises
    ------
    ValueError
        If the file does not have the form of its kind, or has other elements or another cutoff.
    """
    if interaction.kind in EAM_KINDS:
        symbols, cutoff = read_eam_metadata(path, interaction.kind)
        problem = eam_difference(symbols, cutoff, interaction.elements, interaction.cutoff)
        if problem:
            raise ValueError(problem)


def eam_difference(
    symbols: Sequence[str], cutoff: float, elements: Sequence[str], other: float
) -> str | None:
    """Return how an EAM file differs from the elements and the cutoff (Å) that are said of it.

    Parameters
    ----------
    symbols, cutoff
        As :func:`read_eam_metadata` returns them.
    elements, other
        What is said.
    """
    if list(symbols) != list(elements):
        return (
            f"its file is of other elements ({', '.join(symbols)}) than the node says "
            f"({', '.join(elements)}): make the potential again from its file"
        )
    if abs(cutoff - other) > 1e-9 * cutoff:
        return (
            f"its file has another cutoff ({cutoff:g} Å) than the node says ({other:g} Å): make "
            "the potential again from its file"
        )
    return None


def read_eam_metadata(path: str | Path, kind: str) -> tuple[list[str], float]:
    """Return the elements and the cutoff (Å) of an EAM file that LAMMPS can read as it is.

    Parameters
    ----------
    path
        File to read.
    kind
        ``eam/alloy`` or ``eam/fs`` (setfl: three comments, elements, grid, tables) or ``eam``
        (funcfl: comment, element's atomic number, grid, tables), see
        https://docs.lammps.org/pair_eam.html.

    Raises
    ------
    ValueError
        If LAMMPS cannot read it, or it holds anything but a header and numbers.
    """
    path = Path(path)
    try:
        found = read_tables(_split(_bytes_of(path)), kind)
        return _symbols(found), found.cutoff
    except ValueError as error:
        raise ValueError(f"{path.name} is no `{kind}` potential file: {error}") from error


def read_eam(path: str | Path, kind: str | None = None) -> EamFile:
    """Return an EAM file of a user as LAMMPS reads it.

    A file that LAMMPS reads is kept byte by byte, but for what follows its tables. One that LAMMPS
    does not read for its form only is written anew with the same numbers: compressed, with ends of
    lines of old Macs, Fortran's exponents (``1.0D-3``), lines of more than 1000 characters, or
    names of elements that are no chemical symbols, which the atomic numbers tell.

    Parameters
    ----------
    path
        File to read.
    kind
        ``eam/alloy``, ``eam/fs`` or ``eam``; None for what the file is. A file of one element that
        is of both the first two is the first, unless its name ends in ``.fs``.

    Raises
    ------
    ValueError
        If it is no such file, or of another kind, which is named.
    """
    path = Path(path)
    other = next((k for end, k in _OTHER_STYLES.items() if path.name.endswith(end)), None)
    if other and kind is None:
        raise ValueError(
            f"{path.name} is named as a file of `{other}`: known are {', '.join(EAM_KINDS)}; give "
            "the kind if it is one of them"
        )
    try:
        raw = _unpacked(_bytes_of(path))
    except ValueError as error:
        raise ValueError(f"{path.name} is no potential file: {error}") from error
    reasons: dict[str, str] = {}
    asked = (kind,) if kind else _likely(path.name, raw)
    for one in (*asked, *(k for k in EAM_KINDS if k not in asked)):
        try:
            found = _as_read(raw, one)
        except ValueError as error:
            reasons[one] = str(error)
            continue
        if one in asked:
            return found
        raise ValueError(
            f"{path.name} is of the kind `{one}`, not `{kind}`: give the kind {one}, or none"
        )
    what = f"`{kind}` potential file" if kind else "EAM potential file"
    hint = _elsewhere(raw)
    raise ValueError(f"{path.name} is no {what}: {hint or reasons[asked[0]]}")


def _as_read(raw: bytes, kind: str) -> EamFile:
    """Return a file of that kind; written anew only where LAMMPS does not read it as it is."""
    lines = _split(raw)
    try:
        found = read_tables(lines, kind)
        symbols, content = _symbols(found), raw
    except ValueError:
        try:
            found = read_tables(lines, kind, whole=False)
        except ValueError:
            lines = list(_plain_lines(raw, kind))
            found = read_tables(lines, kind, whole=False)
        symbols = _symbols(found, renamed=True)
        if found.names and symbols != found.names:
            listed = f"{len(symbols)} {' '.join(symbols)}"
            lines = [*lines]
            lines[found.element_line] = listed.encode()
        content = b"\n".join(lines[: found.end]) + b"\n"
        read_tables(_split(content), kind)
    remark = ""
    if found.unread:
        remark = (
            f"{found.unread} numbers beyond the counts in its header are not read, as by LAMMPS: "
            "see that no line is there twice"
        )
    return EamFile(kind, symbols, found.cutoff, content, remark)


def _bytes_of(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST // 10**6} MB")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from error


def _unpacked(raw: bytes) -> bytes:
    suffix = next((end for start, end in _PACKED.items() if raw.startswith(start)), None)
    return raw if suffix is None else b"".join(unpack(BytesIO(raw), suffix, _LARGEST))


def _split(raw: bytes) -> list[bytes]:
    return raw.removesuffix(b"\n").split(b"\n") if raw else []


def _plain_lines(raw: bytes, kind: str) -> Iterator[bytes]:
    """Yield the lines of a file in ASCII, with numbers as C writes them, none too long."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    lines = re.split(r"\r\n|\r|\n", text.translate(_PLAIN).rstrip("\r\n"))
    for place, line in enumerate(lines):
        if place < COMMENTS[kind]:
            yield line.encode("ascii", "replace")[:LONGEST_LINE]
            continue
        words = map(_number_of_c, line.partition("#")[0].split())
        row = ""
        for word in words:
            if row and len(row) + len(word) >= LONGEST_LINE:
                yield row.encode("ascii", "replace")
                row = ""
            row = f"{row} {word}" if row else word
        yield row.encode("ascii", "replace")


def _number_of_c(word: str) -> str:
    """Return a number of Fortran as C writes it; its exponents of three digits have no letter."""
    found = _FORTRAN.fullmatch(word) if len(word) <= _LONGEST_NUMBER else None
    return f"{found[1]}e{found[2] or found[3]}" if found else word


def _symbols(found: EamTables, *, renamed: bool = False) -> list[str]:
    """Return the chemical symbols of a file.

    Raises
    ------
    ValueError
        If its names are none, and are not told by the atomic numbers (where they may be `renamed`).
    """
    symbols = []
    for name, number, mass in zip(
        found.names or [""] * len(found.numbers), found.numbers, found.masses, strict=True
    ):
        if atomic_numbers.get(name, 0) > 0:
            symbols.append(name)
        elif (not name or renamed) and (symbol := _symbol_of(number, mass)):
            symbols.append(symbol)
        else:
            raise ValueError(
                f"{excerpt(name, 20) or 'its atomic number'} names no chemical element"
            )
    if len(set(symbols)) < len(symbols):
        raise ValueError(f"it names an element twice: {', '.join(found.names)}")
    return symbols


def _symbol_of(number: int, mass: float) -> str | None:
    """Return the element of an atomic number, or of a mass (u) where that says nothing."""
    if 0 < number < len(chemical_symbols):
        return chemical_symbols[number]
    nearest = int(np.argmin(abs(atomic_masses - mass)))
    return chemical_symbols[nearest] if abs(atomic_masses[nearest] - mass) < _MASS_ERROR else None


def _likely(name: str, raw: bytes) -> tuple[str, ...]:
    """Return the kinds that a file may be, the likely first."""
    kinds = list(EAM_KINDS)
    if re.search(r"\.fs\b", name):
        kinds = ["eam/fs", "eam/alloy", "eam"]
    lines = _split(raw)[:4]
    if len(lines) > 2 and _starts_grid(lines[2]):
        kinds.remove("eam")
        kinds.insert(0, "eam")
    return tuple(kinds)


def _starts_grid(line: bytes) -> bool:
    words = line.split()
    return len(words) >= 5 and words[0].isdigit() and words[2].isdigit()


def _elsewhere(raw: bytes) -> str:
    """Return what the file is, or what is wrong with its beginning, where that can be told."""
    lines = _split(raw)
    if raw.lstrip()[:1] == b"<":
        return "it is a web page: download the file itself"
    for place, line in enumerate(lines[:12], start=1):
        listed = _ELEMENT_LIST.fullmatch(line)
        if listed and place != 4 and int(listed[1]) == len(listed[2].split()):
            return f"its list of elements is in line {place}: it follows three lines of comments"
    return ""

"""Limits of readers: a file of unknown origin is read in bounded time and memory, or refused.

The numbers in a file are held against the bytes that are there; compressed files are counted while
they are unpacked; JSON and YAML are bounded in length, in depth and in what their aliases stand
for. Every refusal is a ``ValueError`` that says what is wrong.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import yaml

#: Largest text (bytes) that is read as a whole, such as a YAML file or a JSON value.
MOST_TEXT = 10_000_000
#: Deepest nesting of lists and mappings.
MOST_DEPTH = 64
#: Most values of a YAML document once every alias is written out.
MOST_VALUES = 1_000_000
#: Most tags and attributes of XML, how many are always allowed, and bytes for each beyond these.
MOST_MARKS, FEW_MARKS, BYTES_OF_MARK = 20_000_000, 1_000_000, 8
#: A compressed file may unpack to this multiple of its size, and always to this many bytes.
MOST_RATIO, ALWAYS_UNPACKED = 100, 200_000_000

_OPENERS: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
#: Endings behind that of a file, which may be compressed.
SUFFIXES = ("", *_OPENERS)
#: What the modules of compression raise on a file that is cut short or damaged.
DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError)
_BLOCK = 1 << 20
_ENCODING = re.compile(rb"""<\?xml[^>]*encoding\s*=\s*["']([^"']*)""")
_PLAIN_ENCODINGS = (b"utf-8", b"us-ascii", b"ascii", b"iso-8859-1", b"latin-1")
_MOST_EMPTY_READS = 100


def read_text(path: Path, most: int = MOST_TEXT) -> str:
    """Return the text (UTF-8) of a file of at most `most` bytes.

    Raises
    ------
    OSError
        If it cannot be opened.
    ValueError
        If it is longer, or no UTF-8.
    """
    with path.open("rb") as handle:
        content = handle.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{path.name} has more than {most / 1e6:g} MB, too many for such a file")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is no text in UTF-8") from error


def load_json(text: str | bytes) -> Any:
    """Return what JSON text holds.

    Raises
    ------
    ValueError
        If it is no JSON, longer than :data:`MOST_TEXT` or nested deeper than :data:`MOST_DEPTH`.
    """
    if len(text) > MOST_TEXT:
        raise ValueError(f"JSON of more than {MOST_TEXT / 1e6:g} MB")
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError(f"JSON nested deeper than {MOST_DEPTH} levels") from error
    check_depth(content)
    return content


def check_depth(content: Any) -> None:
    """Refuse lists and mappings that are nested deeper than :data:`MOST_DEPTH`.

    Raises
    ------
    ValueError
        If they are.
    """
    level, depth = [content], 0
    while level:
        if depth > MOST_DEPTH:
            raise ValueError(f"nested deeper than {MOST_DEPTH} levels")
        depth += 1
        nested = (v for v in level if isinstance(v, dict | list | tuple))
        level = [x for v in nested for x in (v.values() if isinstance(v, dict) else v)]


def load_yaml(text: str) -> Any:
    """Return what YAML text holds; as ``yaml.safe_load``, within limits.

    Raises
    ------
    ValueError
        If it is no YAML, has a key twice, is longer than :data:`MOST_TEXT`, is nested deeper than
        :data:`MOST_DEPTH`, or has more than :data:`MOST_VALUES` values once its aliases are written
        out.
    """
    if len(text) > MOST_TEXT:
        raise ValueError(f"YAML of more than {MOST_TEXT / 1e6:g} MB")
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _extent(node, {}, 0)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except RecursionError as error:
        raise ValueError(f"nested deeper than {MOST_DEPTH} levels") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ValueError(" ".join(str(error).split())) from error


class _Loader(yaml.SafeLoader):
    """As the safe one, but it looks ahead in so many open brackets at most: each costs time."""

    def fetch_flow_collection_start(self, token: Any) -> None:
        if self.flow_level >= MOST_DEPTH:
            raise ValueError(f"nested deeper than {MOST_DEPTH} levels")
        super().fetch_flow_collection_start(token)

    def add_indent(self, column: int) -> bool:
        if len(self.indents) > MOST_DEPTH:
            raise ValueError(f"nested deeper than {MOST_DEPTH} levels")
        return bool(super().add_indent(column))


# YAML 1.1 takes `2e6` for a text, since it has no point; 1.2, JSON and people take it for a number.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _extent(node: yaml.Node, known: dict[int, tuple[int, int]], depth: int) -> tuple[int, int]:
    """Return how many values a node of YAML stands for, its aliases written out, and its depth."""
    if depth > MOST_DEPTH:  # also of an alias of itself
        raise ValueError(f"nested deeper than {MOST_DEPTH} levels")
    if id(node) not in known:
        children: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            children = list(node.value)
        elif isinstance(node, yaml.MappingNode):
            children = [child for pair in node.value for child in pair]
            _check_keys(node)
        extents = [_extent(child, known, depth + 1) for child in children]
        count = 1 + sum(count for count, _ in extents)
        if count > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES} values, written out: too many aliases")
        known[id(node)] = (count, 1 + max((height for _, height in extents), default=0))
    if depth + known[id(node)][1] > MOST_DEPTH + 1:
        raise ValueError(f"nested deeper than {MOST_DEPTH} levels")
    return known[id(node)]


def _check_keys(node: yaml.MappingNode) -> None:
    """Refuse a key that is given twice: YAML's reader takes the last without a word."""
    seen: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
            if (key.tag, key.value) in seen:
                line = key.start_mark.line + 1
                raise ValueError(f"the key `{key.value[:60]}` is there twice, again in line {line}")
            seen.add((key.tag, key.value))


def is_packed(path: Path) -> bool:
    """Whether the ending of a name is that of a compressed file which is unpacked here."""
    return path.suffix in _OPENERS


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Give a file as one that is not compressed: itself, or a temporary copy.

    A file that is cut short gives the part that is there: its text lacks its end.

    Raises
    ------
    ValueError
        If it unpacks to more than :data:`MOST_RATIO` times its size and than
        :data:`ALWAYS_UNPACKED` bytes.
    """
    if not is_packed(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / path.stem
        most = max(ALWAYS_UNPACKED, MOST_RATIO * path.stat().st_size)
        with plain.open("wb") as target, path.open("rb") as packed:
            for block in unpack(packed, path.suffix, most):
                target.write(block)
        yield plain


def unpack(packed: IO[bytes], suffix: str, most: int) -> Iterator[bytes]:
    """Yield the content of a stream compressed as its suffix says, of one cut short the beginning.

    Raises
    ------
    ValueError
        If there are more than `most` bytes.
    """
    total = 0
    with _OPENERS[suffix](packed, "rb") as handle:
        while True:
            try:
                block: bytes = handle.read(_BLOCK)
            except DAMAGED:
                return
            if not block:
                return
            total += len(block)
            if total > most:
                raise ValueError(f"it unpacks to more than {most / 1e6:g} MB, far beyond its size")
            yield block


def check_xml(path: Path) -> None:
    """Refuse XML with a document type: its entities may stand for any amount of text, or for files.

    Raises
    ------
    ValueError
        If it has one, is in an encoding in which it could not be seen, or has more elements and
        attributes than :data:`MOST_MARKS` and the others allow: they take more memory than text.
    """
    rest, marks = b"", 0
    with path.open("rb") as handle:
        head = handle.read(1024)
        if head.lstrip().startswith(b"<?xml") and b"?>" not in head:
            raise ValueError("its XML declaration is longer than any program writes")
        encoding = _ENCODING.search(head)
        if b"\0" in head or (encoding and encoding[1].lower() not in _PLAIN_ENCODINGS):
            raise ValueError("it is in an encoding that no program here writes")
        handle.seek(0)
        while block := handle.read(_BLOCK):
            if any(word in rest + block for word in (b"<!DOCTYPE", b"<!ENTITY")):
                raise ValueError("it has a document type, which no program here writes")
            rest = block[-16:]
            marks += block.count(b"<") + block.count(b"=")
            if marks > MOST_MARKS or marks > max(FEW_MARKS, handle.tell() / BYTES_OF_MARK):
                raise ValueError("it has more elements and attributes than content: split it")


class TooMuchError(ValueError):
    """More was asked of a stream than it may give."""


class CountedStream(io.RawIOBase):
    """A stream that is read and skipped forwards, and refuses more than it may give.

    Parameters
    ----------
    stream
        What is read.
    most
        Bytes in all.
    at_once
        Bytes of a single read: the header of a tar file may ask for any number.
    """

    def __init__(self, stream: IO[bytes], most: int, at_once: int = 1 << 20) -> None:
        self._stream, self._most, self._at_once = stream, most, at_once
        self._place = self._empty = 0

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        return True

    def seekable(self) -> bool:
        """Whether it can be set to another place: yes, forwards."""
        return True

    def tell(self) -> int:
        """Return the number of bytes before this place."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place at or after this one, reading what is between.

        Raises
        ------
        TooMuchError
            If it is before this one, or beyond what may be read.
        """
        if whence != io.SEEK_SET or offset < self._place:
            raise TooMuchError("it cannot be read forwards")
        while self._place < offset and self.read(min(offset - self._place, self._at_once)):
            pass
        return self._place

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes.

        Raises
        ------
        TooMuchError
            If too many are asked for, at once or in all.
        """
        if size < 0 or size > self._at_once:
            raise TooMuchError("a header of it asks for more bytes than any header has")
        block = self._stream.read(size)
        self._place += len(block)
        self._empty = 0 if block else self._empty + 1
        if self._place > self._most:
            raise TooMuchError(f"it unpacks to more than {self._most / 1e9:g} GB")
        if self._empty > _MOST_EMPTY_READS:
            raise TooMuchError("its headers go on beyond its end")
        return block


def decimal_number(text: str) -> float | None:
    """Return a number, which need not be finite; None for a text that is none."""
    try:
        return float(text)
    except ValueError:
        return None


def whole_number(text: str, what: str) -> int:
    """Return a count of a file.

    Raises
    ------
    ValueError
        If it is no whole number, or has more digits than any count here.
    """
    word = text.strip()
    if not (word.isascii() and word.isdigit() and len(word) <= 15):
        raise ValueError(f"`{word[:40]}` is no {what}")
    return int(word)


def check_count(count: int, size: int, least: int, what: str) -> None:
    """Hold a count against the bytes that are there, of which each takes at least `least`.

    Raises
    ------
    ValueError
        If the file is too short for it.
    """
    if count * least > size:
        raise ValueError(f"it says {count} {what}, more than its {size} bytes can hold")

"""Search for a text anywhere in a file: in all of it, in any encoding of ASCII, in what is packed.

A text in UTF-16 or UTF-32 is one in ASCII with zeros between: zeros are skipped.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any

from aiida_nanoclusters.formats.limits import DAMAGED, CountedStream

#: Bytes that all which is packed in one file may have, and how deep packages may lie in others.
MOST_UNPACKED, MOST_NESTED = 1_000_000_000, 5
_BLOCK, _SPOOL = 1 << 20, 1 << 26
#: Characters that the longest text found by a pattern has.
_LONGEST = 1024
_OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_ZIP_HEAD, _ZIP_END = b"PK\x03\x04", b"PK\x05\x06"
_TAR, _TAR_AT = b"ustar", 257
_CLOSED = {
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"\x04\x22\x4d\x18": "LZ4",
    b"\x1f\x9d": "compress",
    b"Rar!": "RAR",
    b"\x5d\x00\x00": "LZMA",
}


@dataclass
class Finding:
    """What a search found.

    Attributes
    ----------
    found
        Whether the text is there.
    closed
        Why a part of the file could not be looked into; empty where all could.
    """

    found: bool = False
    closed: str = ""


class _ClosedError(Exception):
    """A package that cannot be looked into, and why."""


def search(opened: Callable[[], IO[bytes]], pattern: re.Pattern[bytes]) -> Finding:
    """Search a file for a pattern, also in the files packed in it.

    Parameters
    ----------
    opened
        Returns the file, opened at its beginning.
    pattern
        Of at most 1024 bytes of ASCII.
    """
    budget = [MOST_UNPACKED]
    with opened() as handle:
        finding = Finding()
        for part, closed in _contents(handle, budget, 0):
            finding.closed = finding.closed or closed
            if part is not None and pattern.search(part):
                return Finding(found=True)
    return finding


def _contents(
    handle: IO[bytes], budget: list[int], depth: int
) -> Iterator[tuple[bytes | None, str]]:
    """Yield overlapping parts of a file and of what is packed in it, and what is closed."""
    head = handle.read(512)
    packed = _packed(head)
    # A zip archive is known by its end, too: anything may stand before it.
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL) as copy:
        kept, tail, block = b"", b"", head
        while block:
            copy.write(block)
            stripped = kept + block.replace(b"\0", b"")
            yield stripped, ""
            kept, tail = stripped[-_LONGEST:], (tail + block)[-70_000:]
            block = handle.read(_BLOCK)
        if not packed and _ZIP_END in tail:
            packed = "zip"
        if not packed:
            return
        if packed not in ("zip", "tar", "stream"):
            yield None, f"packed by {packed}"
        elif depth == MOST_NESTED:
            yield None, f"packed more than {MOST_NESTED} times"
        else:
            copy.seek(0)
            yield from _unpacked(copy, packed, head, budget, depth)


def _packed(head: bytes) -> str:
    """Return how a file is packed: zip, tar, a compressed stream, a closed format, or not."""
    if head.startswith(_ZIP_HEAD):
        return "zip"
    if head[_TAR_AT:].startswith(_TAR):
        return "tar"
    if any(head.startswith(magic) for magic in _OPENERS):
        return "stream"
    return next((name for magic, name in _CLOSED.items() if head.startswith(magic)), "")


def _unpacked(
    copy: Any, packed: str, head: bytes, budget: list[int], depth: int
) -> Iterator[tuple[bytes | None, str]]:
    members = {"zip": _zip_members, "tar": _tar_members, "stream": _stream}[packed]
    try:
        for member in members(copy, head):
            if isinstance(member, str):
                yield None, member
                continue
            yield from _contents(_Counted(member, budget), budget, depth + 1)  # type: ignore[arg-type]
    except _ClosedError as error:
        yield None, str(error)
    except (zipfile.BadZipFile, tarfile.TarError, ValueError, RuntimeError, *DAMAGED) as error:
        yield None, f"packed, and damaged ({error})"


class _Counted:
    """A member that is read, counted against what all may have."""

    def __init__(self, stream: IO[bytes], budget: list[int]) -> None:
        self._stream, self._budget = stream, budget

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        self._budget[0] -= len(block)
        if self._budget[0] < 0:
            raise _ClosedError(f"unpacks to more than {MOST_UNPACKED / 1e9:g} GB")
        return block


def _zip_members(copy: Any, _: bytes) -> Iterator[IO[bytes] | str]:
    with zipfile.ZipFile(copy) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            if member.flag_bits & 1:
                yield f"`{PurePosixPath(member.filename).name}` in it is encrypted"
                continue
            try:
                with archive.open(member) as handle:
                    yield handle
            except NotImplementedError as error:
                yield f"`{PurePosixPath(member.filename).name}` in it: {error}"


def _tar_members(copy: Any, _: bytes) -> Iterator[IO[bytes] | str]:
    stream: Any = CountedStream(copy, MOST_UNPACKED)
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        for member in archive:
            handle = archive.extractfile(member) if member.isreg() else None
            if handle is not None:
                yield handle


def _stream(copy: Any, head: bytes) -> Iterator[IO[bytes] | str]:
    opener = next(opener for magic, opener in _OPENERS.items() if head.startswith(magic))
    with opener(copy, "rb") as handle:
        yield handle

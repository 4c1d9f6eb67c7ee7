"""A text is found wherever it stands in a file, and however the file is packed."""

import bz2
import gzip
import io
import lzma
import random
import re
import tarfile
import zipfile

import pytest

from aiida_nanoclusters.formats.publication import search as searching
from aiida_nanoclusters.formats.publication.search import search

TEXT = "parameters from PSCTR are"
PATTERN = re.compile(TEXT.encode())


def look(content: bytes):
    return search(lambda: io.BytesIO(content), PATTERN)


def zipped(*members: bytes, method=zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for number, member in enumerate(members):
            archive.writestr(f"m{number}", member)
    return buffer.getvalue()


def tarred(*members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number, member in enumerate(members):
            info = tarfile.TarInfo(f"m{number}")
            info.size = len(member)
            archive.addfile(info, io.BytesIO(member))
    return buffer.getvalue()


NOISE = random.Random(1).randbytes(3 << 20)
PACKERS = {
    "plain": bytes,
    "zip": zipped,
    "second in a zip": lambda content: zipped(b"first", content),
    "stored": lambda content: zipped(content, method=zipfile.ZIP_STORED),
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "tar": tarred,
    "tar.gz": lambda content: gzip.compress(tarred(b"first", content)),
    "gzip in a tar": lambda content: tarred(b"first", gzip.compress(content)),
    "zip in zip": lambda content: zipped(zipped(content)),
    "zip behind a script": lambda content: b"#!/bin/sh\n" + zipped(content),
    "gzip twice": lambda content: gzip.compress(gzip.compress(content)),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("packer", PACKERS)
def test_found(packer, encoding) -> None:
    pack = PACKERS[packer]
    assert look(pack(f"  PAW_PBE Cu\n {TEXT}:\n".encode(encoding))).found
    nothing = look(pack("  PAW_PBE Cu\n TITEL\n".encode(encoding)))
    assert not nothing.found and not nothing.closed


@pytest.mark.parametrize("place", [0, (1 << 20) - 10, (1 << 20) + 500, (3 << 20)])
def test_found_anywhere_in_a_large_file(place) -> None:
    content = NOISE[:place] + TEXT.encode() + NOISE[place:]
    assert look(content).found and look(gzip.compress(content)).found
    assert not look(NOISE).found


def encrypted() -> bytes:
    """A zip whose member says that it is encrypted, in both of its headers."""
    content = bytearray(zipped(b"secret"))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x28\xb5\x2f\xfd" + NOISE[:100], "packed by Zstandard"),
        (b"7z\xbc\xaf\x27\x1c" + NOISE[:100], "packed by 7-Zip"),
        (b"\x1f\x8b" + NOISE[:100], "packed, and damaged"),
        (gzip.compress(b"x" * 10_000)[:-10], "packed, and damaged"),
        (encrypted(), "is encrypted"),
        (tarred(b"x", b"\x28\xb5\x2f\xfd" + b"x" * 100), "packed by Zstandard"),
    ],
    ids=["zstd", "7z", "noise behind gzip's mark", "cut gzip", "encrypted zip", "zstd in a tar"],
)
def test_closed(content, reason) -> None:
    found = look(content)
    assert not found.found and reason in found.closed


def test_bombs_end(monkeypatch) -> None:
    monkeypatch.setattr(searching, "MOST_UNPACKED", 5_000_000)
    for content in (gzip.compress(b"\0" * 50_000_000), zipped(*[b"\0" * 3_000_000] * 2)):
        assert "unpacks to more than" in look(content).closed
    nested = b"x"
    for _ in range(searching.MOST_NESTED + 1):
        nested = gzip.compress(nested)
    assert "packed more than 5 times" in look(nested).closed

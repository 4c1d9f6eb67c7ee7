"""What an archive is, and whether it is safe to open, before anything in it is used."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from aiida_nanoclusters.formats.limits import DAMAGED, CountedStream, TooMuchError

Kind = Literal["aiida", "allegro", "allegro-compiled"]

#: First bytes of compressed files, and what opens them.
_PACKED: dict[bytes, Any] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_DATABASES = {"db.sqlite3", "data.json"}
_BLOCK = 1 << 20
#: Most members of an archive: each takes memory, however small it is.
MOST_MEMBERS = 5_000_000
#: Bytes that an archive may have unpacked where its reader says no other number.
MOST_UNPACKED = 20_000_000_000
_UNREADABLE = (
    *(zipfile.BadZipFile, tarfile.TarError, NotImplementedError, RuntimeError, UnicodeError),
    *DAMAGED,
)


def archive_kind(path: Path, max_bytes: int = MOST_UNPACKED) -> Kind | None:
    """Return what a zip or tar file holds by the names in it; None where it is something else.

    A tar file is unpacked as far as `max_bytes` to see the names.

    Raises
    ------
    ValueError
        If it begins as an archive and cannot be read, is a zip and something else at once, or holds
        more than `max_bytes`.
    """
    try:
        if _is_zip(path):
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        elif _is_tar(path):
            members = _tar_members(path, max_bytes)
            names = [PurePosixPath(member.name).as_posix() for member in members]
        else:
            with path.open("rb") as handle:
                if handle.read(4) == b"PK\x03\x04":
                    raise ValueError(f"{path.name} is cut short: fetch it again")
            return None
    except TooMuchError as error:
        raise ValueError(f"{path.name}: {error}") from error
    except _UNREADABLE as error:
        raise ValueError(f"{path.name} cannot be read ({error}): fetch it again") from error
    if "metadata.json" in names and _DATABASES.intersection(names):
        return "aiida"
    if any(name.endswith("/model/package_metadata.txt") for name in names):
        return "allegro"
    if any(name.endswith(("wrapper_metadata.json", "model_metadata.json")) for name in names):
        return "allegro-compiled"
    return None


def check_archive(path: Path, max_bytes: int) -> None:
    """Look through a zip or tar file without extracting or running anything of it.

    Names must stay inside, and members must be plain files or folders: no more than `max_bytes` in
    all, by their declared sizes and as they are unpacked, and no more than :data:`MOST_MEMBERS`.
    Contents must fit their checksums, and the objects of an AiiDA archive must be what their name,
    a SHA-256, says.

    Raises
    ------
    ValueError
        Naming the file and the member that is wrong.
    """
    try:
        if _is_zip(path):
            _check_zip(path, max_bytes)
        else:
            _check_tar(path, max_bytes)
    except TooMuchError as error:
        raise ValueError(f"{path.name}: {error}") from error
    except _UNREADABLE as error:
        raise ValueError(f"{path.name} is damaged ({error}): fetch it again") from error


def _is_zip(path: Path) -> bool:
    """Whether a file is a zip file, and nothing else.

    What may be read as two kinds of archive is read by this package as one and by AiiDA as the
    other, which nobody has looked through.

    Raises
    ------
    ValueError
        If it is a zip file behind other content, or a tar file as well.
    """
    if not zipfile.is_zipfile(path):
        return False
    with path.open("rb") as handle:
        begins = handle.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    if not begins or _is_tar(path):
        raise ValueError(f"{path.name} is a zip file and something else at once: fetch it again")
    return True


def _check_zip(path: Path, max_bytes: int) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        _check_number(path, len(members))
        seen: set[str] = set()
        total = 0
        for member in members:
            _check_name(path, member.filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ValueError(f"{path.name}: `{member.filename}` is a link or device")
            if member.flag_bits & 1:
                raise ValueError(f"{path.name}: `{member.filename}` is encrypted")
            if member.filename in seen:
                raise ValueError(f"{path.name}: `{member.filename}` is in it twice")
            seen.add(member.filename)
            total += member.file_size
            _check_size(path, total, max_bytes)
        for member in members:
            digest = hashlib.sha256()
            with archive.open(member) as handle:  # ends at the declared size, checks the CRC
                while chunk := handle.read(_BLOCK):
                    digest.update(chunk)
            folder, _, name = member.filename.rpartition("/")
            named = folder == "repo" and len(name) == 64
            if named and digest.hexdigest() != name:
                raise ValueError(f"{path.name}: `{member.filename}` is not what its name says")


def _check_tar(path: Path, max_bytes: int) -> None:
    for member in _tar_members(path, max_bytes):
        _check_name(path, member.name)
        if not (member.isreg() or member.isdir()):
            raise ValueError(f"{path.name}: `{member.name}` is a link or device")


def _is_tar(path: Path) -> bool:
    """Whether a file begins as a tar file, compressed or not."""
    try:
        with _tar_stream(path, _BLOCK) as stream:
            tarfile.TarInfo.frombuf(stream.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
    except (tarfile.HeaderError, *DAMAGED):
        return False
    return True


@contextmanager
def _tar_stream(path: Path, max_bytes: int) -> Iterator[CountedStream]:
    """Give the content of a tar file, unpacked, counted as it is read."""
    with path.open("rb") as handle:
        head = handle.read(6)
    opened = next((opener for magic, opener in _PACKED.items() if head.startswith(magic)), open)
    # Headers and the padding of members come on top of what the members have.
    with opened(path, "rb") as content:
        yield CountedStream(content, 2 * max_bytes + 100 * _BLOCK)


def _tar_members(path: Path, max_bytes: int) -> Iterator[tarfile.TarInfo]:
    """Yield the members of a tar file as far as their declared sizes sum up to `max_bytes`."""
    total = number = 0
    with _tar_stream(path, max_bytes) as stream:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:
                # They are not held: there may be millions.
                archive.members.clear()  # type: ignore[attr-defined]
                number, total = number + 1, total + member.size
                _check_number(path, number)
                _check_size(path, total, max_bytes)
                yield member


def _check_number(path: Path, number: int) -> None:
    if number > MOST_MEMBERS:
        raise ValueError(f"{path.name} has more than {MOST_MEMBERS} members")


def _check_name(path: Path, name: str) -> None:
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts or "\\" in name or "\0" in name:
        raise ValueError(f"{path.name}: `{name}` leads out of the archive")


def _check_size(path: Path, total: int, max_bytes: int) -> None:
    if total > max_bytes:
        raise ValueError(
            f"{path.name} holds more than {max_bytes / 1e9:g} GB unpacked: raise --max-size if "
            "you expect that"
        )

"""What an archive is, and whether it is safe to open, before anything in it is used."""

from __future__ import annotations

import hashlib
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

Kind = Literal["aiida", "allegro", "allegro-compiled"]

_DATABASES = {"db.sqlite3", "data.json"}
_BLOCK = 1 << 20


def archive_kind(path: Path) -> Kind | None:
    """Return what a zip or tar file holds by the names in it; None where it is something else.

    Raises
    ------
    ValueError
        If it begins as an archive and cannot be read.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        elif tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                names = [PurePosixPath(member.name).as_posix() for member in archive]
        else:
            with path.open("rb") as handle:
                if handle.read(4) == b"PK\x03\x04":
                    raise ValueError(f"{path.name} is cut short: fetch it again")
            return None
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, zlib.error) as error:
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

    Names must stay inside, members must be plain files or folders, declared sizes must sum up to
    no more than `max_bytes`, contents must fit their checksums, and the objects of an AiiDA
    archive must be what their name, a SHA-256, says.

    Raises
    ------
    ValueError
        Naming the file and the member that is wrong.
    """
    try:
        if zipfile.is_zipfile(path):
            _check_zip(path, max_bytes)
        else:
            _check_tar(path, max_bytes)
    except _UNREADABLE as error:
        raise ValueError(f"{path.name} is damaged ({error}): fetch it again") from error


_UNREADABLE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    OSError,
    zlib.error,
    NotImplementedError,
)


def _check_zip(path: Path, max_bytes: int) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
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
    total = 0
    for member in _tar_members(path):
        _check_name(path, member.name)
        if not (member.isreg() or member.isdir()):
            raise ValueError(f"{path.name}: `{member.name}` is a link or device")
        total += member.size
        _check_size(path, total, max_bytes)


def _tar_members(path: Path) -> Iterator[tarfile.TarInfo]:
    with tarfile.open(path) as archive:
        yield from archive


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

"""SHA256SUMS: what lies in a folder, as ``sha256sum -c`` checks it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePosixPath

from aiida_nanoclusters.formats.limits import read_text
from aiida_nanoclusters.formats.output_files import write_text

SUMS_FILE = "SHA256SUMS"
#: Bytes of the longest list that is read.
_LONGEST = 100_000_000
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as handle:
        digest = hashlib.sha256()
        while chunk := handle.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def write_checksums(folder: Path) -> None:
    """Write the checksums of all files below `folder` into its ``SHA256SUMS``."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SUMS_FILE)
    lines = [f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    write_text(folder / SUMS_FILE, "".join(lines))


def check_checksums(folder: Path, max_bytes: int) -> list[str]:
    """Return the names of a folder's files after checking each against ``SHA256SUMS``.

    Raises
    ------
    ValueError
        Naming the file that is missing, changed or unknown, points out of the folder, or makes
        the folder larger than `max_bytes`.
    """
    sums = _read(folder / SUMS_FILE)
    present, size = set(), 0
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise ValueError(f"{name} is a link: a published folder holds files only")
        if path.is_dir() or name == SUMS_FILE:
            continue
        if not path.is_file():
            raise ValueError(f"{name} is no plain file: a published folder holds files only")
        present.add(name)
        size += path.stat().st_size
    if size > max_bytes:
        raise ValueError(f"{size / 1e6:.0f} MB, more than --max-size allows")
    for name in sorted(sums.keys() ^ present):
        wrong = f"is missing, though {SUMS_FILE} has it" if name in sums else f"not in {SUMS_FILE}"
        raise ValueError(f"{name} {wrong}: fetch the folder again")
    for name, expected in sums.items():
        if sha256(folder / name) != expected:
            raise ValueError(f"{name} differs from its checksum: fetch it again")
    return sorted(present)


def _read(path: Path) -> dict[str, str]:
    sums = {}
    try:
        lines = read_text(path, _LONGEST).splitlines()
    except ValueError as error:
        raise ValueError(f"{path.name} is no list of checksums: {error}") from error
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"{path.name}: line {number} is no checksum and name")
        name = PurePosixPath(match[2])
        if name.is_absolute() or ".." in name.parts:
            raise ValueError(f"{path.name}: `{match[2]}` leads out of the folder")
        sums[match[2]] = match[1]
    return sums

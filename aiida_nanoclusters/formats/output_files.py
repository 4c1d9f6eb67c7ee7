"""Files written for the user: complete or not at all, and never outside of their folder.

A file is written beside its place, under another name, and takes its name when it is complete. A
full disk, an interruption or an error leaves the former file as it was.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from aiida_nanoclusters.formats.plain_text import printable

#: Bytes of the longest name that a usual file system takes.
_LONGEST = 255


@contextmanager
def path_beside(path: str | Path) -> Iterator[Path]:
    """Give the path of a file to write; afterwards it replaces `path`, unless an error occurred.

    A link stays a link: what it points to is replaced. What is no plain file (``/dev/stdout``) is
    written directly.

    Raises
    ------
    OSError
        If the file cannot be written or renamed.
    """
    place = Path(os.path.realpath(path))
    if place.exists() and not place.is_file():
        yield place
        return
    beside = place.with_name(f".{place.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        yield beside
        if place.exists():
            beside.chmod(place.stat().st_mode & 0o7777)
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def written_beside(path: str | Path, mode: str = "w", **options: Any) -> Iterator[IO[Any]]:
    """Open a file to write that replaces `path` once it is closed without an error.

    Parameters
    ----------
    path
        Its folder must be there.
    mode
        ``w`` (UTF-8, line ends as given) or ``wb``.
    options
        Of :func:`open`.

    Raises
    ------
    OSError
        If it cannot be written: `path` is as it was.
    """
    if "b" not in mode:
        options = {"encoding": "utf-8", "newline": "", **options}
    with path_beside(path) as beside:
        with beside.open(mode, **options) as handle:
            yield handle
            handle.flush()
            if beside.is_file():
                os.fsync(handle.fileno())  # a disk may be found full only now


def write_text(path: str | Path, text: str) -> None:
    """Write a text (UTF-8) as a file that replaces `path` when it is complete.

    Raises
    ------
    OSError
        If it cannot be written: `path` is as it was.
    """
    with written_beside(path) as handle:
        handle.write(text)


def inside(folder: str | Path, name: str) -> Path:
    """Return the path of a file of a folder; its name may have folders, but leads nowhere else.

    Raises
    ------
    ValueError
        If the name is absolute, has ``..`` or a character that is none of a name, or a link in the
        folder leads out of it.
    """
    parts = PurePosixPath(name).parts
    plain = printable(name) == name and not set(name) & set("\\\n\t")
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts or not plain:
        raise ValueError(f"`{printable(name)}` is no name of a file in {folder}")
    if any(len(part.encode()) > _LONGEST for part in parts):
        raise ValueError(f"the name `{name[:40]}...` is too long for a file")
    path = Path(folder).joinpath(*parts)
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise ValueError(f"`{name}` leads out of {folder}")
    return path


@contextmanager
def open_new(folder: str | Path, name: str, mode: str = "w", **options: Any) -> Iterator[IO[Any]]:
    """Open a file of a folder to write, making folders between; see :func:`written_beside`.

    Raises
    ------
    OSError
        If it cannot be written.
    ValueError
        If its name leads out of the folder, see :func:`inside`.
    """
    path = inside(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(path, mode, **options) as handle:
        yield handle

"""Models as two files of numbers: a head as JSON and arrays as npz without pickle.

They are read in bounded time and memory, whoever wrote them, and nothing in them is executed.
"""

from __future__ import annotations

import io
import json
import math
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.science.settings import Settings

Arrays = dict[str, NDArray[Any]]
Shapes = Mapping[str, tuple[tuple[int, ...], "np.dtype[Any]"]]
Head = TypeVar("Head", bound=Settings)
Model = TypeVar("Model")

#: Largest head (bytes).
MOST_TEXT = 10_000_000
#: What a file that is something else makes its reader raise.
WRONG = (
    *(KeyError, OSError, ValueError, EOFError, TypeError, AttributeError, IndexError),
    *(MemoryError, RecursionError, OverflowError, NotImplementedError),
    # numpy reads the header of an array as Python's literals
    *(zipfile.BadZipFile, zlib.error, SyntaxError, tokenize.TokenError),
)


def write_content(head: Settings, arrays: Mapping[str, NDArray[Any]]) -> tuple[str, bytes]:
    """Return head and arrays, in their order, as the content of two files."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    text = json.dumps(head.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"
    return text, buffer.getvalue()


def read_files(
    what: str,
    folder: str | Path,
    names: tuple[str, str],
    read: Callable[[bytes, IO[bytes]], Model],
    most: int = MOST_TEXT,
) -> Model:
    """Return the model of two files of a folder.

    Parameters
    ----------
    what
        What it is, in words.
    folder, names
        Where they are; file of the head, and of the arrays.
    read
        Makes the model of the content of the one and the other, opened.
    most
        Largest head (bytes); no more of it is read than shows that it is longer.

    Raises
    ------
    ValueError
        If the files are missing, or are no such model.
    """
    try:
        with (Path(folder) / names[0]).open("rb") as head:
            text = head.read(most + 1)
        with (Path(folder) / names[1]).open("rb") as arrays:
            return read(text, arrays)
    except OSError as error:
        raise ValueError(f"no {what} in {folder}: {error.strerror or error}") from error


def read_content(
    what: str,
    kind: type[Head],
    text: str | bytes,
    source: IO[bytes],
    expected: Callable[[Head], Shapes],
    most: int = MOST_TEXT,
) -> tuple[Head, Arrays]:
    """Return head and arrays of the content of two files.

    Parameters
    ----------
    what
        What it is, in words.
    kind
        Of the head.
    text, source
        The head as JSON; the arrays as npz.
    expected
        Shape and type of each array that a head asks for.
    most
        Largest head (bytes).

    Raises
    ------
    ValueError
        If they are no such model: no such JSON, or arrays of other names, shapes, sizes or kinds.
    """
    try:
        head = _read_head(kind, text, most)
        return head, _read_arrays(source, expected(head))
    except WRONG as error:
        raise ValueError(f"not a {what}: {error}") from error


def _read_head(kind: type[Head], text: str | bytes, most: int) -> Head:
    if len(text) > most:
        raise ValueError("the head is longer than any model's")
    values = json.loads(text)
    if not isinstance(values, dict):
        raise ValueError("the head holds no table of settings")
    return kind.from_values(**values)


def _read_arrays(source: IO[bytes], expected: Shapes) -> Arrays:
    """Return the arrays of an npz file whose headers say what is expected, before they are read."""
    with zipfile.ZipFile(source) as archive:
        members = archive.infolist()
        if sorted(m.filename for m in members) != sorted(f"{name}.npy" for name in expected):
            raise ValueError("its arrays are not those of its networks")
        for member in members:
            if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
                raise ValueError(f"`{member.filename}` is compressed or encrypted")
            shape, kind = expected[member.filename.removesuffix(".npy")]
            with archive.open(member) as handle:
                version = np.lib.format.read_magic(handle)
                read = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
                found, _, dtype = read(handle)
                size = member.file_size - handle.tell()
            if found != shape or dtype != kind or size != math.prod(shape) * kind.itemsize:
                raise ValueError(f"`{member.filename}` is not of shape {shape} and type {kind}")
    source.seek(0)
    with np.load(source, allow_pickle=False) as archive:
        return {name: archive[name] for name in expected}


def check_arrays(what: str, arrays: Mapping[str, NDArray[Any]], expected: Shapes) -> None:
    """Refuse arrays of other names, shapes or types, or with numbers that are not finite.

    Raises
    ------
    ValueError
        Naming the array.
    """
    if missing := sorted(set(expected) ^ set(arrays)):
        raise ValueError(f"{what}: `{missing[0]}` is missing, or none of its arrays")
    for name, (shape, kind) in expected.items():
        array = arrays[name]
        if array.shape != shape or array.dtype != kind:
            raise ValueError(
                f"{what}: `{name}` is {array.dtype} of shape {array.shape}, expected {kind} of "
                f"shape {shape}"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{what}: `{name}` holds numbers that are not finite")


def float_shapes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Return shapes with types: single precision, and whole numbers for counts of batches."""
    single, counts = np.dtype(np.float32), np.dtype(np.int64)
    return {
        name: (shape, counts if name.endswith("num_batches_tracked") else single)
        for name, shape in shapes.items()
    }

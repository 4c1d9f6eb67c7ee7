"""Texts of frames as arrays, bounded in the memory that they may take."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Bytes that the texts of frames may take, however unequal they are.
_LARGEST_TEXTS = 500_000_000


def text_of(value: Any) -> str:
    """Return the text that a reader of files took for numbers or truth values; empty for None.

    ASE reads the text ``1 0`` of extended XYZ as an array, ``T F`` as a list.

    Examples
    --------
    >>> text_of(np.array([1, 0])), text_of(0), text_of(None)
    ('1 0', '0', '')
    """
    if value is None:
        return ""
    if isinstance(value, np.ndarray | list):
        return " ".join(text_of(part) for part in np.ravel(value))
    return "FT"[int(value)] if isinstance(value, bool | np.bool_) else str(value)


def text_array(texts: list[str]) -> NDArray[np.str_]:
    """Return texts as an array, in which each takes the room of the longest.

    Raises
    ------
    ValueError
        If a text that is far longer than the others would make it large.
    """
    longest, total = max(map(len, texts)), sum(map(len, texts))
    room = 4 * longest * len(texts)
    if room > _LARGEST_TEXTS and room > 100 * total:
        raise ValueError(
            f"one frame has {longest} characters of information, far more than the others: shorten "
            "it"
        )
    return np.array(texts)

"""Texts of frames as arrays, bounded in the memory that they may take."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Bytes that the texts of frames may take, however unequal they are.
_LARGEST_TEXTS = 500_000_000


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

"""Frames on which several trainings can be compared: tested by one, learnt by none."""

from __future__ import annotations

from collections.abc import Sequence

from aiida_nanoclusters.science.frames import Frames


def unlearnt_frames(tested: Sequence[Frames], learnt: Sequence[Frames]) -> list[int]:
    """Return the frames of several test sets that no training has learnt, each content once.

    Parameters
    ----------
    tested
        Test sets.
    learnt
        Sets that weights or epochs were chosen by.

    Returns
    -------
    list of int
        Indices into the test sets joined in their order.
    """
    seen = {digest for frames in learnt for digest in frames.content_hashes()}
    chosen: list[int] = []
    hashes = [digest for frames in tested for digest in frames.content_hashes()]
    for index, digest in enumerate(hashes):
        if digest not in seen:
            seen.add(digest)
            chosen.append(index)
    return chosen

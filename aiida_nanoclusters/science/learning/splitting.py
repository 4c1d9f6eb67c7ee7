"""Deduplicate and split sets of frames; random choices depend on the seed alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.words import counted

_Indices = NDArray[np.int64]
#: Frames below which the errors on a set are those of single frames.
FEWEST = 5


def largest_forces(frames: Frames) -> NDArray[np.float64]:
    """Return the largest norm of a force in each frame, eV/Å, (F,); NaN where there are none."""
    norms = np.linalg.norm(frames.forces, axis=1)
    return np.asarray(np.maximum.reduceat(norms, frames.offsets[:-1]))


def deduplicate(frames: Frames) -> Frames:
    """Keep the first of all frames with the same content, a labelled one where there is one."""
    best: dict[str, int] = {}
    labelled = frames.labelled
    for i, key in enumerate(frames.content_hashes()):
        if key not in best or (labelled[i] and not labelled[best[key]]):
            best[key] = i
    return frames.select(sorted(best.values()))


def split_frames(frames: Frames, fractions: Sequence[float], seed: int) -> list[Frames]:
    """Split into parts that share no trajectory and have the same sizes and kinds.

    Frames with the same `parent` are successive in time and stay together; a frame without a
    parent is a trajectory of its own, equal frames are one. The trajectories of each class of
    configuration type and size are distributed over the parts, so that every part has every class
    of enough trajectories. A class of fewer trajectories than parts goes to the first part, and so
    do single atoms, from which the energies of all elements are learnt.

    Parameters
    ----------
    frames
        The set to split.
    fractions
        Fraction of the frames for each part, e.g. ``(0.8, 0.2)``; they must add up to 1.
    seed
        Random seed: equal seeds give equal parts.

    Returns
    -------
    list of Frames
        One for each of the fractions.

    Raises
    ------
    ValueError
        If the fractions do not add up to 1, or a part would be empty.
    """
    shares = np.asarray(fractions, dtype=float)
    if len(shares) < 2 or np.any(shares <= 0) or not np.isclose(shares.sum(), 1.0):
        raise ValueError(f"fractions {list(fractions)} must be positive and add up to 1")
    trajectories = _trajectories(frames)
    part_of, movable = _distribute(frames, trajectories, shares, seed)
    for part in range(len(shares)):
        if not (part_of == part).any():
            _fill(part, part_of, movable)
    if len(np.unique(part_of)) < len(shares):
        raise ValueError(
            f"{len(trajectories)} trajectories are too few to split {list(fractions)} without "
            "putting frames of one trajectory on both sides: sample more trajectories"
        )
    return [frames.select(part_of == part) for part in range(len(shares))]


def _distribute(
    frames: Frames, trajectories: list[_Indices], shares: NDArray[np.float64], seed: int
) -> tuple[_Indices, list[tuple[_Indices, int]]]:
    """Return the part of each frame, (F,), and with their parts the trajectories that may move.

    Those are the trajectories of the classes that every part may have.
    """
    rng = np.random.default_rng(seed)
    classes: dict[tuple[str, int], list[_Indices]] = {}
    for members in trajectories:
        first = int(members[0])
        kind = (str(frames.config_types[first]), int(frames.sizes[first]))
        classes.setdefault(kind, []).append(members)
    part_of, movable = np.full(len(frames), -1), []
    filled, seen = np.zeros(len(shares)), 0
    for kind in sorted(classes):
        own, in_class = classes[kind], np.zeros(len(shares))
        total = sum(map(len, own))
        seen += total
        for k in rng.permutation(len(own)):
            members, part = own[k], 0
            if len(own) >= len(shares) and kind[1] > 1:
                # The part that lacks most frames, of this class and of all so far together.
                part = int(np.argmax((shares * total - in_class) + (shares * seen - filled)))
                movable.append((members, part))
            part_of[members] = part
            in_class[part] += len(members)
            filled[part] += len(members)
    return part_of, movable


def _fill(part: int, part_of: _Indices, movable: list[tuple[_Indices, int]]) -> None:
    """Move the shortest trajectory of a part that has others to one that long ones left empty."""
    held = [(len(m), k) for k, (m, p) in enumerate(movable) if np.sum(part_of == p) > len(m)]
    if held:
        members, _ = movable.pop(min(held)[1])
        part_of[members] = part


def small_set_warning(name: str, frames: int) -> str:
    """Return what a set of so few frames is not good for; empty where it is large enough.

    Examples
    --------
    >>> small_set_warning("test", 1)
    'the test set has 1 frame: its errors say next to nothing; sample more trajectories'
    """
    if frames >= FEWEST:
        return ""
    return (
        f"the {name} set has {counted(frames, 'frame')}: its errors say next to nothing; sample "
        "more trajectories"
    )


def deal_trajectories(frames: Frames, share: float, seed: int) -> NDArray[np.bool_]:
    """Return which frames are set aside, (F,): a fraction `share` of all trajectories.

    Whether a trajectory is set aside depends on its name and the `seed` alone, not on the other
    trajectories as in :func:`split_frames`: sets that arrive one after another are split
    consistently. The name is that of start and conditions: use another seed for every new sampling,
    or the same condition would always be set aside.
    """
    rest = np.zeros(len(frames), dtype=bool)
    for members in _trajectories(frames):
        first = int(members[0])
        name = str(frames.parents[first]) or frames.select([first]).content_hashes()[0]
        digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
        rest[members] = int.from_bytes(digest[:8], "big") < share * 2**64
    return rest


def _trajectories(frames: Frames) -> list[_Indices]:
    """Return the indices of the frames of each trajectory, in order of first appearance."""
    hashes = frames.content_hashes()
    keys = [str(p) or f"={h}" for p, h in zip(frames.parents, hashes, strict=True)]
    groups: dict[str, list[int]] = {}
    for i, key in enumerate(keys):
        groups.setdefault(key, []).append(i)
    return [np.array(members) for members in groups.values()]

"""Filter, deduplicate and split sets of frames; nothing here depends on chance but the seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.science.frames import Frames


def filter_frames(
    frames: Frames,
    *,
    sizes: Sequence[int] | None = None,
    elements: Sequence[str] | None = None,
    config_types: Sequence[str] | None = None,
    labelled: bool | None = None,
    max_force: float | None = None,
) -> Frames:
    """Keep the frames that meet every condition given, in order.

    Parameters
    ----------
    frames
        The set to choose from.
    sizes
        Numbers of atoms to keep.
    elements
        Keep frames made of these alone.
    config_types
        Kinds of configuration to keep.
    labelled
        True keeps frames with energy and forces, False those without.
    max_force
        eV/Å; frames with a larger force on any atom are left out.

    Raises
    ------
    ValueError
        If nothing is left.
    """
    keep = np.ones(len(frames), dtype=bool)
    if sizes is not None:
        keep &= np.isin(frames.sizes, list(sizes))
    if config_types is not None:
        keep &= np.isin(frames.config_types, list(config_types))
    if labelled is not None:
        keep &= frames.labelled == labelled
    if elements is not None:
        allowed = np.isin(_symbols(frames), list(elements))
        keep &= np.logical_and.reduceat(allowed, frames.offsets[:-1])
    if max_force is not None:
        keep &= ~(largest_forces(frames) > max_force)
    return frames.select(keep)


def largest_forces(frames: Frames) -> NDArray[np.float64]:
    """Return the largest norm of a force in each frame, eV/Å, (F,); NaN where there are none."""
    norms = np.linalg.norm(frames.forces, axis=1)
    return np.asarray(np.maximum.reduceat(norms, frames.offsets[:-1]))


def deduplicate(frames: Frames) -> Frames:
    """Keep the first of all frames with the same content, preferring one that is labelled."""
    best: dict[str, int] = {}
    labelled = frames.labelled
    for i, key in enumerate(frames.content_hashes()):
        if key not in best or (labelled[i] and not labelled[best[key]]):
            best[key] = i
    return frames.select(sorted(best.values()))


def split_frames(frames: Frames, fractions: Sequence[float], seed: int) -> list[Frames]:
    """Split into parts that share no trajectory and are alike in sizes and kinds.

    Frames with the same `parent` are neighbours in time and stay together; a frame without a
    parent stands alone, but equal frames count as one. Trajectories are dealt out within each
    class of configuration type and size, so that every part sees every class that has enough
    trajectories. A class with fewer trajectories than parts goes to the first part.

    Parameters
    ----------
    frames
        The set to split.
    fractions
        Share of the frames for each part, e.g. ``(0.8, 0.2)``; they must add up to 1.
    seed
        Equal seeds give equal parts.

    Raises
    ------
    ValueError
        If the fractions do not add up to 1, or a part would be empty.
    """
    shares = np.asarray(fractions, dtype=float)
    if len(shares) < 2 or np.any(shares <= 0) or not np.isclose(shares.sum(), 1.0):
        raise ValueError(f"fractions {list(fractions)} must be positive and add up to 1")
    rng = np.random.default_rng(seed)
    part_of = np.full(len(frames), -1)
    groups = _trajectories(frames)
    strata: dict[tuple[str, int], list[NDArray[np.int64]]] = {}
    for members in groups:
        first = int(members[0])
        stratum = (str(frames.config_types[first]), int(frames.sizes[first]))
        strata.setdefault(stratum, []).append(members)
    filled = np.zeros(len(shares))
    seen = 0
    dealt: list[tuple[NDArray[np.int64], int]] = []  # trajectories of classes every part may have
    for stratum in sorted(strata):
        trajectories = strata[stratum]
        local = np.zeros(len(shares))
        total = sum(len(m) for m in trajectories)
        seen += total
        for k in rng.permutation(len(trajectories)):
            members = trajectories[k]
            if len(trajectories) < len(shares):
                part = 0
            else:
                # Where both the class and the whole set so far are furthest behind.
                behind = (shares * total - local) + (shares * seen - filled)
                part = int(np.argmax(behind))
                dealt.append((members, part))
            part_of[members] = part
            local[part] += len(members)
            filled[part] += len(members)
    for part in np.flatnonzero(filled == 0).tolist():
        # Long trajectories can leave a part with nothing: the shortest of a rich one goes there.
        held = [(len(m), k) for k, (m, p) in enumerate(dealt) if np.sum(part_of == p) > len(m)]
        if held:
            members, _ = dealt.pop(min(held)[1])
            part_of[members] = part
    if len(np.unique(part_of)) < len(shares):
        raise ValueError(
            f"{len(groups)} trajectories are too few to split {list(fractions)} without putting "
            "frames of one trajectory on both sides: sample more trajectories"
        )
    return [frames.select(part_of == part) for part in range(len(shares))]


def deal_trajectories(frames: Frames, share: float, seed: int) -> NDArray[np.bool_]:
    """Tell which frames are set aside, (F,): a `share` of all trajectories, drawn by their names.

    Other than by :func:`split_frames` the others do not enter: what is dealt in parts, by one
    `seed`, stays on its side. Names are those of start and conditions: another seed for what is
    sampled anew, lest one and the same condition is set aside for ever.
    """
    rest = np.zeros(len(frames), dtype=bool)
    for members in _trajectories(frames):
        first = int(members[0])
        name = str(frames.parents[first]) or frames.select([first]).content_hashes()[0]
        digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
        rest[members] = int.from_bytes(digest[:8], "big") < share * 2**64
    return rest


def _trajectories(frames: Frames) -> list[NDArray[np.int64]]:
    """Indices of frames that belong together, in order of first appearance."""
    hashes = frames.content_hashes()
    keys = [str(p) or f"={h}" for p, h in zip(frames.parents, hashes, strict=True)]
    groups: dict[str, list[int]] = {}
    for i, key in enumerate(keys):
        groups.setdefault(key, []).append(i)
    return [np.array(members) for members in groups.values()]


def _symbols(frames: Frames) -> NDArray[np.str_]:
    from ase.data import chemical_symbols

    return np.array(chemical_symbols)[frames.numbers]

"""Labels of several levels of theory in one set: what is declared equal, what can be checked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from ase.data import chemical_symbols

from aiida_nanoclusters.science.ase_labels import SAME_ATOM
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.outliers import Finding

#: Level of theory of a file that does not name it.
UNKNOWN = "unknown"
#: Most levels that are listed.
_SHOWN = 5


def compare_levels(frames: Frames, names: Sequence[str]) -> list[Finding]:
    """Find labels of several levels, or of another than the set is declared to have.

    Parameters
    ----------
    frames
        All labels, with the level that the set is to have; empty where none was chosen.
    names
        Level of each frame as its file names it, or :func:`unnamed`.

    Returns
    -------
    list of Finding
        What is declared equal, and whether shared geometries and isolated atoms bear it out.
    """
    counts = Counter(names)
    declared = frames.level_of_theory
    (first, *others) = counts
    if not others and (first == declared or first.startswith(UNKNOWN)):
        return []
    listed = [f"{name} ({count} labels)" for name, count in sorted(counts.items())]
    listed[_SHOWN:] = [f"and {len(listed) - _SHOWN} more"] if len(listed) > _SHOWN else []
    if not declared:
        return [Finding("level", (), f"{len(counts)} levels of theory: {', '.join(listed)}")]
    text = f"declared to be {declared}: {', '.join(listed)}"
    if others:
        checks = [*_shared_geometries(frames, names), *_isolated_atoms(frames, names)]
        text += f"; {'; '.join(checks) or 'they have nothing in common that could be compared'}"
    return [Finding("level", (), text)]


def unnamed(file: str) -> str:
    """Return the name of the level of a file that names none: not that of another such file."""
    return f"{UNKNOWN} ({file})"


def _shared_geometries(frames: Frames, names: Sequence[str]) -> list[str]:
    """Return how energies of the same geometry differ between two levels."""
    groups = defaultdict(list)
    for i, digest in enumerate(frames.content_hashes()):
        groups[digest].append(i)
    spreads = [
        float(np.ptp(frames.energies[members]))
        for members in groups.values()
        if len({names[i] for i in members}) > 1
    ]
    if not spreads:
        return []
    return [
        f"{len(spreads)} geometries are in several, energies differ by up to {max(spreads):.4f} eV"
    ]


def _isolated_atoms(frames: Frames, names: Sequence[str]) -> list[str]:
    """Return how the energies of neutral isolated atoms differ between levels."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for i in np.flatnonzero(frames.isolated & np.isfinite(frames.energies)):
        symbol = chemical_symbols[frames.numbers[frames.offsets[i]]]
        found[symbol][names[int(i)]] = float(frames.energies[i])
    texts = []
    for symbol, energies in sorted(found.items()):
        if len(energies) > 1:
            spread = max(energies.values()) - min(energies.values())
            word = "agree" if spread <= SAME_ATOM else f"differ by {spread:.4f} eV"
            texts.append(f"isolated {symbol} atoms {word}")
    return texts


def find_other_zeros(frames: Frames) -> list[Finding]:
    """Find neutral isolated atoms whose energy is not the energy zero of the set."""
    findings = []
    for i in np.flatnonzero(frames.isolated & np.isfinite(frames.energies)):
        symbol = chemical_symbols[frames.numbers[frames.offsets[i]]]
        given = frames.atom_energies.get(symbol)
        if given is not None and abs(given - frames.energies[i]) > SAME_ATOM:
            text = (
                f"the isolated {symbol} atom has {frames.energies[i]:.4f} eV, the energy zero is "
                f"{given:.4f} eV"
            )
            findings.append(Finding("reference", (int(i),), text))
    return findings

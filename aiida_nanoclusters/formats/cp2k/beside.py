"""Files that CP2K wrote beside its output, and which steps of the output they belong to."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.formats.cp2k.trajectory import Block, read_blocks, read_cells
from aiida_nanoclusters.formats.limits import SUFFIXES, unpacked
from aiida_nanoclusters.science.units import HARTREE

#: eV; largest difference between one energy in two files of CP2K, which print it with ten places.
SAME_ENERGY = 1e-8 * HARTREE
#: Bytes of a trajectory, and how many of other names are tried.
_LARGEST, _MOST = 4_000_000_000, 8
#: Formats of trajectories that are not read.
_OTHERS = {".dcd": "a binary trajectory", ".pdb": "a trajectory in PDB, of three decimal places"}
#: What is there besides, and holds numbers of labels.
_NUMBERS = {"stress": "stress is not read"}


@dataclass
class Beside:
    """Trajectories of a project.

    Attributes
    ----------
    positions
        Blocks of the trajectory of positions.
    places
        Places of the blocks of positions by step.
    turns
        How often a block of the same step and energy comes before each.
    forces
        Blocks of the trajectory of forces, by step and energy.
    cells
        Cells by step.
    paths
        Files that were read: positions, forces, cells; None where there is none.
    unused
        Other files, and why they were not read.
    """

    positions: list[Block] = field(default_factory=list)
    places: dict[int, list[int]] = field(default_factory=dict)
    turns: list[int] = field(default_factory=list)
    forces: dict[tuple[int, int], list[Block]] = field(default_factory=dict)
    cells: dict[int, list[NDArray[np.float64]]] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    unused: list[tuple[str, str]] = field(default_factory=list)

    def forces_of(self, place: int) -> Block | None:
        """Return the forces of the block of positions at a place, or None.

        Blocks that were written twice are taken in turn, as they were written.
        """
        block = self.positions[place]
        found = self.forces.get(_key(block), [])
        return found[min(self.turns[place], len(found) - 1)] if found else None


def _key(block: Block) -> tuple[int, int]:
    whole = np.isfinite(block.energy)
    return block.step, round(block.energy / SAME_ENERGY / 10) if whole else 0


def read_beside(path: Path, project: str, energies: Sequence[float], *, moves: bool) -> Beside:
    """Read the trajectories of a project in the folder of an output.

    Parameters
    ----------
    path, project
        The output, and the project of its runs.
    energies
        In eV, of its steps: of several trajectories that of these energies is read.
    moves
        Whether the run has more than one set of positions: files of other names are tried then.

    Raises
    ------
    OSError, ValueError
        If one of them cannot be read.
    """
    beside = Beside()
    for kind in ("pos", "frc"):
        best: list[Block] = []
        most = -1
        files = _find(path.parent, project, kind, moves)
        for file in files:
            with _lines(file) as handle:
                blocks = list(read_blocks(handle))
            # That of the only file need not be known.
            count = _matched(blocks, energies) if len(files) > 1 else 0
            if count > most:
                best, most, beside.paths[kind] = blocks, count, file
        if len(files) > 1:
            chosen = beside.paths[kind]
            beside.unused += [
                (file.name, f"{chosen.name} has the energies of the output")
                for file in files
                if file != chosen
            ]
        if kind == "pos":
            seen: dict[tuple[int, int], int] = {}
            beside.positions = best
            for place, block in enumerate(best):
                beside.places.setdefault(block.step, []).append(place)
                beside.turns.append(seen.get(_key(block), 0))
                seen[_key(block)] = beside.turns[-1] + 1
        for block in best if kind == "frc" else ():
            beside.forces.setdefault(_key(block), []).append(block)
        beside.unused += _not_read(path.parent, project, kind)
    cells = path.with_name(f"{project}-1.cell")
    if cells.is_file():
        with _lines(cells) as handle:
            beside.cells = read_cells(handle)
        beside.paths["cell"] = cells
    for ending, reason in _NUMBERS.items():
        if path.with_name(f"{project}-1.{ending}").is_file():
            beside.unused.append((f"{project}-1.{ending}", reason))
    return beside


def _find(folder: Path, project: str, kind: str, moves: bool) -> list[Path]:
    """Return the trajectory of a project; where there is none, those of other names."""
    for suffix in SUFFIXES:
        path = folder / f"{project}-{kind}-1.xyz{suffix}"
        if path.is_file():
            return [path]
    if not moves:
        return []
    name = escape(project)
    for pattern in (f"{name}-*{kind}-*.xyz*", f"*-{kind}-*.xyz*"):
        found = [path for path in sorted(folder.glob(pattern)) if path.is_file()]
        found = [path for path in found if path.name.partition(".xyz")[2] in SUFFIXES]
        if found:
            return found[:_MOST]
    return []


def _not_read(folder: Path, project: str, kind: str) -> list[tuple[str, str]]:
    names = ((f"{project}-{kind}-1{ending}", why) for ending, why in _OTHERS.items())
    return [(name, f"it is {why}") for name, why in names if (folder / name).is_file()]


@contextmanager
def _lines(path: Path) -> Iterator[IO[str]]:
    with unpacked(path) as plain:
        if plain.stat().st_size > _LARGEST:
            raise ValueError(f"{path.name} has more than {_LARGEST / 1e9:g} GB")
        with plain.open(encoding="utf-8", errors="replace") as handle:
            yield handle


def _matched(blocks: Sequence[Block], energies: Sequence[float]) -> int:
    return sum(place is not None for place in match(blocks, energies))


def match(blocks: Sequence[Block], energies: Sequence[float]) -> list[int | None]:
    """Return for each block the place of its energy among those of the output, or None.

    Both are in the order in which they were computed; from the end, each block takes the last
    energy before that of the block after it. So of steps that were written twice, because a run was
    restarted before its end, the later ones belong to the later energies.
    """
    places: dict[int, list[int]] = {}
    for place, energy in enumerate(energies):
        if np.isfinite(energy):
            places.setdefault(int(np.floor(energy / SAME_ENERGY)), []).append(place)
    found: list[int | None] = [None] * len(blocks)
    end = len(energies)
    for k in range(len(blocks) - 1, -1, -1):
        energy = blocks[k].energy
        if not np.isfinite(energy):
            continue
        near = int(np.floor(energy / SAME_ENERGY))
        best = -1
        for bucket in (near - 1, near, near + 1):
            options = places.get(bucket, [])
            last = bisect_left(options, end) - 1
            while last >= 0 and abs(energies[options[last]] - energy) > SAME_ENERGY:
                last -= 1
            if last >= 0:
                best = max(best, options[last])
        if best >= 0:
            found[k], end = best, best
    return found

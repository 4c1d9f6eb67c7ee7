"""The ionic steps of an OUTCAR, by the parsers of ASE that they need and no other.

ASE's reader as a whole also opens files beside the OUTCAR and reads eigenvalues and moments, of
which none is a label.
"""

from __future__ import annotations

from pathlib import Path

from ase import Atoms
from ase.io.vasp_parsers import vasp_outcar_parsers as parsers

from aiida_nanoclusters.formats.limits import check_count, whole_number

#: Characters of a line that are looked at together.
LONGEST_LINE = 1_000_000
#: Bytes that an OUTCAR holds at least for each atom: a line of its position and force.
_BYTES_OF_ATOM = 30


def read_steps(path: Path) -> list[Atoms]:
    """Return the complete ionic steps of an OUTCAR that is not compressed.

    Raises
    ------
    ValueError
        If it cannot be read.
    """
    check_ions(path)
    header = [parsers.SpeciesTypes(), parsers.IonsPerSpecies()]
    step = [parsers.Cell(), parsers.PositionsAndForces(), parsers.Stress(), parsers.Energy()]
    try:
        with path.open(encoding="utf-8", errors="replace") as handle:
            chunks = parsers.outcarchunks(
                handle,
                parsers.OutcarChunkParser(parsers=step),
                parsers.OutcarHeaderParser(parsers=header, workdir=None),
            )
            return [chunk.build() for chunk in chunks]
    except Exception as error:  # exceptions of ASE's own among them, with no class in common
        raise ValueError(str(error) or type(error).__name__) from error


def check_ions(path: Path) -> None:
    """Hold the numbers of atoms in the head of an OUTCAR against its size: ASE makes as many.

    Raises
    ------
    ValueError
        If one is no number, or there cannot be as many.
    """
    size = path.stat().st_size
    with path.open(encoding="utf-8", errors="replace") as handle:
        while line := handle.readline(LONGEST_LINE):
            _, found, rest = line.partition("ions per type")
            if found:
                words = rest.replace("=", " ").split()
                counts = [whole_number(word, "number of atoms") for word in words]
                check_count(sum(counts), size, _BYTES_OF_ATOM, "atoms")
            if "Iteration" in line:  # the last line in which ASE looks for them
                return

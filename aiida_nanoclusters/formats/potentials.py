"""What LAMMPS' potential files say of themselves."""

from __future__ import annotations

from pathlib import Path

from ase.data import chemical_symbols


def read_eam_metadata(path: str | Path, kind: str) -> tuple[list[str], float]:
    """Return the elements and the cutoff (Å) of a DYNAMO EAM file.

    Parameters
    ----------
    path
        File to read.
    kind
        ``eam/alloy`` or ``eam/fs`` (setfl: three comments, elements, grid) or ``eam`` (funcfl:
        comment, element's atomic number, grid).

    Raises
    ------
    ValueError
        If the file does not have that form.
    """
    try:
        with Path(path).open() as handle:
            lines = [next(handle).split() for _ in range(3 if kind == "eam" else 5)]
        if kind == "eam":
            symbols, cutoff = [chemical_symbols[int(lines[1][0])]], float(lines[2][4])
        else:
            symbols, cutoff = lines[3][1:], float(lines[4][4])
            if len(symbols) != int(lines[3][0]):
                raise ValueError("line 4 does not list as many elements as it says")
    except (StopIteration, IndexError, ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{Path(path).name} is no `{kind}` potential file: {error}") from error
    if not symbols or any(s not in chemical_symbols for s in symbols) or cutoff <= 0:
        raise ValueError(f"{Path(path).name} names no chemical elements or no cutoff")
    return symbols, cutoff

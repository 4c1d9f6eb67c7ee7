"""Which of the structures that were to be relaxed are minima."""

from __future__ import annotations

from aiida.orm import Dict
from ase import Atoms

from aiida_nanoclusters.data.frames import FramesData


def relaxed_by_index(report: Dict | None, structures: FramesData | None) -> dict[int, Atoms]:
    """Return the structures that reached their minimum, by their index among those given.

    Parameters
    ----------
    report, structures
        Of a StagesWorkChain; None where it came to nothing.
    """
    if report is None or structures is None:
        return {}
    ended = [row for row in report["structures"] if row["state"] == "finished"]
    return {
        row["index"]: atoms
        for row, atoms in zip(ended, structures.frames, strict=True)
        if row.get("converged") is not False
    }

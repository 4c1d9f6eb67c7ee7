"""The complete ionic steps of an OUTCAR as frames, whatever they are worth as labels."""

from __future__ import annotations

from pathlib import Path

from ase import Atoms

from aiida_nanoclusters.formats.vasp.judgement import labelled_run
from aiida_nanoclusters.formats.vasp.outcar_scan import scan_outcar


def read_steps(path: Path) -> list[Atoms]:
    """Return the complete ionic steps of an OUTCAR that is not compressed.

    Raises
    ------
    ValueError
        If it cannot be read, or has none.
    """
    try:
        run = labelled_run(path, scan_outcar(path))
    except OSError as error:
        raise ValueError(str(error)) from error
    steps = [step.atoms for step in run.steps if step.atoms.calc is not None]
    if not steps:
        raise ValueError(run.problem or f"{path.name} has no complete ionic step")
    return steps

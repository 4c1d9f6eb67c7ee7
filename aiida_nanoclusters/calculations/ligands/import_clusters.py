"""Whole protected clusters from files that others wrote."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiida.engine import ExitCode, calcfunction
from aiida.orm import Dict, FolderData

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.cluster_files import read_clusters
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.ligands.split_settings import SplitSettings

#: Kind of the frames.
WHOLE = "protected cluster"


@calcfunction
def import_clusters(files: FolderData, settings: Dict) -> dict[str, Any] | ExitCode:
    """Read whole clusters, ligands included, of XYZ, CIF and MOL2 files.

    Parameters
    ----------
    files
        The files, and `charges.csv` where charges are told.
    settings
        What becomes of disorder in crystals, see :class:`.SplitSettings`.

    Returns
    -------
    dict
        ``frames``: whole clusters, of crystals the contents of the cell; their parents are the
        names of the files. ``report``: files left out, each with its reason. Exit code 400 where
        no file can be read; the first reason is named.
    """
    values = SplitSettings(**settings.get_dict())
    with TemporaryDirectory() as place:
        files.base.repository.copy_tree(Path(place))
        entries, left_out = read_clusters([place], values)
    if not entries:
        first = left_out[0]["message"] if left_out else "there is no file .xyz, .cif or .mol2"
        return ExitCode(400, f"no cluster can be read: {first}")
    images = []
    for atoms, origin, charge in entries:
        atoms.info = {"config_type": WHOLE, "parent": origin, "charge": charge or 0}
        images.append(atoms)
    report = {"n_structures": len(images), "left_out": left_out}
    return {"frames": FramesData(Frames.from_atoms(images)), "report": Dict(report)}

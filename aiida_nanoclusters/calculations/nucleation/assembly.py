"""Assembly of a trajectory, recorded."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode, calcfunction
from aiida.orm import Dict, Float, Int

from aiida_nanoclusters.calculations.arrays import arrays_node
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.plain_text import said_by
from aiida_nanoclusters.science.nucleation.assembly_report import report_assembly
from aiida_nanoclusters.science.nucleation.assembly_settings import AssemblySettings


@calcfunction
def analyse_assembly(
    frames: FramesData,
    settings: Dict,
    interval: Float | None = None,
    structure: Int | None = None,
) -> Any:
    """Follow the clusters of a trajectory, and tell what became of them.

    Parameters
    ----------
    frames
        The same atoms in the same order, in the order of time.
    settings
        As of :class:`.science.nucleation.assembly_settings.AssemblySettings`.
    interval
        Time between two frames, ps. Default: the ``time`` of the frames.
    structure
        Of frames of several trajectories: the number of one.

    Returns
    -------
    dict
        ``assembly``: clusters, events, steps of the coordination and nuclei, see
        :class:`.science.nucleation.assembly_report.AssemblyReport`. ``series``: arrays as named in
        :mod:`aiida_nanoclusters.science.keys`. ``nuclei``: snapshots in the order of
        ``assembly["nuclei"]``, where there are any. Where the frames are no such trajectory, exit
        code 400 with the reason.
    """
    try:
        found = report_assembly(
            frames.frames,
            AssemblySettings.from_values(**settings.get_dict()),
            interval=None if interval is None else interval.value,
            structure=None if structure is None else structure.value,
        )
    except ValueError as error:
        return ExitCode(400, said_by(error, 500))
    outputs = {"assembly": Dict(found.report), "series": arrays_node(found.series)}
    return outputs | ({"nuclei": FramesData(found.nuclei)} if found.nuclei else {})

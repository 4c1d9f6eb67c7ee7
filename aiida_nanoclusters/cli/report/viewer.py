"""Structures of a report as a script can draw them: coordinates packed small."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from aiida_nanoclusters.cli.report.content import Structure
from aiida_nanoclusters.cli.report.palette import element_colours
from aiida_nanoclusters.science.structures.molecules import METALS

#: Integer steps of a coordinate in one Å: a hundredth is less than a pixel.
STEPS = 100
#: Radii of atoms that are drawn by element with their bonds, Å.
_METAL, _HYDROGEN, _OTHER = 0.75, 0.25, 0.42


def pack(structures: Sequence[Structure]) -> str:
    """Return JSON for the viewer's script; positions are 16-bit, in units of 1/STEPS Å."""
    packed = [
        {
            "title": s.label,
            "size": s.size,
            "positions": base64.b64encode(
                np.round(s.positions * STEPS).astype("<i2").tobytes()
            ).decode(),
            "coordination": base64.b64encode(s.coordination.astype("<u1").tobytes()).decode(),
            "text": describe(s),
            "uuid": s.uuid,
            **_by_element(s),
        }
        for s in structures
    ]
    return json.dumps({"steps": STEPS, "structures": packed}).replace("<", "\\u003c")


def _by_element(structure: Structure) -> dict[str, Any]:
    if not structure.symbols:
        return {}
    radii = [
        _METAL if symbol in METALS else _HYDROGEN if symbol == "H" else _OTHER
        for symbol in structure.symbols
    ]
    return {
        "symbols": structure.symbols,
        "colours": element_colours(structure.symbols),
        "radii": radii,
        "bonds": structure.bonds,
    }


def describe(structure: Structure) -> str:
    """One line about a cluster: its own text, or symmetry, motif, coordination, energy."""
    if structure.text:
        return structure.text
    parts = []
    if structure.point_group:
        parts.append(f"point group {structure.point_group}")
    if structure.motif and structure.motif not in structure.label:
        reason = f" ({structure.reason})" if structure.reason else ""
        parts.append(f"{structure.motif}{reason}")
    parts.append(
        f"{structure.n_12_coordinated} of {structure.size} atoms have 12 neighbours, "
        f"{structure.coordination.mean():.2f} on average"
    )
    if structure.energy is not None:
        parts.append(f"energy {structure.energy:.4f} eV".replace("-", "−"))
    if structure.hits is not None and structure.runs:
        parts.append(f"found in {structure.hits} of {structure.runs} runs")
    elif structure.hits and structure.runs is None:
        plural = "s" if structure.hits > 1 else ""
        parts.append(f"found in {structure.hits} independent way{plural}")
    return "; ".join(parts) + "."


def histogram(structure: Structure) -> str:
    """Atoms by number of neighbours, e.g. ``12: 13, 8: 30, 6: 12``."""
    numbers, counts = np.unique(structure.coordination, return_counts=True)
    pairs = list(zip(numbers.tolist(), counts.tolist(), strict=True))[::-1]
    return ", ".join(f"{z}: {n}" for z, n in pairs)

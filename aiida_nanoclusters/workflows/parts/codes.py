"""Codes of work chains: the resources of their jobs, and which of them may run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiida.orm import AbstractCode, Int

from aiida_nanoclusters.data.trust import came_from_elsewhere, may_run, refusal


@dataclass(frozen=True)
class JobCodes:
    """Codes, and what their jobs request.

    Attributes
    ----------
    lammps, nequip
        LAMMPS, and a Python with nequip.
    lammps_options, nequip_options
        `metadata.options` of the jobs of either code.
    max_concurrent
        Largest number of jobs of one part that run at once.
    """

    lammps: AbstractCode
    nequip: AbstractCode
    lammps_options: Mapping[str, Any] | None = None
    nequip_options: Mapping[str, Any] | None = None
    max_concurrent: int = 2

    def limit(self, *parts: Any) -> None:
        """Limit the jobs at once of parts of a builder."""
        for part in parts:
            part["max_concurrent"] = Int(self.max_concurrent)


def code_problem(code: AbstractCode) -> str | None:
    """Return why jobs must not be sent to a code, with the command that allows it, or None."""
    if may_run(code) or not came_from_elsewhere(code):
        return None
    return refusal(f"code {code.label} ({code.uuid})", "its commands would run", [code])

"""Inputs of a CalcJob: a code and the resources of its jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.orm import AbstractCode

from aiida_nanoclusters.workflows.parts.resources import options_at, plain_options


def job(
    code: AbstractCode,
    options: Mapping[str, Any] | None = None,
    verb: str | None = None,
    n_atoms: int | None = None,
) -> dict[str, Any]:
    """Return `code` and `metadata.options` for a job. Default: one process without MPI.

    Where `options` depend on verb and size, those of `verb` and of the atoms of the largest cluster
    are taken. Whether a code runs under MPI is taken from the code where it says so: AiiDA would
    refuse the job otherwise. All options are explicit: a job can be rebuilt from its UUID.
    """
    resources = {"num_machines": 1, "num_mpiprocs_per_machine": 1}
    chosen = options_at(options, verb, n_atoms) if verb else plain_options(options)
    merged = {"resources": resources, "withmpi": False, **chosen}
    if code.with_mpi is not None:
        merged["withmpi"] = code.with_mpi
    return {"code": code, "metadata": {"options": merged}}

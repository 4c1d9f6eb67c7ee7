"""A code and the resources of its jobs, as every CalcJob wants them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.orm import AbstractCode

from aiida_nanoclusters.workflows.resources import options_at


def job(
    code: AbstractCode,
    options: Mapping[str, Any] | None = None,
    verb: str | None = None,
    n_atoms: int | None = None,
) -> dict[str, Any]:
    """Return `code` and `metadata.options` for a job: one process unless `options` say more.

    Where `options` tell verbs and sizes apart, `verb` and the atoms of the largest cluster choose.
    A code that says itself whether it runs under MPI has the last word: AiiDA would refuse the job.
    The options are always spelt out, so that a job can be rebuilt from its UUID alone.
    """
    resources = {"num_machines": 1, "num_mpiprocs_per_machine": 1}
    chosen = options_at(options, verb, n_atoms) if verb else dict(options or {})
    merged = {"resources": resources, "withmpi": False, **chosen}
    if code.with_mpi is not None:
        merged["withmpi"] = code.with_mpi
    return {"code": code, "metadata": {"options": merged}}

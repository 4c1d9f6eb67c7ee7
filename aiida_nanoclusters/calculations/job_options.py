"""Defaults of `metadata.options` and exit codes that all our jobs share."""

from __future__ import annotations

from aiida.engine import CalcJobProcessSpec

from aiida_nanoclusters.calculations.faults import set_fault_codes, validate_rerunnable


def set_job_options(spec: CalcJobProcessSpec, parser: str) -> None:
    """Declare the parser, and one process without MPI where nothing else is asked for."""
    spec.input("metadata.options.parser_name", valid_type=str, default=parser)
    spec.input(
        "metadata.options.resources",
        valid_type=dict,
        default={"num_machines": 1, "num_mpiprocs_per_machine": 1},
    )
    spec.input("metadata.options.withmpi", valid_type=bool, default=False)
    spec.inputs["metadata"]["options"]["rerunnable"].validator = validate_rerunnable
    set_fault_codes(spec)

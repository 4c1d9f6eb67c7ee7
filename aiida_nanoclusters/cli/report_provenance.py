"""Who made the numbers of a study: its processes, codes and versions."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from importlib.metadata import PackageNotFoundError, version

from aiida_nanoclusters.cli.report_data import CodeRow, ProcessRow, StageRow, VersionRow
from aiida_nanoclusters.cli.stages import Process, Progress, Stage
from aiida_nanoclusters.formats.lammps_input import LOG_FILE

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
_LAMMPS = re.compile(r"LAMMPS \(([^)]+)\)")
#: Identifiers in one database query: SQLite takes no more than some 30,000 variables.
_CHUNK = 5000


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
    from aiida.orm import AbstractCode, CalcJobNode, QueryBuilder

    codes: dict[str, AbstractCode] = {}
    jobs: dict[str, int] = {}
    pks = _jobs(progress)
    for start in range(0, len(pks), _CHUNK):
        query = QueryBuilder().append(AbstractCode, tag="code", project=["*"])
        query.append(
            CalcJobNode,
            with_incoming="code",
            edge_filters={"label": "code"},
            filters={"id": {"in": pks[start : start + _CHUNK]}},
            project=["id"],
        )
        for code, _ in query.all():
            codes[code.uuid] = code
            jobs[code.uuid] = jobs.get(code.uuid, 0) + 1
    return tuple(
        CodeRow(
            label=code.label,
            computer=code.computer.label if code.computer is not None else "any",
            executable=str(code.base.attributes.get("filepath_executable", "")),
            jobs=jobs[uuid],
            uuid=uuid,
        )
        for uuid, code in sorted(codes.items(), key=lambda item: item[1].label)
    )


def collect_versions(progress: Progress) -> tuple[VersionRow, ...]:
    """Versions the jobs recorded, then those installed where the report is written."""
    found: dict[tuple[str, str, str], None] = {}
    pks = _jobs(progress)
    for start in range(0, len(pks), _CHUNK):
        chunk = pks[start : start + _CHUNK]
        for row in (*_of_processes(chunk), *_of_reports(chunk), *_of_logs(chunk)):
            found[row] = None
    rows = [VersionRow(*row) for row in sorted(found)]
    for name in PACKAGES:
        try:
            rows.append(VersionRow(name, version(name), "installed where this report was written"))
        except PackageNotFoundError:
            continue  # not every machine that reads a study can run one
    return tuple(rows)


def _of_processes(pks: list[int]) -> list[tuple[str, str, str]]:
    """Versions AiiDA notes with every process: its own and the plugin's."""
    from aiida.orm import ProcessNode, QueryBuilder

    names = {"core": "aiida-core", "plugin": "aiida-nanoclusters"}
    query = QueryBuilder().append(
        ProcessNode,
        filters={"id": {"in": pks}, "attributes": {"has_key": "version"}},
        project=["attributes.version", "attributes.process_type"],
    )
    return [
        (names[key], str(value), "recorded by the processes")
        for versions, kind in query.all()
        for key, value in (versions or {}).items()
        if key == "core" or (key == "plugin" and "nanoclusters." in str(kind))
    ]


def _of_reports(pks: list[int]) -> list[tuple[str, str, str]]:
    """Versions in the reports of jobs."""
    from aiida.orm import CalcJobNode, Dict, QueryBuilder

    query = QueryBuilder().append(CalcJobNode, filters={"id": {"in": pks}}, tag="job")
    query.append(
        Dict,
        with_incoming="job",
        filters={"attributes": {"has_key": "versions"}},
        project=["attributes.versions"],
    )
    return [
        (str(name), str(value), "recorded by the jobs")
        for (versions,) in query.all()
        for name, value in (versions or {}).items()
    ]


def _of_logs(pks: list[int]) -> list[tuple[str, str, str]]:
    """Version of LAMMPS from the first line of one log per code."""
    from aiida.orm import AbstractCode, CalcJobNode, FolderData, QueryBuilder

    query = QueryBuilder().append(AbstractCode, tag="code", project=["uuid"])
    query.append(
        CalcJobNode,
        with_incoming="code",
        edge_filters={"label": "code"},
        filters={"id": {"in": pks}},
        tag="job",
    )
    query.append(
        FolderData, with_incoming="job", edge_filters={"label": "retrieved"}, project=["*"]
    )
    query.distinct()
    seen: set[str] = set()
    found: list[tuple[str, str, str]] = []
    for code, folder in query.iterall():
        if code in seen or LOG_FILE not in folder.base.repository.list_object_names():
            continue
        with folder.base.repository.open(LOG_FILE, "r") as handle:
            match = _LAMMPS.search(handle.readline())
        if match:
            seen.add(code)
            found.append(("lammps", match[1], "recorded by the jobs"))
    return found

"""Tables of a report: from its parts to rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiida_nanoclusters.cli.progress.live_table import duration, job_time
from aiida_nanoclusters.cli.report.content import (
    DatasetPart,
    ScanPart,
    StepRow,
    StudyReport,
    TrainingPart,
)
from aiida_nanoclusters.cli.report.figures import show

#: Most processes a report lists one by one.
MOST_PROCESSES = 1500
_SPLITS = ("training", "validation", "test", "frames")


def tables(report: StudyReport) -> dict[str, Any]:
    """Rows of every table of a report, by the name under which its template reads them."""
    return {
        "magic_rows": _magic_rows(report.scan) if report.scan else [],
        "search_rows": _search_rows(report.scan) if report.scan else [],
        **_training_tables(report.training or TrainingPart()),
        **_dataset_tables(report.dataset),
        **_provenance_tables(report),
    }


def _magic_rows(scan: ScanPart) -> list[tuple[Any, ...]]:
    return [
        (
            m.size,
            m.second_difference,
            m.uncertainty,
            None if m.probability is None else f"{100 * m.probability:.0f} %",
            None if m.chance_of_change is None else f"{100 * m.chance_of_change:.0f} %",
            scan.kind(m.size),
            scan.uuids.get("magic", ""),
        )
        for m in scan.magic
    ]


def _search_rows(scan: ScanPart) -> list[tuple[Any, ...]]:
    """Who found the lowest structure of each size, and where single sources would have ended."""
    return [
        (
            own.size,
            own.energy,
            own.source,
            own.hits,
            f"{100 * own.chance_of_lower:.0f} %",
            own.above("motif"),
            own.above("annealing"),
        )
        for own in scan.searches
    ]


def _training_tables(training: TrainingPart) -> dict[str, list[tuple[Any, ...]]]:
    """Errors, deviations, alignments and potentials; empty tables where nothing was trained."""
    difference = training.motif_difference
    return {
        "error_rows": _error_rows(training),
        "motif_rows": list(difference.members.items()) if difference else [],
        "deviation_rows": [
            (d.part, _three(d.mean), _three(d.largest), _three(d.correlation))
            for d in training.deviations
        ],
        "alignment_rows": [
            (
                a.member,
                f"damping {_three(a.damping)}" if a.applied else f"unchanged: {a.reason}",
                a.held_out,
                _three(a.before),
                _three(a.blind),
                _three(a.forces_before),
                _three(a.forces_after),
                a.uuid,
            )
            for a in training.alignments
        ],
        "potential_rows": [
            (p.member, p.kind, p.cutoff, p.level_of_theory, p.uuid, p.compiled_uuid)
            for p in training.potentials
        ],
    }


def _error_rows(training: TrainingPart) -> list[tuple[Any, ...]]:
    return [
        (
            e.part,
            e.group,
            e.member,
            e.frames,
            _three(e.energy_rmse),
            _three(e.energy_mae),
            _three(e.energy_mean),
            _three(e.forces_rmse),
            _three(e.forces_mae),
        )
        for e in training.errors
    ]


def _dataset_tables(dataset: DatasetPart | None) -> dict[str, Any]:
    groups = dataset.groups if dataset is not None else ()
    parts = [p for p in _SPLITS if any(p in group.parts for group in groups)]
    return {
        "dataset_columns": ["configuration type", "sizes", *parts],
        "dataset_rows": list(_dataset_rows(dataset, parts)) if dataset is not None else [],
    }


def _dataset_rows(dataset: DatasetPart, parts: list[str]) -> Iterator[tuple[Any, ...]]:
    for group in dataset.groups:
        yield (group.config_type, ranges(group.sizes), *(group.parts.get(p, 0) for p in parts))
    totals = (sum(g.parts.get(p, 0) for g in dataset.groups) for p in parts)
    yield ("all", "", *totals)


def _provenance_tables(report: StudyReport) -> dict[str, Any]:
    processes = [p for step in report.steps for p in step.processes]
    return {
        "step_rows": [
            (
                "  " * s.depth + s.label,
                s.done,
                s.failed,
                s.active,
                s.cached,
                _exits(s),
                job_time(s.job_time),
                s.processes[0].uuid,
            )
            for s in report.steps
        ],
        "process_rows": [
            (
                "  " * p.depth + p.label,
                p.state,
                p.exit_status,
                duration(p.duration),
                "yes" if p.cached else "",
                p.message,
                p.uuid,
            )
            for p in processes[:MOST_PROCESSES]
        ],
        "process_count": len(processes),
        "processes_left_out": max(0, len(processes) - MOST_PROCESSES),
        "code_rows": [(c.label, c.computer, c.executable, c.jobs, c.uuid) for c in report.codes],
        "version_rows": [(v.package, v.version, v.source) for v in report.versions],
    }


def _exits(step: StepRow) -> str:
    """State and exit status of one process; of several each status with its count."""
    states = [
        p.state if p.exit_status is None else f"{p.state} [{p.exit_status}]" for p in step.processes
    ]
    if len(states) == 1:
        return states[0]
    return ", ".join(f"{states.count(s)} × {s}" for s in sorted(set(states)))


def _three(value: float | None) -> str:
    return show(value, 3)


def ranges(sizes: tuple[int, ...]) -> str:
    """Sizes in a few characters: runs of three or more consecutive ones are abbreviated."""
    runs: list[list[int]] = []
    for n in sizes:
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return ", ".join(
        f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs
    )

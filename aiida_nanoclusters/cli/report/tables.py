"""Tables of a report: from its parts to rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiida_nanoclusters.cli.progress import duration
from aiida_nanoclusters.cli.report.data import StageRow, StudyReport
from aiida_nanoclusters.cli.report.figures import show

#: Most processes a report lists one by one.
MOST_PROCESSES = 1500


def tables(report: StudyReport) -> dict[str, Any]:
    """Rows of every table of a report, by the name that its template knows."""
    scan, training, dataset = report.scan, report.training, report.dataset
    parts = [
        p
        for p in ("training", "validation", "test", "frames")
        if dataset and any(p in g.parts for g in dataset.groups)
    ]
    processes = [(stage, p) for stage in report.stages for p in stage.processes]
    return {
        "magic_rows": [
            (
                m.size,
                m.second_difference,
                m.uncertainty,
                None if m.probability is None else f"{100 * m.probability:.0f} %",
                scan.kind(m.size),
                scan.uuids.get("magic", ""),
            )
            for m in scan.magic
        ]
        if scan
        else [],
        "error_rows": [
            (
                e.part,
                e.group,
                e.member,
                e.frames,
                *(
                    _three(x)
                    for x in (
                        e.energy_rmse,
                        e.energy_mae,
                        e.energy_mean,
                        e.forces_rmse,
                        e.forces_mae,
                    )
                ),
            )
            for e in training.errors
        ]
        if training
        else [],
        "motif_rows": list(training.motif_difference.members.items())
        if training and training.motif_difference
        else [],
        "deviation_rows": [
            (d.part, _three(d.mean), _three(d.largest), _three(d.correlation))
            for d in training.deviations
        ]
        if training
        else [],
        "alignment_rows": [
            (
                a.member,
                f"damping {_three(a.damping)}" if a.applied else f"left as it was: {a.reason}",
                a.held_out,
                _three(a.before),
                _three(a.blind),
                _three(a.forces_before),
                _three(a.forces_after),
                a.uuid,
            )
            for a in training.alignments
        ]
        if training
        else [],
        "potential_rows": [
            (p.member, p.kind, p.cutoff, p.level_of_theory, p.uuid, p.compiled_uuid)
            for p in training.potentials
        ]
        if training
        else [],
        "dataset_columns": ["configuration type", "sizes", *parts],
        "dataset_rows": list(_dataset_rows(report, parts)),
        "stage_rows": [
            (
                "  " * s.depth + s.label,
                s.done,
                s.failed,
                s.active,
                s.cached,
                _exits(s),
                duration(s.duration),
                s.processes[0].uuid,
            )
            for s in report.stages
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
            for _, p in processes[:MOST_PROCESSES]
        ],
        "process_count": len(processes),
        "processes_left_out": max(0, len(processes) - MOST_PROCESSES),
        "code_rows": [(c.label, c.computer, c.executable, c.jobs, c.uuid) for c in report.codes],
        "version_rows": [(v.package, v.version, v.source) for v in report.versions],
    }


def _exits(stage: StageRow) -> str:
    """State and exit status of one process; of several each status with its count."""
    states = [
        p.state if p.exit_status is None else f"{p.state} [{p.exit_status}]"
        for p in stage.processes
    ]
    if len(states) == 1:
        return states[0]
    return ", ".join(f"{states.count(s)} × {s}" for s in sorted(set(states)))


def _three(value: float | None) -> str:
    return show(value, 3)


def _dataset_rows(report: StudyReport, parts: list[str]) -> Iterator[tuple[Any, ...]]:
    if report.dataset is None:
        return
    for group in report.dataset.groups:
        yield (group.config_type, ranges(group.sizes), *(group.parts.get(p, 0) for p in parts))
    totals = (sum(g.parts.get(p, 0) for g in report.dataset.groups) for p in parts)
    yield ("all", "", *totals)


def ranges(sizes: tuple[int, ...]) -> str:
    """Sizes in a few characters: runs of three or more consecutive ones are drawn together."""
    runs: list[list[int]] = []
    for n in sizes:
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return ", ".join(
        f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs
    )

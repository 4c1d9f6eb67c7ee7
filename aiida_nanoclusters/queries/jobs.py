"""Wall time and cores of jobs, reported by the scheduler or estimated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from aiida.orm import CalcJobNode, QueryBuilder

from aiida_nanoclusters.data.chunks import chunks
from aiida_nanoclusters.queries.nodes import leaving_out

_ATTRIBUTES = ("last_job_info", "scheduler_lastchecktime", "resources")


@dataclass(frozen=True)
class JobTime:
    """Wall time of one job in ``seconds``, and the ``cores`` it used.

    An ``estimated`` time runs from submission until the job was last seen by its scheduler, which
    includes waiting in the queue; it stands where the scheduler reports none. The time of a
    ``cached`` job was spent in an earlier run.
    """

    pk: int
    cached: bool
    estimated: bool
    seconds: float
    cores: int


def job_times(pks: Iterable[int]) -> Iterator[JobTime]:
    """Yield the times of those processes that are jobs of a scheduler.

    Parameters
    ----------
    pks
        Processes of any kind.
    """
    for chunk in chunks(pks):
        query = QueryBuilder().append(
            CalcJobNode,
            filters={"id": {"in": chunk}},
            project=[
                "id",
                "uuid",
                "ctime",
                "extras._aiida_cached_from",
                *(f"attributes.{name}" for name in _ATTRIBUTES),
            ],
        )
        for pk, uuid, created, source, raw, checked, resources in query.all():
            with leaving_out(uuid):
                info = _job_info(raw)
                # Without a scheduler, a finished job is reported with time zero.
                seconds = info.get("wallclock_time_seconds") or None
                estimate = _elapsed(info.get("submission_time"), created, checked)
                yield JobTime(
                    pk=pk,
                    cached=bool(source),
                    estimated=seconds is None,
                    seconds=float(seconds if seconds is not None else estimate),
                    cores=_cores(resources or {}, info),
                )


def _job_info(info: Any) -> dict[str, Any]:
    if isinstance(info, str):
        try:
            info = json.loads(info)
        except ValueError:  # the format of an older version
            return {}
    return dict(info) if isinstance(info, Mapping) else {}


def _elapsed(submitted: Any, created: datetime, checked: Any) -> float:
    """Seconds from submission, else from the node's creation, to the scheduler's last check."""
    if not isinstance(checked, str):
        return 0.0
    moment = submitted.get("date") if isinstance(submitted, Mapping) else submitted
    try:
        start = _aware(datetime.fromisoformat(str(moment)))
    except ValueError:  # the scheduler does not report it
        start = created
    span: timedelta = _aware(datetime.fromisoformat(checked)) - start
    return max(span.total_seconds(), 0.0)


def _aware(moment: datetime) -> datetime:
    """Return a time with its zone; without one it is of UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _cores(resources: Mapping[str, Any], info: Mapping[str, Any]) -> int:
    machines = int(resources.get("num_machines") or 1)
    per_machine = resources.get("num_mpiprocs_per_machine") or 1
    processes = resources.get("tot_num_mpiprocs") or machines * per_machine
    cores = int(processes) * int(resources.get("num_cores_per_mpiproc") or 1)
    return max(cores, int(info.get("num_cpus") or 0), 1)

"""Programs and versions that produced nodes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from aiida.orm import (
    AbstractCode,
    CalcJobNode,
    Dict,
    FolderData,
    ProcessNode,
    QueryBuilder,
)

from aiida_nanoclusters.data.chunks import chunks
from aiida_nanoclusters.formats.lammps.input import LOG_FILE
from aiida_nanoclusters.queries.nodes import leaving_out, linked

_LAMMPS = re.compile(r"LAMMPS \(([^)]+)\)")
#: Bytes of a first line that are looked at.
_LONGEST_LINE = 1000


@dataclass(frozen=True)
class Code:
    """A program that ran `jobs` jobs, and where."""

    label: str
    computer: str
    executable: str
    jobs: int
    uuid: str


@dataclass(frozen=True)
class Version:
    """Version of a package, and where it was recorded."""

    package: str
    version: str
    source: str


def codes_of(pks: Iterable[int]) -> list[Code]:
    """Return every code that ran one of these jobs, by label."""
    codes: dict[str, AbstractCode] = {}
    jobs: dict[str, int] = {}
    ran = linked(CalcJobNode, pks, AbstractCode, "with_outgoing", {"label": "code"}, project=("*",))
    for _, _, row in ran:
        code = row["*"]
        codes[code.uuid] = code
        jobs[code.uuid] = jobs.get(code.uuid, 0) + 1
    return [
        Code(
            label=code.label,
            computer=code.computer.label if code.computer is not None else "any",
            executable=str(code.base.attributes.get("filepath_executable", "")),
            jobs=jobs[uuid],
            uuid=uuid,
        )
        for uuid, code in sorted(codes.items(), key=lambda item: item[1].label)
    ]


def versions_of(pks: Iterable[int]) -> list[Version]:
    """Return the versions that these processes recorded."""
    found: dict[tuple[str, str, str], None] = {}
    for chunk in chunks(pks):
        for row in (*_of_processes(chunk), *_of_reports(chunk), *_of_logs(chunk)):
            found[row] = None
    return [Version(*row) for row in sorted(found)]


def _of_processes(pks: list[int]) -> list[tuple[str, str, str]]:
    """Versions AiiDA notes with every process: its own and the plugin's."""
    query = QueryBuilder().append(
        ProcessNode,
        filters={"id": {"in": pks}, "attributes": {"has_key": "version"}},
        project=["uuid", "attributes.version", "process_type"],
    )
    found: list[tuple[str, str, str]] = []
    for uuid, versions, kind in query.all():
        with leaving_out(uuid):
            found += [
                (_package(key, str(kind)), str(value), "recorded by the processes")
                for key, value in (versions or {}).items()
                if key == "core" or (key == "plugin" and kind)
            ]
    return found


def _package(key: str, process_type: str) -> str:
    """Return the package of a version; a plugin is known by the first part of its entry points."""
    if key == "core":
        return "aiida-core"
    plugin = process_type.partition(":")[2].partition(".")[0]
    return "aiida-nanoclusters" if "nanoclusters." in process_type else f"plugin {plugin or '?'}"


def _of_reports(pks: list[int]) -> list[tuple[str, str, str]]:
    """Versions in the reports of jobs."""
    query = QueryBuilder().append(CalcJobNode, filters={"id": {"in": pks}}, tag="job")
    query.append(
        Dict,
        with_incoming="job",
        filters={"attributes": {"has_key": "versions"}},
        project=["uuid", "attributes.versions"],
    )
    found: list[tuple[str, str, str]] = []
    for uuid, versions in query.all():
        with leaving_out(uuid):
            found += [
                (str(name), str(value), "recorded by the jobs")
                for name, value in (versions or {}).items()
            ]
    return found


def _of_logs(pks: list[int]) -> list[tuple[str, str, str]]:
    """Version of LAMMPS from the first line of one log per code."""
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
        if code in seen:
            continue
        with leaving_out(folder.uuid):
            if LOG_FILE not in folder.base.repository.list_object_names():
                continue
            with folder.base.repository.open(LOG_FILE, "rb") as handle:
                line = handle.readline(_LONGEST_LINE).decode(errors="replace")
            if match := _LAMMPS.search(line):
                seen.add(code)
                found.append(("lammps", match[1], "recorded by the jobs"))
    return found

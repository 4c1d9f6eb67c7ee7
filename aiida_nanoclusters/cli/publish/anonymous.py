"""Publication without names: pseudonyms stand for users, machines, programs and paths."""

from __future__ import annotations

import getpass
import io
import socket
from collections.abc import Collection
from pathlib import Path
from typing import Any

from aiida.manage import get_manager
from aiida.orm import AuthInfo, Computer, InstalledCode, QueryBuilder, User
from aiida.orm.entities import EntityTypes

from aiida_nanoclusters.cli.publish.archive import repository_files
from aiida_nanoclusters.formats.frames_file import FILENAME, read_frames, write_frames
from aiida_nanoclusters.formats.publication.pseudonyms import Names, Pseudonyms
from aiida_nanoclusters.formats.publication.readme import Withheld
from aiida_nanoclusters.formats.publication.search import search

#: Bytes of the largest file in which names are replaced; larger ones that have some are left out.
_LARGEST_TEXT = 200_000_000
#: What AiiDA keeps of a job that says who may compute where, and what of its scheduler's answer may
#: stay, which is its cost.
_OWN_AFFAIRS = ("account", "qos", "queue_name", "custom_scheduler_commands")
_SCRIPTS = ("prepend_text", "append_text")
_COSTS = (
    *("job_id", "job_state", "wallclock_time_seconds", "requested_wallclock_time_seconds"),
    *("cpu_time", "submission_time", "dispatch_time", "finish_time", "num_cpus"),
    *("num_mpiprocs", "num_machines"),
)
_REASON = "names a person, a machine or a folder, and is no text in which they could be replaced"


def names_here() -> Names:
    """Return the names of users, machines, programs and folders that this profile knows."""
    users = QueryBuilder().append(User).all(flat=True)
    computers = QueryBuilder().append(Computer).all(flat=True)
    programs = QueryBuilder().append(InstalledCode, project="attributes.filepath_executable")
    accounts = {getpass.getuser(), Path.home().name}
    for info in QueryBuilder().append(AuthInfo).all(flat=True):
        accounts.add(str(info.get_auth_params().get("username", "")))
    host = socket.gethostname()
    return Names(
        emails={user.email for user in users if user.email != "aiida@localhost"},
        people={f"{user.first_name} {user.last_name}".strip() for user in users},
        accounts=accounts,
        hosts={host, host.partition(".")[0], *(computer.hostname for computer in computers)},
        computers={computer.label for computer in computers},
        programs={str(path) for path in programs.all(flat=True) if str(path).startswith("/")},
        folders={str(Path.home()), *(computer.get_workdir() for computer in computers)},
    )


class Anonymity:
    """What an anonymous archive has in the place of names."""

    def __init__(self) -> None:
        self.pseudonyms = Pseudonyms(names_here())

    def row(self, kind: EntityTypes, row: dict[str, Any]) -> None:
        """Replace the names in a row of the archive's database."""
        texts: tuple[str, ...] = ()
        if kind == EntityTypes.USER:
            texts = ("email",)
            row.update(first_name="", last_name="", institution="")
        elif kind == EntityTypes.COMPUTER:
            row.update(
                label=self.pseudonyms.name("computer", row["label"]),
                hostname=self.pseudonyms.name("host", row["hostname"]),
                description="",
            )
            texts = ("label", "hostname", "metadata")
            row["metadata"] = {**(row["metadata"] or {}), **dict.fromkeys(_SCRIPTS, "")}
        elif kind == EntityTypes.NODE:
            texts = ("label", "description", "attributes", "extras")
            row["attributes"] = _without_own_affairs(row["node_type"], row["attributes"])
        elif kind == EntityTypes.GROUP:
            texts = ("label", "description", "extras")
        elif kind == EntityTypes.COMMENT:
            texts = ("content",)
        elif kind == EntityTypes.LOG:
            texts = ("message", "metadata")
        for name in texts:
            row[name] = self.pseudonyms.value(row[name])

    def files(
        self, pks: Collection[int], left_out: Collection[str]
    ) -> tuple[dict[Withheld, str], dict[str, bytes]]:
        """Replace the names in files, but for those whose key is in `left_out`.

        Returns
        -------
        dict
            Files that are left out: they are no text, and have names in them.
        dict
            New content of the other ones that have names, by the key of the former.
        """
        withheld: dict[Withheld, str] = {}
        changed: dict[str, bytes] = {}
        known: dict[str, str] = {}
        rows = [
            (key, path, uuid, node_type)
            for uuid, node_type, files in repository_files(pks)
            for path, key in files.items()
            if key not in left_out
        ]
        for key, path, uuid, node_type in sorted(rows):
            if key not in known:
                new = self._content(key, path, node_type)
                known[key] = "" if new is not None else _REASON
                if new:
                    changed[key] = new
            if known[key]:
                withheld[Withheld(uuid, path, known[key])] = key
        return withheld, changed

    def _content(self, key: str, path: str, node_type: str) -> bytes | None:
        """Return the new content of a file, nothing where it stays, None where it has to go."""
        repository = get_manager().get_profile_storage().get_repository()

        def opened() -> Any:
            return repository.open(key)

        with opened() as handle:
            content = handle.read(_LARGEST_TEXT + 1)
        if path == FILENAME and node_type.startswith("data.nanoclusters.frames."):
            try:
                frames = read_frames(io.BytesIO(content))
            except ValueError:
                return None
            buffer = io.BytesIO()
            write_frames(self.pseudonyms.frames(frames), buffer)
            new = buffer.getvalue()
            return b"" if new == content else new
        text = _as_text(content)
        if text is not None and len(content) <= _LARGEST_TEXT:
            new = self.pseudonyms.text(text).encode("utf-8")
            return b"" if new == content else new
        finding = search(opened, self.pseudonyms.pattern())
        return None if finding.found or finding.closed else b""


def _as_text(content: bytes) -> str | None:
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _without_own_affairs(node_type: str, attributes: Any) -> Any:
    """Return attributes without scripts, accounts and the answer of a scheduler."""
    if not isinstance(attributes, dict):  # of a node that AiiDA itself imported
        return attributes
    if node_type.startswith("data.core.code."):
        return {**attributes, **{k: "" for k in _SCRIPTS if k in attributes}}
    if not node_type.startswith("process."):
        return attributes
    kept: dict[str, Any] = _cleared(attributes)
    for name in ("last_job_info", "detailed_job_info"):
        info = kept.get(name)
        if isinstance(info, dict):
            kept[name] = {k: v for k, v in info.items() if k in _COSTS}
    return kept


def _cleared(value: Any) -> Any:
    """Return a value of JSON whose scripts, accounts and variables are empty, at every depth."""
    if isinstance(value, list):
        return [_cleared(v) for v in value]
    if not isinstance(value, dict):
        return value
    found = {k: _cleared(v) for k, v in value.items() if k not in _OWN_AFFAIRS}
    found.update({k: "" for k in _SCRIPTS if k in found})
    if "environment_variables" in found:
        found["environment_variables"] = {}
    return found

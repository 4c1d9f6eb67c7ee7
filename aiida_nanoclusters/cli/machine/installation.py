"""The steps of `setup`: each creates what is missing and reports what it found."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from aiida_nanoclusters.cli.machine.profile import CodeEntry, ComputerEntry
from aiida_nanoclusters.cli.machine.profile_keys import OPTIONS_EXTRA, VERBS_EXTRA

if TYPE_CHECKING:
    from aiida.manage.configuration.profile import Profile
    from aiida.orm import AbstractCode, Computer

State = Literal["made", "was there", "changed", "differs", "left out"]

CACHED = "aiida.calculations:nanoclusters.*"
#: Seconds for a restart of the daemon: a worker that does not end by itself is killed after 30.
RESTART_SECONDS = 90
POLL_INTERVAL = 1  # s; AiiDA waits 60 s for each nested process where there is no broker


@dataclass(frozen=True)
class Step:
    """One line of setup's table."""

    item: str
    state: State
    note: str = ""


def ensure_options(profile: Profile) -> Step:
    """Switch caching on for our calculations and shorten the runner's poll interval."""
    from aiida.manage.configuration import get_config

    config = get_config()
    item, changes = "AiiDA options", []
    cached = config.get_option("caching.enabled_for", scope=profile.name)
    if CACHED not in cached:
        config.set_option("caching.enabled_for", [*cached, CACHED], scope=profile.name)
        changes.append(f"caching of {CACHED}")
    if config.get_option("runner.poll.interval", scope=profile.name, default=False) is None:
        config.set_option("runner.poll.interval", POLL_INTERVAL, scope=profile.name)
        changes.append(f"runner.poll.interval {POLL_INTERVAL} s")
    if not changes:
        return Step(item, "was there", "caching, poll interval")
    config.store()
    return Step(item, "made", ", ".join(changes))


def plugin_folder(aiida_dir: Path) -> Path:
    """Folder of the LAMMPS plugin, one for all profiles of an AiiDA folder."""
    return aiida_dir / "nanoclusters" / "lammps_plugin"


def ensure_plugin(folder: Path) -> Step:
    """Compile the LAMMPS plugin unless the library in `folder` is up to date.

    Raises
    ------
    ValueError
        If it cannot be built; the message names the fix.
    """
    from aiida_nanoclusters.lammps_plugin.build import LIBRARY_NAME, build

    library = folder / LIBRARY_NAME
    before = library.stat().st_mtime_ns if library.exists() else None
    build(folder)
    if before is None:
        return Step("LAMMPS pair style allegro", "made", str(folder))
    state: State = "was there" if library.stat().st_mtime_ns == before else "changed"
    return Step("LAMMPS pair style allegro", state, str(folder))


def ensure_computer(entry: ComputerEntry, *, update: bool) -> Step:
    """Create and configure a computer; change one that differs only with `update`.

    Raises
    ------
    ValueError
        If AiiDA does not know its transport, scheduler or a key of its connection.
    """
    from aiida.common.exceptions import NotExistent, ValidationError
    from aiida.orm import Computer

    item, values = f"computer {entry.label}", entry.values
    try:
        computer = Computer.collection.get(label=entry.label)
    except NotExistent:
        computer = Computer(
            label=entry.label,
            hostname=values.get("hostname", entry.label),
            description=values.get("description", ""),
            transport_type=values["transport"],
            scheduler_type=values["scheduler"],
        )
        try:
            _apply(computer, values)
            _check_connection(computer, values)
            computer.store()
        except ValidationError as error:
            raise ValueError(f"computers.{entry.label}: {error}") from error
        computer.configure(**values.get("connection", {}))
        return Step(item, "made", f"{values['transport']}, {values['scheduler']}")
    differences = _differences(computer, values)
    if not differences:
        return Step(item, "was there")
    if not update:
        return Step(item, "differs", f"{', '.join(differences)}; --update changes it")
    fixed = {"hostname", "transport", "scheduler"}.intersection(differences)
    if fixed:
        raise ValueError(
            f"computer {entry.label} differs in its {sorted(fixed)[0]}, which cannot be changed: "
            "give the new computer another label"
        )
    _check_connection(computer, values)
    _apply(computer, values)
    computer.configure(**values.get("connection", {}))
    return Step(item, "changed", ", ".join(differences))


def ensure_code(entry: CodeEntry, *, update: bool) -> Step:
    """Create a code and grant it trust; with `update`, one that differs keeps another label."""
    from aiida.orm import InstalledCode

    from aiida_nanoclusters.data.trust import trust

    item, values = f"code {entry.full_label}", entry.values
    old = _own_code(entry)
    if old is not None:
        differences = [key for key, want in _code_values(values).items() if _held(old, key) != want]
        if not differences:
            if (
                type(old) is InstalledCode
            ):  # what setup would make; earlier versions granted nothing
                trust(old)
            if _set_options(old, entry):
                return Step(item, "changed", "options")
            return Step(item, "was there")
        if not update:
            return Step(item, "differs", f"{', '.join(differences)}; --update changes it")
        old.label = f"{entry.label}-until-{old.pk}"
        old.is_hidden = True
    code = InstalledCode(
        label=entry.label,
        computer=entry.computer,
        filepath_executable=values["executable"],
        description=values.get("description", ""),
        default_calc_job_plugin=values.get("plugin"),
        prepend_text=values.get("prepend_text", ""),
        append_text=values.get("append_text", ""),
    ).store()
    trust(code)
    _set_options(code, entry)
    if old is None:
        return Step(item, "made", values["executable"])
    return Step(item, "changed", f"the earlier one is now {old.full_label}")


def _own_code(entry: CodeEntry) -> AbstractCode | None:
    """Return the code of the label of `entry`; imported ones that may not run give up the label."""
    from aiida.orm import AbstractCode, Computer, Data, QueryBuilder

    from aiida_nanoclusters.data.trust import may_run
    from aiida_nanoclusters.workflows.parts.codes import code_problem

    query = QueryBuilder().append(Computer, filters={"label": entry.computer}, tag="computer")
    filters = {"node_type": {"like": "data.core.code.%"}, "label": entry.label}
    query.append(Data, with_computer="computer", filters=filters)
    own: list[AbstractCode] = []
    for code in query.all(flat=True):
        if not isinstance(code, AbstractCode):
            continue
        if code_problem(code) is None:
            own.append(code)
        else:
            code.label = f"{code.label} (imported {code.uuid[:8]})"
    return min(own, key=lambda code: (not may_run(code), -(code.pk or 0)), default=None)


def ensure_daemon(profile: Profile, *, options_changed: bool) -> Step:
    """Start the daemon; restart a running one if options were changed, which it reads only then."""
    from aiida.engine.daemon.client import DaemonException, get_daemon_client

    if profile.process_control_backend is None:
        fix = f"no broker: run `verdi profile configure-broker core.zeromq {profile.name}`"
        return Step("daemon", "left out", fix)
    client = get_daemon_client(profile.name)
    try:
        if not client.is_daemon_running:
            workers = 2 if (os.cpu_count() or 1) >= 4 else 1
            revived = revive_lost_processes(profile)
            client.start_daemon(workers)
            note = f"started, {workers} worker{'s' * (workers > 1)}"
            if revived:
                note += f"; lost processes revived: {revived}"
            return Step("daemon", "made", note)
        if options_changed:
            client.restart_daemon(timeout=RESTART_SECONDS)
            return Step("daemon", "changed", "restarted, to read the options")
    except DaemonException as error:
        raise ValueError(
            f"the daemon does not start ({error}): try `verdi daemon start`"
        ) from error
    return Step("daemon", "was there", "running")


def revive_lost_processes(profile: Profile) -> int:
    """Return to the queue the processes that have no task in it; return their number.

    A worker that is killed between storing a child process and queueing it leaves the child without
    a task, and its parent waiting for ever. `verdi process repair` restores the task while the
    daemon is stopped.

    Raises
    ------
    ValueError
        If `verdi process repair` fails.
    """
    from aiida.engine.processes.control import get_active_processes

    if not get_active_processes(project="id"):
        return 0
    command = [sys.executable, "-m", "aiida", "-p", profile.name, "process", "repair", "--force"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-300:]
        raise ValueError(f"lost processes cannot be revived ({said}): try `verdi process repair`")
    return done.stdout.count("Revived process")


def _set_options(code: AbstractCode, entry: CodeEntry) -> bool:
    """Store the job options as extras of the code, which may change; return whether they did."""
    wanted = {OPTIONS_EXTRA: entry.values["options"], VERBS_EXTRA: dict(entry.verbs)}
    changed = {
        key: value for key, value in wanted.items() if code.base.extras.get(key, {}) != value
    }
    if changed:
        code.base.extras.set_many(changed)
    return bool(changed)


#: What jobs run on a computer besides their programs, where the file does not say: AiiDA's
#: defaults. A computer of this label may be one that an archive brought.
_RUN = {
    "shebang": "#!/bin/bash",
    "prepend_text": "",
    "append_text": "",
    "mpirun_command": ["mpirun", "-np", "{tot_num_mpiprocs}"],
    "use_double_quotes": False,
}


def _computer_values(values: Any) -> dict[str, Any]:
    """Properties of the computer under AiiDA's names: those in the file, and all that is run."""
    names = {
        "workdir": "workdir",
        "shebang": "shebang",
        "mpirun": "mpirun_command",
        "mpiprocs": "default_mpiprocs_per_machine",
        "memory_kb": "default_memory_per_machine",
        "poll_interval": "minimum_job_poll_interval",
        "prepend_text": "prepend_text",
        "append_text": "append_text",
    }
    wanted = {aiidas: values[key] for key, aiidas in names.items() if key in values}
    if "mpirun_command" in wanted:
        wanted["mpirun_command"] = wanted["mpirun_command"].split()
    return {**_RUN, **wanted}


def _apply(computer: Computer, values: Any) -> None:
    for name, value in _computer_values(values).items():
        getattr(computer, f"set_{name}")(value)


def _differences(computer: Computer, values: Any) -> list[str]:
    """Keys in which a stored computer differs from the file."""
    held: dict[str, Any] = {
        "hostname": computer.hostname,
        "transport": computer.transport_type,
        "scheduler": computer.scheduler_type,
    }
    found = [key for key, value in held.items() if key in values and values[key] != value]
    for name, value in _computer_values(values).items():
        if getattr(computer, f"get_{name}")() != value:
            found.append(name)
    configured = computer.get_configuration()
    found += [k for k, v in values.get("connection", {}).items() if configured.get(k) != v]
    if not computer.is_configured:
        found.append("not configured")
    return found


def _check_connection(computer: Computer, values: Any) -> None:
    import difflib

    known = list(computer.get_transport_class().auth_options)
    for key in values.get("connection", {}):
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1, cutoff=0)
            raise ValueError(
                f"computers.{computer.label}.connection: unknown key `{key}` for "
                f"{computer.transport_type}; did you mean `{close[0]}`?"
            )


def _code_values(values: Any) -> dict[str, Any]:
    return {
        "executable": values["executable"],
        "plugin": values.get("plugin"),
        "prepend_text": values.get("prepend_text", ""),
        "append_text": values.get("append_text", ""),
    }


def _held(code: AbstractCode, key: str) -> Any:
    if key == "executable":
        return str(code.get_executable())
    return getattr(code, {"plugin": "default_calc_job_plugin"}.get(key, key))

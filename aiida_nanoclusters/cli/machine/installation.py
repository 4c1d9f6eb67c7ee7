"""The steps of `setup`: each makes what is missing and says what it found."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from aiida_nanoclusters.cli.machine import CodeEntry, ComputerEntry
from aiida_nanoclusters.cli.machine_keys import OPTIONS_EXTRA, VERBS_EXTRA

if TYPE_CHECKING:
    from aiida.manage.configuration.profile import Profile
    from aiida.orm import Code, Computer

State = Literal["made", "was there", "changed", "differs", "left out"]

CACHED = "aiida.calculations:nanoclusters.*"
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
    """Compile the LAMMPS plugin unless what lies there is up to date.

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
    """Make a computer and configure it; change one that differs only if asked to.

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
            f"computer {entry.label} differs in its {sorted(fixed)[0]}, which is for good: "
            "give the new one another label"
        )
    _check_connection(computer, values)
    _apply(computer, values)
    computer.configure(**values.get("connection", {}))
    return Step(item, "changed", ", ".join(differences))


def ensure_code(entry: CodeEntry, *, update: bool) -> Step:
    """Make a code; one that differs is kept under another label if its change is asked for."""
    from aiida.common.exceptions import NotExistent
    from aiida.orm import InstalledCode, load_code

    item, values = f"code {entry.full_label}", entry.values
    try:
        old = load_code(entry.full_label)
    except NotExistent:
        old = None
    if old is not None:
        differences = [key for key, want in _code_values(values).items() if _held(old, key) != want]
        if not differences:
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
    _set_options(code, entry)
    if old is None:
        return Step(item, "made", values["executable"])
    return Step(item, "changed", f"the earlier one is now {old.full_label}")


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
                note += f"; lost processes that go on: {revived}"
            return Step("daemon", "made", note)
        if options_changed:
            client.restart_daemon()
            return Step("daemon", "changed", "restarted, to read the options")
    except DaemonException as error:
        raise ValueError(
            f"the daemon does not start ({error}): try `verdi daemon start`"
        ) from error
    return Step("daemon", "was there", "running")


def revive_lost_processes(profile: Profile) -> int:
    """Give processes that no worker would ever be told of back to the queue; return how many.

    A worker that is killed between storing a child process and queueing it leaves the child without
    a task, and its parent waiting for ever. `verdi process repair` mends that while the daemon
    stands still.

    Raises
    ------
    ValueError
        If it cannot.
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


def _set_options(code: Code, entry: CodeEntry) -> bool:
    """Keep what jobs ask for beside the code, where it may change; whether it did."""
    wanted = {OPTIONS_EXTRA: entry.values["options"], VERBS_EXTRA: dict(entry.verbs)}
    changed = {
        key: value for key, value in wanted.items() if code.base.extras.get(key, {}) != value
    }
    if changed:
        code.base.extras.set_many(changed)
    return bool(changed)


def _computer_values(values: Any) -> dict[str, Any]:
    """Properties of the computer that the file names, under AiiDA's names."""
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
    return wanted


def _apply(computer: Computer, values: Any) -> None:
    for name, value in _computer_values(values).items():
        getattr(computer, f"set_{name}")(value)


def _differences(computer: Computer, values: Any) -> list[str]:
    """Keys in which a stored computer is not what the file says."""
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


def _held(code: Code, key: str) -> Any:
    if key == "executable":
        return str(code.get_executable())
    return getattr(code, {"plugin": "default_calc_job_plugin"}.get(key, key))

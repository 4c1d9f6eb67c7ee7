"""Keys that a profile.yaml may have, and the replacement of its placeholders."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from aiida_nanoclusters.workflows.parts.resources import VERBS

OPTIONS_EXTRA = "nanoclusters_options"
VERBS_EXTRA = "nanoclusters_verbs"

AIIDA_KEYS: dict[str, type] = {"storage": str, "broker": str, "database": dict, "rabbitmq": dict}
DATABASE_KEYS: dict[str, type] = {"hostname": str, "port": int, "username": str, "name": str}
RABBITMQ_KEYS: dict[str, type] = {
    "protocol": str,
    "hostname": str,
    "port": int,
    "username": str,
    "virtual_host": str,
}
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
    "verbs": dict,
}
VERB_KEYS: dict[str, type] = dict.fromkeys(VERBS, dict)
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


class Placeholders:
    """Texts that replace ``{name}``: the section `values` of the file, and those of this machine.

    Parameters
    ----------
    own
        The section `values` of the file.
    machine
        See `usual_values`; without it those names stay as they are.

    Raises
    ------
    ValueError
        If one of `own` is null, that is not filled in, or has a reserved name.
    """

    def __init__(self, own: Mapping[str, Any], machine: Mapping[str, str] | None):
        self.machine = machine
        self.seen: set[str] = set()  # names met so far
        for name, value in own.items():
            if name in (*OURS, *AIIDAS) or not re.fullmatch(r"\w+", str(name)):
                raise ValueError(f"values.{name}: choose another name, this one is reserved")
            if isinstance(value, (dict, list)):
                raise ValueError(
                    f"values.{name} must be text or a number (quote a {{placeholder}})"
                )
        empty = [f"values.{name}" for name, value in own.items() if value is None]
        if empty:
            raise ValueError(
                f'fill in {", ".join(empty)}; the comments beside them say what; "" leaves one out'
            )
        self.own: dict[str, str] = {}
        for name, value in own.items():
            self.own[name] = self.fill(str(value).rstrip("\n"), f"values.{name}", strict=False)
        self.seen -= set(self.own)

    def fill(self, text: str, where: str, *, strict: bool) -> str:
        """Return the text with its placeholders filled in; `strict` refuses unknown ones."""

        def replace(match: re.Match[str]) -> str:
            name = match.group(1)
            if name in self.own:
                self.seen.add(name)
                return self.own[name]
            if name in OURS:
                self.seen.add(name)
                return match.group(0) if self.machine is None else self.machine[name]
            if strict and name not in AIIDAS:
                close = nearest(name, (*self.own, *OURS, *AIIDAS))
                raise ValueError(f"{where}: unknown {{{name}}}{close}")
            return match.group(0)

        return PLACEHOLDER.sub(replace, text)

    def is_left_out(self, text: str) -> bool:
        """Whether a text consists of one placeholder whose value is empty."""
        match = PLACEHOLDER.fullmatch(text)
        return match is not None and self.own.get(match.group(1)) == ""

    def refuse_unused(self) -> None:
        """Refuse values that nothing in the file refers to: they would have no effect."""
        for name in self.own:
            if name not in self.seen:
                raise ValueError(f"values.{name} is used nowhere in the file: write {{{name}}}")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return words for an error message: the nearest known name, or all of them."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean `{close[0]}`?" if close else f"; known are {', '.join(known)}"

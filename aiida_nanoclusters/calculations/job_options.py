"""Defaults of `metadata.options`, exit codes, inputs, outputs and scripts that our jobs share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from typing import Any

from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec, ProcessSpec
from aiida.orm import Dict, Int

from aiida_nanoclusters.calculations.faults import set_fault_codes, validate_rerunnable
from aiida_nanoclusters.formats.input_text import InputTextError, plain_name, scheduler_word

#: Name of this package.
_OWN = "aiida_nanoclusters"
#: Options that name a file in the folder of a job, and options that are a word of its script.
_FILES = (
    *("submit_script_filename", "scheduler_stdout", "scheduler_stderr"),
    *("input_filename", "output_filename"),
)
_WORDS = ("queue_name", "account", "qos", "priority")
_GATES: dict[str, Callable[[Any, str], str]] = {
    **dict.fromkeys(_FILES, plain_name),
    **dict.fromkeys(_WORDS, scheduler_word),
}


def option_problem(name: str, value: Any) -> str | None:
    """Return why an option must not become part of a job's script, or None.

    AiiDA writes these options into the script as they are: a file name with ``;`` or a line end
    would be a command. Texts that are commands by definition, such as ``prepend_text``, are the
    user's own.
    """
    if value is None or name not in _GATES:
        return None
    try:
        _GATES[name](value, f"the option `{name}`")
    except InputTextError as error:
        return str(error)
    return None


def options_problem(options: Mapping[str, Any]) -> str | None:
    """Return why options of a job must not become part of its script, or None."""
    problems = (option_problem(name, value) for name, value in options.items())
    return next((problem for problem in problems if problem), None)


def _validator(name: str) -> Callable[[Any, Any], str | None]:
    return lambda value, _: option_problem(name, value)


def set_job_options(spec: CalcJobProcessSpec, parser: str) -> None:
    """Declare the parser; by default a job runs one process without MPI."""
    spec.input("metadata.options.parser_name", valid_type=str, default=parser)
    spec.input(
        "metadata.options.resources",
        valid_type=dict,
        default={"num_machines": 1, "num_mpiprocs_per_machine": 1},
    )
    spec.input("metadata.options.withmpi", valid_type=bool, default=False)
    options = spec.inputs["metadata"]["options"]
    options["rerunnable"].validator = validate_rerunnable
    for name in _GATES:
        options[name].validator = _validator(name)
    set_fault_codes(spec)


def validate_seed(value: Int, _: Any) -> str | None:
    """Refuse negative seeds."""
    return None if value.value >= 0 else f"seed is {value.value}: give a whole number from 0"


def carry_script(folder: Folder, package: str, name: str, target: str | None = None) -> None:
    """Write a script of this package, which need not be installed where the job runs.

    Parameters
    ----------
    folder
        Of the job.
    package, name
        Package in which the script lies, and its file name.
    target
        Path in the folder. Default: the file name.
    """
    with folder.open(target or name, "w", encoding="utf-8") as handle:
        handle.write((files(package) / name).read_text("utf-8"))


def carry_packages(folder: Folder, carried: Mapping[str, Iterable[str]]) -> None:
    """Write modules of this package under the names of their packages.

    Parameters
    ----------
    folder
        Of the job.
    carried
        File names by package: with the name of this package in front, or without it where the
        modules import each other by relative names only.
    """
    for package, names in carried.items():
        path = package.replace(".", "/")
        folder.get_subfolder(path, create=True)
        source = package if package.startswith(_OWN) else f"{_OWN}.{package}"
        for name in names:
            carry_script(folder, source, name, f"{path}/{name}")


def set_report(spec: ProcessSpec, items: str) -> None:
    """Declare the report on every one of the `items`, frames or structures."""
    help_text = f"For each of the {items} its state and, where it failed, the reason."
    spec.output("report", valid_type=Dict, help=help_text)
    if isinstance(spec, CalcJobProcessSpec):
        spec.default_output_node = "report"

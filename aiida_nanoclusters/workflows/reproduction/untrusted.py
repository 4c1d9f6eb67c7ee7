"""What is used of a recorded process that was not granted trust: its data, and no commands.

Whoever runs a recorded process again runs what was recorded: command lines, lines of the batch
script, file names that the shell reads. A process may have been written by a stranger, and nothing
in it proves that it was not. Without a grant (`aiida-nanoclusters trust UUID`), all of these are
left out, and only processes of this package run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aiida.orm import CalcFunctionNode, CalcJobNode, Dict, List, ProcessNode, WorkChainNode

from aiida_nanoclusters.calculations.identity import is_installed, own_process
from aiida_nanoclusters.data.trust import may_run

#: Options of a job that a shell or a scheduler reads; each may also be a key of a `Dict`.
SHELL_OPTIONS = (
    *("prepend_text", "append_text", "custom_scheduler_commands", "environment_variables"),
    *("mpirun_extra_params", "additional_retrieve_list", "queue_name", "account", "qos"),
    "priority",
)
#: Keys of a `Dict`, at any depth and in any case, whose values are run.
COMMANDS = frozenset({"cmdline", "cmdline_params", *SHELL_OPTIONS[:6]})
#: Names of files of a job, with AiiDA's defaults.
_FILES = {
    "submit_script_filename": "_aiidasubmit.sh",
    "scheduler_stdout": "_scheduler-stdout.txt",
    "scheduler_stderr": "_scheduler-stderr.txt",
    "input_filename": None,
    "output_filename": None,
}
#: Namespace of a job whose nodes name functions to be called while it runs.
_MONITORS = "monitors"


class RebuildError(ValueError):
    """A process that cannot be run again here; the message says why."""


def class_of(node: ProcessNode) -> Any:
    """Return the class of a process, or its calculation function.

    Only what belongs to this package is imported, unless the process was granted trust.

    Raises
    ------
    RebuildError
        If its package is not installed, it was not granted trust, or it is of a kind that cannot be
        run again.
    """
    if not isinstance(node, (CalcJobNode, WorkChainNode, CalcFunctionNode)):
        raise RebuildError(f"a {type(node).__name__} cannot be run again: reproduce what it called")
    own = own_process(node)
    if own is not None:
        return own
    name = str(node.process_type).rpartition(":")[2]
    missing = f"no plugin here for `{name}`: install its package"
    if ":" in str(node.process_type) and not is_installed(node):
        raise RebuildError(missing)
    if not may_run(node):
        raise RebuildError(
            f"process {node.uuid} (`{name}`) is not one of this package and runs what its maker "
            f"wrote: if you trust its maker, run `aiida-nanoclusters trust {node.uuid}`"
        )
    try:
        return node.process_class
    except ValueError as error:
        raise RebuildError(missing) from error


def without_commands(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of a process without what is run as a command.

    A `Dict` or `List` that holds such keys is replaced by a new one; all others stay as they are.
    """
    kept: dict[str, Any] = {}
    for key, value in inputs.items():
        if isinstance(value, Mapping):
            if key != _MONITORS:
                kept[key] = without_commands(value)
        else:
            kept[key] = _data_only(value)
    return kept


def plain_options(held: Mapping[str, Any] | None) -> dict[str, int]:
    """Return the walltime (s) among recorded options: the only one that is a number of its own."""
    walltime = (held or {}).get("max_wallclock_seconds")
    if isinstance(walltime, int) and not isinstance(walltime, bool) and walltime > 0:
        return {"max_wallclock_seconds": walltime}
    return {}


def omitted(node: ProcessNode, recorded: Mapping[str, Any]) -> list[str]:
    """Return the names of what is left out of a process that was not granted trust.

    Parameters
    ----------
    node
        The recorded process.
    recorded
        Its input nodes, nested as its ports are.
    """
    if may_run(node) or isinstance(node, CalcFunctionNode):
        return []
    options = node.get_options() if isinstance(node, CalcJobNode) else {}
    held = {**options, **_options_in(node.get_metadata_inputs() or {})}
    return sorted({*_commands_in(recorded), *(key for key in held if _is_unusual(key, held[key]))})


def _data_only(value: Any) -> Any:
    if isinstance(value, Dict):
        held: Any = value.get_dict()
    elif isinstance(value, List):
        held = value.get_list()
    else:
        return value
    return type(value)(_without(held)) if any(_keys_in(held)) else value


def _without(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without(v) for k, v in value.items() if str(k).lower() not in COMMANDS}
    return [_without(one) for one in value] if isinstance(value, list) else value


def _keys_in(value: Any, path: str = "") -> Iterator[str]:
    """Yield the dotted paths of all keys that hold commands; empty ones do no harm."""
    if isinstance(value, Mapping):
        for key, held in value.items():
            if str(key).lower() not in COMMANDS:
                yield from _keys_in(held, f"{path}.{key}")
            elif held:
                yield f"{path}.{key}"
    elif isinstance(value, list):
        for one in value:
            yield from _keys_in(one, path)


def _commands_in(inputs: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key, value in inputs.items():
        name = f"{path}{key}"
        if isinstance(value, Mapping):
            if key == _MONITORS and value:
                yield name
            else:
                yield from _commands_in(value, f"{name}.")
        elif isinstance(value, Dict):
            yield from _keys_in(value.get_dict(), name)
        elif isinstance(value, List):
            yield from _keys_in(value.get_list(), name)


def _options_in(value: Any) -> dict[str, Any]:
    """Return the values of options anywhere in the recorded metadata, by their names."""
    found: dict[str, Any] = {}
    if isinstance(value, Mapping):
        for key, held in value.items():
            if key in SHELL_OPTIONS or key in _FILES or key == "parser_name":
                if _is_unusual(key, held):
                    found[key] = held
            else:
                found |= _options_in(held)
    elif isinstance(value, list):
        for one in value:
            found |= _options_in(one)
    return found


def _is_unusual(key: str, value: Any) -> bool:
    if key == "parser_name":
        return not str(value).startswith("nanoclusters.")
    return bool(value) and (key in SHELL_OPTIONS or (key in _FILES and value != _FILES[key]))

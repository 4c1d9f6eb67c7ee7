"""The gate for text that becomes part of an input, a script or a path.

Inputs of programs are languages that execute: LAMMPS has ``shell``, CP2K ``@INCLUDE``, hydra
``_target_``. What a node holds may come from a stranger, and a value that holds a line end writes
lines of its own. Every renderer passes each text it did not write itself through one of these
functions, which return it unchanged or refuse it.

All of them raise :class:`InputTextError`, a ValueError whose message names the value and the fix.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ase.data import atomic_numbers

#: Longest text that may be part of a name or a line of an input.
_LONGEST = 1000
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?", re.ASCII)


class InputTextError(ValueError):
    """A text that must not become part of an input, a script or a path."""


# ---- what holds for all languages


def one_line(text: Any, what: str) -> str:
    """Return a text that is one line of printable characters.

    Parameters
    ----------
    text
        The text.
    what
        What it is, for the message.
    """
    if not isinstance(text, str):
        raise InputTextError(f"{what} is {_short(text)}: give a text")
    if len(text) > _LONGEST:
        raise InputTextError(f"{what} has {len(text)} characters: give at most {_LONGEST}")
    # Cc, Cf: control and format characters; Cs, Co: no characters; Zl, Zp: further line ends.
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for c in text):
        raise InputTextError(
            f"{what} is {_short(text)}: it holds a line end or a control character, write it as "
            "one line of printable characters"
        )
    return text


def plain_name(text: Any, what: str = "the name") -> str:
    """Return a text that is a plain file name: letters, digits, ``.``, ``_`` and ``-``.

    It names no other folder, no hidden file and no option of a command.
    """
    if not isinstance(text, str) or len(text) > 200 or not _PLAIN.fullmatch(text):
        raise InputTextError(
            f"{what} is {_short(text)}: use letters, digits, `.`, `_` and `-`, beginning with a "
            "letter, a digit or `_`"
        )
    return text


def identifier(text: Any, what: str) -> str:
    """Return a text that is an identifier: letters, digits and ``_``."""
    if not isinstance(text, str) or len(text) > 200 or not _IDENTIFIER.fullmatch(text):
        raise InputTextError(f"{what} is {_short(text)}: use letters, digits and `_`")
    return text


def chemical_symbols(symbols: Iterable[Any]) -> list[str]:
    """Return symbols of chemical elements, each of them a symbol that ASE knows."""
    found = list(symbols) if isinstance(symbols, Iterable) else [symbols]
    for symbol in found:
        if not isinstance(symbol, str) or not 0 < atomic_numbers.get(symbol, 0):
            raise InputTextError(
                f"the element is {_short(symbol)}: give a chemical symbol such as `Cu`"
            )
    return found


def finite(value: Any, what: str) -> float:
    """Return a finite number; a text is none."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise InputTextError(f"{what} is {_short(value)}: give a finite number")
    return float(value)


def number_rows(text: Any, columns: int, what: str) -> str:
    """Return a text whose lines are empty, or rows of `columns` numbers."""
    if not isinstance(text, str):
        raise InputTextError(f"{what} is {_short(text)}: give rows of numbers")
    for line in text.split("\n"):
        words = line.split(" ")
        words = [word for word in words if word]
        if words and (len(words) != columns or not all(map(_NUMBER.fullmatch, words))):
            raise InputTextError(f"{what} holds {_short(line)}: give rows of {columns} numbers")
    return text


# ---- LAMMPS

#: Commands of which the inputs of this package consist.
_LAMMPS_COMMANDS = {
    *("units", "timer", "read_restart", "label", "print", "mass", "atom_style", "atom_modify"),
    *("boundary", "box", "region", "create_box", "pair_style", "pair_coeff", "neighbor"),
    *("neigh_modify", "fix", "fix_modify", "unfix", "variable", "compute", "compute_modify"),
    *("thermo", "thermo_style", "thermo_modify", "clear", "if", "read_dump", "reset_timestep"),
    *("run", "write_restart", "write_dump", "velocity", "timestep", "dump", "dump_modify"),
    *("undump", "restart", "min_style", "min_modify", "minimize", "rerun", "jump", "balance"),
    "temper",
}
#: Where a command may begin: what executes, loads or includes, jumps into another file, or a
#: variable of a kind that does. None occurs in an input of this package.
_LAMMPS_FORBIDDEN = re.compile(
    r"""(^|["'])\s*(shell|include|python|plugin|kim|molecule|read_data|log|quit|mdi)\b"""
    r"|\bjump\s+(?!SELF\b)|\bvariable\s+\w+\s+(?!(atom|equal|string|world)\b)"
)
_LAMMPS_SWITCHES = {"-sf", "-suffix", "-pk", "-package", "-k", "-kokkos", "-nb", "-nonbuf"}
#: First parts of options of the package `kokkos` that hold a slash.
_LAMMPS_PARTS = {"neigh", "comm", "pair", "fix", "atom", "gpu", "sort"}
_LAMMPS_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+/-]*|-?\d+(\.\d*)?", re.ASCII)


def lammps_script(lines: Iterable[str]) -> str:
    """Return the text of a LAMMPS input that consists of the commands of this package only.

    The parts of the lines are checked where they are rendered; this refuses what they let through.
    """
    text = "\n".join(lines)
    continued = False
    for line in text.split("\n"):
        words = line.split()
        known = not words or words[0].startswith("#") or words[0] in _LAMMPS_COMMANDS
        if continued:
            known = line.lstrip().startswith('"')
        found = _LAMMPS_FORBIDDEN.search(line)
        control = any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in line)
        if found or control or not known:
            raise InputTextError(
                f"the input of LAMMPS would hold the line {_short(line)}, which is none of this "
                "package: make the potential, the stages and the settings again"
            )
        continued = line.endswith("&")
    return text


def lammps_options(options: Sequence[Any]) -> list[str]:
    """Return options of the command line of LAMMPS that choose accelerators.

    Other switches would run another input, write files elsewhere or set variables.
    """
    words = [str(option) for option in options]
    if words and words[0] not in _LAMMPS_SWITCHES:
        raise _lammps_refusal(words[0])
    for word in words:
        if word not in _LAMMPS_SWITCHES and not _LAMMPS_WORD.fullmatch(word):
            raise _lammps_refusal(word)
        if "/" in word and word.split("/")[0] not in _LAMMPS_PARTS:
            raise _lammps_refusal(word)
    return words


def _lammps_refusal(word: str) -> InputTextError:
    return InputTextError(
        f"`cmdline` holds {_short(word)}: give the switches -sf, -pk and -k with plain words, such "
        "as `-sf kk -k on g 1`; other options belong into a script that calls LAMMPS"
    )


def lammps_file(name: str | Path) -> str:
    """Return the name of a file as a word of a LAMMPS input.

    A text must be a plain name in the folder of the job. A Path is one of this process and is put
    between quotes.
    """
    if not isinstance(name, Path):
        return plain_name(name, "the name of the potential file")
    text = one_line(str(name), "the path of the potential file")
    if '"' in text or "$" in text:
        raise InputTextError(f'LAMMPS cannot open {_short(text)}: choose a folder without " and $')
    return f'"{text}"'


def lammps_type(name: Any) -> str:
    """Return the name of an atom type of a model as a word of a LAMMPS input."""
    if not isinstance(name, str) or len(name) > 60 or not _TYPE.fullmatch(name) or name == "NULL":
        raise InputTextError(
            f"the model has the atom type {_short(name)}: rename it to letters, digits and _ . + "
            "-, and package the model again"
        )
    return name


# ---- CP2K

_CP2K_KEY = re.compile(r"[A-Z][A-Z0-9_+-]*|_", re.ASCII)
#: Keywords whose value names files.
_CP2K_FILE = re.compile(r"FILE(?!_FORMAT)|DIRECTORY|FOLDER|PATH")
_CP2K_UNIT = re.compile(r"\[[A-Za-z0-9*^/_+-]+\]", re.ASCII)
_CP2K_FORBIDDEN = re.compile(r"[@$\\!#&~]")


def cp2k_input(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested sections of a CP2K input of which every key and value is a keyword's own.

    Refused are directives of the preprocessor (``@INCLUDE``, ``${NAME}``), further lines and
    sections within a value, and files outside of the folder of the job and of CP2K's data.
    """
    for key, value in content.items():
        if not isinstance(key, str) or not _CP2K_KEY.fullmatch(key):
            raise InputTextError(
                f"CP2K has no keyword {_short(key)}: keywords are capital letters, digits and `_`"
            )
        for entry in value if isinstance(value, list | tuple) else [value]:
            if isinstance(entry, Mapping):
                cp2k_input(entry)
            else:
                _check_cp2k_value(key, entry)
    return dict(content)


def _check_cp2k_value(key: str, value: Any) -> None:
    if isinstance(value, Real | np.bool_) or value is None:
        return
    text = one_line(value, f"CP2K's keyword {key}")
    bare = _CP2K_UNIT.sub("", text)
    if _CP2K_FORBIDDEN.search(bare):
        raise InputTextError(
            f"CP2K's keyword {key} is {_short(text)}: leave out @ $ \\ ! # & ~, which have "
            "a meaning of their own in CP2K"
        )
    words = bare.split()
    named = _CP2K_FILE.search(key) is not None
    if "/" in bare or ".." in words or (named and not all(_is_cp2k_file(w) for w in words)):
        raise InputTextError(
            f"CP2K's keyword {key} is {_short(text)}: name a file without a folder; CP2K finds it "
            "in its data folder (CP2K_DATA_DIR in the prepend text of the code)"
        )


def _is_cp2k_file(word: str) -> bool:
    return _PLAIN.fullmatch(word.removeprefix("=")) is not None or word == "__STD_OUT__"


def cp2k_restart(text: Any) -> str:
    """Return a restart file of CP2K, which is an input, if no line of it directs anything."""
    if not isinstance(text, str):
        raise InputTextError("a restart file of CP2K is no text: continue from the start")
    for line in text.splitlines():
        if "@" in line or "$" in line:
            raise InputTextError(
                f"a restart file of CP2K holds {_short(line)}, which CP2K does not write: continue "
                "from the start"
            )
    return text


# ---- VASP

_VASP_TAG = re.compile(r"[A-Z][A-Z0-9_]*(/[A-Z0-9_]+)?", re.ASCII)
_VASP_VALUE = re.compile(r"[A-Za-z0-9 .,:+*()/_-]*", re.ASCII)


def vasp_incar(tags: Mapping[str, Any]) -> dict[str, Any]:
    """Return INCAR tags of which every name and value is one of VASP's own.

    Refused are ``;``, line ends, comments, quotes and braces, with which a value would set further
    tags, and the tags of Python plugins.
    """
    for name, value in tags.items():
        capital = name.upper() if isinstance(name, str) else ""
        if not _VASP_TAG.fullmatch(capital) or capital.startswith("PLUGINS"):
            raise InputTextError(f"INCAR has no tag {_short(name)} that may be set: remove it")
        for entry in value if isinstance(value, list | tuple) else [value]:
            if isinstance(entry, Real | np.bool_) or entry is None:
                continue
            if not _VASP_VALUE.fullmatch(one_line(entry, f"the INCAR tag {capital}")):
                raise InputTextError(
                    f"the INCAR tag {capital} is {_short(entry)}: use letters, digits, spaces and "
                    ". , : + - * / ( ) _ only"
                )
    return dict(tags)


# ---- YAML for hydra


def hydra_yaml(config: Mapping[str, Any], allowed: Iterable[str]) -> str:
    """Return a configuration for hydra as YAML.

    Parameters
    ----------
    config
        Of plain Python types.
    allowed
        All values that ``_target_`` may have, as it names what is called, and all texts that hold
        an interpolation ``${...}``, which is evaluated.
    """
    _check_hydra(config, frozenset(allowed))
    try:
        return yaml.safe_dump(dict(config), sort_keys=False, default_flow_style=False)
    except yaml.YAMLError as error:
        raise InputTextError(f"the configuration holds more than plain values: {error}") from error


def _check_hydra(value: Any, allowed: frozenset[str]) -> None:
    if isinstance(value, Mapping):
        for key, entry in value.items():
            if isinstance(key, str) and key.startswith("_") and key != "_target_":
                raise InputTextError(f"the configuration holds the key {_short(key)}: remove it")
            if key == "_target_" and not (isinstance(entry, str) and entry in allowed):
                raise InputTextError(
                    f"the configuration would call {_short(entry)}, which no training of this "
                    "package does: make the settings or the package again"
                )
            _check_hydra(key, allowed)
            _check_hydra(entry, allowed)
    elif isinstance(value, list | tuple):
        for entry in value:
            _check_hydra(entry, allowed)
    elif isinstance(value, str) and value not in allowed:
        if "${" in one_line(value, "a value of the configuration"):
            raise InputTextError(
                f"the configuration holds {_short(value)}, which hydra would evaluate: write the "
                "value itself"
            )


# ---- the scheduler's script


_SCHEDULER_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@,+=-]*", re.ASCII)


def scheduler_word(text: Any, what: str) -> str:
    """Return a word of the head of a job's script, such as an account or a partition."""
    if not isinstance(text, str) or len(text) > 200 or not _SCHEDULER_WORD.fullmatch(text):
        raise InputTextError(
            f"{what} is {_short(text)}: give one word of letters, digits and . _ - : , @ + ="
        )
    return text


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

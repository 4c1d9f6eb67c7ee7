"""Pseudonyms for what names a person or a machine: equal names get equal pseudonyms."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from aiida_nanoclusters.science.frames import Frames

#: Words that are names of no one: replacing them would change what data mean.
GENERIC = frozenset(
    """root user users admin aiida nobody ubuntu debian daemon docker runner home work scratch
    localhost local cluster clusters bulk slab surface atom atoms dimer chain crystal frame frames
    label labels lammps nequip allegro vasp cp2k python bash main test tests train training study
    copper silver gold data node code gpu cpu slurm login server machine computer workstation
    laptop""".split()
)
#: Where the paths of every system lie.
_COMMON = ("/bin/", "/usr/bin/", "/dev/", "/proc/", "/etc/", "/anonymous/")
_PATH = re.compile(r"(?:(?<=file://)|(?<![\w/.~@%+-]))(?:/[\w.+@~%,=#-]+){2,}/?")
_NOT_IN = "(?<![A-Za-z0-9])"
_HOME = re.compile(r"/(?:home|Users)/([\w.-]+)")
#: Bytes of the shortest bare name that is searched for in files which are no text.
_LEAST_IN_BINARY = 5


@dataclass(frozen=True)
class Names:
    """What is to be replaced.

    Attributes
    ----------
    emails, people
        Of users: addresses, and given with family names.
    accounts
        Names of users on computers (UNIX).
    hosts, computers
        Names of machines, and labels of computers in AiiDA.
    programs
        Absolute paths of executables.
    folders
        Absolute paths of homes and working directories.
    """

    emails: Iterable[str] = ()
    people: Iterable[str] = ()
    accounts: Iterable[str] = ()
    hosts: Iterable[str] = ()
    computers: Iterable[str] = ()
    programs: Iterable[str] = ()
    folders: Iterable[str] = ()


@dataclass
class Pseudonyms:
    """Replaces names in texts, values and frames.

    Absolute paths are replaced wherever they stand, as a whole; of those in :data:`_COMMON` every
    system has the same. Words of :data:`GENERIC` stay.
    """

    names: Names
    _known: dict[str, str] = field(default_factory=dict)
    _paths: dict[str, str] = field(default_factory=dict)
    _of_kind: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = self.names
        for number, email in enumerate(sorted(set(names.emails)), start=1):
            self._known[email] = f"user-{number}@example.org"
        for number, path in enumerate(sorted(set(names.programs)), start=1):
            self._known[path] = f"/anonymous/program-{number}"
        for number, path in enumerate(sorted(set(names.folders)), start=1):
            self._known[path.rstrip("/")] = f"/anonymous/folder-{number}"
        for kind, found in (
            ("person", names.people),
            ("host", names.hosts),
            ("computer", names.computers),
            ("account", _accounts(names)),
            ("program", program_names(names.programs)),
        ):
            for number, name in enumerate(sorted({*found} - {"", "localhost"}), start=1):
                self._of_kind[kind, name] = f"{kind}-{number}"
                if _is_name(name):
                    self._known.setdefault(name, f"{kind}-{number}")
        self._known.pop("", None)
        self._words = _alternatives(self._known)
        paths = [name for name in self._known if "/" in name and not _PATH.fullmatch(name)]
        self._odd = sorted(paths, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return a text with pseudonyms in the place of names."""
        for odd in self._odd:  # a path with a space, of which _PATH finds the beginning
            text = text.replace(odd, self._known[odd])
        text = _PATH.sub(self._path, text)
        if self._words:
            text = self._words.sub(lambda found: self._known[found[0]], text)
        return _HOME.sub("/anonymous/home", text)

    def value(self, value: Any) -> Any:
        """Return a value of JSON with pseudonyms in all its texts; its keys stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.value(v) for key, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(v) for v in value]
        return value

    def frames(self, frames: Frames) -> Frames:
        """Return frames with pseudonyms in their origins and information."""
        infos = [json.dumps(self.value(json.loads(t)), sort_keys=True) for t in frames.info]
        return replace(
            frames,
            info=np.array(infos),
            parents=np.array([self.text(str(parent)) for parent in frames.parents]),
        )

    def name(self, kind: str, text: str) -> str:
        """Return the pseudonym of a host or computer, also where its name is a generic word."""
        return self._of_kind.get((kind, text), text)

    def pattern(self) -> re.Pattern[bytes]:
        """Return the pattern that finds a name in a file which is no text."""
        long = [n for n in self._known if "/" in n or "@" in n or len(n) >= _LEAST_IN_BINARY]
        words = _alternatives(long)
        parts = [words.pattern] if words else []
        return re.compile("|".join([*parts, r"/(?:home|Users)/[A-Za-z]"]).encode(), re.ASCII)

    def _path(self, found: re.Match[str]) -> str:
        path = found[0]
        if path in self._known or path.startswith(_COMMON):
            return self._known.get(path, path)
        return self._paths.setdefault(path, f"/anonymous/path-{len(self._paths) + 1}")


def _accounts(names: Names) -> set[str]:
    """Return names of users on computers, also those in the paths of their homes."""
    paths = [*names.programs, *names.folders]
    homes = {found[1] for path in paths for found in _HOME.finditer(path)}
    return {*names.accounts, *homes, *(email.partition("@")[0] for email in names.emails)}


def _is_name(text: str) -> bool:
    return len(text) >= 3 and text.lower() not in GENERIC


def _alternatives(words: Iterable[str]) -> re.Pattern[str] | None:
    """Return the pattern of any of some words, the longest first, not within other words."""
    ordered = sorted(words, key=lambda word: (-len(word), word))
    if not ordered:
        return None
    # A path may stand behind a letter: -L/home/name/lib.
    either = "|".join(("" if w[0] == "/" else _NOT_IN) + re.escape(w) for w in ordered)
    return re.compile(f"(?:{either})(?![A-Za-z0-9])")


def program_names(paths: Iterable[str]) -> set[str]:
    """Return the names of executables that are no common ones: a version, a machine, a person."""
    names = {PurePosixPath(path).name for path in paths}
    return {name for name in names if not _PROGRAMS.fullmatch(name)}


_PROGRAMS = re.compile(
    r"python[\d.]*|bash|sh|lmp(_\w+)?|cp2k(\.\w+)?|vasp(_std|_gam|_ncl)?|nequip[\w-]*|mpirun|srun"
)

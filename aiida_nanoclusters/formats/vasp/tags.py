"""Tags of VASP: of an INCAR, of the list of parameters in an OUTCAR, and of a vasprun.xml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Tags = dict[str, Any]

#: What VASP prints, or a person writes, where a tag has no value of its own.
_UNSET = ("", "-", "--", "NONE", "none", "None")
#: A tag in the list of parameters of an OUTCAR: at the start of its line or after a semicolon.
_PARAMETER = re.compile(r"(?:^|;) *([A-Z][A-Za-z0-9_]*) *= *([^\s;]+)")
#: Tags of the list of parameters that are used; others of these names are data of the POTCARs.
_USED = frozenset(
    """NELM EDIFF ENCUT NELECT ISPIN NUPDOWN GGA METAGGA LHFCALC AEXX AGGAC ALDAC HFSCREEN LTHOMAS
    LMODELHF LDAU IVDW LVDW LUSE_VDW ZAB_VDW PARAM1 PARAM2 BPARAM CPARAM LIBXC1 LIBXC2 ICHARG IALGO
    ISIF IBRION LNONCOLLINEAR LSORBIT IMAGES LDIPOL IDIPOL EFIELD LSOL ML_LMLFF NWRITE
    LCHIMAG""".split()
)
#: Rows of values for each kind of atom, behind words that say what they are.
_ROW = re.compile(r"\b(LDAUTYPE|LDAUL|LDAUU|LDAUJ) *= *([-+.\dEe ]+)$")
_ASSIGNED = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.DOTALL)
_REPEATED = re.compile(r"(\d{1,6})\*(\S+)")
_LONGEST_LIST = 100_000


def read_value(text: str) -> Any:
    """Return a value as truth, number or text, and several values as a list of these."""
    words: list[str] = []
    for word in text.split():
        repeated = _REPEATED.fullmatch(word)
        words += [repeated[2]] * int(repeated[1]) if repeated else [word]
        if len(words) > _LONGEST_LIST:
            return text.strip()
    values = [_one(word) for word in words]
    return values[0] if len(values) == 1 else values


def _one(word: str) -> Any:
    if re.fullmatch(r"\.?[TF](RUE|ALSE)?\.?", word.upper()):
        return "T" in word.upper()[:2]
    for kind, number in ((int, word), (float, re.sub("[dD]", "e", word))):
        if number[:1] in "+-.0123456789" and len(number) < 50:
            try:
                return kind(number)
            except ValueError:
                continue
    return word


def read_incar(lines: list[str]) -> Tags:
    """Return the tags of an INCAR; of one that is there twice the first, as VASP does."""
    tags: Tags = {}
    for line in lines:
        for part in re.split("[#!]", line, maxsplit=1)[0].split(";"):
            found = _ASSIGNED.fullmatch(part.rstrip("\n\\ "))
            if found:
                tags.setdefault(found[1].upper(), read_value(found[2]))
    return tags


def read_parameters(line: str) -> Tags:
    """Return the tags of one line of the list of parameters in an OUTCAR."""
    pairs = ((k.upper(), v) for k, v in _PARAMETER.findall(line[:200]))
    found = {k: read_value(v) for k, v in pairs if k in _USED}
    row = _ROW.search(line[:10_000].rstrip())
    if row:
        values = read_value(row[2])
        found[row[1]] = values if row[1] == "LDAUTYPE" or isinstance(values, list) else [values]
    return found


def is_set(tags: Mapping[str, Any], name: str) -> bool:
    """Whether a tag has a value."""
    value = tags.get(name)
    return value is not None and value != [] and str(value).strip() not in _UNSET


def merged(*sources: Mapping[str, Any]) -> Tags:
    """Return the tags of several sources, the first of them that sets one deciding."""
    found: Tags = {}
    for source in sources:
        for name, value in source.items():
            if not is_set(found, name):
                found[name] = value
    return found


def number(tags: Mapping[str, Any], name: str) -> float | None:
    """Return a tag that has to be a number, or None."""
    value = tags.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def word(tags: Mapping[str, Any], name: str) -> str:
    """Return a tag that has to be a word, in capitals; empty where it is not set."""
    if not is_set(tags, name):
        return ""
    value = tags[name]
    return str(value[0] if isinstance(value, list) else value).strip("-'\" ").upper()


def is_true(tags: Mapping[str, Any], name: str) -> bool:
    """Whether a tag is set to true."""
    return tags.get(name) is True

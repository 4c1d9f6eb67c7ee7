"""What every reader of finished calculations has to do, with all cases of all formats."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiida_nanoclusters.formats.frame_origin import labelled_frame
from aiida_nanoclusters.formats.label_files import (
    GAP,
    READERS,
    LeftOut,
    Source,
    find_files,
    read_source,
)
from tests.formats.reader_cases.case import Case

pytestmark = pytest.mark.timeout(600)


def _cases(name: str) -> list[Case]:
    found: list[Case] = importlib.import_module(f"tests.formats.reader_cases.{name}").CASES
    return found


#: Formats with the number of examples of the property test: those of pymatgen take long.
FORMATS = {"extxyz": 400, "cp2k": 100, "outcar": 100, "vasp": 60}
CASES = {name: _cases(name) for name in FORMATS}
ALL = [pytest.param(c, id=f"{name}: {c.name}") for name, own in CASES.items() for c in own]
#: Formats without a head, in which every line belongs to one step.
LINE_BY_LINE = ("extxyz",)


def _write(files: dict[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def read(files: dict[str, bytes]) -> list[Source]:
    """Return what is in a folder of these files."""
    with TemporaryDirectory() as folder:
        _write(files, Path(folder))
        sources = [read_source(path, kind) for path, kind in find_files([Path(folder)])]
        for source in sources:
            source.path = source.path.relative_to(folder)
        return sources


@pytest.mark.parametrize("case", ALL)
def test_cases(case: Case) -> None:
    """Labels with all that fixes what they are; every other step and number is named."""
    sources = read(case.files)
    pairs = [pair for s in sources for pair in zip(s.frames, s.levels, strict=True)]
    pairs.sort(key=lambda pair: pair[0].get_potential_energy())
    expected = sorted(case.labels, key=lambda one: one.energy)
    told = [str(left_out) for source in sources for left_out in source.left_out]
    assert [a.get_potential_energy() for a, _ in pairs] == pytest.approx(
        [one.energy for one in expected], abs=1e-6
    ), told
    for (atoms, level), one in zip(pairs, expected, strict=True):
        assert np.isfinite(atoms.get_forces()).all()
        if one.charge is not None:
            assert atoms.info.get("charge", 0.0) == one.charge
        if one.multiplicity is not None:
            assert atoms.info.get("multiplicity") == one.multiplicity
        if one.level is not None:
            assert level == one.level
        if one.pbc is not None:
            assert tuple(atoms.pbc) == one.pbc
        assert {"source", "step", "config_type"} <= set(atoms.info)
    assert len(told) == len(case.left_out)
    for words in case.left_out:
        assert any(words in text for text in told), told
    for text in told:
        assert any(words in text for words in case.left_out), text
    problems = {source.path.as_posix(): source.problem for source in sources if source.problem}
    assert set(problems) == set(case.problems)
    for name, words in case.problems.items():
        assert words in str(problems[name])
    unused = "; ".join(f"{name}: {why}" for s in sources for name, why in s.unused)
    for words in case.unused:
        assert words in unused


# -- any damage ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Damage:
    """What is done to one file of a case, at a place between 0 and 1 of it."""

    kind: str
    at: float

    def apply(self, content: bytes) -> bytes:
        """Return the damaged content."""
        lines = content.splitlines(keepends=True)
        index = min(int(self.at * len(lines)), len(lines) - 1)
        match self.kind:
            case "cut":
                return content[: int(self.at * len(content))]
            case "line removed":
                return b"".join([*lines[:index], *lines[index + 1 :]])
            case "line doubled":
                return b"".join([*lines[: index + 1], *lines[index:]])
            case "CRLF":
                return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            case _:
                return content + content

    def lines(self, content: bytes) -> tuple[float, float]:
        """Return the first and the last line that may be other ones, from 1."""
        count = len(content.splitlines())
        if self.kind == "cut":
            return content[: int(self.at * len(content))].count(b"\n") + 1, np.inf
        if self.kind.startswith("line"):
            index = min(int(self.at * count), count - 1) + 1
            return index, index
        return np.inf, np.inf


DAMAGES = st.builds(
    Damage,
    st.sampled_from(["cut", "line removed", "line doubled", "CRLF", "joined"]),
    st.floats(0, 1, exclude_max=True),
)


def _labels(sources: list[Source]) -> list[tuple[float, bytes, float]]:
    """Return energy, positions and charge of every label."""
    return [
        (
            round(float(atoms.get_potential_energy()), 7),
            (np.round(atoms.positions, 5) + 0.0).tobytes(),
            float(atoms.info.get("charge", 0.0)),
        )
        for source in sources
        for atoms in source.frames
    ]


def _disputed(files: dict[str, bytes]) -> set[tuple[float, bytes, float]]:
    """Return the steps that are no labels because two sources differ: one may be lost."""
    found = set()
    with TemporaryDirectory() as folder:
        _write(files, Path(folder))
        for path, kind in find_files([Path(folder)]):
            for step in READERS[kind](path, None).steps if kind else ():
                if "differ" in (step.problem or "") and step.atoms.calc is not None:
                    frame = labelled_frame(step, path, GAP)
                    found |= set(_labels([Source(path, "", [frame])]))
    return found


def _untouched(source: Source, damage: Damage, content: bytes) -> list[tuple[float, bytes, float]]:
    """Return the labels of a file that the damage does not reach."""
    first, last = damage.lines(content)
    starts = [int(a.info["line"]) for a in source.frames if "line" in a.info]
    starts += [one.line for one in source.left_out if one.line is not None]
    kept = []
    for atoms, label in zip(source.frames, _labels([source]), strict=True):
        start = atoms.info.get("line")
        if start is None:
            continue
        end = min((other for other in starts if other > start), default=np.inf)
        if end <= first or start > last:
            kept.append(label)
    return kept


def _within_steps(source: Source, damage: Damage, content: bytes) -> bool:
    """Whether the damage leaves the head of a run as it is, which belongs to all its steps."""
    starts = [int(a.info["line"]) for a in source.frames]
    starts += [one.line for one in source.left_out if one.line is not None]
    at = damage.lines(content)[0]
    return damage.kind == "cut" or (bool(starts) and min(starts) <= at < np.inf)


@pytest.mark.parametrize("name", FORMATS)
def test_any_damage(name: str) -> None:
    """Never a traceback, a label that was not in the input, or a good label lost elsewhere."""
    plain = [case for case in CASES[name] if all(map(_is_text, case.files.values()))]
    if not plain:
        pytest.skip("no case of this format is text")

    @settings(
        max_examples=FORMATS[name],
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(plain), st.integers(0, 7), DAMAGES)
    def check(case: Case, which: int, damage: Damage) -> None:
        file = sorted(case.files)[which % len(case.files)]
        content = case.files[file]
        before = read(case.files)
        after = read({**case.files, file: damage.apply(content)})
        labels = set(_labels(before))
        assert set(_labels(after)) <= labels | _disputed(case.files)
        if damage.kind in ("CRLF", "joined") and name in LINE_BY_LINE:
            assert set(_labels(after)) == labels
        source = next((s for s in before if s.path.as_posix() == file), None)
        if source is not None and (name in LINE_BY_LINE or _within_steps(source, damage, content)):
            assert set(_untouched(source, damage, content)) <= set(_labels(after))

    check()


def _is_text(content: bytes) -> bool:
    return b"\0" not in content and not content.startswith((b"\x1f\x8b", b"BZh", b"\xfd7z"))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from(CASES["extxyz"]), st.sampled_from(CASES["extxyz"]), st.booleans())
def test_two_files_joined(first: Case, second: Case, line_end: bool) -> None:
    """Also where the first has no line end: its last frame may be lost, nothing else."""
    parts = [next(iter(case.files.values())) for case in (first, second)]
    if not all(map(_is_text, parts)):
        return
    parts[0] = parts[0].rstrip(b"\n") + (b"\n" if line_end else b"")
    known = {label for part in parts for label in _labels(read({"a.xyz": part}))}
    joined = read({"a.xyz": parts[0] + parts[1]})
    found = set(_labels(joined))
    assert found <= known
    if line_end and not joined[0].problem:
        assert found == known


def test_left_out_names_the_line_once() -> None:
    assert str(LeftOut(3, "no energy", 7)) == "step 3 (line 7): no energy"
    assert str(LeftOut(3, "line 9: no number", 7)) == "step 3: line 9: no number"

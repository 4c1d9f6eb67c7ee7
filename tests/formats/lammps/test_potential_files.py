"""EAM files: what LAMMPS reads is accepted, what it refuses is not, and each kind is told."""

import bz2
import gzip
import lzma
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiida_nanoclusters.formats.lammps.potential_files import read_eam, read_eam_metadata
from tests.formats.lammps.eam_texts import ask_lammps, funcfl, setfl

TEXT = setfl()
ONE = "-7.07106781e-01"  # a number of it
#: Energy of the pair that :func:`ask_lammps` makes, by all files with the tables of `setfl`.
ENERGY = -1.5635919320746665
COMMENTED = TEXT.replace("1 Cu\n", "\n1 Cu # copper\n").replace("29 60", "# of copper\n29 60")
#: Name: content, and whether LAMMPS reads it as it is.
ACCEPTED = {
    "plain": (TEXT.encode(), True),
    "windows": (TEXT.replace("\n", "\r\n").encode(), True),
    "tabs": (TEXT.replace(" ", "\t").encode(), True),
    "one number a line": (setfl(per_line=1).encode(), True),
    "a table a line": (setfl(per_line=20).encode(), True),
    "rows of seven": (setfl(per_line=7).encode(), True),
    "blank lines and comments": (COMMENTED.encode(), True),
    "grid on two lines": (TEXT.replace("20 0.5 20", "20 0.5\n20").encode(), True),
    "latin-1": (setfl(comments=("Müller", "é", "ÿ")).encode("latin-1"), True),
    "utf-8 with a byte that latin-1 takes for a line": (
        setfl(comments=("Å", "", "")).encode(),
        True,
    ),
    "no end of the last line": (TEXT.rstrip("\n").encode(), True),
    "byte order mark": (TEXT.encode("utf-8-sig"), True),
    "units of metal": (setfl(comments=("UNITS: metal", "", "")).encode(), True),
    "header without lattice": (TEXT.replace(" 3.6 fcc", "").encode(), True),
    "an article after the tables": ((TEXT + "see J. Phys. 1, 2\n").encode(), True),
    "old mac": (TEXT.replace("\n", "\r").encode(), False),
    "fortran": (TEXT.replace("e+", "D+").replace("e-", "d-").encode(), False),
    "comment of 3000 characters": (setfl(comments=("x" * 3000, "b", "c")).encode(), False),
    "line of 3000 characters": (setfl(points=200, per_line=200).encode(), False),
    "minus of typesetters": (TEXT.replace("-", "\u2212").encode(), True),
    "gzip": (gzip.compress(TEXT.encode()), False),
    "bzip2": (bz2.compress(TEXT.encode()), False),
    "xz": (lzma.compress(TEXT.encode()), False),
}
#: Name: content, what is said of it, and whether LAMMPS reads it all the same.
REFUSED = {
    "empty": ("", "it is empty", False),
    "comments only": ("a\nb\n", "it ends within the 3 lines of comments", False),
    "header only": (TEXT[: TEXT.index("29 60")], "it is cut short: it ends where the head", False),
    "cut": (TEXT[:-40], "it is cut short: a table ends after 18 of 20", False),
    "two names, one said": (setfl(listed="1 Cu Ni"), "does not list as many elements", False),
    "list on two lines": (setfl(listed="1\nCu"), "does not list as many elements", False),
    "four comments": (setfl(comments="abcd"), "its list of elements is in line 5", False),
    "whole numbers with a point": (
        TEXT.replace("20 0.5 20", "20.0 0.5 20"),
        "`20.0` stands",
        False,
    ),
    "huge count": (TEXT.replace("20 0.5 20", "9999999999 0.5 20"), "`9999999999` stands", False),
    "comma": (TEXT.replace("0.5 20", "0,5 20"), "`0,5` stands where a number should", False),
    "a word": (TEXT.replace(ONE, "abc"), "`abc` in a table of numbers", False),
    "too large": (TEXT.replace(ONE, "1e999"), "not finite", False),
    "other units": (setfl(comments=("UNITS: lj", "", "")), "only metal or real", False),
    "step of zero": (TEXT.replace(" 0.3 5.7", " 0 5.7"), "steps of 0.5", False),
    "one point": (TEXT.replace("20 0.5 20", "20 0.5 1"), "20 and 1 points are too short", False),
    # LAMMPS computes with these, and gives energies that are no numbers, or none at all.
    "nan": (TEXT.replace(ONE, "nan"), "`nan` in a table of numbers", True),
    "no cutoff": (TEXT.replace(" 5.7", " 0"), "its cutoff is 0 Å", True),
    "names of nothing": (setfl(["Qq"], numbers=[0]).replace("60.0", "0.7"), "Qq names no", True),
}


def written(folder: Path, content: bytes | str, name: str = "x.eam.alloy") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(tmp_path, case) -> None:
    content, as_it_is = ACCEPTED[case]
    found = read_eam(written(tmp_path, content))
    assert (found.kind, found.symbols, found.cutoff, found.remark) == ("eam/alloy", ["Cu"], 5.7, "")
    if as_it_is and case not in ("an article after the tables", "minus of typesetters"):
        assert found.content == content
    assert read_eam_metadata(written(tmp_path, found.content), "eam/alloy") == (["Cu"], 5.7)


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path, case) -> None:
    content, said, _ = REFUSED[case]
    with pytest.raises(ValueError) as told:
        read_eam(written(tmp_path, content))
    assert said in str(told.value) and "\n" not in str(told.value)
    with pytest.raises(ValueError, match="is no `eam/alloy` potential file"):
        read_eam_metadata(tmp_path / "x.eam.alloy", "eam/alloy")


@pytest.mark.timeout(300)
def test_lammps_is_of_the_same_mind(tmp_path) -> None:
    """What is kept of an accepted file runs with its energy; what is refused LAMMPS refuses."""
    raw, kept, wrong = [], [], []
    for k, (content, _) in enumerate(ACCEPTED.values()):
        raw.append(written(tmp_path, content, f"raw{k}"))
        kept.append(written(tmp_path, read_eam(raw[-1]).content, f"kept{k}"))
    for k, (text, _, _) in enumerate(REFUSED.values()):
        wrong.append(written(tmp_path, text, f"wrong{k}"))
    said = ask_lammps("eam/alloy", "Cu", [*raw, *kept])
    energies = dict(zip(ACCEPTED, said[len(raw) :], strict=True))
    assert set(map(type, energies.values())) == {float}, energies
    assert {energy for case, energy in energies.items() if "3000" not in case} == {ENERGY}
    as_it_is = [isinstance(answer, float) for answer in said[: len(raw)]]
    assert dict(zip(ACCEPTED, as_it_is, strict=True)) == {k: v for k, (_, v) in ACCEPTED.items()}
    answers = dict(zip(REFUSED, ask_lammps("eam/alloy", "Cu", wrong), strict=True))
    read = {case: isinstance(answer, float) for case, answer in answers.items()}
    read["names of nothing"] = True  # LAMMPS compares the names only
    assert read == {case: also for case, (_, _, also) in REFUSED.items()}
    assert math.isnan(float(answers["nan"])) or answers["nan"] != ENERGY


def test_files_that_lammps_ships_are_kept_as_they_are(eam_file) -> None:
    shipped = [
        p for end in (".eam", ".eam.alloy", ".eam.fs") for p in eam_file.parent.glob(f"*{end}")
    ]
    assert len(shipped) >= 30
    for path in shipped:
        found = read_eam(path)
        assert found.content == path.read_bytes() and not found.remark
        assert path.name.endswith(f".{found.kind.replace('/', '.')}")


KINDS = {
    "eam/alloy": setfl(["Cu", "Ni"]),
    "eam/fs": setfl(["Cu", "Ni"], fs=True),
    "eam": funcfl(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_follows_from_the_file(tmp_path, kind) -> None:
    path = written(tmp_path, KINDS[kind], "potential")
    assert read_eam(path).kind == read_eam(path, kind).kind == kind
    for other in set(KINDS) - {kind}:
        with pytest.raises(ValueError, match=f"of the kind `{kind}`, not `{other}`: give the kind"):
            read_eam(path, other)


def test_one_element_is_of_both_kinds_of_setfl(tmp_path) -> None:
    assert read_eam(written(tmp_path, TEXT, "Cu.eam.alloy")).kind == "eam/alloy"
    assert read_eam(written(tmp_path, TEXT, "Cu.eam.fs")).kind == "eam/fs"
    assert read_eam(tmp_path / "Cu.eam.fs", "eam/alloy").content == TEXT.encode()


def test_files_of_other_styles_are_known_by_their_names(tmp_path) -> None:
    with pytest.raises(ValueError, match="named as a file of `eam/he`"):
        read_eam(written(tmp_path, KINDS["eam/fs"], "x.eam.he"))
    assert read_eam(tmp_path / "x.eam.he", "eam/fs").kind == "eam/fs"
    with pytest.raises(ValueError, match="it is a web page: download the file itself"):
        read_eam(written(tmp_path, "\n<html>\n"))


@pytest.mark.parametrize(("number", "mass"), [(29, 63.55), (29, 1.0), (0, 63.55)])
def test_the_element_of_a_funcfl_file(tmp_path, number, mass) -> None:
    assert read_eam(written(tmp_path, funcfl(number, mass))).symbols == ["Cu"]


def test_an_element_of_no_number_and_no_mass(tmp_path) -> None:
    with pytest.raises(ValueError, match="its atomic number names no chemical element"):
        read_eam(written(tmp_path, funcfl(0, 5000.0)))


def test_names_that_are_no_symbols_are_those_of_their_atomic_numbers(tmp_path) -> None:
    found = read_eam(written(tmp_path, setfl(["CU", "Ni_b"])))
    assert found.symbols == ["Cu", "Ni"] and b"\n2 Cu Ni\n" in found.content
    with pytest.raises(ValueError, match="names an element twice: Cu1, Cu2"):
        read_eam(written(tmp_path, setfl(["Cu1", "Cu2"], numbers=[29, 29])))


@pytest.mark.parametrize("text", [TEXT + "1 2 3\n", TEXT.replace("20 0.5 20", "17 0.5 20")])
def test_numbers_that_are_not_read_are_told(tmp_path, text) -> None:
    assert read_eam(written(tmp_path, text)).remark.startswith("3 numbers beyond the counts")


def test_what_follows_a_table_in_its_last_line_is_not_looked_at(tmp_path) -> None:
    """LAMMPS reads as many numbers as it needs, and nothing behind them."""
    path = written(tmp_path, TEXT.rstrip("\n") + " e+00 x\n")
    assert read_eam(path).remark.startswith("2 numbers beyond the counts")
    assert ask_lammps("eam/alloy", "Cu", [path]) == ask_lammps(
        "eam/alloy", "Cu", [written(tmp_path, TEXT, "as_it_is")]
    )


# -- any file -----------------------------------------------------------------------------------

LINES = TEXT.encode().split(b"\n")[:-1]
changed = st.one_of(
    st.integers(0, len(TEXT)).map(lambda n: TEXT.encode()[:n]),
    st.integers(0, len(LINES) - 1).map(lambda n: b"\n".join(LINES[:n] + LINES[n + 1 :])),
    st.integers(0, len(LINES) - 1).map(lambda n: b"\n".join(LINES[: n + 1] + LINES[n:])),
    st.sets(st.integers(0, len(LINES) - 1)).map(
        lambda chosen: b"".join(
            line + (b"\r\n" if n in chosen else b"\n") for n, line in enumerate(LINES)
        )
    ),
    st.tuples(st.integers(0, len(TEXT) - 1), st.integers(0, 255)).map(
        lambda at: TEXT.encode()[: at[0]] + bytes([at[1]]) + TEXT.encode()[at[0] + 1 :]
    ),
)
_ASKED: list[tuple[bytes, bool]] = []


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=changed)
def test_a_changed_file_ends_in_a_line_or_in_what_can_be_read(tmp_path, content) -> None:
    path = written(tmp_path, content)
    try:
        found = read_eam(path, "eam/alloy")
    except ValueError as error:
        assert "\n" not in str(error) and "x.eam.alloy" in str(error)
        _ASKED.append((content, False))
        return
    held = read_eam_metadata(written(tmp_path, found.content), "eam/alloy")
    assert held == (found.symbols, found.cutoff)
    if found.symbols == ["Cu"]:  # and not carbon, of a changed byte
        _ASKED.append((found.content, True))


@pytest.mark.timeout(300)
def test_lammps_is_asked_about_some_of_them(tmp_path) -> None:
    """Those before: LAMMPS reads what is taken, and refuses or cannot compute what is refused."""
    if not _ASKED:
        pytest.skip("asks about the files of the test before it, which did not run")
    asked = sorted(set(_ASKED))[:: max(1, len(set(_ASKED)) // 60)]
    paths = [written(tmp_path, content, f"x{k}") for k, (content, _) in enumerate(asked)]
    answers = ask_lammps("eam/alloy", "Cu", paths)
    for (content, taken), answer in zip(asked, answers, strict=True):
        if taken:
            assert isinstance(answer, float), (content, answer)
        elif isinstance(answer, float):
            # LAMMPS leaves out a byte of no character, and what follows a zero byte in a line: such
            # a number may be another one.
            odd = b"\0" in content or not content.isascii()
            assert odd or not math.isfinite(answer), content

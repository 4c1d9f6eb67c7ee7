"""What is written for the user is complete or not there, and lies in its folder."""

import errno
import io
import os
import pathlib
import stat

import pytest
from ase import Atoms

from aiida_nanoclusters.formats import output_files
from aiida_nanoclusters.formats.extxyz import write_extxyz
from aiida_nanoclusters.formats.output_files import (
    inside,
    open_new,
    path_beside,
    write_text,
    written_beside,
)
from aiida_nanoclusters.formats.publication.checksums import SUMS_FILE, write_checksums
from aiida_nanoclusters.formats.publication.csv_tables import write_csv
from aiida_nanoclusters.science.frames import Frames


class FullDisk(io.FileIO):
    """A file on a disk that has room for ten bytes more."""

    room = 10

    def write(self, content) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = super().write(bytes(content)[: self.room])
        self.room -= written
        return written


@pytest.fixture
def full_disk(monkeypatch):
    """Every file that is opened to be written lies on a full disk."""

    original = pathlib.Path.open

    def opened(path, mode="r", buffering=-1, encoding=None, errors=None, newline=None):
        if "w" not in mode:
            return original(path, mode, buffering, encoding, errors, newline)
        raw = io.BufferedWriter(FullDisk(str(path), "w"))
        return raw if "b" in mode else io.TextIOWrapper(raw, encoding, newline=newline)

    monkeypatch.setattr("pathlib.Path.open", opened)


def _picture(path) -> None:
    from types import SimpleNamespace

    from aiida_nanoclusters.cli.find.explain import write_picture
    from aiida_nanoclusters.cli.terminal import Fixable

    try:
        write_picture(path, "<svg>" + "x" * 1000, SimpleNamespace(kind="", uuid="", what=""))
    except Fixable as error:
        assert "No space left on device; name another file" in str(error)
        raise OSError(errno.ENOSPC, "") from error


def _report(path) -> None:
    from unittest.mock import patch

    from aiida_nanoclusters.cli.report import command
    from aiida_nanoclusters.cli.terminal import Fixable

    collected = patch("aiida_nanoclusters.cli.report.collect.collect")
    with collected, patch.object(command, "render", return_value="<p>" * 1000):
        try:
            command.write_report(None, path)
        except Fixable as error:
            assert "No space left on device; choose another --out" in str(error)
            raise OSError(errno.ENOSPC, "") from error


def _profile(path) -> None:
    from aiida_nanoclusters.cli.machine.questions import _write

    path.touch()
    _write(path, path, "computer: " + "x" * 1000)


WRITERS = {
    "text": lambda path: write_text(path, "new " * 1000),
    "bytes": lambda path: _bytes(path),
    "extended XYZ": lambda path: write_extxyz(Frames.from_atoms([Atoms("Cu")]), path),
    "table": lambda path: write_csv({"x (eV)": list(range(100))}, path),
    "picture": _picture,
    "report": _report,
    "profile with answers": _profile,
}


def _bytes(path) -> None:
    with written_beside(path, "wb") as handle:
        handle.write(b"new " * 1000)


@pytest.mark.parametrize("name", WRITERS)
def test_full_disk_leaves_the_former_file(tmp_path, request, name) -> None:
    path = tmp_path / "out.svg"
    WRITERS[name](path)
    first = path.read_bytes()
    path.write_bytes(b"the only copy")
    WRITERS[name](path)
    assert path.read_bytes() == first  # it does replace what is there
    path.write_bytes(b"the only copy")
    request.getfixturevalue("full_disk")
    with pytest.raises(OSError) as caught:
        WRITERS[name](path)
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == b"the only copy"
    assert [p.name for p in tmp_path.iterdir()] == ["out.svg"]


def test_full_disk_leaves_the_former_checksums(tmp_path, request) -> None:
    (tmp_path / SUMS_FILE).write_text("former\n")
    (tmp_path / "a").write_text("a")
    request.getfixturevalue("full_disk")
    with pytest.raises(OSError):
        write_checksums(tmp_path)
    assert (tmp_path / SUMS_FILE).read_text() == "former\n"


def test_an_error_or_an_interruption_leaves_the_former_file(tmp_path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), written_beside(path) as handle:
            handle.write("half")
            raise error
        assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_mode_and_links_stay(tmp_path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink() and target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_devices_are_written_directly() -> None:
    with path_beside("/dev/null") as path:
        assert str(path) == "/dev/null"
    write_text("/dev/null", "text")


def test_line_ends_are_as_given(tmp_path) -> None:
    write_text(tmp_path / "a", "1\r\n2\n")
    assert (tmp_path / "a").read_bytes() == b"1\r\n2\n"


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd", "../a", "a/../../b", "", ".", "a\\b", "a\nb", "a\x1b[2J", "a\0b",
        "out/a", "x" * 300,
    ],
)  # fmt: skip
def test_names_that_lead_out(tmp_path, name) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "out").symlink_to(tmp_path)
    with pytest.raises(ValueError):
        inside(tmp_path / "in", name)
    with pytest.raises(ValueError), open_new(tmp_path / "in", name):
        pass
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]


def test_folders_between_are_made(tmp_path) -> None:
    with open_new(tmp_path, "a/b.csv") as handle:
        handle.write("x")
    assert (tmp_path / "a" / "b.csv").read_text() == "x"
    assert output_files.inside(tmp_path, "a/b.csv") == tmp_path / "a" / "b.csv"

"""The limits of a check: time, memory, and where it may write."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from aiida_nanoclusters.cli.reproduce.confined import LimitReached, confined

WRITES = {
    "open": lambda path: path.write_text("x"),
    "append": lambda path: path.open("a"),
    "os.open": lambda path: os.open(path, os.O_CREAT | os.O_RDWR),
    "mkdir": lambda path: path.mkdir(),
    "symlink": lambda path: path.symlink_to("x"),
    "rename": lambda path: Path("inner").rename(path),
    "copy": lambda path: shutil.copy("inner", path),
    "dots": lambda path: Path(f"deep/../../{path.parent.name}/{path.name}").write_text("x"),
    "link": lambda path: (Path("way").symlink_to(path), Path("way").write_text("x")),
    "folder link": lambda path: (
        Path("away").symlink_to(path.parent),
        Path("away", path.name).write_text("x"),
    ),
}


@pytest.mark.parametrize("name", WRITES)
def test_nothing_is_written_outside(tmp_path, name) -> None:
    before, mark = Path.cwd(), tmp_path / "mark"
    with confined() as folder:
        Path("inner").write_text("x")
        Path("deep").mkdir()
        assert Path.cwd() == folder != before
        with pytest.raises(PermissionError, match="writes nothing outside"):
            WRITES[name](mark)
    assert not mark.exists() and not mark.is_symlink() and not folder.exists()
    assert Path.cwd() == before
    mark.write_text("x")


def test_nothing_outside_is_removed(tmp_path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("x")
    for remove in (kept.unlink, lambda: os.truncate(kept, 0), lambda: shutil.rmtree(tmp_path)):
        with confined(), pytest.raises(PermissionError):
            remove()
    assert kept.read_text() == "x"


def test_no_program_and_no_connection() -> None:
    for start in (
        lambda: subprocess.run(["true"], check=False),
        lambda: os.system("true"),
        lambda: os.posix_spawn("/bin/true", ["true"], {}),
        lambda: socket.create_connection(("127.0.0.1", 9)),
    ):
        with confined(), pytest.raises(PermissionError, match="starts no program"):
            start()
    assert subprocess.run(["true"], check=False).returncode == 0


def test_what_a_check_does_is_allowed() -> None:
    with confined() as folder:
        assert Path(__file__).read_text().startswith('"""')
        with tempfile.TemporaryDirectory() as inner:
            assert Path(inner).is_relative_to(folder)
            Path(inner, "a").write_text("x")
        with open(os.devnull, "w") as handle:
            handle.write("x")


def test_time_ends() -> None:
    start = time.monotonic()
    with pytest.raises(LimitReached, match="--max-minutes"), confined(minutes=0.005):
        while True:
            try:
                time.sleep(0.01)
            except Exception:
                continue
    assert time.monotonic() - start < 10
    with confined(minutes=0.005):
        pass
    time.sleep(0.4)  # no alarm is left


def test_memory_ends(tmp_path) -> None:
    with confined(gigabytes=0.2):
        with pytest.raises(MemoryError):
            np.ones(100_000_000)
        with pytest.raises(OSError, match="large"):
            _grow("big", 300_000_000)
    assert np.ones(30_000_000).all()
    _grow(str(tmp_path / "big"), 300_000_000)


def _grow(path: str, size: int) -> None:
    with open(path, "wb") as handle:
        handle.truncate(size)

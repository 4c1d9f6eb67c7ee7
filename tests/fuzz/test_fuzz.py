"""A small part of the fuzzing in each run of the tests; ``python -m tests.fuzz.run`` is the whole.

The seeds are fixed here, so that the same tests do the same; the whole takes others.
"""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.fuzz.archives import fuzz_archives
from tests.fuzz.files import fuzz_files, readers
from tests.fuzz.guard import Findings, Forbidden, TooLong, guarded


def test_seeds_are_good_files(tmp_path) -> None:
    """Else every change of them would be refused for the same reason."""
    for reader in readers():
        for name, content in {reader.file: reader.seed, **reader.beside}.items():
            (tmp_path / name).write_bytes(content)
        source = reader.read(tmp_path / reader.file)
        assert getattr(source, "problem", None) is None, (reader.name, source)
        if hasattr(source, "frames") and hasattr(source, "left_out"):
            assert source.frames, reader.name


def test_files(tmp_path) -> None:
    found = fuzz_files(1100, 7, tmp_path)
    assert not found.faults, list(found.lines())
    assert {name for name, _ in found.outcomes} == {reader.name for reader in readers()}


def test_archives(aiida_profile_clean, tmp_path) -> None:
    from aiida.manage.configuration import get_config

    roots = [tmp_path, Path(tempfile.gettempdir()), Path(get_config().dirpath)]
    reset = aiida_profile_clean.reset_storage
    found = fuzz_archives(12, 7, tmp_path, reset=reset, roots=roots, check_every=6)
    assert not found.faults, list(found.lines())
    assert found.outcomes["archive", "refused"] > 2


def test_the_guard_sees_what_it_must(tmp_path) -> None:
    """Otherwise it would find no fault in any code."""
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    for forbidden in (
        lambda: os.system("true"),
        lambda: subprocess.run(["true"], check=False),
        lambda: outside.write_text("x"),
        lambda: outside.mkdir(),
        lambda: (inside / ".." / "out").write_text("x"),
        lambda: __import__("pickle").loads(b"cos\nsystem\n(S'true'\ntR."),
    ):
        with pytest.raises(Forbidden), guarded(10, [inside]):
            forbidden()
    assert not outside.exists()
    with guarded(10, [inside]):
        (inside / "a").write_text("x")
    with pytest.raises(TooLong), guarded(0.05, [inside]):
        while True:
            pass

    found = Findings()
    found.record("a", 1, lambda: "read", ())
    found.record("a", 2, lambda: 1 / 0, (ValueError,))  # type: ignore[arg-type]
    found.record("a", 3, lambda: int("x"), (ValueError,))  # type: ignore[arg-type]
    assert found.outcomes == {("a", "read"): 1, ("a", "fault"): 1, ("a", "refused"): 1}
    assert len(found.faults) == 1 and "1 kinds of fault" in "\n".join(found.lines())

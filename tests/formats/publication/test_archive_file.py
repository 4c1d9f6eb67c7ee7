import io
import tarfile
import zipfile

import pytest

from aiida_nanoclusters.formats.publication.archive_file import archive_kind, check_archive


def make(path, *names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x" * 100)
    return path


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("metadata.json", "db.sqlite3"), "aiida"),
        (("metadata.json", "data.json"), "aiida"),
        (("m/model/package_metadata.txt",), "allegro"),
        (("m/extra/wrapper_metadata.json",), "allegro-compiled"),
        (("metadata.json", "thesis.txt"), None),
    ],
)
def test_kind_by_names(tmp_path, names, kind) -> None:
    assert archive_kind(make(tmp_path / "a.zip", *names)) == kind


def test_kind_of_real_models(allegro_package, allegro_compiled, tmp_path) -> None:
    assert archive_kind(allegro_package) == "allegro"
    assert archive_kind(allegro_compiled) == "allegro-compiled"
    for path in (allegro_package, allegro_compiled):
        check_archive(path, 100_000_000)
        cut = tmp_path / path.name
        cut.write_bytes(path.read_bytes()[:-50])
        with pytest.raises(ValueError, match="is cut short"):
            archive_kind(cut)


def test_text_is_no_archive(tmp_path) -> None:
    (tmp_path / "a.txt").write_text("text")
    assert archive_kind(tmp_path / "a.txt") is None


def test_size_is_what_is_declared_in_all(tmp_path) -> None:
    path = make(tmp_path / "a.zip", "a", "b", "c")
    check_archive(path, 300)
    with pytest.raises(ValueError, match="raise --max-size"):
        check_archive(path, 299)


def tar_of(name: str, content: bytes = b"x") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("front", [b"#!/bin/sh\n", tar_of("a"), tar_of("PK\x03\x04"), b"\0" * 512])
def test_two_kinds_at_once(tmp_path, front) -> None:
    """AiiDA would unpack as a tar file what was looked through as a zip file."""
    path = tmp_path / "a.zip"
    path.write_bytes(front + make(tmp_path / "b.zip", "metadata.json", "data.json").read_bytes())
    assert zipfile.is_zipfile(path)
    for look in (archive_kind, lambda p: check_archive(p, 10**9)):
        with pytest.raises(ValueError, match="a zip file and something else at once"):
            look(path)

"""Archives that are damaged, or that were made to do harm, are refused whole."""

import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from aiida.orm import (
    QueryBuilder,
    SinglefileData,
)

from tests.cli.imports.test_import import refused
from tests.cli.published import run_import
from tests.cli.small_archive import rewrite, with_sql


def _with_line(name: str):
    def change(folder):
        with (folder / "SHA256SUMS").open("a") as handle:
            handle.write(f"{'0' * 64}  {name}\n")

    return change


def _as_link(path: Path) -> None:
    path.rename(path.parents[1] / "elsewhere.aiida")
    path.symlink_to(path.parents[1] / "elsewhere.aiida")


@pytest.fixture
def strange(aiida_profile_clean, archive_of, tmp_path):
    """An archive of one file, of a profile that is gone."""
    (tmp_path / "content.txt").write_text("content " * 500)
    archive = archive_of(SinglefileData(tmp_path / "content.txt").store())
    aiida_profile_clean.reset_storage()
    return archive


def test_damaged_archives(strange, tmp_path) -> None:
    whole = strange.read_bytes()
    cut = tmp_path / "cut.aiida"
    for length in (len(whole) // 3, len(whole) - 30):
        cut.write_bytes(whole[:length])
        assert "cut.aiida is cut short: fetch it again" in refused(cut)
    with zipfile.ZipFile(strange) as archive:
        member = next(m for m in archive.infolist() if m.filename.startswith("repo/"))
    flipped = bytearray(whole)
    flipped[member.header_offset + len(member.filename) + 45] ^= 0xFF
    cut.write_bytes(flipped)
    assert "cut.aiida is damaged" in refused(cut)
    cut.write_text("no archive at all")
    assert "cut.aiida is no archive, potential or extended XYZ" in refused(cut)
    no_database = rewrite(strange, lambda n, c: b"no database" if n == "db.sqlite3" else c)
    assert "is no archive AiiDA can read" in refused(no_database)
    no_file = rewrite(strange, lambda n, c: None if n.startswith("repo/") else c)
    assert "`content.txt` of node" in refused(no_file) and "is missing" in refused(no_file)
    other = rewrite(strange, lambda n, c: b"other" if n.startswith("repo/") else c)
    assert "is not what its name says" in refused(other)
    broken = rewrite(strange, lambda n, c: b"{" if n == "metadata.json" else c)
    assert "is no archive AiiDA can read" in refused(broken)


def test_schemas(strange) -> None:
    def stamped(schema):
        def change(name, content):
            if name != "metadata.json":
                return content
            return json.dumps({**json.loads(content), "export_version": schema})

        return rewrite(strange, change)

    text = refused(stamped("main_0099"))
    assert "has the archive schema main_0099" in text and "upgrade aiida-core" in text
    code, text = run_import(stamped("main_0000"))
    assert code == 0 and "of an older schema, which is brought up to date" in text
    assert QueryBuilder().append(SinglefileData).one()[0].get_content().startswith("content")


def test_hostile_zips(strange, tmp_path) -> None:
    def with_member(name, content=b"x", mode=0):
        new = tmp_path / "hostile.aiida"
        shutil.copy(strange, new)
        with zipfile.ZipFile(new, "a", zipfile.ZIP_DEFLATED) as archive:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
        return new

    for name in ("../../evil", "/etc/cron.d/evil", "repo/../../evil", "..\\evil"):
        assert "leads out of the archive" in refused(with_member(name))
    assert "is a link or device" in refused(with_member("repo/link", b"/etc/passwd", 0o120777))
    bomb = with_member("repo/bomb", b"\0" * 50_000_000)
    assert bomb.stat().st_size < 500_000
    assert "raise --max-size" in refused(bomb, "--max-size", "20 MB")
    assert "hostile.aiida is larger than --max-size" in refused(bomb, "--max-size", "1 kB")
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = with_member("metadata.json", b"{}")
    assert "`metadata.json` is in it twice" in refused(twice)


def test_hostile_tars(aiida_profile_clean, tmp_path) -> None:
    def tar(name, **values):
        path = tmp_path / "old.aiida"
        with tarfile.open(path, "w:gz") as archive:
            for own, content in (("metadata.json", b"{}"), ("data.json", b"{}")):
                _add(archive, own, content)
            _add(archive, name, b"" if values.get("type") else b"\0" * 5_000_000, **values)
        return path

    assert "leads out of the archive" in refused(tar("../evil"))
    assert "is a link or device" in refused(tar("link", type=tarfile.SYMTYPE, linkname="/etc"))
    assert "raise --max-size" in refused(tar("nodes/bomb"), "--max-size", "1 MB")


def _add(archive, name, content, **values) -> None:
    import io

    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in values.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(content))


def test_hostile_nodes(strange, archive_of) -> None:
    for name in ("../../../evil", "/etc/evil", "a/../../evil", ".."):
        metadata = f"replace(repository_metadata, 'content.txt', '{name}')"
        evil = with_sql(strange, f"UPDATE db_dbnode SET repository_metadata = {metadata}")
        assert "leads out of its folder" in refused(evil)
    kind = "process.calculation.calcjob.CalcJobNode."
    evil = with_sql(strange, f"UPDATE db_dbnode SET node_type = '{kind}'")
    assert "has not ended: ask its maker" in refused(evil)
    evil = with_sql(strange, "UPDATE db_dbnode SET uuid = '../../evil'")
    assert "is no UUID" in refused(evil)
    assert run_import(strange)[0] == 0
    evil = with_sql(strange, 'UPDATE db_dbnode SET attributes = \'{"filename": "other.txt"}\'')
    assert "is another one in this profile: import it into a fresh profile" in refused(evil)


def test_changed_folders(published) -> None:
    out, _ = published
    for change, message in (
        (lambda f: (f / "README.md").write_text("x"), "README.md differs from its checksum"),
        (lambda f: (f / "README.md").unlink(), "README.md is missing, though SHA256SUMS has it"),
        (lambda f: (f / "new.py").write_text("x"), "new.py not in SHA256SUMS"),
        (lambda f: (f / "SHA256SUMS").unlink(), "has no SHA256SUMS"),
        (lambda f: (f / "SHA256SUMS").write_text("abc\n"), "line 1 is no checksum and name"),
        (lambda f: (f / "SHA256SUMS").write_bytes(b"\xff\xfe"), "is no list of checksums"),
        (_with_line("../../etc/passwd"), "`../../etc/passwd` leads out of the folder"),
        (_with_line("/etc/passwd"), "`/etc/passwd` leads out of the folder"),
        (lambda f: (f / "evil").symlink_to("/etc/passwd"), "evil is a link"),
        (lambda f: _as_link(f / "archive.aiida"), "archive.aiida is a link"),
    ):
        copy = out.with_name("copy")
        shutil.copytree(out, copy)
        change(copy)
        assert message in refused(copy)
        shutil.rmtree(copy)
    assert "more than --max-size allows" in refused(out, "--max-size", "10 kB")

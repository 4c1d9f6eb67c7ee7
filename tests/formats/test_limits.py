"""Files that say more than they hold, or unpack to more than anyone has: refused, and soon."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms

from aiida_nanoclusters.cli.launch.nodes import read_list
from aiida_nanoclusters.cli.launch.protocol_options import parse_assignment
from aiida_nanoclusters.cli.machine.profile import read_machine
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.formats import limits
from aiida_nanoclusters.formats.cp2k.run import read_run
from aiida_nanoclusters.formats.extxyz import read_extxyz
from aiida_nanoclusters.formats.frames_file import read_frames, write_frames
from aiida_nanoclusters.formats.nequip.model import read_compiled_metadata, read_package_metadata
from aiida_nanoclusters.formats.publication import archive_file
from aiida_nanoclusters.formats.publication.archive_file import archive_kind, check_archive
from aiida_nanoclusters.formats.vasp.run import read_outcar, read_vasp
from aiida_nanoclusters.science.frames import Frames

pytestmark = pytest.mark.timeout(60)

DEEP = "[" * 100_000
NESTED_JSON = '[{\\"a\\":' * 50 + "1" + "}]" * 50
ATOM = "1\n{}\nCu 0.0 0.0 0.0\n"
#: Each list stands for nine of the one before: 9**9 values.
ALIASES = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(8)
)
YAML = [
    (ALIASES, "too many aliases"),
    ("a: &a [*a]\n", "nested deeper than 64 levels"),
    ("a: " + "[" * 5000 + "\n", "nested deeper than 64 levels"),
    ("- " * 5000 + "\n", "nested deeper than 64 levels"),
    ("a: 2026-99-99\n", "month must be in"),
    ("a: " + "9" * 5000 + "\n", "4300 digits"),
]


# -- frames --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{10**14}\n\nCu 0 0 0\n", r"more than its \d+ bytes can hold"),
        (f"{10**18}\n\nCu 0 0 0\n", "is no number of atoms"),
        ("9" * 5000 + "\n\nCu 0 0 0\n", "is no number of atoms"),
        ("²\n\nCu 0 0 0\n", "is no number of atoms"),
        ("-1\n\nCu 0 0 0\n", "is no number of atoms"),
        ("2\n\nCu 0 0 0\n", "it ends after 3 of the 4 lines"),
        (ATOM.format(f'x="_JSON {DEEP}"'), "recursion"),
        (ATOM.format(f'x="_JSON {NESTED_JSON}"'), "nested deeper than 64 levels"),
        (ATOM.format("Properties=species:S:1:pos:R:1000000000"), "1000000000 columns"),
        (ATOM.format("Properties=species:S:1:pos:R:3 seed=x"), "`seed` is `x`: no whole number"),
        (ATOM.format("x" * 4_000_001), "a line of more than 4 MB"),
        (ATOM.format("") * 500 + ATOM.format(f"note={'x' * 1_000_000}"), "characters of info"),
    ],
)
def test_extended_xyz(tmp_path, text, message) -> None:
    (tmp_path / "f.extxyz").write_text(text)
    with pytest.raises(ValueError, match=r"f\.extxyz cannot be read as frames: .*" + message):
        read_extxyz(tmp_path / "f.extxyz")


def test_the_file_that_is_named_is_the_one_that_is_read(tmp_path) -> None:
    ase.io.write(tmp_path / "at", Atoms("Au2", [[0, 0, 0], [0, 0, 3]]), format="extxyz")
    (tmp_path / "at@300.extxyz").write_text(ATOM.format(""))
    assert read_extxyz(tmp_path / "at@300.extxyz").elements == ["Cu"]
    (tmp_path / "none@0.extxyz").write_text(ATOM.format(""))
    assert len(read_extxyz(tmp_path / "none@0.extxyz")) == 1


def test_what_ase_would_run_is_not_read(tmp_path) -> None:
    for name in ("frames.py", "frames.json", "frames.db"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nfrom ase import Atoms")
        with pytest.raises(ValueError, match="is not read here: give extended XYZ"):
            read_extxyz(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("POSCAR", "Cu\n1\n9 0 0\n0 9 0\n0 0 9\nCu\n99999999999999\nDirect\n0 0 0\n"),
        ("POSCAR", "Cu\n1\n9 0 0\n0 9 0\n0 0 9\n1 99999999999999\nDirect\n0 0 0\n"),
        ("XDATCAR", "Cu\n1\n9 0 0\n0 9 0\n0 0 9\nCu\n99999999999999\nDirect\n0 0 0\n"),
        ("OUTCAR", " ions per type =   99999999999999\n POSITION\n"),
    ],
)
def test_atoms_that_other_formats_announce(tmp_path, name, text) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match="99999999999999 atoms, more than its"):
        read_extxyz(tmp_path / name)


@pytest.mark.parametrize(("suffix", "pack"), [
    (".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)
])  # fmt: skip
def test_compressed_files(tmp_path, monkeypatch, suffix, pack) -> None:
    whole = tmp_path / f"a.xyz{suffix}"
    whole.write_bytes(pack(ATOM.format("").encode()))
    assert read_extxyz(whole).elements == ["Cu"]
    monkeypatch.setattr(limits, "ALWAYS_UNPACKED", 1_000_000)
    bomb = tmp_path / f"bomb.xyz{suffix}"
    bomb.write_bytes(pack(b"1\n" + b" " * 20_000_000))
    with pytest.raises(ValueError, match="unpacks to more than"):
        read_extxyz(bomb)
    assert "unpacks to more than" in read_outcar(bomb).problem
    assert "unpacks to more than" in read_vasp(bomb).problem


def _npz(**changes) -> io.BytesIO:
    """The file of a dimer with some of its members changed; a member is (content, compression)."""
    buffer = io.BytesIO()
    write_frames(Frames.from_atoms([Atoms("Cu2", [[0, 0, 0], [0, 0, 2.3]])]), buffer)
    new = io.BytesIO()
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(new, "w") as out:
        for name in old.namelist():
            content = changes.get(name.removesuffix(".npy"), old.read(name))
            packed = zipfile.ZIP_DEFLATED if isinstance(content, str) else zipfile.ZIP_STORED
            out.writestr(name, content, packed)
    new.seek(0)
    return new


def _npy(array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"numbers": _npy(np.array([999, 29], dtype=np.int32))}, "no element has"),
        ({"info": _npy(np.array([DEEP]))}, "nested deeper than 64 levels"),
        ({"info": _npy(np.array(["[]"]))}, "something else than JSON objects"),
        ({"head": _npy(np.array(DEEP))}, "nested deeper than 64 levels"),
        ({"head": _npy(np.array("[]"))}, "not a file of frames"),
        ({"numbers": "packed"}, "is compressed or encrypted"),
        ({"numbers": _npy(np.zeros(2, np.int32)).replace(b"(2,)", b"(9" + b"9" * 14 + b",)")},
         "not a file of frames"),
        ({"seeds": _npy(np.array([object()]))}, "not a file of frames"),
    ],
)  # fmt: skip
def test_files_of_frames(changes, message) -> None:
    assert len(read_frames(_npz())) == 1
    with pytest.raises(ValueError, match=message):
        read_frames(_npz(**changes))


def test_size_that_an_array_says_is_held_against_its_bytes() -> None:
    content = _npy(np.zeros(2, np.int32))
    head = content[:-8].replace(b"(2,), }        ", b"(9999999999,), }")[: len(content) - 8]
    with pytest.raises(ValueError, match="has not the size that it says"):
        read_frames(_npz(numbers=head.ljust(len(content) - 8, b" ") + content[-8:]))


# -- YAML and JSON -------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "message"), YAML)
def test_yaml(tmp_path, text, message) -> None:
    """Recipes, --set and profiles are read within the same limits."""
    (tmp_path / "f.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        limits.load_yaml(text)
    with pytest.raises(Fixable, match=message):
        read_list(str(tmp_path / "f.yaml"), "recipe", "{kind: bulk}")
    with pytest.raises(Fixable, match=message):
        parse_assignment(f"a={text}")
    with pytest.raises(ValueError, match=message):
        read_machine(tmp_path / "f.yaml")


@pytest.mark.parametrize("text", ("2e6", "2e+06", "+2E6", "2.0e+6"))
def test_numbers_of_yaml_without_a_point(text) -> None:
    found = limits.load_yaml(f"{{a: {text}, b: '{text}', c: {text}x}}")
    assert found == {"a": 2e6, "b": text, "c": f"{text}x"}
    assert isinstance(found["a"], float)


def test_yaml_may_have_some_aliases() -> None:
    assert limits.load_yaml("a: &a [1, 2]\nb: *a\n") == {"a": [1, 2], "b": [1, 2]}
    assert limits.load_yaml("") is None
    chained = "a0: &a0 " + "[" * 40 + "]" * 40 + "\n"
    chained += "a1: " + "[" * 40 + "*a0" + "]" * 40 + "\n"
    with pytest.raises(ValueError, match="nested deeper"):
        limits.load_yaml(chained)


def test_long_files_are_not_read_as_a_whole(tmp_path) -> None:
    path = tmp_path / "f.yaml"
    with path.open("wb") as handle:
        handle.truncate(10**10)
    with pytest.raises(Fixable, match="more than 10 MB"):
        read_list(str(path), "recipe", "{kind: bulk}")


def test_json() -> None:
    with pytest.raises(ValueError, match="nested deeper than 64 levels"):
        limits.load_json(DEEP)
    with pytest.raises(ValueError, match="nested deeper than 64 levels"):
        limits.load_json("[" * 100 + "]" * 100)
    assert limits.load_json("[" * 60 + "]" * 60)


@pytest.mark.parametrize("text", [ALIASES, "a: " + "[" * 5000])
def test_metadata_of_models(tmp_path, text) -> None:
    for name, members, read in (
        ("m.zip", ("m/model/package_metadata.txt", "m/model/config.yaml"), read_package_metadata),
        ("c.pt2", ("m/wrapper_metadata.json",), read_compiled_metadata),
    ):
        content = DEEP if name == "c.pt2" else text
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member in members:
                archive.writestr(member, content)
        with pytest.raises(ValueError, match="holds metadata of an unknown form"):
            read(tmp_path / name)


# -- VASP and CP2K -------------------------------------------------------------------------------

ENTITIES = '<?xml version="1.0" encoding="{}"?><!DOCTYPE m [<!ENTITY a "aaaaaaaa">{}]><m>&z;</m>'
NESTED = "".join(
    f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(25)
)  # fmt: skip


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("ISO-8859-1", "it has a document type"),
        ("UTF-16", "it is in an encoding that no program here writes"),
        ("cp037", "it is in an encoding that no program here writes"),
    ],
)
def test_entities_of_xml(tmp_path, encoding, message) -> None:
    head, rest = ENTITIES.format(encoding, NESTED).split("?>", 1)
    content = f"{head}?>{rest}".encode("utf-16") if encoding == "UTF-16" else (
        f"{head}?>".encode() + rest.encode(encoding)
    )  # fmt: skip
    (tmp_path / "vasprun.xml").write_bytes(content)
    assert message in read_vasp(tmp_path / "vasprun.xml").problem
    if encoding == "ISO-8859-1":
        with pytest.raises(ValueError, match=message):
            read_extxyz(tmp_path / "vasprun.xml")


@pytest.mark.parametrize(
    "text",
    [
        "   number of ions     NIONS =  99999999999999\n",
        "   ions per type =   99999999999999\n",
        "   NELM = abc\n Iteration 1( 1)\n",
        "\0" * 100,
    ],
)
def test_outcars(tmp_path, text) -> None:
    (tmp_path / "OUTCAR").write_text(text)
    run = read_outcar(tmp_path / "OUTCAR")
    assert run.problem and not run.steps


def test_project_of_cp2k_leads_to_no_other_folder(tmp_path) -> None:
    (tmp_path / "a").mkdir()
    for kind in ("pos", "frc"):
        (tmp_path / f"x-{kind}-1.xyz").write_text("1\n i = 0, E = -1.0\n Cu 0 0 0\n")
    output = tmp_path / "a" / "my.out"
    for name in ("../x", "/etc/passwd", "x" * 300):
        output.write_text(f" GLOBAL| Project name    {name}\n")
        assert "no name of a file" in read_run(output).problem


@pytest.mark.parametrize("head", ["²", "9" * 5000, "999999999999999"])
def test_blocks_of_cp2k(tmp_path, head) -> None:
    for kind in ("pos", "frc"):
        (tmp_path / f"x-{kind}-1.xyz").write_text(f"{head}\n i = 0, E = -1.0\n Cu 0 0 0\n")
    (tmp_path / "my.out").write_text(" GLOBAL| Project name    x\n")
    assert "it has no complete step" in read_run(tmp_path / "my.out").problem


# -- archives ------------------------------------------------------------------------------------


def _tar(path: Path, *members: tuple[str, bytes], mode="w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_tar_files_are_counted_as_they_are_unpacked(tmp_path) -> None:
    good = _tar(tmp_path / "a.tar.gz", ("metadata.json", b"{}"), ("data.json", b"{}"))
    assert archive_kind(good) == "aiida"
    check_archive(good, 1000)
    bomb = _tar(tmp_path / "b.tar.gz", ("metadata.json", b"\0" * 20_000_000))
    for look in (archive_kind, check_archive):
        with pytest.raises(ValueError, match="raise --max-size"):
            look(bomb, 1_000_000)


def _header(name: str, size: int, kind: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_headers_of_tar_files_have_bounds(tmp_path, kind, pack) -> None:
    content = _header("metadata.json", 0, tarfile.REGTYPE)
    content += _header("x", 5_000_000, kind) + b"a" * 5_000_000
    (tmp_path / "a.tar").write_bytes(pack(content + b"\0" * 1024))
    for look in (archive_kind, lambda path: check_archive(path, 10**9)):
        with pytest.raises(ValueError, match="asks for more bytes than any header has"):
            look(tmp_path / "a.tar")


def test_map_of_a_sparse_member_has_an_end(tmp_path) -> None:
    records = "".join(
        f"{len(text) + 3} {text}\n"
        for text in ("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=x")
    ).encode()
    content = _header("x", len(records), tarfile.XHDTYPE) + records.ljust(512, b"\0")
    content += _header("metadata.json", 512, tarfile.REGTYPE) + b"999999999999\n" + b"1\n" * 200
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.tar"):
        archive_kind(tmp_path / "a.tar")


def test_number_of_members_has_bounds(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(archive_file, "MOST_MEMBERS", 2)
    members = [(f"{n}", b"") for n in range(3)]
    with pytest.raises(ValueError, match="more than 2 members"):
        archive_kind(_tar(tmp_path / "a.tar.gz", *members))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    with pytest.raises(ValueError, match="more than 2 members"):
        check_archive(tmp_path / "a.zip", 10**6)


def test_no_limit_hurts_what_is_usual(tmp_path) -> None:
    frames = [Atoms("Cu2", [[0, 0, 0], [0, 0, 2.3 + 0.01 * k]], info={"k": k}) for k in range(50)]
    for suffix in ("", ".gz"):
        ase.io.write(tmp_path / f"f.xyz{suffix}", frames, format="extxyz")
        assert len(read_extxyz(tmp_path / f"f.xyz{suffix}")) == 50
    assert json.loads(str(read_extxyz(tmp_path / "f.xyz").info[7])) == {"k": 7}
    windows = (tmp_path / "f.xyz").read_bytes().replace(b"\n", b"\r\n")
    (tmp_path / "w.xyz").write_bytes(windows)
    assert len(read_extxyz(tmp_path / "w.xyz")) == 50


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3\n", "x: {a: 1, a: 1}", "- {k: 1, k: 2}"])
def test_a_key_of_yaml_that_is_there_twice_is_refused(text) -> None:
    with pytest.raises(ValueError, match=r"the key `[ak]` is there twice, again in line [13]"):
        limits.load_yaml(text)
    assert limits.load_yaml("x: &a {k: 1}\ny: {<<: *a, k: 2}")["y"] == {"k": 2}

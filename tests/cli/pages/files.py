"""Files that the commands on the pages name, written into one folder."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.build import molecule
from ase.cluster import Icosahedron

from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.formats.extxyz import write_extxyz
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.structures.icosahedra import mackay_icosahedron
from tests.cli.imports.test_import_labels import emt_run, pair
from tests.cli.launch.test_lammps_script import SCRIPT
from tests.cli.launch.test_ligands import CANDIDATES
from tests.cli.small_archive import cut_copper
from tests.doc_blocks import ROOT, blocks
from tests.protected_clusters import PET, PPH3, octahedron, tetrahedron, with_ligand
from tests.small_charts import rattled
from tests.small_matching import lennard_jones

#: Of a job of CP2K whose version is asked for before anything is submitted.
CP2K = '#!/bin/sh\necho " CP2K version 2025.1"\n'


def write_files(
    folder: Path, eam_file: Path, labelled: Frames, package: PotentialData, packages: Path
) -> Path:
    """Write all of them; what lies in the repository is linked.

    Parameters
    ----------
    folder
        New folder.
    eam_file
        Mishin's copper.
    labelled
        Clusters of copper with labels.
    package
        An Allegro package of copper.
    packages
        Folder with ``copper.nequip.zip``, of a model that passes messages.
    """
    folder.mkdir()
    for name in ("docs", "profiles"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(eam_file, folder)
    _write_metals(folder, labelled)
    _write_runs(folder, labelled)
    _write_solution(folder)
    _write_ligands(folder)
    _write_own_script(folder)
    _write_packages(folder, package, packages)
    for name in ("theirs", "study"):
        cut_copper(folder / f"{name}.aiida")
    return folder


def write_for(page: Path, folder: Path) -> None:
    """Write what has one name on several pages: what the page itself shows, or is about."""
    solutions = ROOT / "docs" / "howto" / "nucleation" / "solutions.md"
    for name, shown in (("pull", solutions), ("recipe", page)):
        texts = [block.text for block in blocks(shown, "yaml")]
        found = [text for text in texts if text.startswith(f"# {name}.yaml")] or texts
        if found:
            (folder / f"{name}.yaml").write_text(found[0])
    if page.stem == "assembly":
        shutil.copy(folder / "assembly.extxyz", folder / "trajectory.extxyz")


def _write_metals(folder: Path, labelled: Frames) -> None:
    gold = list(rattled(copies=1))
    ase.io.write(folder / "cluster.xyz", gold[0], format="extxyz")
    for name in ("trajectory", "hot"):
        ase.io.write(folder / f"{name}.extxyz", gold[:1] * 3, format="extxyz")
    ase.io.write(folder / "clusters.extxyz", [mackay_icosahedron("Cu", 1, 2.5)], format="extxyz")
    ase.io.write(folder / "ih147.xyz", mackay_icosahedron("Cu", 3, 2.55), format="extxyz")
    write_extxyz(labelled, folder / "frames.extxyz")
    write_extxyz(labelled, folder / "labels.extxyz")


def _write_runs(folder: Path, labelled: Frames) -> None:
    """Runs of VASP, and a file with labels by a name that has to be given."""
    (folder / "runs").mkdir()
    for k, distance in enumerate((2.2, 2.3)):
        emt_run(folder / "runs" / str(k), pair(distance))
    emt_run(folder / "old", pair(2.4))
    two = []
    for atoms in labelled:
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        own = Atoms(atoms.numbers, atoms.positions, info={"REF_energy": energy, "my_energy": 0.0})
        own.set_array("REF_forces", forces)
        two.append(own)
    zero = Atoms("Cu", info={"REF_energy": 0.0, "my_energy": 0.0})
    zero.set_array("REF_forces", np.zeros((1, 3)))
    ase.io.write(folder / "two.xyz", [*two, zero], format="extxyz")


#: Half of a ring of two metal-ligand units; the other half is its image by inversion. Å.
UNIT = {
    "Ag": (-0.5, 1.35, 0),
    "S": (-2.6, 0.65, 0),
    "N": (-1.5, -1.85, 0),
    "C": (-2.55, -1.0, 0),
    "H on N": (-2.0, -2.72, 0),
    "H on C": (-3.55, -1.4, 0),
}
#: Where the published walls hold the middle of the two silver atoms, Å.
MIDDLE = (11.075, 10.526, 10.622)


def solution() -> Atoms:
    """Two units in a little methanol, atoms in the order of the published start."""
    unit = {name: np.array(place) for name, place in UNIT.items()}
    order = [(name, sign) for name in ("Ag", "S", "N", "C") for sign in (1, -1)]
    order += [("H on N", 1), ("H on C", 1), ("H on C", -1), ("H on N", -1)]
    atoms = Atoms([name.split()[0] for name, _ in order], [s * unit[name] for name, s in order])
    for corner in ((0, 0, 6), (0, 0, -6), (6, 0, 5), (0, 6, 5)):
        methanol = molecule("CH3OH")
        methanol.positions += corner
        atoms += methanol
    atoms.positions += MIDDLE
    atoms.cell, atoms.pbc = [20.0] * 3, True
    return atoms


def _write_solution(folder: Path) -> None:
    """A solution, and a trajectory of an assembly."""
    for name in ("start", "boxes"):
        ase.io.write(folder / f"{name}.extxyz", solution(), format="extxyz")
    # Two dimers of silver that meet.
    images = []
    for step in range(12):
        apart = 8.0 if step < 5 else 2.9
        positions = [[0, 0, 0], [2.9, 0, 0], [0, apart, 0], [2.9, apart, 0]]
        images.append(Atoms("Ag4", np.array(positions) + 10, cell=[30] * 3, pbc=True))
    ase.io.write(folder / "assembly.extxyz", images, format="extxyz")
    text = [_dump(step, atoms) for step, atoms in enumerate(images)]
    (folder / "dump.lammpstrj").write_text("".join(text))


def _dump(step: int, atoms: Atoms) -> str:
    rows = [f"{k} 1 {x} {y} {z}\n" for k, (x, y, z) in enumerate(atoms.positions, 1)]
    return (
        f"ITEM: TIMESTEP\n{1000 * step}\nITEM: NUMBER OF ATOMS\n{len(atoms)}\n"
        "ITEM: BOX BOUNDS pp pp pp\n0 30\n0 30\n0 30\nITEM: ATOMS id type x y z\n" + "".join(rows)
    )


def _write_ligands(folder: Path) -> None:
    core = Icosahedron("Au", 2)
    ase.io.write(folder / "core.xyz", Atoms(core.numbers, core.positions))
    (folder / "candidates.smi").write_text(CANDIDATES)
    gold, silver = with_ligand(tetrahedron(), PET, 0, 1), with_ligand(octahedron(), PPH3, 0)
    for name in ("clusters", "known", "more"):
        (folder / name).mkdir()
    for name in ("clusters", "known"):
        ase.io.write(folder / name / "gold.xyz", gold)
        ase.io.write(folder / name / "silver.xyz", silver)
    boxed = with_ligand(octahedron(), PET, 0, 2)
    boxed.center(vacuum=8.0)
    boxed.pbc = True
    ase.io.write(folder / "more" / "one.cif", boxed)
    write_extxyz(lennard_jones(count=24), folder / "gas_phase.extxyz")


def _write_own_script(folder: Path) -> None:
    (folder / "in.metad").write_text(re.sub("write_dump.*\n", "", SCRIPT))
    atoms = molecule("H2")
    atoms.symbols[:] = ["Cu", "Au"]
    atoms.positions *= 3
    atoms.center(vacuum=8.0)
    ase.io.write(folder / "start.lmp", atoms, format="lammps-data", masses=True)
    (folder / "plumed.dat").write_text("d: DISTANCE ATOMS=1,2\n")


def _write_packages(folder: Path, package: PotentialData, packages: Path) -> None:
    (name,) = package.base.repository.list_object_names()
    for own in ("allegro", "Cu"):
        content = package.base.repository.get_object_content(name, "rb")
        (folder / f"{own}.nequip.zip").write_bytes(content)
    shutil.copy(packages / "copper.nequip.zip", folder / "nequip.nequip.zip")

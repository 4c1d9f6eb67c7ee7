import lzma
import re
import shutil

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.cluster import Icosahedron
from ase.units import GPa
from click.testing import CliRunner

from aiida_nanoclusters.cli.imports.labels_command import import_labels
from aiida_nanoclusters.formats.extxyz import read_extxyz
from tests.stand_in_vasp import Ionic, write_outcar, write_xml


def run(*arguments) -> tuple[int, str]:
    done = CliRunner().invoke(import_labels, [str(a) for a in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, " ".join(done.output.split())


def emt_run(folder, atoms, *, offset=0.0, steps=12) -> None:
    """Leave a vasprun.xml and an OUTCAR, in a box if it is a cluster."""
    folder.mkdir()
    if not atoms.pbc.any():
        atoms = Atoms(atoms.numbers, atoms.positions, cell=[16, 17, 18], pbc=True)
    atoms.calc = EMT()
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    stress = -atoms.get_stress(voigt=False) / (0.1 * GPa)
    incar, energies = {"ENCUT": "450", "GGA": "PE"}, np.full(steps, energy)
    electrons = 11.0 * len(atoms)
    xml = write_xml([Ionic(atoms, energies, forces, stress)], incar, [1, 1, 1], electrons)
    (folder / "vasprun.xml").write_text(xml)
    outcar = write_outcar([Ionic(atoms, energies + offset, forces, stress)], incar, electrons)
    (folder / "OUTCAR").write_text(outcar)


def pair(distance: float) -> Atoms:
    """A dimer across the border of its box."""
    return Atoms("Cu2", positions=[[-0.5 * distance, 1, 1], [0.5 * distance, 1, 1]])


IMPOSSIBLE = {
    "an infinite cell": ('Lattice="inf 0 0 0 20 0 0 0 20" pbc="F F F"', "Cu 0 0 0", "not finite"),
    "an infinite period": ('Lattice="inf 0 0 0 20 0 0 0 20" pbc="T T T"', "Cu 0 0 0", "not finite"),
    "a cell of 1e-3 Å": (
        'Lattice="1e-3 0 0 0 1e-3 0 0 0 1e-3" pbc="T T T"',
        "Cu 0 0 0",
        "only 0.001 Å thick",
    ),
    "a flat cell": ('Lattice="9 0 0 9 0 0 0 0 9" pbc="T T T"', "Cu 0 0 0", "Å thick"),
    "atoms far away": ('Lattice="20 0 0 0 20 0 0 0 20" pbc="F F F"', "Cu 1e308 0 0", "beyond"),
    "atoms far away in a crystal": (
        'Lattice="20 0 0 0 20 0 0 0 20" pbc="T T T"',
        "Cu 1e30 0 0",
        "beyond",
    ),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_structures_without_distances_are_left_out(tmp_path, name) -> None:
    head, row, reason = IMPOSSIBLE[name]
    path = tmp_path / "bad.extxyz"
    lines = ["2", f"{head} Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.0"]
    for force, why in ((0.1, reason), (0.0, "all forces are zero")):
        path.write_text("\n".join([*lines, f"{row} {force} 0 0", f"Cu 0 0 2.5 {-force} 0 0", ""]))
        code, text = run(path)
        assert code == 1 and why in text and "no labels" in text


@pytest.mark.parametrize("number", [-1, 0, 119, 29999])
def test_atomic_numbers_of_no_element(tmp_path, number) -> None:
    path = tmp_path / "bad.extxyz"
    head = 'Lattice="20 0 0 0 20 0 0 0 20" Properties=Z:I:1:pos:R:3:forces:R:3 energy=-1.0'
    path.write_text(f"2\n{head}\n{number} 0 0 0 0 0 1\n29 0 0 2.5 0 0 -1\n")
    code, text = run(path)
    assert code == 1 and "has atomic numbers of no element" in text


@pytest.fixture
def runs(tmp_path):
    """A folder of runs: an atom, two dimers, a crystal, one unconverged, one that disagrees."""
    root = tmp_path / "runs"
    root.mkdir()
    emt_run(root / "atom", Atoms("Cu", positions=[[1, 1, 1]]))
    emt_run(root / "pair", pair(2.2))
    emt_run(root / "again", pair(2.2))
    crystal = bulk("Cu", cubic=True)
    crystal.rattle(0.05, seed=1)
    emt_run(root / "crystal", crystal)
    emt_run(root / "lost", pair(2.4), steps=60)
    emt_run(root / "other", pair(2.5), offset=0.1)
    (root / "crystal" / "notes.txt").write_text("nothing")
    return root


def test_folder_of_runs(runs, tmp_path) -> None:
    out = tmp_path / "labels.extxyz"
    code, text = run(runs, "--out", out)
    assert code == 0, text
    assert "2 steps are not labels and are left out" in text
    assert re.search(r"lost/vasprun\.xml, step 0[^:]*: [^/]*not converge", text)
    assert re.search(r"other/vasprun\.xml, step 0[^:]*: [^/]*the energy is", text)
    assert "duplicate:" in text and "the same geometry, with equal energies" in text
    assert "notes.txt" not in text
    frames = read_extxyz(out)
    assert frames.level_of_theory == "VASP/PBE/450 eV"
    assert sorted(frames.sizes) == [1, 2, 2, 4]
    assert len(set(frames.parents)) == 4 and all("vasprun.xml" in p for p in frames.parents)
    assert set(frames.config_types) == {"atom", "cluster", "bulk"}
    dimer = next(atoms for atoms in frames if len(atoms) == 2)
    assert not dimer.pbc.any() and dimer.get_distance(0, 1) == pytest.approx(2.2)
    assert dimer.info["source"].endswith("vasprun.xml") and dimer.info["step"] == 0
    dimer_energy = dimer.get_potential_energy()
    dimer.calc = EMT()
    assert dimer_energy == pytest.approx(dimer.get_potential_energy(), abs=1e-6)
    assert set(frames.atom_energies) == {"Cu"}


def test_outcar_alone_and_unknown_file(runs) -> None:
    (runs / "pair" / "vasprun.xml").unlink()
    code, text = run(runs / "pair", runs / "crystal" / "notes.txt")
    assert code == 0
    assert "OUTCAR VASP VASP/PBE/450 eV 1 0 2" in text
    assert "no reader for this file" in text


def test_levels_are_never_mixed(runs, tmp_path) -> None:
    other = pair(2.3)
    other.calc = SinglePointCalculator(other, energy=-1.0, forces=[[0.1, 0, 0], [-0.1, 0, 0]])
    ase.io.write(runs / "frames.extxyz", [other])
    out = tmp_path / "labels.extxyz"
    code, text = run(runs, "--out", out)
    assert code == 2 and not out.exists()
    assert "level: 2 levels of theory: VASP/PBE/450 eV (4 labels), unknown (frames.extxyz)" in text
    assert "separately, or give --level" in text
    code, text = run(runs, "--out", out, "--level", "PBE", "--atom-energy", "Cu=-0.2")
    assert code == 0 and "declared to be PBE: VASP/PBE/450 eV (4 labels), unknown" in text
    assert "they have nothing in common that could be compared" in text
    assert "the isolated Cu atom has" in text and "the energy zero is -0.2000 eV" in text
    assert read_extxyz(out).level_of_theory == "PBE"
    code, text = run(runs, "--atom-energy", "Cu")
    assert code == 2 and "write it as Cu=-0.2 (eV)" in text


def test_a_level_that_no_file_says_is_asked_for(tmp_path) -> None:
    path = tmp_path / "frames.extxyz"
    dimer = pair(2.5)
    dimer.calc = SinglePointCalculator(dimer, energy=-3.0, forces=[[0.1, 0, 0], [-0.1, 0, 0]])
    ase.io.write(path, dimer)
    code, text = run(path, "--out", tmp_path / "labels.extxyz")
    assert code == 2 and "do not say their level of theory: give it, such as --level PBE" in text
    assert "1 conspicuous label; none" in text


def test_outliers_are_named_and_kept(tmp_path) -> None:
    images = []
    for k in range(12):
        atoms = pair(2.2 + 0.02 * k)
        atoms.calc = EMT()
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        energy -= 30.0 if k == 7 else 0.0
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        images.append(atoms)
    ase.io.write(tmp_path / "frames.extxyz", images)
    code, text = run(tmp_path, "--level", "EMT", "--out", tmp_path / "out.xyz")
    assert code == 0
    assert re.search(r"energy: \S+ step 7: 1[45]\.\d+ eV/atom below the usual energy", text)
    assert "the energy of another frame?" in text
    assert len(read_extxyz(tmp_path / "out.xyz")) == 12
    assert "the energy of an isolated atom of Cu is not known" in text


def test_vacuum_in_extended_xyz(tmp_path) -> None:
    """A cluster wrapped in its box comes out in one piece and free; a crystal stays as it is."""
    whole = Icosahedron("Cu", 2)
    boxed = Atoms(whole.numbers, whole.positions - whole.positions.mean(axis=0))
    boxed.set_cell([20.0, 21.0, 22.0])
    boxed.set_pbc(True)
    boxed.wrap()
    crystal = bulk("Cu", cubic=True)
    for atoms in (boxed, crystal):
        atoms.calc = EMT()
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **results, stress=np.full(6, 0.01))
    assert np.ptp(boxed.positions, axis=0).min() > 15
    ase.io.write(tmp_path / "frames.extxyz", [boxed, crystal])
    out = tmp_path / "out.extxyz"
    code, text = run(tmp_path / "frames.extxyz", "--level", "EMT", "--out", out)
    assert code == 0, text
    free, solid = read_extxyz(out)
    assert not free.pbc.any() and not free.cell.any()
    assert free.get_all_distances() == pytest.approx(whole.get_all_distances(), abs=1e-6)
    assert set(free.calc.results) == {"energy", "forces"}
    assert free.get_forces() == pytest.approx(boxed.get_forces(), abs=1e-6)
    assert free.info["source"].endswith("frames.extxyz")
    assert solid.pbc.all() and "stress" in solid.calc.results
    assert run(tmp_path / "frames.extxyz", "--level", "EMT", "--gap", "30", "--out", out)[0] == 0
    assert all(atoms.pbc.all() for atoms in read_extxyz(out))


def test_nothing_there(tmp_path) -> None:
    code, text = run(tmp_path)
    assert code == 2 and "no vasprun.xml, OUTCAR, CP2K output, extended XYZ or" in text
    (tmp_path / "vasprun.xml").write_text("<modeling>")
    code, text = run(tmp_path)
    assert code == 1 and "no labels" in text and "truncated" in text


def test_real_runs(shared_data, tmp_path) -> None:
    """Four molecular dynamics runs, one of them cut short in a step."""
    for path in sorted((shared_data / "cu_vasp_runs").glob("*.xz")):
        shutil.copy(path, tmp_path / path.name)
    cut = next(tmp_path.glob("0_*db110*"))
    text = lzma.open(cut).read()
    cut.unlink()
    cut.with_suffix("").write_bytes(text[: len(text) // 2])
    out = tmp_path / "labels.extxyz"
    code, said = run(tmp_path, "--out", out, "--all")
    assert code == 0
    kept = text[: len(text) // 2].count(b"</calculation>")
    assert f"is truncated after {kept} complete ionic steps" in said
    frames = read_extxyz(out)
    assert len(frames) == 30 + kept and len(set(frames.parents)) == 4
    assert np.isfinite(frames.stresses).all()


def test_stored_with_provenance(aiida_profile, runs) -> None:
    from aiida.orm import load_node

    code, text = run(runs, "--store")
    assert code == 0, text
    node = load_node(text.split()[-1])
    assert len(node) == 4 and node.level_of_theory == "VASP/PBE/450 eV"
    assert node.creator.process_label == "import_frames"
    assert len(set(node.frames.parents)) == 4

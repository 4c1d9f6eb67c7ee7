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
from ase.units import GPa
from click.testing import CliRunner

from aiida_nanoclusters.cli.imports.labels import import_labels
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
    assert "2 steps are no labels and are left out" in text
    assert "lost/vasprun.xml, step 0: not converged: 60 electronic steps, NELM is 60" in text
    assert "other/vasprun.xml, step 0: vasprun.xml says" in text
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
    assert "not a file with labels (known are vasp, outcar, cp2k, extxyz)" in text


def test_levels_are_never_mixed(runs, tmp_path) -> None:
    other = pair(2.3)
    other.calc = SinglePointCalculator(other, energy=-1.0, forces=np.zeros((2, 3)))
    ase.io.write(runs / "frames.extxyz", [other])
    out = tmp_path / "labels.extxyz"
    code, text = run(runs, "--out", out)
    assert code == 2 and not out.exists()
    assert "level: 2 levels of theory: VASP/PBE/450 eV, unknown" in text
    assert "import each apart, or give --level" in text
    assert run(runs, "--out", out, "--level", "PBE", "--atom-energy", "Cu=-0.2")[0] == 0
    assert read_extxyz(out).level_of_theory == "PBE"
    code, text = run(runs, "--atom-energy", "Cu")
    assert code == 2 and "write it as Cu=-0.2 (eV)" in text


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
    assert re.search(r"energy: \S+ step 7: 1[45]\.\d+ eV/atom below what is usual", text)
    assert "an energy that is not of it?" in text
    assert len(read_extxyz(tmp_path / "out.xyz")) == 12
    assert "the energy of an isolated atom of Cu is not known" in text


def test_nothing_there(tmp_path) -> None:
    code, text = run(tmp_path)
    assert code == 2 and "no vasprun.xml, OUTCAR, CP2K output or extended XYZ there" in text
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

"""Real vasprun.xml files, read independently of the reader: raw XML by ElementTree."""

import gzip
import lzma
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.units import GPa

from aiida_nanoclusters.formats.vasp.input import make_incar, make_input
from aiida_nanoclusters.formats.vasp.label import judge_run
from aiida_nanoclusters.formats.vasp.run import read_outcar, read_vasp
from aiida_nanoclusters.science.labels.settings import VaspSettings
from tests.stand_in_vasp import Ionic, write_outcar, write_xml

SETTINGS = VaspSettings(
    **{
        "level_of_theory": None,
        "incar": {"ENCUT": 450, "GGA": "PE"},
        "vacuum": 15.0,
        "kpoint_spacing": 0.2,
        "max_net_force": 0.01,
        "potential_family": "PBE.54",
        "potential_mapping": {"Cu": "Cu", "Au": "Au", "O": "O"},
        "valence_electrons": {},
        "fallbacks": [{}, {"nelm": 300}],
    }
)


@pytest.fixture
def real(shared_data):
    return sorted((shared_data / "cu_vasp_runs").glob("*.vasprun.xml.xz"))


def rows(node) -> np.ndarray:
    return np.array([[float(x) for x in v.text.split()] for v in node])


def test_real_runs_against_raw_xml(real) -> None:
    """Energies, forces, stresses, places of all steps of four molecular dynamics runs."""
    assert len(real) == 4
    for path in real:
        run = read_vasp(path)
        root = ElementTree.fromstring(lzma.open(path).read())
        steps = root.findall("calculation")
        assert run.problem is None and len(run.steps) == len(steps) == 10
        assert run.levels == ["VASP/PBE/400 eV"]
        for found, raw in zip(run.steps, steps, strict=True):
            assert found.problem is None
            results = found.atoms.calc.results
            # The run is of VASP 5.4.1, which writes the extrapolated energy under a wrong name.
            extrapolated = float(raw.findall("scstep/energy/i[@name='e_0_energy']")[-1].text)
            assert results["energy"] == pytest.approx(extrapolated, abs=1e-8)
            assert results["energy"] == pytest.approx(
                float(raw.find("energy/i[@name='e_wo_entrp']").text), abs=1e-8
            )
            assert np.array_equal(results["forces"], rows(raw.find("varray[@name='forces']")))
            kilobar = rows(raw.find("varray[@name='stress']"))
            assert results["stress"] == pytest.approx(
                -0.1 * GPa * kilobar[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
            )
            cell = rows(raw.find("structure/crystal/varray[@name='basis']"))
            places = rows(raw.find("structure/varray[@name='positions']"))
            assert np.allclose(found.atoms.cell.array, cell)
            assert np.allclose(found.atoms.positions, places @ cell, atol=1e-8)
            assert found.electronic_steps == len(raw.findall("scstep"))


def test_stress_sign(real) -> None:
    """The squeezed crystal pushes outwards: a positive pressure is a negative stress in ASE."""
    squeezed = next(path for path in real if "elastic_B222_dist03_1_" in path.name)
    volume = read_vasp(squeezed).steps[0].atoms.get_volume() / 16
    stress = read_vasp(squeezed).steps[0].atoms.calc.results["stress"]
    assert volume < 11.8  # Å^3/atom; 12.0 at equilibrium
    assert stress[:3].mean() < 0


def test_truncated(real, tmp_path) -> None:
    text = lzma.open(real[0]).read()
    ends = [m.end() for m in re.finditer(b"</calculation>", text)]
    for cut, steps in ((ends[3] + 2000, 4), (ends[4] - 900, 4), (ends[0] - 900, 0), (5000, 0)):
        path = tmp_path / "vasprun.xml"
        path.write_bytes(text[:cut])
        run = read_vasp(path)
        assert len(run.steps) == steps and "truncated" in run.problem
        assert all(step.problem is None for step in run.steps)
    packed = tmp_path / "vasprun.xml.xz"
    packed.write_bytes(real[0].read_bytes()[:20000])
    assert "truncated" in read_vasp(packed).problem
    zipped = tmp_path / "vasprun.xml.gz"
    zipped.write_bytes(gzip.compress(text))
    assert len(read_vasp(zipped).steps) == 10


def test_unconverged(real, tmp_path) -> None:
    """With NELM at 13, the steps that took 13 or more ended there; one that was stopped jumps."""
    text = lzma.open(real[0]).read().decode()
    path = tmp_path / "vasprun.xml"
    path.write_text(re.sub(r'(name="NELM">) +60<', r"\1 13<", text))
    run = read_vasp(path)
    assert [step.electronic_steps for step in run.steps] == [37, 17, 12, 14, 13, 11, 9, 12, 10, 8]
    assert [step.index for step in run.steps if step.problem] == [0, 1, 3, 4]
    assert run.steps[4].problem == "not converged: 13 electronic steps, NELM is 13"
    cut = text.rindex("<scstep>")
    head, tail = text[:cut], text[cut:]
    path.write_text(head[: head.rindex("<scstep>")] + tail)
    stopped = read_vasp(path).steps[-1].problem
    assert stopped is None or "the energy still changed" in stopped
    early = text.index("<scstep>")
    last = text.index("<structure>", early)
    scf = re.findall(r"<scstep>.*?</scstep>", text[early:last], re.S)[:9]
    path.write_text(text[:early] + "\n".join(scf) + text[last:])
    assert "the energy still changed" in read_vasp(path).steps[0].problem


@pytest.fixture
def written(tmp_path):
    """Factory of a vasprun.xml and an OUTCAR of one calculation."""

    def write(atoms, *, offset=0.0, forces=None, end=True, nelm=60, steps=12, electrons=None):
        atoms = atoms.copy()
        atoms.calc = EMT()
        energy, real_forces = atoms.get_potential_energy(), atoms.get_forces()
        stress = -atoms.get_stress(voigt=False) / (0.1 * GPa)
        forces = real_forces if forces is None else forces
        incar = {"ENCUT": "450", "GGA": "PE", "NELM": str(nelm)}
        electrons = electrons or 11.0 * len(atoms)
        first, other = (
            Ionic(atoms, np.full(steps, e), forces, stress) for e in (energy, energy + offset)
        )
        xml = write_xml([first], incar, [1, 1, 1], electrons)
        outcar = write_outcar([other], incar, electrons)
        (tmp_path / "vasprun.xml").write_text(xml)
        (tmp_path / "OUTCAR").write_text(outcar if end else outcar[: outcar.index(" General")])
        return tmp_path / "vasprun.xml", tmp_path / "OUTCAR"

    return write


def crystal() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    return atoms


def test_outcar_agrees_and_disagrees(written) -> None:
    run = read_vasp(*written(crystal()))
    assert run.problem is None and [step.problem for step in run.steps] == [None]
    other = read_vasp(*written(crystal(), offset=2e-4))
    assert "not of the same run" in other.steps[0].problem
    assert read_vasp(*written(crystal(), offset=5e-5)).steps[0].problem is None
    assert "OUTCAR is truncated" in read_vasp(*written(crystal(), end=False)).problem
    xml, _ = written(crystal())
    _, outcar = written(crystal() * (2, 1, 1))
    xml.write_text(xml.read_text())
    eight = outcar.read_text()
    xml, outcar = written(crystal())
    outcar.write_text(eight)
    assert "has 4 atoms, OUTCAR 8" in read_vasp(xml, outcar).steps[0].problem


def test_outcar_alone(written) -> None:
    atoms = crystal()
    _, outcar = written(atoms)
    run = read_outcar(outcar)
    atoms.calc = EMT()
    found = run.steps[0].atoms.calc.results
    assert run.problem is None and run.levels == ["VASP/PBE/450 eV"]
    assert found["energy"] == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    assert np.abs(found["forces"] - atoms.get_forces()).max() < 1e-6
    assert found["stress"] == pytest.approx(atoms.get_stress(), abs=1e-5)
    _, outcar = written(crystal(), nelm=12)
    assert "not converged" in read_outcar(outcar).steps[0].problem


def test_zero_forces_only_by_symmetry(written) -> None:
    perfect = bulk("Cu", cubic=True)
    assert read_vasp(*written(perfect, forces=np.zeros((4, 3)))).steps[0].problem is None
    missing = read_vasp(*written(crystal(), forces=np.zeros((4, 3)))).steps[0].problem
    assert "all forces are zero" in missing
    odd = np.full((4, 3), np.nan)
    assert "not finite" in read_vasp(*written(crystal(), forces=odd)).steps[0].problem


def test_judgement(written) -> None:
    """A run is the label of its own frame only, and in that frame's order."""
    atoms = Atoms("CuAuCuAu", positions=np.random.default_rng(0).normal(scale=2.0, size=(4, 3)))
    made = make_input(atoms, SETTINGS)
    assert str(made.atoms.symbols) == "Cu2Au2" and list(made.order) == [0, 2, 1, 3]
    run = read_vasp(*written(_periodic(made.atoms)))
    atoms.calc = EMT()
    label = judge_run(run, atoms, made, 0.01)
    assert label.reason is None and np.isnan(label.stress).all()
    assert np.abs(label.forces - atoms.get_forces()).max() < 1e-6
    moved = atoms.copy()
    moved.positions[1] += 0.01
    assert "an atom moved" in judge_run(run, moved, make_input(moved, SETTINGS), 0.01).reason
    pure = Atoms("Cu4", positions=atoms.positions)
    assert "order differ" in judge_run(run, pure, make_input(pure, SETTINGS), 0.01).reason
    charged = read_vasp(*written(_periodic(made.atoms), electrons=43.0))
    assert "43 electrons; a charge of +0 e is 44" in judge_run(charged, atoms, made, 0.01).reason


def _periodic(atoms: Atoms) -> Atoms:
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)


def test_input_of_each_kind() -> None:
    cluster = Atoms("Cu3", positions=[[0, 0, 0], [2.5, 0, 0], [0, 2.5, 0]])
    made = make_input(cluster, SETTINGS)
    assert made.mesh == (1, 1, 1)
    assert (made.atoms.cell.lengths() - np.ptp(cluster.positions, axis=0) >= 15.0).all()
    shifts = made.atoms.positions - cluster.positions[made.order]
    assert np.allclose(shifts, shifts[0])
    slab = fcc111("Cu", (1, 1, 3))
    assert not slab.pbc[2]
    made = make_input(slab, SETTINGS)
    assert made.mesh[2] == 1 and made.mesh[0] > 10
    assert made.atoms.cell.lengths()[2] - np.ptp(slab.positions[:, 2]) >= 15.0
    mirrored = bulk("Cu", cubic=True)
    mirrored.set_cell(mirrored.cell.array[[1, 0, 2]])
    assert mirrored.cell.handedness == -1
    assert make_input(mirrored, SETTINGS).atoms.cell.handedness == 1


def test_spin_charge_and_settings_levels() -> None:
    atom = Atoms("O")
    assert make_incar(atom, SETTINGS) == {"ENCUT": 450, "GGA": "PE", "ISPIN": 2, "NUPDOWN": 2}
    assert make_incar(atom, SETTINGS, 1)["NELM"] == 300
    lengths = make_input(atom, SETTINGS).atoms.cell.lengths()
    assert len(set(lengths)) == 3 and lengths.min() >= 15.0
    pair = Atoms("Cu2", positions=[[0, 0, 0], [2.2, 0, 0]], info={"charge": -1})
    with pytest.raises(ValueError, match="NELECT needs the valence electrons of Cu"):
        make_incar_of(pair)
    known = SETTINGS.model_copy(update={"valence_electrons": {"Cu": 11}})
    assert make_incar(pair, known)["NELECT"] == 23.0
    pair.info["multiplicity"] = 1.5
    with pytest.raises(ValueError, match=r"multiplicity is 1\.5"):
        make_input(pair, known)


def make_incar_of(atoms: Atoms) -> dict:
    return make_input(atoms, SETTINGS).incar


def test_more_places_than_atoms(tmp_path) -> None:
    """A step that contradicts itself is none."""
    atoms = Atoms("Cu2", positions=[[1, 1, 1], [3, 1, 1]], cell=[9, 9, 9], pbc=True)
    atoms.calc = EMT()
    step = Ionic(atoms, np.full(4, 1.0), atoms.get_forces(), np.zeros((3, 3)))
    text = write_xml([step], {"ENCUT": "450", "GGA": "PE"}, [1, 1, 1], 22.0)
    path = tmp_path / "vasprun.xml"
    place = re.search(r'<varray name="positions" >\n(.*\n)', text)
    path.write_text(text.replace(place[1], 2 * place[1]))
    run = read_vasp(path)
    assert "no complete ionic step" in run.problem
    assert run.steps[0].problem == "3 positions and 2 forces of 2 atoms"

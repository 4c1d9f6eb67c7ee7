"""Runs that other people did: several in a file, damaged, with what is no label in them."""

import lzma
from pathlib import Path
from tempfile import TemporaryDirectory

import ase.io
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymatgen.io.vasp.outputs import Vasprun

from aiida_nanoclusters.formats.labelled_run import LabelledRun
from aiida_nanoclusters.formats.vasp.run import read_outcar, read_vasp
from tests.formats.reader_cases import outcar as outcar_cases
from tests.formats.reader_cases import vasp as vasp_cases
from tests.formats.reader_cases.vasp_files import Run, Step, outcar, vasprun

THREE = Run([Step(-9.0), Step(-9.01), Step(-9.02)])


def read(files: dict[str, bytes]) -> LabelledRun:
    with TemporaryDirectory() as folder:
        paths = {name: Path(folder) / name for name in files}
        for name, content in files.items():
            paths[name].write_bytes(content)
        if "vasprun.xml" in files:
            return read_vasp(paths["vasprun.xml"], paths.get("OUTCAR"))
        return read_outcar(paths["OUTCAR"])


def labels(run: LabelledRun) -> dict[tuple, int | None]:
    """All that a label is, with its line."""
    return {
        (
            step.atoms.calc.results["energy"],
            np.round(step.atoms.positions, 5).tobytes(),
            np.round(step.atoms.cell.array, 5).tobytes(),
            np.round(step.atoms.calc.results["forces"], 5).tobytes(),
            step.charge or 0.0,
        ): step.line
        for step in run.steps
        if step.problem is None
    }


def test_ase_reads_the_same(tmp_path) -> None:
    xml, plain = tmp_path / "vasprun.xml", tmp_path / "OUTCAR"
    xml.write_bytes(vasprun(THREE).replace(b"4 < 5 & more", b"title"))
    plain.write_bytes(outcar(THREE))
    for ours, theirs in (
        (read_vasp(xml), ase.io.read(xml, ":", format="vasp-xml")),
        (read_outcar(plain), ase.io.read(plain, ":", format="vasp-out")),
    ):
        assert len(ours.steps) == len(theirs) == 3
        for step, atoms in zip(ours.steps, theirs, strict=True):
            assert step.problem is None
            assert step.atoms.get_potential_energy() == pytest.approx(atoms.get_potential_energy())
            assert np.allclose(step.atoms.get_forces(), atoms.get_forces(), atol=1e-9)
            assert np.allclose(step.atoms.positions, atoms.positions, atol=1e-9)
            assert np.allclose(step.atoms.cell, atoms.cell)
    stress = ase.io.read(plain, 0, format="vasp-out").get_stress()
    assert np.allclose(read_outcar(plain).steps[0].atoms.get_stress(), stress)


@pytest.mark.filterwarnings("ignore")
def test_pymatgen_reads_the_same(shared_data, tmp_path) -> None:
    """Real runs; their extrapolated energy is pymatgen's of the last electronic step (VASP 5)."""
    for packed in sorted((shared_data / "cu_vasp_runs").glob("*.vasprun.xml.xz")):
        path = tmp_path / "vasprun.xml"
        path.write_bytes(lzma.open(packed).read())
        ours = read_vasp(path)
        theirs = Vasprun(path, parse_dos=False, parse_eigen=False, parse_potcar_file=False)
        assert len(ours.steps) == len(theirs.ionic_steps) == 10
        # It does not look at the POTCAR, which says the functional where no tag does.
        assert theirs.run_type == "GGA" and ours.levels == ["VASP/PBE/400 eV"]
        assert ours.parameters["NELECT"] == theirs.parameters["NELECT"]
        for step, other in zip(ours.steps, theirs.ionic_steps, strict=True):
            last = other["electronic_steps"][-1]
            assert step.charge == 0.0 and step.electronic_steps == len(other["electronic_steps"])
            assert step.atoms.get_potential_energy() == pytest.approx(last["e_0_energy"], abs=1e-8)
            assert np.allclose(step.atoms.get_forces(), other["forces"])
            assert np.allclose(step.atoms.cell, other["structure"].lattice.matrix)


def test_parts_of_two_runs() -> None:
    """The OUTCAR was kept of two runs, the vasprun.xml of the second."""
    second = Run([Step(-8.0, seed=7), Step(-8.1, seed=8, iterations=12)])
    run = read({"vasprun.xml": vasprun(second), "OUTCAR": outcar(THREE) + outcar(second)})
    assert [step.problem for step in run.steps] == [None, None]
    assert [path.name for path in run.beside] == ["OUTCAR"]
    assert run.unused == (("OUTCAR", "its run at line 1 is none of vasprun.xml"),)


def test_two_runs_are_two_sections() -> None:
    both = outcar(THREE) + outcar(Run([Step(-8.0)], incar="GGA = PS", ended=False))
    run = read({"OUTCAR": both})
    assert [(step.section, step.index, step.number) for step in run.steps] == [
        *((0, 0, 1), (0, 1, 2), (0, 2, 3), (1, 3, 1)),
    ]
    assert run.levels == ["VASP/PBE/450 eV", "VASP/PBEsol/450 eV"]
    assert run.problem == "OUTCAR is truncated after 4 complete ionic steps"
    joined = read({"vasprun.xml": vasprun(THREE) + vasprun(Run([Step(-8.0)], gga="PS"))})
    assert [step.section for step in joined.steps] == [0, 0, 0, 1]
    assert joined.levels == ["VASP/PBE/450 eV", "VASP/PBEsol/450 eV"] and joined.problem is None


def test_files_that_differ_are_refused() -> None:
    """In energy, places, forces or input, or in the number of ionic steps."""
    files = {"vasprun.xml": vasprun(THREE), "OUTCAR": outcar(THREE)}
    step = THREE.steps[1]
    place, force = f"{step.positions[0, 0]:.5f}".encode(), f"{step.forces[1, 1]:.6f}".encode()
    for old, new, reason in (
        (b"ENCUT  =  450.0", b"ENCUT  =  400.0", "ENCUT is 450 in vasprun.xml, 400 in OUTCAR"),
        (place, b"9.00000", "an atom of OUTCAR is"),
        (force, b"0.999999", "the forces of vasprun.xml and OUTCAR differ by up to"),
    ):
        assert old in files["OUTCAR"]
        run = read({**files, "OUTCAR": files["OUTCAR"].replace(old, new)})
        assert reason in run.steps[1].problem and "not of the same run" in run.steps[1].problem
    more = Run([*THREE.steps, Step(-9.03)])
    assert read({**files, "OUTCAR": outcar(more)}).problem == (
        "OUTCAR has 1 ionic steps more than vasprun.xml"
    )


def test_an_outcar_that_cannot_be_used_is_named() -> None:
    run = read({"vasprun.xml": vasprun(THREE), "OUTCAR": b"nothing\n"})
    assert len(labels(run)) == 3 and run.beside == ()
    assert run.unused == (("OUTCAR", "OUTCAR has no ionic step"),)


@pytest.mark.parametrize(
    ("incar", "reason"),
    [
        ("IMAGES = 3", "forces here may hold those of the springs: put its OUTCAR beside it"),
        ("METAGGA = MBJ", "METAGGA = MBJ is a potential: its energy is none of a functional"),
        ("ICHARG = 11", "the charge density was kept (ICHARG = 11)"),
        ("IALGO = 3", "ALGO = Eigenval (IALGO = 3)"),
    ],
)
def test_energies_that_are_none_of_a_functional(incar, reason) -> None:
    (step,) = read({"vasprun.xml": vasprun(Run([Step(-9.0)], incar=incar))}).steps
    assert reason in step.problem


def test_several_processes_wrote_one_file() -> None:
    """As all images of an elastic band do: what belongs together is not known."""
    many = vasprun(Run([Step(-9.0 - 0.01 * k) for k in range(12)]))
    assert len(labels(read({"vasprun.xml": many}))) == 12
    steps = many.split(b"<calculation>")
    torn = [step.replace(b"</crystal>", b"", 1) for step in steps]
    run = read({"vasprun.xml": b"<calculation>".join([steps[0], *torn[1:5], *steps[5:]])})
    assert not labels(run) and "4 of 12 ionic steps are no XML" in run.problem
    once = read({"vasprun.xml": b"<calculation>".join([steps[0], torn[1], *steps[2:]])})
    assert len(labels(once)) == 11


def test_old_order_and_linear_response() -> None:
    """VASP until 5.2 writes the energy before the forces; after it may come linear response."""
    lines = outcar(Run([Step(-9.0)], version="5.2.2")).decode()
    head, _, rest = lines.partition(" POSITION  ")
    table, _, rest = rest.partition("  FREE ENERGIE")
    energy, _, end = rest.partition(" General")
    response = (
        " Linear response to external field, progress :\n"
        "------ Iteration    2(   1)  ------\n  free energy    TOTEN  =  99.0 eV\n"
        "------ aborting loop EDIFF was not reached ------\n"
    )
    old = f"{head}  FREE ENERGIE{energy} POSITION  {table}{response} General{end}"
    run = read({"OUTCAR": old.encode()})
    assert run.problem is None
    assert labels(run) == dict.fromkeys(labels(read({"OUTCAR": lines.encode()})), run.steps[0].line)


def test_numbers_that_touch() -> None:
    text = outcar(Run([Step(-9.0)])).replace(
        b"  in kB       0.10000     0.10000     0.10000     0.0     0.0     0.0",
        b"  in kB  -12353.08821-12353.08821 62213.36307     0.00000    -0.00000    -0.00000",
    )
    (step,) = read({"OUTCAR": text}).steps
    assert step.problem is None
    assert step.atoms.calc.results["stress"][2] == pytest.approx(-6221.336307 / 160.21766208)


CASES = [
    case for case in [*outcar_cases.CASES, *vasp_cases.CASES] if not case.name.startswith("level")
]


@settings(
    max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(
    st.sampled_from(CASES),
    st.integers(0, 1),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(["cut", "removed", "doubled"]),
)
def test_damage_costs_the_ionic_step_that_it_is_in(case, which, place, kind) -> None:
    """No label that was not in the input; of those that were, at most the one at the damage."""
    name = sorted(case.files)[which % len(case.files)]
    content = case.files[name]
    lines = content.splitlines(keepends=True)
    i = int(place * len(lines))
    damaged = {
        "cut": content[: int(place * len(content))],
        "removed": b"".join(lines[:i] + lines[i + 1 :]),
        "doubled": b"".join(lines[: i + 1] + lines[i:]),
    }[kind]
    before, run = labels(read(case.files)), read({**case.files, name: damaged})
    after = labels(run)
    assert set(after) <= set(before)
    lost = [line for label, line in before.items() if label not in after]
    first = min((line for line in before.values() if line), default=0)
    if name == sorted(case.files)[-1] and kind == "cut":
        cut = damaged.count(b"\n") + 1
        later = sorted(line for line in before.values() if line)
        assert all(any(line < other <= cut for other in later) is False for line in lost)
    elif name == sorted(case.files)[-1] and first and i + 1 >= first:
        assert len(lost) <= 1


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "line",
    [
        "  in kB  " + "1" * 900_000,
        "      direct lattice vectors\n" + "1" * 900_000,
        " POMASS = ;" * 90_000,
        " Iteration" * 90_000,
        " number of electron magnetization " + "a " * 400_000,
        "   LDAUL = " + "1 " * 400_000 + "x",
    ],
)
def test_long_lines(line) -> None:
    text = outcar(THREE).replace(b" Exchange correlation", f"{line}\n Exchange corr".encode())
    assert len(labels(read({"OUTCAR": text}))) == 3
    inside = text.replace(b"  FREE ENERGIE", f"{line}\n  FREE ENERGIE".encode())
    read({"OUTCAR": inside})


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece",
    ['<varray name="kpointlist">' * 30_000, '<i name="a"' + ' name="a"' * 90_000, "<rc><c>"],
)
def test_long_heads_of_xml(piece) -> None:
    text = vasprun(THREE).replace(b"<parameters>", f"{piece}\n<parameters>".encode())
    run = read({"vasprun.xml": text})
    assert run.problem or len(labels(run)) == 3

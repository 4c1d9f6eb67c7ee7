"""Calculators described, made again, and refused with the fix."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import CalculationFailed, Calculator, CalculatorSetupError
from ase.calculators.emt import EMT
from ase.calculators.mixing import SumCalculator
from ase.optimize import BFGS
from ase.units import Hartree

from aiida_nanoclusters.cli.launch.nodes import CalculatorChoice
from aiida_nanoclusters.formats.calculators.calculator_server import (
    evaluate,
    make_calculator,
    versions_of,
    write_charges,
)
from aiida_nanoclusters.formats.calculators.charges_file import read_charges
from aiida_nanoclusters.formats.calculators.description import (
    describe,
    isolated_atom_energies,
    read_description,
    summary,
)
from aiida_nanoclusters.formats.calculators.named import NamedCalculator

HERE = __name__


class OnlyEnergy(Calculator):
    implemented_properties = ["energy"]


class NotFinite(Calculator):
    implemented_properties = ["energy", "forces"]

    def calculate(self, *args) -> None:
        super().calculate(*args)
        self.results = {"energy": np.nan, "forces": np.zeros((len(self.atoms), 3))}


class Unconverged(Calculator):
    implemented_properties = ["energy", "forces"]

    def calculate(self, *args) -> None:
        raise CalculationFailed("no self-consistency")


def no_calculator() -> int:
    return 7


def needs_weights(path: str) -> EMT:
    with open(path, encoding="utf-8") as handle:
        assert handle.read() == "weights"
    return EMT()


@pytest.mark.parametrize(
    ("path", "arguments", "reason"),
    [
        ("ase.calculators.emt", {}, "write it as package.module:Name"),
        ("os; import x:Y", {}, "write it as package.module:Name"),
        ("..x:Y", {}, "write it as package.module:Name"),
        ("ase.calculators.emt:EMT", {"a b": 1}, "letters, digits and `_`"),
        ("ase.calculators.emt:EMT", {"a": object()}, "give what JSON can hold"),
        ("ase.calculators.emt:EMT", {"a": float("nan")}, "give what JSON can hold"),
    ],
)
def test_what_cannot_be_described(path, arguments, reason) -> None:
    with pytest.raises(ValueError, match=reason):
        describe(path, arguments)


def test_a_description_is_read_again(tmp_path) -> None:
    (tmp_path / "w.pth").write_text("weights")
    described = describe(
        "a.b:C", {"x": [1, "t"]}, checkpoint=("path", tmp_path / "w.pth"), dispersion="PBE"
    )
    assert read_description(json.dumps(described)) == described
    assert described["checkpoint"]["file"].startswith("checkpoint-")
    assert described["checkpoint"]["file"].endswith(".pth")
    assert summary(described).startswith("C(x=[1, 't'], path=checkpoint-")
    assert summary(described).endswith(" + D3(BJ)")
    with pytest.raises(ValueError, match="no checkpoint at"):
        describe("a.b:C", checkpoint=("path", tmp_path / "missing"))


@pytest.mark.parametrize(
    "change",
    [
        {"calculator": "os:system; x"},
        {"calculator": 3},
        {"arguments": []},
        {"checkpoint": {"argument": "path", "file": "../../x"}},
        {"checkpoint": {"argument": "path", "file": "/etc/passwd"}},
        {"checkpoint": {"argument": "a b", "file": "checkpoint-0123456789abcdef"}},
        {"dispersion": "PBE; x"},
        {"more": 1},
    ],
)
def test_descriptions_of_others(change) -> None:
    good = describe("a.b:C", {})
    with pytest.raises(ValueError):
        read_description(json.dumps({**good, **change}))


def test_a_checkpoint_is_given_by_its_path(tmp_path) -> None:
    (tmp_path / "w").write_text("weights")
    described = describe(f"{HERE}:needs_weights", checkpoint=("path", tmp_path / "w"))
    (tmp_path / described["checkpoint"]["file"]).write_text("weights")
    assert isinstance(make_calculator(described, tmp_path), EMT)
    (tmp_path / described["checkpoint"]["file"]).unlink()
    with pytest.raises(CalculatorSetupError, match="cannot be made with the arguments"):
        make_calculator(described, tmp_path)


def test_energies_of_isolated_atoms() -> None:
    found = isolated_atom_energies(describe("ase.calculators.emt:EMT"), ["Cu", "Ag"])
    for symbol, energy in found.items():
        atoms = Atoms(symbol, calculator=EMT())
        assert energy == pytest.approx(atoms.get_potential_energy(), abs=1e-12)
    assert found["Cu"] == pytest.approx(3.51, abs=0.01)  # eV above the crystal, EMT's zero


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no_such_package.x:Y", "install the package where the job runs"),
        ("ase.calculators.emt:Nothing", "cannot be imported"),
        (f"{HERE}:no_calculator", "gives a int, which is no ASE calculator"),
        (f"{HERE}:OnlyEnergy", "gives no forces"),
        (f"{HERE}:NotFinite", "no finite energy and forces of Cu2"),
        (f"{HERE}:Unconverged", "no finite energy and forces of Cu2"),
        (f"{HERE}:needs_weights", "cannot be made with the arguments {}"),
    ],
)
def test_what_is_no_potential(path, reason) -> None:
    with pytest.raises(ValueError, match=reason):
        isolated_atom_energies(describe(path), ["Cu"])


def test_an_element_that_it_does_not_know() -> None:
    with pytest.raises(ValueError, match=r"cannot evaluate Xe2 .* choose one that knows"):
        isolated_atom_energies(describe("ase.calculators.emt:EMT"), ["Xe"])


def test_what_did_not_converge_has_no_numbers(capsys) -> None:
    atoms = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.5]], calculator=Unconverged())
    energy, forces, _ = evaluate(atoms)
    assert np.isnan(energy) and np.isnan(forces).all()
    assert "no self-consistency" in capsys.readouterr().err


def test_dispersion_is_added() -> None:
    pytest.importorskip("dftd3", reason="pip install aiida-nanoclusters[dispersion]")
    atoms = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.5]])
    plain, corrected = (
        evaluate(_with(atoms, describe("ase.calculators.emt:EMT", dispersion=functional)))
        for functional in (None, "PBE")
    )
    assert -1.0 < corrected[0] - plain[0] < -0.01
    moved = atoms.copy()
    moved.positions[1, 2] += 1e-4
    again = evaluate(_with(moved, describe("ase.calculators.emt:EMT", dispersion="PBE")))
    assert -(again[0] - corrected[0]) / 1e-4 == pytest.approx(corrected[1][1, 2], abs=1e-3)


def _with(atoms: Atoms, described: dict) -> Atoms:
    atoms = atoms.copy()
    atoms.calc = make_calculator(described)
    return atoms


def test_versions() -> None:
    found = versions_of(describe("ase.calculators.emt:EMT"))
    assert {"ase", "numpy", "python"} <= set(found)


def test_a_named_calculator_says_what_to_install() -> None:
    known = NamedCalculator("no_such_package.part:Name", level="x", extra="sevennet", about="y")
    expected = 'no_such_package is not installed: pip install "aiida-nanoclusters[sevennet]"'
    assert known.missing == expected
    assert NamedCalculator("ase.calculators.emt:EMT", "x", "study", "y").missing is None


@pytest.fixture(params=["float32", "float64"])
def default_precision(request):
    """Of torch: its own, and the one that a model of nequip leaves in its process."""
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, request.param))
    yield torch.get_default_dtype()
    assert torch.get_default_dtype() == getattr(torch, request.param)
    torch.set_default_dtype(before)


@pytest.mark.parametrize(("name", "module"), [("sevennet", "sevenn"), ("chgnet", "chgnet")])
def test_models_trained_on_pbe_are_close_to_it(default_precision, name, module) -> None:
    """Copper: PBE has a lattice constant of 3.63 Å and a cohesive energy of 3.5 eV."""
    pytest.importorskip(module, reason=f"pip install aiida-nanoclusters[{name}]")
    choice = CalculatorChoice.of(name, elements="Cu")
    described = describe(choice.path, choice.arguments)
    (atom,) = isolated_atom_energies(described, ["Cu"]).values()
    calculator = make_calculator(described, ".")
    lengths, energies = [3.58, 3.61, 3.64], []
    for length in lengths:
        crystal = bulk("Cu", "fcc", a=length)
        crystal.calc = calculator
        energies.append(crystal.get_potential_energy())
    square, slope, _ = np.polyfit(lengths, energies, 2)
    assert -slope / (2 * square) == pytest.approx(3.63, abs=0.03)
    assert atom - min(energies) == pytest.approx(3.5, abs=0.15)


def test_level_of_a_named_calculator() -> None:
    pytest.importorskip("sevenn", reason="pip install aiida-nanoclusters[sevennet]")
    assert CalculatorChoice.of("sevennet", elements="Cu").level == "SevenNet/7net-0"
    other = CalculatorChoice.of("sevennet", ["model=7net-l3i5"], elements="Cu")
    assert other.arguments == {"model": "7net-l3i5"} and other.level is None


def test_tight_binding_has_the_published_energy() -> None:
    """Water by GFN2-xTB, as the documentation of the program xtb has it: -5.070544 Eh."""
    pytest.importorskip("tblite", reason="pip install aiida-nanoclusters[tblite]")
    choice = CalculatorChoice.of("gfn2-xtb", elements="H,O")
    water = molecule("H2O")
    water.calc = make_calculator(describe(choice.path, choice.arguments))
    BFGS(water, logfile=None).run(fmax=1e-3)
    assert water.get_potential_energy() / Hartree == pytest.approx(-5.070544, abs=1e-6)
    with pytest.raises(ValueError, match="choose one that knows the element"):
        isolated_atom_energies(describe(choice.path, choice.arguments), ["U"])


def test_charges_are_read_as_far_as_they_are_whole() -> None:
    offsets = np.array([0, 2, 3, 5])
    lines = [
        "2 0.1 -0.1\n",
        "0 0.5 nonsense\n",
        "7 1.0\n",
        "1 0.3 0.4\n",
        "\n",
        "1 0.25\n",
        "0 0.1 -",
    ]
    found = read_charges(lines, offsets)
    assert np.isnan(found[:2]).all()
    assert found[2:].tolist() == [0.25, 0.1, -0.1]


class Charged(Calculator):
    implemented_properties = ["energy", "forces", "charges"]

    def calculate(self, *args) -> None:
        super().calculate(*args)
        zeros = np.zeros((len(self.atoms), 3))
        self.results = {"energy": 0.0, "forces": zeros, "charges": np.array([0.25, -0.25])}


@pytest.mark.parametrize("corrected", [False, True])
def test_charges_are_those_of_the_calculator_under_a_correction(corrected, tmp_path) -> None:
    calculator = SumCalculator([Charged(), EMT()]) if corrected else Charged()
    atoms = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.5]], calculator=calculator)
    evaluate(atoms)
    with (tmp_path / "c").open("w") as handle:
        write_charges(handle, 4, atoms)
    assert (tmp_path / "c").read_text() == "4 0.25 -0.25\n"

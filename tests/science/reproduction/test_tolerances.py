"""Structures found again however they lie, and numbers judged by their tolerances."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.cluster import Icosahedron, Octahedron
from scipy.spatial.transform import Rotation

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recognition import symmetry
from aiida_nanoclusters.science.reproduction import tolerances
from aiida_nanoclusters.science.reproduction.agreement import compare_frames, match
from aiida_nanoclusters.science.reproduction.tolerances import (
    AGREES,
    DIFFERS,
    NOT_COMPARED,
    compare_averages,
    compare_crossover,
    compare_errors,
    compare_lowest,
    compare_numbers,
    compare_sets,
    compare_trees,
    overall,
)
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from tests.counting import count_calls

RULES = load_protocol("reproduce")
TOLERANCES = RULES["tolerances"]


def liquid(n: int, seed: int = 1) -> Atoms:
    """A cluster without any symmetry: a shaken ball, no atoms closer than 2 Å."""
    rng = np.random.default_rng(seed)
    cells = 2 * int(np.ceil((n / 2) ** (1 / 3))) + 1
    grid = bulk("Cu", "fcc", 3.6, cubic=True).repeat(cells).get_positions()
    grid = grid - grid.mean(axis=0) + rng.uniform(-0.5, 0.5, 3)
    ball = grid[np.argsort(np.linalg.norm(grid, axis=1))[:n]]
    return Atoms(f"Cu{n}", positions=ball + rng.uniform(-0.3, 0.3, (n, 3)))


def moved(atoms: Atoms, seed: int = 3, mirror: bool = False, shake: float = 0.0):
    """Turn, shift, perhaps mirror and shake; permute the atoms. Also the way it went."""
    rng = np.random.default_rng(seed)
    matrix = Rotation.random(random_state=seed).as_matrix()
    if mirror:
        matrix = matrix @ np.diag([1.0, 1.0, -1.0])
    order = rng.permutation(len(atoms))
    positions = atoms.get_positions() @ matrix.T + rng.uniform(-5, 5, 3)
    positions += rng.uniform(-shake, shake, positions.shape)
    return Atoms(numbers=atoms.numbers[order], positions=positions[order]), matrix, order


CLUSTERS = {
    "atom": Atoms("Cu"),
    "dimer": Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.3]]),
    "hetero": Atoms("CuAu", positions=[[0, 0, 0], [0, 0, 2.3]]),
    "trimer": Atoms("Cu3", positions=[[0, 0, 0], [0, 0, 2.3], [0, 1.9, 1.1]]),
    "line": Atoms("Cu2Au", positions=[[0, 0, 0], [0, 0, 2.3], [0, 0, 4.8]]),
    "plane": molecule("C6H6"),
    "Ih": Icosahedron("Cu", 4),
    "Oh": Octahedron("Cu", 7, 2),
    "liquid": liquid(147),
    "chiral": molecule("H2O2"),
}


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("name", CLUSTERS)
def test_found_again_however_it_lies(name, mirror) -> None:
    atoms = CLUSTERS[name]
    other, _, _ = moved(atoms, mirror=mirror, shake=0.005)
    found = match(atoms, other, 0.05)
    assert found is not None
    assert found.misfit < 0.03
    assert found.matrix @ found.matrix.T == pytest.approx(np.eye(3), abs=1e-9)
    laid = (atoms.get_positions() - atoms.get_positions().mean(axis=0)) @ found.matrix.T
    target = other.get_positions() - other.get_positions().mean(axis=0)
    partners = list(found.permutation)
    assert np.linalg.norm(laid - target[partners], axis=1).max() < 0.03
    assert (atoms.numbers == other.numbers[partners]).all()


@pytest.mark.parametrize("name", ["trimer", "plane", "Ih", "Oh", "liquid"])
def test_one_atom_off_is_another_structure(name) -> None:
    atoms = CLUSTERS[name]
    other, _, _ = moved(atoms)
    positions = other.get_positions()
    positions[0] += [0.0, 0.0, 0.4]
    other.set_positions(positions)
    assert match(atoms, other, 0.05) is None


def test_alike_but_other() -> None:
    """Equal composition, another motif; equal places, other elements; a shorter line."""
    cut = Octahedron("Cu", 5, 1)
    ball = Icosahedron("Cu", 4)[: len(cut)]
    assert match(cut, ball, 0.05) is None
    swapped = CLUSTERS["line"].copy()
    swapped.numbers = swapped.numbers[[0, 2, 1]]
    assert match(CLUSTERS["line"], swapped, 0.05) is None
    short = CLUSTERS["dimer"].copy()
    short.positions[1, 2] = 2.5
    assert match(CLUSTERS["dimer"], short, 0.05) is None
    assert match(Atoms("Cu"), Atoms("Au"), 0.05) is None


@pytest.mark.parametrize("atoms", [Icosahedron("Cu", 8), liquid(1415)], ids=["Ih", "liquid"])
def test_large_clusters_need_few_guesses(monkeypatch, atoms) -> None:
    other, _, _ = moved(atoms, shake=0.01)
    guesses = count_calls(monkeypatch, symmetry, "_fit")
    assert match(atoms, other, 0.05) is not None
    assert match(atoms, liquid(len(atoms), seed=9), 0.05) is None
    near, _, _ = moved(atoms)
    near.positions[5] += 0.3  # sorted distances hardly tell
    assert match(atoms, near, 0.05) is None
    assert 0 < len(guesses) <= 3 * 120  # of an icosahedron: its operations, each time


def test_crystals_keep_their_order_and_cell() -> None:
    crystal = bulk("Cu", "fcc", 3.6, cubic=True)
    shifted = crystal.copy()
    shifted.positions += [0.3, 3.7, -1.0]
    shifted.wrap()
    assert match(crystal, shifted, 0.05) is not None
    assert match(crystal, bulk("Cu", "fcc", 3.7, cubic=True), 0.05) is None
    assert match(crystal, Atoms("Cu4", positions=crystal.positions), 0.05) is None


def labelled(atoms: Atoms, energy: float | None = None) -> Atoms:
    atoms = atoms.copy()
    atoms.set_tags(0)
    atoms.calc = EMT()
    values = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
    if energy is not None:
        values["energy"] = energy
    atoms.calc = SinglePointCalculator(atoms, **values)
    return atoms


def frames(*images: Atoms) -> Frames:
    return Frames.from_atoms(images, level_of_theory="EMT", atom_energies={"Cu": 0.0})


def verdict(findings) -> str:
    return overall([f.verdict for f in findings])


def test_forces_turn_with_the_cluster() -> None:
    one = liquid(40)
    other, matrix, _ = moved(one, mirror=True)
    findings = compare_frames(frames(labelled(one)), frames(labelled(other)), TOLERANCES)
    assert [f.quantity for f in findings] == ["energy", "structure", "force"]
    assert verdict(findings) == AGREES
    assert findings[2].difference < 1e-9
    # Forces that were not turned with it are wrong.
    wrong = labelled(one)
    turned = labelled(other)
    turned.calc.results["forces"] = turned.get_forces() @ matrix
    findings = compare_frames(frames(wrong), frames(turned), TOLERANCES)
    assert [f.verdict for f in findings] == [AGREES, AGREES, DIFFERS]


def test_stress_turns_with_a_periodic_crystal() -> None:
    crystal = bulk("Cu", "fcc", 3.5, cubic=True)
    stress = np.array([0.1, 0.2, 0.3, 0.01, 0.02, 0.03])
    images = []
    for change in (0.0, 1e-3):
        image = labelled(crystal)
        image.calc.results["stress"] = stress + change
        images.append(image)
    assert verdict(compare_frames(frames(images[0]), frames(images[0]), TOLERANCES)) == AGREES
    findings = compare_frames(frames(images[0]), frames(images[1]), TOLERANCES)
    assert [f.verdict for f in findings if f.quantity == "stress"] == [DIFFERS]


def test_energies_are_compared_per_atom() -> None:
    atoms = labelled(liquid(100))
    energy = atoms.get_potential_energy()
    near = compare_frames(frames(atoms), frames(labelled(atoms, energy + 9e-4)), TOLERANCES)
    assert verdict(near) == AGREES
    assert near[0].difference == pytest.approx(9e-6, rel=1e-3)
    far = compare_frames(frames(atoms), frames(labelled(atoms, energy + 2e-3)), TOLERANCES)
    assert far[0].verdict == DIFFERS and "frame 0 (N = 100)" in far[0].note


def test_missing_frames_are_differences() -> None:
    a, b = labelled(liquid(20)), labelled(liquid(21))
    assert "2 frames recorded, 1 now" in compare_frames(frames(a, b), frames(a), TOLERANCES)[0].note
    note = compare_frames(frames(a, b), frames(a, a), TOLERANCES)[0].note
    assert note == "frame 1: 21 atoms recorded, 20 now"


def test_dynamics_is_not_compared() -> None:
    a, b = labelled(liquid(20)), labelled(liquid(20, seed=2))
    assert verdict(compare_frames(frames(a), frames(b), TOLERANCES)) == DIFFERS
    findings = compare_frames(frames(a), frames(b), TOLERANCES, judge="sampled")
    assert verdict(findings) == NOT_COMPARED
    shorter = compare_frames(frames(a, a), frames(b), TOLERANCES, judge="sampled")
    assert verdict(shorter) == DIFFERS


def test_lower_than_recorded_is_said_and_no_fault() -> None:
    high, low = labelled(liquid(30), -70.0), labelled(liquid(30, seed=2), -70.5)
    findings = compare_frames(frames(high), frames(low), TOLERANCES, judge="lowest")
    assert verdict(findings) == AGREES
    assert findings[0].note == "N = 30: 0.5000 eV lower now"
    findings = compare_frames(frames(low), frames(high), TOLERANCES, judge="lowest")
    assert verdict(findings) == DIFFERS
    assert findings[0].note == "N = 30: 0.5000 eV higher now"
    same = compare_frames(
        frames(high), frames(labelled(liquid(30, seed=2), -70.0)), TOLERANCES, judge="lowest"
    )
    assert verdict(same) == DIFFERS
    assert "equal energy, another structure" in [f.note for f in same][1]
    missing = compare_lowest({13: -33.5, 14: -36.0}, {13: -33.5}, TOLERANCES)
    assert missing[1].note == "N = 14: only recorded"


def test_numbers() -> None:
    assert compare_numbers([1.0, np.nan], [1.0005, np.nan], "number", TOLERANCES).verdict == AGREES
    assert compare_numbers([1.0], [1.002], "number", TOLERANCES).verdict == DIFFERS
    assert compare_numbers([0.0], [1e-7], "number", TOLERANCES).verdict == AGREES
    assert compare_numbers([1.0], [np.nan], "number", TOLERANCES).verdict == DIFFERS
    assert compare_numbers([1.0], [1.0, 2.0], "number", TOLERANCES).verdict == DIFFERS
    assert compare_numbers([np.inf], [np.inf], "number", TOLERANCES).verdict == AGREES


@pytest.mark.parametrize(
    ("change", "expected", "note"),
    [
        ({}, AGREES, ""),
        ({"energy": -33.52508}, AGREES, ""),
        ({"energy": -33.6}, DIFFERS, "energy"),
        ({"motif": "octahedral"}, DIFFERS, "motif: 'icosahedral' recorded, 'octahedral' now"),
        ({"wall_time": 55.0}, AGREES, ""),
        ({"converged": 1}, DIFFERS, "converged: True recorded, 1 now"),
        ({"extra": 1}, DIFFERS, "extra: only now"),
        ({"list": [1, 2]}, DIFFERS, "list: 3 recorded, 2 now"),
    ],
)
def test_trees(change, expected, note) -> None:
    tree = {"energy": -33.525079, "size": 13, "motif": "icosahedral", "wall_time": 1.0}
    tree |= {"converged": True, "list": [1, 2, 3]}
    findings = compare_trees(
        tree, {**tree, **change}, TOLERANCES, RULES["quantities"], RULES["ignored"]
    )
    assert verdict(findings) == expected
    assert any(note in f.note for f in findings)


ANSWER = {"verdict": "crossing", "size": 1003.0, "low": 990.0, "high": 1020.0}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, AGREES),
        ({"size": 1019.0, "low": 1015.0, "high": 1030.0}, AGREES),
        ({"size": 1025.0, "low": 1015.0, "high": 1030.0}, DIFFERS),
        ({"size": 1010.0, "low": 1100.0, "high": 1200.0}, DIFFERS),
        ({"size": 1003.0, "low": 990.0, "high": None}, AGREES),
        ({"verdict": "undecided"}, DIFFERS),
        ({"size": None}, DIFFERS),
    ],
)
def test_crossover(change, expected) -> None:
    assert verdict(compare_crossover(ANSWER, {**ANSWER, **change})) == expected


def test_averages_are_held_against_their_errors() -> None:
    """Two combined standard errors agree, six do not; what has no error is left out."""
    errors = {"energies": "energy_errors"}

    def found(new, sigma=3.0, tolerances=TOLERANCES):
        before = {"energies": [1.0, 0.0], "energy_errors": [4.0, 0.0], "steps": [1, 2]}
        after = {"energies": new, "energy_errors": [sigma, 0.0], "steps": [5, 6]}
        return compare_averages(before, after, errors, tolerances)

    (agreed,) = found([11.0, 7.0])  # hypot(3, 4) = 5, ten apart
    assert (agreed.verdict, agreed.difference, agreed.unit) == (AGREES, 2.0, "standard errors")
    assert verdict(found([31.0, 0.0])) == DIFFERS
    exact = load_protocol("reproduce", "exact")["tolerances"]
    assert verdict(found([1.001, 0.0], tolerances=exact)) == DIFFERS
    assert verdict(found([1.0])) == NOT_COMPARED
    assert verdict(found([31.0, 0.0], sigma=0.0)) == DIFFERS  # one error is enough
    (alone,) = found([1.0, np.inf])
    assert alone.verdict == AGREES and "1 of 2 known in one of the two only" in alone.note
    assert verdict(compare_averages({"x": [1]}, {"x": [1]}, errors, TOLERANCES)) == NOT_COMPARED


def test_errors_and_sets() -> None:
    before = {"test energy": 2.0, "test forces": 30.0, "motifs": None}
    better = {"test energy": 0.5, "test forces": 40.0, "motifs": None}
    assert verdict(compare_errors(before, better, TOLERANCES)) == AGREES
    worse = {**better, "test forces": 46.0}
    assert verdict(compare_errors(before, worse, TOLERANCES)) == DIFFERS
    assert verdict(compare_errors(before, {"test energy": 2.0}, TOLERANCES)) == DIFFERS
    assert (
        compare_sets([13, 55], [13, 54], "magic sizes")[0].note == "only recorded: 55; only now: 54"
    )
    assert compare_sets([13], [13], "magic sizes")[0].verdict == AGREES


def test_overall_and_the_deciding_finding() -> None:
    near = tolerances.Finding(AGREES, "energy", 9e-6, 1e-5)
    far = tolerances.Finding(AGREES, "force", 1e-6, 5e-3)
    off = tolerances.Finding(DIFFERS, "stress", 1.0, 1e-4)
    unknown = tolerances.Finding(NOT_COMPARED, "weights")
    assert tolerances.worst([far, near, unknown]) is near
    assert tolerances.worst([far, off, near]) is off
    assert tolerances.worst([unknown]) is unknown
    assert overall([]) == NOT_COMPARED


def test_every_tolerance_has_unit_and_reason() -> None:
    for protocol in ("moderate", "exact"):
        rules = load_protocol("reproduce", protocol)
        for name, tolerance in rules["tolerances"].items():
            assert tolerance["value"] > 0 and tolerance["unit"] and tolerance["reason"], name
        named = {q.replace("energy_total", "energy") for q in rules["quantities"].values()}
        assert named <= set(rules["tolerances"])

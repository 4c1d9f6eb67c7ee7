"""Nuclei of trajectories that are known: when they come into order, and what is shown of them."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from aiida_nanoclusters.science.nucleation.assembly_report import report_assembly
from aiida_nanoclusters.science.nucleation.assembly_settings import AssemblySettings
from aiida_nanoclusters.science.nucleation.nuclei import MOST_ENDED, snapshot, unwrapped
from aiida_nanoclusters.science.structures.molecules import find_molecules
from tests.science.nucleation.known_assembly import CORNERS, EDGE, known_frames
from tests.science.structures.test_molecules import start

#: Six atoms in a row along which each touches the next.
CHAIN = np.arange(6)[:, None] * np.array([EDGE, 0, 0])


def silver(places):
    return Atoms("Ag" + str(len(places)), np.array(places) + 10, cell=[40] * 3, pbc=True)


def test_the_known_answer():
    found = report_assembly(known_frames(), interval=0.5)
    assert found.report["frames"] == 40 and found.report["metal_atoms"] == 12
    assert found.report["time"] == [0.0, 19.5]
    (nucleus,) = found.report["nuclei"]
    assert nucleus["cluster"] == 8 and nucleus["size"] == 6 and nucleus["last"] is None
    assert nucleus["first"] == nucleus["ordered"] == {"frame": 20, "time": 10.0}
    assert nucleus["rmsd"] == pytest.approx(0, abs=1e-6) and nucleus["broken"] == 0
    assert nucleus["edge"] == pytest.approx(EDGE)
    clusters = found.report["clusters"]
    assert [c["number"] for c in clusters] == list(range(1, 9))
    assert clusters[7]["atoms"] == [0, 1, 4, 5, 8, 9] and clusters[6]["last"] == 19
    assert found.series["cluster_sizes"].tolist() == [2, 4, 6]
    assert found.series["cluster_counts"][[0, 10, 20]].tolist() == [[6, 0, 0], [4, 1, 0], [3, 0, 1]]
    assert np.isnan(found.series["nucleus_rmsd"][:20]).all()


def test_six_that_aggregate_come_into_order_and_lose_it():
    """A chain to frame 20, an octahedron to frame 40, a chain for five frames, and again."""
    places = [CHAIN] * 20 + [CORNERS] * 20 + [CHAIN] * 5 + [CORNERS] * 15
    found = report_assembly(map(silver, places)).report
    (nucleus,) = found["nuclei"]
    assert nucleus["first"]["frame"] == 0 and nucleus["ordered"]["frame"] == 45
    assert found["events"] == []
    (nucleus,) = report_assembly(map(silver, places[:42])).report["nuclei"]
    assert nucleus["ordered"] is None and nucleus["broken"] >= 7  # five pairs are close


def test_a_larger_nucleus_by_its_octahedron_with_a_defect():
    """Eight atoms: an octahedron one corner of which is drawn out, and two atoms beside it."""
    corners = CORNERS.copy()
    corners[2] += [
        0.9,
        0,
        0.3,
    ]  # 3.84 Å from one of its four neighbours, 3.31 Å at most from others
    beside = corners[0] + [[2.9, 0.3, 0], [5.8, 0.3, 0]]
    (nucleus,) = report_assembly([silver([*corners, *beside])] * 4).report["nuclei"]
    assert nucleus["size"] == 8 and nucleus["corners"] == [0, 1, 2, 3, 4, 5]
    assert nucleus["broken"] == 1 and 0.1 < nucleus["rmsd"] < 0.3 and nucleus["ordered"] is None


def test_of_many_nuclei_the_longest_lived_are_kept():
    """Six atoms meet for 4, 5, 6, ... frames and part in between."""
    apart = np.arange(6)[:, None] * np.array([6.0, 0, 0])
    lengths = np.random.default_rng(0).permutation(np.arange(4, 44))
    frames = []
    for length in lengths:
        frames += [silver(CORNERS)] * int(length) + [silver(apart)] * 4
    found = report_assembly(frames).report
    kept = [n["last"]["frame"] - n["first"]["frame"] + 1 for n in found["nuclei"]]
    assert len(kept) == MOST_ENDED and found["nuclei_left_out"] == 40 - MOST_ENDED
    assert sorted(kept) == list(range(44 - MOST_ENDED, 44))
    assert [n["cluster"] for n in found["nuclei"]] == sorted(n["cluster"] for n in found["nuclei"])


def test_the_published_nucleus_is_shown_with_its_ligands(shared_data):
    """Six ligands and no methanol, whole, wherever the boundary lies."""
    atoms = start(shared_data, "dimer_octahedral")
    solute = {k for k, part in enumerate(find_molecules(atoms).parts) if part != "solvent"}
    inside = atoms[sorted(solute)]
    inside.set_positions(unwrapped(inside))
    inside.pbc = False
    for shift in ([0, 0, 0], [9.5, 10.2, 0.3]):
        moved = atoms.copy()
        moved.positions += shift
        moved.wrap()
        (shown,) = report_assembly([moved] * 3).nuclei
        assert shown.get_chemical_formula() == inside.get_chemical_formula() == "C6H12Ag6N6S6"
        assert set(shown.symbols[:6]) == {"Ag"} and not shown.pbc.any()
        metal = shown.get_all_distances()[:6, :6]
        assert np.allclose(
            np.sort(metal), np.sort(inside[inside.symbols == "Ag"].get_all_distances())
        )
        assert find_molecules(shown).formulas() == ["CH2NS"] * 6


def test_a_molecule_that_is_not_bound_is_not_shown():
    water = molecule("H2O")
    water.positions += [14, 14, 14]
    atoms = silver(CORNERS) + water
    members = list(range(6))
    settings = AssemblySettings(bridges={"O": 2.5})
    molecules = find_molecules(atoms, solvent=()).molecule
    assert len(snapshot(atoms, members, settings, molecules)) == 6
    atoms.positions[6:] += atoms.positions[0] + [2.2, 0, 0] - atoms.positions[6]
    shown = snapshot(atoms, members, settings, molecules)
    assert shown.get_chemical_symbols() == ["Ag"] * 6 + ["O", "H", "H"]


def test_times_and_structures():
    frames = [silver(CORNERS) for _ in range(6)]
    assert report_assembly(frames).report["time"] is None
    for number, atoms in enumerate(frames):
        atoms.info = {"time": 0.25 * number, "structure": number // 3}
    with pytest.raises(ValueError, match="frame 3 is of structure 1, those before are of 0"):
        report_assembly(frames)
    assert report_assembly(frames, structure=1).report["time"] == [0.75, 1.25]
    assert report_assembly(frames, structure=1, interval=2).report["time"] == [0, 4]
    for atoms in frames:
        atoms.info.pop("structure")
    frames[4].info["time"] = 0.1
    with pytest.raises(ValueError, match=r"frame 4 is at 0.1 ps, the one before at 0.75 ps"):
        report_assembly(frames)
    frames[4].info.pop("time")
    assert report_assembly(frames).report["time"] is None

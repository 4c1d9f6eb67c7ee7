"""A trajectory whose answer is known: three dimers become one octahedron, others do not."""

import re
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list

from aiida_nanoclusters.science.nucleation.assembly import LinkSettings, follow_assembly
from aiida_nanoclusters.science.nucleation.links import close_pairs
from tests.science.nucleation.known_assembly import known_frames

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "nucleation" / "assembly.md"


@pytest.fixture(scope="module")
def trajectory():
    return known_frames()


def silver_of(*dimers):
    return frozenset(4 * d + k for d in dimers for k in range(2))


def test_who_met_when(trajectory):
    found = follow_assembly(trajectory)
    sizes = found.sizes()
    assert sizes[0] == [2] * 6 and sizes[10] == [4, 2, 2, 2, 2] and sizes[39] == [6, 2, 2, 2]
    assert [(event.frame, event.kind) for event in found.events] == [(10, "meet"), (20, "meet")]
    assert found.events[0].before == (silver_of(0), silver_of(1))
    assert found.events[1].after == (silver_of(0, 1, 2),)
    assert sizes[30] == [6, 2, 2, 2]  # dimers 3 and 4 touched for one frame only
    brief = follow_assembly(trajectory, LinkSettings(lasting=1))
    assert [(e.frame, e.kind) for e in brief.events][2:] == [(30, "meet"), (31, "part")]


def test_coordination_rises_in_steps(trajectory):
    found = follow_assembly(trajectory).coordination
    # dimers: one neighbour each; four corners in a square: two; an octahedron: four
    assert found[5] == pytest.approx(1.0)
    assert found[15] == pytest.approx((4 * 2 + 8 * 1) / 12)
    assert found[25] == pytest.approx((6 * 4 + 6 * 1) / 12)


def test_atoms_that_go_from_one_cluster_to_another_are_an_exchange():
    frames = []
    for number in range(10):
        atoms = Atoms("Ag4", positions=np.zeros((4, 3)), cell=[40, 40, 40], pbc=True)
        pairs = [(0, 1), (2, 3)] if number < 5 else [(0, 2), (1, 3)]
        for place, pair in enumerate(pairs):
            for k, atom in enumerate(pair):
                atoms.positions[atom] = [10 + 15 * place, 10, 10 + 2.9 * k]
        frames.append(atoms)
    (event,) = follow_assembly(frames).events
    assert (event.frame, event.kind) == (5, "exchange")
    assert set(event.after) == {frozenset({0, 2}), frozenset({1, 3})}


def test_a_change_lasts_whatever_another_atom_does():
    """Two trios become one for good, while a seventh atom touches them in every second frame."""
    frames = []
    for number in range(20):
        atoms = Atoms("Ag7", positions=np.zeros((7, 3)), cell=[60, 60, 60], pbc=True)
        for k in range(3):
            atoms.positions[k] = [10 + 2.9 * k, 10, 10]
            atoms.positions[3 + k] = [10 + 2.9 * (k + 3) + (0 if number >= 8 else 9), 10, 10]
        atoms.positions[6] = [10, 10, 12.9 if number % 2 else 25]
        frames.append(atoms)
    found = follow_assembly(frames)
    (event,) = found.events
    assert (event.frame, event.kind) == (8, "meet") and found.sizes()[-1] == [6, 1]


def test_what_only_the_last_frame_has_did_not_last():
    apart = Atoms("Ag2", positions=[[0, 0, 0], [6.0, 0, 0]])
    close = Atoms("Ag2", positions=[[0, 0, 0], [2.9, 0, 0]])
    assert follow_assembly([apart] * 4 + [close]).events == ()
    assert len(follow_assembly([apart] * 4 + [close] * 3).events) == 1


def by_definition(series, lasting):
    """Links once changes have lasted, each pair by itself, frame by frame."""
    settled = series.copy()
    for number in range(1, len(series)):
        settled[number] = settled[number - 1]
        window = series[number : number + lasting]
        if len(window) == lasting:
            for pair in range(series.shape[1]):
                if window[:, pair].all() or not window[:, pair].any():
                    settled[number, pair] = window[0, pair]
    return settled


@pytest.mark.parametrize("lasting", [1, 2, 5])
def test_links_that_last_as_each_pair_by_itself(lasting):
    """Four atoms that jump at random, against the definition; the trajectory is read once."""
    rng = np.random.default_rng(3)
    places = rng.uniform(0, 7, (60, 4, 3))
    places[rng.uniform(size=60) < 0.6] = 0  # stays, so that some links last
    for number in range(1, 60):
        if not places[number].any():
            places[number] = places[number - 1]
    frames = [Atoms("Ag4", p, cell=[7, 7, 7], pbc=True) for p in places]
    pairs = np.triu_indices(4, 1)
    linked = np.array([a.get_all_distances(mic=True)[pairs] <= 3.4 for a in frames])
    found = follow_assembly(iter(frames), LinkSettings(lasting=lasting)).clusters
    for clusters, links in zip(found, by_definition(linked, lasting), strict=True):
        graph = {k: {k} for k in range(4)}
        for i, j in np.transpose(pairs)[links]:
            joined = graph[i] | graph[j]
            graph |= dict.fromkeys(joined, joined)
        assert set(clusters) == {frozenset(map(int, one)) for one in graph.values()}
    assert len(set(found)) > 3


def test_pairs_by_a_tree_and_by_the_general_way_are_the_same():
    """In rectangular cells open in some directions, in narrow ones, and in a skew one."""
    rng = np.random.default_rng(0)
    for pbc in [(1, 1, 1), (1, 0, 1), (0, 0, 0)]:
        for cell in ([12, 13, 14], [6, 13, 14], [[12, 0, 0], [3, 13, 0], [1, 2, 14]]):
            atoms = Atoms("Ag40", rng.uniform(-20, 20, (40, 3)), cell=cell, pbc=pbc)
            first, second, lengths = close_pairs(atoms, 3.4)
            i, j, d = neighbor_list("ijd", atoms, 3.4)
            ours = sorted(zip(*np.sort([first, second], axis=0), lengths.round(6), strict=True))
            assert ours == sorted(zip(i[i < j], j[i < j], d[i < j].round(6), strict=True))


def test_a_ligand_atom_links_what_it_binds():
    far = Atoms("AgAgS", positions=[[0, 0, 0], [4.6, 0, 0], [2.3, 0.6, 0]])
    assert follow_assembly([far]).sizes() == [[2]]
    assert follow_assembly([far], LinkSettings(bridges={})).sizes() == [[1, 1]]


def test_what_is_no_trajectory():
    with pytest.raises(ValueError, match="empty"):
        follow_assembly([])
    with pytest.raises(ValueError, match="no Ag in the frames"):
        follow_assembly([Atoms("Cu")])
    pair = Atoms("Ag2", positions=[[0, 0, 0], [3, 0, 0]])
    for other in (Atoms("Ag"), pair + Atoms("S"), Atoms("AgAu", pair.positions)):
        with pytest.raises(ValueError, match="frame 1 holds other atoms"):
            follow_assembly([pair, other])
    lost = pair.copy()
    lost.positions[1, 2] = np.nan
    with pytest.raises(ValueError, match="frame 1 has positions or a cell that are not finite"):
        follow_assembly([pair, lost])
    flat = Atoms("Ag2", pair.positions, pbc=True)
    with pytest.raises(ValueError, match=r"frame 0 is periodic .* without a cell vector"):
        follow_assembly([flat])
    with pytest.raises(ValueError, match="other elements"):
        LinkSettings(bridges={"Ag": 3.0})


@pytest.mark.skipif(not PAGE.is_file(), reason="the page lies in a checkout only")
def test_the_example_of_the_page(capsys):
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)[0]
    exec(compile(code, str(PAGE), "exec"), {})
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == "4.0 meet [1, 2] [3]"
    assert second.startswith("6 0.0 2.96") and second.endswith("0 {'frame': 8, 'time': 4.0}")

"""Graphs and networks: equal to torch_geometric's layers, and blind to what must not matter."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.neighborlist import neighbor_list
from torch_geometric.nn.conv import CGConv
from torch_geometric.nn.models import SchNet

from aiida_nanoclusters.science.ligands.core_arrays import core_arrays
from aiida_nanoclusters.science.ligands.encoder_settings import (
    CORE_KINDS,
    CoreEncoderSettings,
    MatchingSettings,
)
from aiida_nanoclusters.science.ligands.graphs import core_graphs
from aiida_nanoclusters.science.ligands.network_shapes import (
    count_numbers,
    energy_shapes,
    matching_shapes,
)
from aiida_nanoclusters.science.ligands.networks import (
    CrystalConvolution,
    make_energy_network,
    make_matching_network,
    mean_of_sets,
    single_precision,
)

CUTOFF = 4.0


def clusters(count=5, seed=0):
    random = np.random.default_rng(seed)
    sizes = random.integers(2, 20, count)
    return [Atoms(random.choice([29, 47, 79], n), random.normal(0, 3, (n, 3))) for n in sizes]


def graphs_of(images):
    return core_graphs(*core_arrays(images, CUTOFF), CUTOFF)


@pytest.fixture(autouse=True)
def single():
    """Whatever precision other tests leave in the process."""
    with single_precision():
        yield


@pytest.fixture(params=CORE_KINDS)
def encoder(request):
    torch.manual_seed(1)
    settings = CoreEncoderSettings(
        kind=request.param, features=12, layers=2, cutoff=CUTOFF, gaussians=8
    )
    return make_energy_network(settings.model_dump()).eval()


def energies(encoder, images):
    graphs = graphs_of(images)
    with torch.no_grad():
        return encoder(graphs.batch(range(len(graphs)))).numpy()


def test_edges_are_those_of_a_neighbour_list():
    images = clusters()
    graphs = graphs_of(images)
    for place, atoms in enumerate(images):
        batch = graphs.batch([place])
        i, j, distances = neighbor_list("ijd", atoms, CUTOFF)
        expected = {(int(a), int(b)): d for a, b, d in zip(j, i, distances, strict=True)}
        found = dict(zip(map(tuple, batch.edges.T.tolist()), batch.values, strict=True))
        assert found.keys() == expected.keys()
        for pair, distance in expected.items():
            assert found[pair] == pytest.approx(distance, abs=1e-5)


def test_box_makes_no_difference():
    """A cluster across the border of its box has the graph that it has without one."""
    atoms = clusters(1, seed=3)[0]
    boxed = atoms.copy()
    boxed.set_cell([40.0] * 3)
    boxed.pbc = True
    boxed.wrap()
    assert np.ptp(boxed.positions, axis=0).max() > 20  # it is in pieces
    free, wrapped = graphs_of([atoms]), graphs_of([boxed])
    assert (free.edges == wrapped.edges).all()
    assert wrapped.values == pytest.approx(free.values, abs=1e-5)


def test_crystal_is_no_core():
    bulk = Atoms("Cu", cell=[2.5] * 3, pbc=True)
    with pytest.raises(ValueError, match=r"core 0 \(Cu\) is periodic"):
        graphs_of([bulk])


def test_batches_change_nothing(encoder):
    images = clusters()
    alone = [energies(encoder, [atoms])[0] for atoms in images]
    assert energies(encoder, images) == pytest.approx(np.array(alone), abs=1e-5)


def test_motions_and_order_change_nothing(encoder):
    """Translation, rotation, reflection, and the order of the atoms."""
    for atoms in clusters(3, seed=5):
        moved = atoms[np.random.default_rng(0).permutation(len(atoms))]
        moved.rotate(33, (1, 2, 3))
        moved.positions *= -1
        moved.positions += 5
        assert energies(encoder, [moved]) == pytest.approx(energies(encoder, [atoms]), abs=1e-4)


def test_elements_and_distances_matter(encoder):
    atoms = clusters(1, seed=6)[0]
    other, wider = atoms.copy(), atoms.copy()
    other.numbers[0] = 46
    wider.positions *= 1.05
    for changed in (other, wider):
        assert abs(energies(encoder, [changed]) - energies(encoder, [atoms]))[0] > 1e-5


def test_single_atom_has_a_vector(encoder):
    assert np.isfinite(energies(encoder, [Atoms("Au"), molecule("H2O")])).all()


def test_convolution_is_that_of_torch_geometric():
    torch.manual_seed(0)
    theirs, ours = CGConv(6, 4, batch_norm=True), CrystalConvolution(6, 4, batch_norm=True)
    ours.load_state_dict(theirs.state_dict())
    x, edges = torch.randn(9, 6), torch.randint(0, 9, (2, 40))
    along = torch.randn(40, 4)
    for mode in (True, False):
        found, expected = (layer.train(mode)(x, edges, along) for layer in (ours, theirs))
        assert torch.allclose(found, expected, atol=1e-6)


def test_continuous_filters_are_those_of_torch_geometric():
    """SchNet of torch_geometric with our graph and the same numbers gives the same features."""
    torch.manual_seed(2)
    settings = CoreEncoderSettings(kind="schnet", features=10, layers=2, cutoff=CUTOFF, gaussians=8)
    core = make_energy_network(settings.model_dump()).core.eval()
    batch = graphs_of(clusters()).batch(range(5))
    edges, distances = torch.from_numpy(batch.edges), torch.from_numpy(batch.values)
    theirs = SchNet(10, 10, 2, 8, CUTOFF, interaction_graph=lambda *_: (edges, distances))
    theirs.embedding.weight.data = core.embedding.weight.data
    for their, our in zip(theirs.interactions, core.layers, strict=True):
        their.load_state_dict(our.block.state_dict())
    features = []
    theirs.lin1.register_forward_pre_hook(lambda _, given: features.append(given[0]))
    theirs(torch.from_numpy(batch.nodes), torch.zeros(len(batch.nodes), 3))
    owners = torch.from_numpy(batch.owners)
    means = torch.stack([features[0][owners == k].mean(dim=0) for k in range(5)])
    assert torch.allclose(core(batch), means, atol=1e-5)


def test_sets_are_means():
    """Neither order nor repetition in the sums: the mean over the members."""
    vectors = torch.arange(12.0).reshape(4, 3)
    members, owners = np.array([0, 3, 3, 0, 2]), np.array([0, 0, 1, 1, 2])
    found = mean_of_sets(vectors, members, owners, 3)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], (vectors[0] + vectors[3]) / 2)
    assert torch.equal(found[2], vectors[2])


@pytest.mark.parametrize("kind", CORE_KINDS)
@pytest.mark.parametrize("ligand", ["fingerprint", "graph"])
def test_shapes_are_known_without_torch(kind, ligand):
    """And the precision is single whatever others left in the process, as nequip does."""
    settings = MatchingSettings(core={"kind": kind, "features": 8}, ligand={"kind": ligand})
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        pair = make_matching_network(settings.model_dump(), 40, 7)
        energy = make_energy_network(settings.core.model_dump())
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(before)
    parts = (settings.core, settings.ligand, settings.classifier)
    for network, shapes in (
        (pair, matching_shapes(*parts, 40, 7)),
        (energy, energy_shapes(settings.core)),
    ):
        state = network.state_dict()
        assert {name: tuple(t.shape) for name, t in state.items()} == shapes
        assert count_numbers(shapes) == sum(t.numel() for t in state.values())
        assert {t.dtype for t in state.values()} <= {torch.float32, torch.int64}

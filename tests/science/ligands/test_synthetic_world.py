"""Worlds of a known rule: their labels follow from it, and nothing else does."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from aiida_nanoclusters.science.ligands.smiles import (
    canonical_ligand,
    carbon_count,
    functional_group,
)
from aiida_nanoclusters.science.ligands.synthetic_world import (
    LIGANDS,
    WorldSettings,
    make_world,
    shuffle_labels,
)

CARBONS = {smiles: n for rows in LIGANDS.values() for smiles, n in rows}


def labels_of(pairs):
    return np.array([pair.label for pair in pairs.pairs])


def test_ligands_are_canonical_and_told_apart():
    for group, rows in LIGANDS.items():
        for smiles, count in rows:
            assert canonical_ligand(smiles) == smiles
            assert functional_group(smiles) == group
            assert carbon_count(smiles) == count


def test_equal_seeds_give_equal_worlds():
    first, again, other = (make_world(WorldSettings(n_pairs=50), seed) for seed in (1, 1, 2))
    assert first.pairs == again.pairs
    assert (first.cores.positions == again.cores.positions).all()
    assert first.pairs != other.pairs


def test_cores_are_compact_and_of_the_sizes():
    cores = make_world(WorldSettings(n_pairs=50, n_cores=100), 0).cores
    assert cores.sizes.min() >= 8
    assert cores.sizes.max() <= 60
    for atoms in cores:
        distances = atoms.get_all_distances()
        np.fill_diagonal(distances, 99)
        assert 2.0 < distances.min()
        assert distances.min(axis=1).max() < 3.6
        assert len(set(atoms.numbers)) <= 2


def test_large_cores_go_with_long_ligands():
    pairs = make_world(WorldSettings(n_pairs=400), 3)
    large = np.array([len(pairs.cores[p.core]) > 34 for p in pairs.pairs])
    long = np.array([np.mean([CARBONS[s] for s in p.ligands]) > 7.5 for p in pairs.pairs])
    exact = np.array([len(pairs.cores[p.core]) == 34 for p in pairs.pairs])
    edge = np.array([np.mean([CARBONS[s] for s in p.ligands]) == 7.5 for p in pairs.pairs])
    assert (labels_of(pairs) == (large == long))[~(exact | edge)].all()
    assert 0.35 < labels_of(pairs).mean() < 0.65
    assert len({(p.core, p.ligands) for p in pairs.pairs}) == 400


def test_neither_side_alone_tells_the_label():
    pairs = make_world(WorldSettings(n_pairs=3000, n_cores=400), 3)
    labels, sizes = labels_of(pairs), [len(pairs.cores[p.core]) for p in pairs.pairs]
    carbons = [np.mean([CARBONS[s] for s in p.ligands]) for p in pairs.pairs]
    product = (np.array(sizes) - 34) * (np.array(carbons) - 7.5)
    assert roc_auc_score(labels, product) > 0.99
    for alone in (sizes, carbons):
        assert abs(roc_auc_score(labels, alone) - 0.5) < 0.1


def test_hidden_charge_is_in_nothing_that_an_encoder_sees():
    seen, hidden = (
        make_world(WorldSettings(n_pairs=300, core_score=score), 0) for score in ("size", "charge")
    )
    assert (seen.cores.positions == hidden.cores.positions).all()
    charges = hidden.cores.charges
    product = [
        np.sign(charges[p.core]) * (np.mean([CARBONS[s] for s in p.ligands]) - 7.5)
        for p in hidden.pairs
    ]
    assert roc_auc_score(labels_of(hidden), product) > 0.99


def test_shuffled_labels_are_as_many():
    pairs = make_world(WorldSettings(n_pairs=200), 0)
    shuffled = shuffle_labels(pairs, 1)
    assert labels_of(shuffled).sum() == labels_of(pairs).sum()
    assert (labels_of(shuffled) != labels_of(pairs)).any()
    assert [p.ligands for p in shuffled.pairs] == [p.ligands for p in pairs.pairs]


def test_noise_blurs_the_rule():
    quiet, loud = (make_world(WorldSettings(n_pairs=300, noise=n), 0) for n in (0.0, 1.0))
    changed = np.mean(labels_of(quiet) != labels_of(loud))
    assert 0.1 < changed < 0.5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"elements": ["Xx"]}, "no chemical symbol"),
        ({"elements": ["Fe"]}, "face-centred cubic"),
        ({"n_pairs": 1000, "n_cores": 2}, "too many"),
    ],
)
def test_worlds_that_cannot_be_are_refused(values, message):
    assert message in WorldSettings.problem(values)

"""Learning by rounds: chosen labels against labels at random, on tetramers."""

import numpy as np
from ase import Atoms

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.learning.acquisition import choose
from aiida_nanoclusters.science.learning.active_learning import ActiveLearning
from aiida_nanoclusters.science.learning.committee import Thresholds, committee_deviation
from aiida_nanoclusters.science.learning.metrics import max_force_error
from tests.science.learning.test_active_learning import selected

#: Morse tetramers: distances in Å, energies in eV.
DEPTH, STIFFNESS, BOND = 0.35, 1.4, 2.6
FEATURES = 60
LOW, SHARE = 0.005, 0.005


def morse(r):
    grown = np.exp(-STIFFNESS * (r - BOND))
    return DEPTH * (grown**2 - 2 * grown), DEPTH * STIFFNESS * (-2 * grown**2 + 2 * grown)


def pairs(frames):
    """Distances (F, P), unit vectors (F, P, 3) and ends of the pairs of equal frames."""
    x = frames.positions.reshape(len(frames), -1, 3)
    i, j = np.triu_indices(x.shape[1], 1)
    vectors = x[:, j] - x[:, i]
    r = np.linalg.norm(vectors, axis=2)
    return r, vectors / r[:, :, None], i, j


def forces_of(slopes, units, i, j, count):
    """Forces (F, N, 3) from dE/dr of each pair."""
    found = np.zeros((len(slopes), count, 3))
    for p in range(len(i)):
        pull = slopes[:, p, None] * units[:, p]
        found[:, i[p]] += pull
        found[:, j[p]] -= pull
    return found


def label(frames):
    r, units, i, j = pairs(frames)
    energies, slopes = morse(r)
    forces = forces_of(slopes, units, i, j, 4).reshape(-1, 3)
    return frames.with_labels(
        energies.sum(axis=1), forces, level_of_theory="Morse", atom_energies={"Cu": 0.0}
    )


class Member:
    """A pair potential, linear in random Fourier features of the distance."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.w = rng.normal(0, 1.5, FEATURES)
        self.b = rng.uniform(0, 2 * np.pi, FEATURES)

    def design(self, frames):
        r, units, i, j = pairs(frames)
        slopes = -self.w * np.sin(r[..., None] * self.w + self.b)
        columns = [forces_of(slopes[..., k], units, i, j, 4).ravel() for k in range(FEATURES)]
        energies = np.cos(r[..., None] * self.w + self.b).sum(axis=1)
        return energies, np.array(columns).T

    def fit(self, frames):
        energies, forces = self.design(frames)
        x = np.concatenate([energies, forces])
        y = np.concatenate([frames.energies, frames.forces.ravel()])
        self.c = np.linalg.solve(x.T @ x + 1e-3 * np.eye(FEATURES), x.T @ y)
        return self

    def predict(self, frames):
        energies, forces = self.design(frames)
        return frames.with_labels(
            energies @ self.c, (forces @ self.c).reshape(-1, 3),
            level_of_theory="fit", atom_energies={"Cu": 0.0},
        )  # fmt: skip


def tetramers(count, rng, rare):
    """Mostly near the minimum; a share `rare` is squeezed, stretched or torn."""
    shape = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * BOND / np.sqrt(8)
    images = []
    for _ in range(count):
        wild = rng.random() < rare
        scale, noise = (rng.uniform(0.8, 1.6), 0.25) if wild else (1.0, 0.05)
        x = scale * shape + rng.normal(0, noise, (4, 3))
        images.append(Atoms("Cu4", x, info={"config_type": "md"}))
    return Frames.from_atoms(images)


def learn(seed, by_chance, rounds=4, per_round=6):
    """Return the errors (eV/Å) on frames never learnt after each training, and the loop."""
    rng = np.random.default_rng(seed)
    others, known = label(tetramers(150, rng, 1.0)), label(tetramers(6, rng, 0.0))
    search = ActiveLearning(
        budget=rounds * per_round,
        accurate_below=LOW,
        failed_above=1e6,
        per_round=per_round,
        share=SHARE,
        seed=seed,
    )
    errors, members, pool, chosen = [], {}, known, known
    while not search.is_finished:
        task = search.next()
        if task["action"] == "train":
            fits = {f"seed_{k}": Member(task["seed"] + k) for k in range(task["members"])}
            members = {key: fit.fit(known) for key, fit in fits.items()}
            mean = np.mean([m.predict(others).forces for m in members.values()], axis=0)
            errors.append(float(np.sqrt(np.mean(max_force_error(others, mean) ** 2))))
            outcome = {"members": len(members)}
        elif task["action"] == "explore":
            pool = tetramers(150, np.random.default_rng([seed, task["round"]]), 0.1)
            outcome = {"frames": len(pool)}
        elif task["action"] == "select":
            own = {key: member.predict(pool) for key, member in members.items()}
            found = choose(
                pool,
                committee_deviation(pool, own).forces,
                Thresholds(**task["thresholds"]),
                known=known,
                seed=task["seed"],
                **task["settings"],
            )
            indices = found.indices
            if by_chance:
                indices = np.random.default_rng(task["seed"]).permutation(len(pool))[: len(indices)]
            chosen = pool.select(indices) if len(indices) else None
            doubtful = int((found.classes != "accurate").sum())
            outcome = selected(len(indices), len(pool) - doubtful, doubtful)
        else:
            known = Frames.concatenate([known, label(chosen)])
            outcome = {"labelled": len(chosen), "failed": 0}
        search.update(outcome)
    return errors, search


def test_error_falls_round_by_round_and_faster_than_at_random():
    """24 labels chosen by disagreement and distance, against 24 drawn at random, three times."""
    chosen, drawn = [], []
    for seed in (1, 2, 3):
        errors, search = learn(seed, by_chance=False)
        by_chance, _ = learn(seed, by_chance=True)
        assert search.reason == "budget: 24 labels requested, 24 obtained"
        assert by_chance[0] == errors[0]  # both begin with the same committee
        assert errors[-1] < 0.2 * by_chance[-1]
        chosen.append(errors)
        drawn.append(by_chance)
    means = np.mean(chosen, axis=0)
    assert len(means) == 5
    assert np.all(np.diff(means) < 0)
    # The first six go to the few that are torn most.
    assert np.all(means[2:] < 0.2 * np.mean(drawn, axis=0)[2:])


def test_learning_is_repeated_exactly():
    assert learn(1, by_chance=False, rounds=2)[0] == learn(1, by_chance=False, rounds=2)[0]

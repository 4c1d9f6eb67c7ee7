"""The loop: its stop rules, its setbacks, and what it gains over choosing by chance."""

import json

import numpy as np
import pytest
from ase import Atoms

from aiida_nanoclusters.science.active_learning import ActiveLearning
from aiida_nanoclusters.science.committee import Thresholds, committee_deviation
from aiida_nanoclusters.science.errors import max_force_error
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.label_choice import choose

# -- the loop alone ----------------------------------------------------------------------------


def loop(**changes):
    settings = {"budget": 100, "low": 0.1, "high": 0.5, "per_round": 10}
    return ActiveLearning(**{**settings, **changes})


def selected(count, good, doubtful, probes=None):
    classes = {"good": good, "decent": doubtful}
    reasons = {"good": good, "diverse": count}
    return {"selected": count, "reasons": reasons, "classes": classes, "probes": probes or {}}


def answer(task, good=50, doubtful=50):
    """Everything works, and so many frames of every size are in doubt."""
    if task["action"] == "train":
        return {"members": task["members"]}
    if task["action"] == "explore":
        return {"frames": 100}
    if task["action"] == "select":
        count = min(doubtful, task["settings"]["budget"])
        return selected(count, good, doubtful)
    return {"labelled": task["frames"], "failed": 0}


def drive(search, answers=answer, limit=500):
    tasks = []
    while not search.is_finished:
        tasks.append(search.next())
        search.update(answers(tasks[-1]))
        assert len(tasks) < limit
    return tasks


def test_a_round_has_four_tasks():
    tasks = drive(loop(max_rounds=1, checks=3))
    assert [t["action"] for t in tasks] == ["train", "explore", "select", "label", "train"]
    assert tasks[0]["members"] == 4
    assert tasks[2]["thresholds"] == {"low": 0.1, "high": 0.5}
    assert tasks[2]["settings"] == {"budget": 10, "checks": 3}
    assert tasks[3]["frames"] == 10


def test_budget_ends_it_and_the_last_labels_are_learnt():
    search = loop(budget=25)
    tasks = drive(search)
    assert [t["settings"]["budget"] for t in tasks if t["action"] == "select"] == [10, 10, 5]
    assert tasks[-1]["action"] == "train"
    assert search.reason == "budget: 25 labels asked for, 25 obtained"
    assert (search.spent, search.converged) == (25, False)


def test_rounds_end_it():
    search = loop(max_rounds=3)
    tasks = drive(search)
    assert sum(t["action"] == "label" for t in tasks) == 3
    assert search.reason == "rounds: all 3 are done"


@pytest.mark.parametrize("probed", [True, False])
def test_two_calm_rounds_in_a_row_end_it(probed):
    """A doubtful round between begins the count anew; of the probes the largest decides."""
    doubts = iter([50, 2, 50, 2, 2])

    def answers(task):
        found = answer(task)
        if task["action"] == "select":
            doubt = next(doubts)
            probes = {"309": {"good": 98, "decent": doubt}, "55": {"poor": 9}}
            found = selected(10, 98, doubt)
            if probed:
                found = selected(10, 0, 50, probes)
        return found

    search = loop()
    tasks = drive(search, answers)
    assert sum(t["action"] == "select" for t in tasks) == 5
    assert search.converged
    whose = "the frames of 309 atoms" if probed else "all frames"
    assert search.reason == f"converged: 2 % of {whose} in doubt, below 5 % in 2 rounds in a row"
    assert search.history[-1]["probe"] == (309 if probed else None)


def test_a_largest_probe_that_is_missing_is_not_replaced():
    def answers(task):
        found = answer(task)
        if task["action"] == "select":
            found = selected(10, 100, 0, {"55": {"good": 100}}) | {"probe": 309}
        return found

    search = loop(max_rounds=3)
    assert search.last_selection == ""
    drive(search, answers)
    assert search.reason == "rounds: all 3 are done"
    judged = [entry for entry in search.history if entry["action"] == "select"]
    assert [(entry["probe"], entry["share"]) for entry in judged] == [(309, None)] * 3
    assert judged[0]["note"] == "no probe of 309 atoms could be judged"
    assert search.last_selection == "round 3: probes of 309 atoms in doubt unknown, 10 to label"


def test_calm_rounds_without_labels_train_no_more():
    tasks = drive(loop(), lambda task: answer(task, 100, 0))
    assert [t["action"] for t in tasks] == ["train", "explore", "select", "explore", "select"]


def test_where_nothing_was_found_nothing_is_known():
    def answers(task):
        if task["action"] == "select":
            return selected(0, 0, 0)
        return answer(task)

    search = loop()
    drive(search, answers)
    assert not search.converged
    assert search.reason.startswith("nothing to label")


def test_a_lost_member_is_told_and_the_loop_goes_on():
    search = loop()
    search.update({"members": 3, "failed": {"seed_2": "loss is no number"}})
    assert search.next()["action"] == "explore"
    assert search.history[0]["note"] == "seed_2: loss is no number"


def test_too_small_a_committee_is_trained_again_with_other_seeds():
    search = loop()
    seeds = []
    for _ in range(2):
        seeds.append(search.next()["seed"])
        search.update({"members": 1, "failed": {"seed_1": "died"}})
        assert search.next()["action"] == "train"
    search.update({"members": 2})
    assert search.next()["action"] == "explore"
    assert len(set(seeds)) == 2
    failing = loop(patience=2)
    drive(failing, lambda task: {"members": 0, "failed": {}})
    assert failing.reason.startswith("training failed: a committee of 0")
    assert len(failing.history) == 2


@pytest.mark.parametrize("patience", [1, 3])
def test_failed_labels_are_counted_and_given_up(patience):
    def answers(task):
        failed = {"labelled": 0, "failed": task.get("frames")}
        return failed if task["action"] == "label" else answer(task)

    search = loop(patience=patience)
    drive(search, answers)
    assert search.reason.startswith("labelling failed: none of 10 frames")
    assert search.spent == 10 * patience
    assert [h["note"] for h in search.history if h["action"] == "label"] == [
        "10 labels failed"
    ] * patience


def test_some_failed_labels_do_not_stop_it():
    search = loop(budget=20)

    def answers(task):
        return {"labelled": 7, "failed": 3} if task["action"] == "label" else answer(task)

    drive(search, answers)
    assert search.reason == "budget: 20 labels asked for, 14 obtained"


def test_an_empty_selection_explores_anew_and_says_what_was_left_out():
    search = loop(patience=2)

    def answers(task):
        if task["action"] == "select":
            return {"selected": 0, "reasons": {"poor": 40}, "classes": {"poor": 40}}
        return answer(task)

    tasks = drive(search, answers)
    assert [t["action"] for t in tasks] == ["train", "explore", "select", "explore", "select"]
    assert "nothing to label (40 poor): raise `high`" in search.reason


def test_no_frames_from_exploring():
    search = loop(patience=2)
    drive(search, lambda task: {"frames": 0} if task["action"] == "explore" else answer(task))
    assert search.reason == "exploration failed: it brought no frames; 2 times in a row"


def test_who_takes_over_has_thresholds_of_his_own():
    earlier = loop(low=0.2, high=0.4, max_rounds=1)
    drive(earlier)
    later = loop(low=0.01, high=0.1, max_rounds=2).taking_over(earlier.state)
    tasks = drive(later)
    found = [t["thresholds"] for t in tasks if t["action"] == "select"]
    assert found == [{"low": 0.01, "high": 0.1}]


def test_who_takes_over_counts_calm_rounds_anew():
    def calm(task):
        return answer(task, good=98, doubtful=2)

    earlier = loop(max_rounds=1)
    drive(earlier, calm)
    later = loop().taking_over(earlier.state)
    tasks = drive(later, calm)
    assert later.converged
    assert sum(t["action"] == "select" for t in tasks) == 2


def test_why_nothing_was_found_is_told():
    search = loop(patience=1)
    search.update({"members": 4})
    search.update({"frames": 0, "why": "ExploreWorkChain<7>: no icosahedron of 100 atoms"})
    assert search.gave_up
    assert "ExploreWorkChain<7>: no icosahedron of 100 atoms" in search.reason


def test_the_last_labels_are_not_all_checks():
    tasks = drive(loop(budget=13, checks=3))
    found = [t["settings"] for t in tasks if t["action"] == "select"]
    assert found == [{"budget": 10, "checks": 3}, {"budget": 3, "checks": 2}]


def test_threshold_from_the_checks_is_used_next():
    search = loop(max_rounds=2)

    def answers(task):
        found = answer(task)
        if task["action"] == "train" and task["round"] == 2:
            found["low"] = 0.2
        return found

    tasks = [t for t in drive(search, answers) if t["action"] == "select"]
    assert [t["thresholds"]["low"] for t in tasks] == [0.1, 0.2]
    assert search.history[0]["low"] == 0.1
    with pytest.raises(ValueError, match="must be positive and not below `low`"):
        loop().update({"members": 4, "low": 0.7})


def test_resumed_anywhere_it_goes_the_same_way():
    straight = drive(loop(budget=30, seed=4))
    search, tasks = loop(budget=30, seed=4), []
    while not search.is_finished:
        search = ActiveLearning.from_state(json.loads(json.dumps(search.state)))
        tasks.append(search.next())
        search.update(answer(tasks[-1]))
    assert tasks == straight
    assert len({t["seed"] for t in tasks}) == len(tasks)
    assert drive(loop(budget=30, seed=5)) != straight


def test_a_wrong_outcome_changes_nothing():
    search = loop()
    state = search.state
    with pytest.raises(ValueError, match="not the outcome of `train`"):
        search.update({"frames": 3})
    with pytest.raises(ValueError, match="not the outcome of `train`"):
        search.update({"members": None})
    assert search.state == state
    for task in ("train", "explore", "select"):
        if task == "select":
            with pytest.raises(ValueError, match="11 frames for 10 labels"):
                search.update(selected(11, 0, 50))
        search.update(answer(search.next()))
        assert search.history[-1]["action"] == task
    with pytest.raises(ValueError, match="11 and 0 of 10 frames"):
        search.update({"labelled": 11, "failed": 0})
    done = loop(max_rounds=1)
    drive(done)
    assert done.next() == {}
    with pytest.raises(ValueError, match="the loop has finished"):
        done.update({"members": 4})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"share": 0.0}, "share"),
        ({"members": 1}, "at least 2"),
        ({"budget": 0}, "at least 1"),
        ({"checks": 10}, "part of the 10"),
        ({"low": 0.6}, "not below `low`"),
    ],
)
def test_settings_that_make_no_sense(change, message):
    with pytest.raises(ValueError, match=message):
        loop(**change)


# -- a small problem, solved ---------------------------------------------------------------------

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
    """Return the errors (eV/Å) on unseen frames after each training, and the loop."""
    rng = np.random.default_rng(seed)
    unseen, known = label(tetramers(150, rng, 1.0)), label(tetramers(6, rng, 0.0))
    search = ActiveLearning(
        budget=rounds * per_round,
        low=LOW,
        high=1e6,
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
            mean = np.mean([m.predict(unseen).forces for m in members.values()], axis=0)
            errors.append(float(np.sqrt(np.mean(max_force_error(unseen, mean) ** 2))))
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
            doubtful = int((found.classes != "good").sum())
            outcome = selected(len(indices), len(pool) - doubtful, doubtful)
        else:
            known = Frames.concatenate([known, label(chosen)])
            outcome = {"labelled": len(chosen), "failed": 0}
        search.update(outcome)
    return errors, search


def test_error_falls_round_by_round_and_faster_than_by_chance():
    """24 labels chosen by disagreement and distance, against 24 drawn by chance, three times."""
    chosen, drawn = [], []
    for seed in (1, 2, 3):
        errors, search = learn(seed, by_chance=False)
        by_chance, _ = learn(seed, by_chance=True)
        assert search.reason == "budget: 24 labels asked for, 24 obtained"
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

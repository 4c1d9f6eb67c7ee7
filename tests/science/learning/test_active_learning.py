"""The loop: its stop rules, its failures, and its gain over a random choice."""

import json

import pytest

from aiida_nanoclusters.science.learning.active_learning import ActiveLearning

# -- the loop alone ----------------------------------------------------------------------------


def loop(**changes):
    settings = {"budget": 100, "accurate_below": 0.1, "failed_above": 0.5, "per_round": 10}
    return ActiveLearning(**{**settings, **changes})


def selected(count, accurate, uncertain, by_size=None):
    classes = {"accurate": accurate, "candidate": uncertain}
    reasons = {"accurate": accurate, "diverse": count}
    report = {"selected": count, "reasons": reasons, "classes": classes}
    return report | {"convergence_test": by_size or {}}


def answer(task, accurate=50, uncertain=50):
    """Everything works, and so many frames of every size are uncertain."""
    if task["action"] == "train":
        return {"members": task["members"]}
    if task["action"] == "explore":
        return {"frames": 100}
    if task["action"] == "select":
        count = min(uncertain, task["settings"]["budget"])
        return selected(count, accurate, uncertain)
    return {"labelled": task["frames"], "failed": 0}


def drive(search, answers=answer, limit=500):
    tasks = []
    while not search.is_finished:
        tasks.append(search.next())
        search.update(answers(tasks[-1]))
        assert len(tasks) < limit
    return tasks


def test_a_round_has_four_tasks():
    tasks = drive(loop(max_rounds=1, calibration_frames=3))
    assert [t["action"] for t in tasks] == ["train", "explore", "select", "label", "train"]
    assert tasks[0]["members"] == 4
    assert tasks[2]["thresholds"] == {"accurate_below": 0.1, "failed_above": 0.5}
    assert tasks[2]["settings"] == {"budget": 10, "calibration_frames": 3}
    assert tasks[3]["frames"] == 10


def test_budget_ends_it_and_the_last_labels_are_learnt():
    search = loop(budget=25)
    tasks = drive(search)
    assert [t["settings"]["budget"] for t in tasks if t["action"] == "select"] == [10, 10, 5]
    assert tasks[-1]["action"] == "train"
    assert search.reason == "budget: 25 labels requested, 25 obtained"
    assert (search.spent, search.converged) == (25, False)


def test_rounds_end_it():
    search = loop(max_rounds=3)
    tasks = drive(search)
    assert sum(t["action"] == "label" for t in tasks) == 3
    assert search.reason == "rounds: all 3 are done"


@pytest.mark.parametrize("with_test", [True, False])
def test_two_converged_rounds_in_a_row_end_it(with_test):
    """An uncertain round between resets the count; of the convergence test the largest decides."""
    counts = iter([50, 2, 50, 2, 2])

    def answers(task):
        found = answer(task)
        if task["action"] == "select":
            uncertain = next(counts)
            by_size = {"309": {"accurate": 98, "candidate": uncertain}, "55": {"failed": 9}}
            found = selected(10, 98, uncertain)
            if with_test:
                found = selected(10, 0, 50, by_size)
        return found

    search = loop()
    tasks = drive(search, answers)
    assert sum(t["action"] == "select" for t in tasks) == 5
    assert search.converged
    whose = "the frames of 309 atoms" if with_test else "all frames"
    assert search.reason == f"converged: 2 % of {whose} uncertain, below 5 % in 2 rounds in a row"
    assert search.history[-1]["convergence_test_size"] == (309 if with_test else None)


def test_a_missing_largest_size_is_not_replaced_by_a_smaller_one():
    def answers(task):
        found = answer(task)
        if task["action"] == "select":
            found = selected(10, 100, 0, {"55": {"accurate": 100}}) | {"convergence_test_size": 309}
        return found

    search = loop(max_rounds=3)
    assert search.last_selection == ""
    drive(search, answers)
    assert search.reason == "rounds: all 3 are done"
    judged = [entry for entry in search.history if entry["action"] == "select"]
    for entry in judged:
        assert (entry["convergence_test_size"], entry["share"]) == (309, None)
    assert len(judged) == 3
    assert judged[0]["note"] == "no convergence-test frame of 309 atoms was evaluated"
    assert search.last_selection == (
        "round 3: unknown of the convergence-test frames of 309 atoms uncertain, 10 to label"
    )


def test_converged_rounds_without_labels_train_no_more():
    tasks = drive(loop(), lambda task: answer(task, 100, 0))
    assert [t["action"] for t in tasks] == ["train", "explore", "select", "explore", "select"]


def test_without_candidates_the_share_is_unknown():
    def answers(task):
        if task["action"] == "select":
            return selected(0, 0, 0)
        return answer(task)

    search = loop()
    drive(search, answers)
    assert not search.converged
    assert search.reason.startswith("nothing to label")


def test_a_lost_member_is_recorded_and_the_loop_continues():
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
def test_failed_labels_count_and_end_the_loop(patience):
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
    assert search.reason == "budget: 20 labels requested, 14 obtained"


def test_an_empty_selection_explores_again_and_names_what_was_left_out():
    search = loop(patience=2)

    def answers(task):
        if task["action"] == "select":
            return {"selected": 0, "reasons": {"failed": 40}, "classes": {"failed": 40}}
        return answer(task)

    tasks = drive(search, answers)
    assert [t["action"] for t in tasks] == ["train", "explore", "select", "explore", "select"]
    assert "nothing to label (40 failed): raise `failed_above`" in search.reason


def test_no_frames_from_exploring():
    search = loop(patience=2)
    drive(search, lambda task: {"frames": 0} if task["action"] == "explore" else answer(task))
    assert search.reason == "exploration failed: it found no frames; 2 times in a row"


def test_a_continued_loop_has_its_own_thresholds():
    earlier = loop(accurate_below=0.2, failed_above=0.4, max_rounds=1)
    drive(earlier)
    later = loop(accurate_below=0.01, failed_above=0.1, max_rounds=2).taking_over(earlier.state)
    tasks = drive(later)
    found = [t["thresholds"] for t in tasks if t["action"] == "select"]
    assert found == [{"accurate_below": 0.01, "failed_above": 0.1}]


def test_a_continued_loop_counts_converged_rounds_from_zero():
    def converged(task):
        return answer(task, accurate=98, uncertain=2)

    earlier = loop(max_rounds=1)
    drive(earlier, converged)
    later = loop().taking_over(earlier.state)
    tasks = drive(later, converged)
    assert later.converged
    assert sum(t["action"] == "select" for t in tasks) == 2


def test_a_failed_exploration_is_explained():
    search = loop(patience=1)
    search.update({"members": 4})
    search.update({"frames": 0, "why": "ExploreWorkChain<7>: no icosahedron of 100 atoms"})
    assert search.gave_up
    assert "ExploreWorkChain<7>: no icosahedron of 100 atoms" in search.reason


def test_the_last_labels_are_not_all_for_calibration():
    tasks = drive(loop(budget=13, calibration_frames=3))
    found = [t["settings"] for t in tasks if t["action"] == "select"]
    assert found == [
        {"budget": 10, "calibration_frames": 3},
        {"budget": 3, "calibration_frames": 2},
    ]


def test_a_calibrated_threshold_is_used_next():
    search = loop(max_rounds=2)

    def answers(task):
        found = answer(task)
        if task["action"] == "train" and task["round"] == 2:
            found["accurate_below"] = 0.2
        return found

    tasks = [t for t in drive(search, answers) if t["action"] == "select"]
    assert [t["thresholds"]["accurate_below"] for t in tasks] == [0.1, 0.2]
    assert search.history[0]["accurate_below"] == 0.1
    with pytest.raises(ValueError, match="must be positive and not below `accurate_below`"):
        loop().update({"members": 4, "accurate_below": 0.7})


def test_resumed_at_any_step_it_has_the_same_tasks():
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


def test_a_state_of_an_earlier_version_continues():
    """As recorded in the second round, between explore and select."""
    history = [
        {"round": 1, "action": "train", "members": 4, "low": 0.1, "note": ""},
        {"round": 1, "action": "explore", "frames": 100, "note": ""},
        {"round": 1, "action": "select", "probe": 309, "share": 0.02, "selected": 10, "note": ""},
        {"round": 1, "action": "label", "labelled": 10, "failed": 0, "note": ""},
        {"round": 2, "action": "train", "members": 4, "low": 0.2, "note": ""},
        {"round": 2, "action": "explore", "frames": 100, "note": ""},
    ]
    settings = {
        **{"budget": 100, "low": 0.1, "high": 0.5, "per_round": 10, "checks": 3, "members": 4},
        **{"share": 0.05, "converged_rounds": 2, "max_rounds": 50, "patience": 3, "seed": 4},
    }
    now = {
        **{"phase": "select", "reason": "", "round": 2, "low": 0.2, "spent": 10, "labelled": 10},
        **{"calm": 1, "setbacks": 2, "tasks": 6, "selected": 10, "history": history},
    }
    search = ActiveLearning.from_state({"settings": settings, "now": now})
    task = search.next()
    assert task["thresholds"] == {"accurate_below": 0.2, "failed_above": 0.5}
    assert task["settings"] == {"budget": 10, "calibration_frames": 3}
    assert task["seed"] == 4_000_600
    assert search.history[2]["convergence_test_size"] == 309
    by_size = {"309": {"good": 99, "decent": 1}}
    search.update({"selected": 10, "reasons": {}, "classes": {}, "convergence_test": by_size})
    assert search.converged  # the round before counts, too
    assert loop(max_rounds=3).taking_over({"now": now | {"phase": "done"}}).spent == 10


def test_settings_of_an_earlier_version_are_understood():
    with pytest.warns(DeprecationWarning, match="`low` is called `accurate_below` now"):
        search = ActiveLearning(budget=9, low=0.2, high=0.4, per_round=5, checks=2)
    settings = search.state["settings"]
    assert (settings["accurate_below"], settings["failed_above"]) == (0.2, 0.4)
    assert settings["calibration_frames"] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"share": 0.0}, "`share` is 0.0: input should be greater than 0"),
        ({"members": 1}, "`members` is 1: input should be greater than or equal to 2"),
        ({"budget": 0}, "`budget` is 0: input should be greater than or equal to 1 frames"),
        ({"calibration_frames": 10}, "part of the 10"),
        ({"accurate_below": 0.6}, "not below `accurate_below`"),
    ],
)
def test_settings_out_of_their_limits(change, message):
    with pytest.raises(ValueError, match=message):
        loop(**change)

"""Rounds of train, explore, select, label, until a committee agrees on larger clusters.

:class:`ActiveLearning` decides what is done next and when it is enough; it computes nothing, holds
no frames, and its state is JSON. The caller carries out the task of :meth:`~ActiveLearning.next`
and reports its outcome to :meth:`~ActiveLearning.update`::

    loop = ActiveLearning(budget=1000, accurate_below=0.1, failed_above=0.5)
    while not loop.is_finished:
        task = loop.next()
        loop.update(do[task["action"]](task))
    print(loop.reason)

The scheme is that of Zhang, Lin, Wang, Car, E, Phys. Rev. Materials 3, 023804 (2019). It ends when
the committee agrees on the convergence-test structures: clusters, larger than any that is labelled,
which are sampled every round and never learnt.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from aiida_nanoclusters.science.keys import FORMER_LOOP_KEYS, with_present_keys
from aiida_nanoclusters.science.learning.classes import ACCURATE, CLASSES, Thresholds, current_class
from aiida_nanoclusters.science.learning.settings import LoopSettings

#: How the reasons of a regular end begin.
_REGULAR_ENDS = ("converged", "budget", "rounds")
TRAIN, EXPLORE, SELECT, LABEL, DONE = "train", "explore", "select", "label", "done"


class ActiveLearning:
    """What to do next, round by round.

    Parameters
    ----------
    seed
        The seed of every task follows from it.
    settings
        As of :class:`.learning.settings.LoopSettings`. ``accurate_below`` may be replaced after
        every training.

    Raises
    ------
    ValueError
        If a setting is out of its limits; the message names the fix.
    """

    def __init__(self, *, seed: int = 0, **settings: Any) -> None:
        self._settings, self._seed = LoopSettings.from_values(**settings), int(seed)
        #: Where the loop stands: all that changes, JSON-able.
        self._now: dict[str, Any] = {
            **{"phase": TRAIN, "reason": "", "round": 1, "tasks": 0},
            **{"accurate_below": self._settings.accurate_below},
            **{"spent": 0, "labelled": 0, "selected": 0},
            **{"converged_rounds": 0, "failures_in_a_row": 0, "history": []},
        }

    # -- what to do ------------------------------------------------------------------------

    def next(self) -> dict[str, Any]:
        """Return the next task; the same until :meth:`update`.

        Returns
        -------
        dict
            ``action``, ``round`` and ``seed``, and

            - ``train``: ``members``, how many. Outcome: ``members`` (how many there are now),
              ``failed`` (key: reason) and, where it was calibrated again, ``accurate_below``.
            - ``explore``: sample. Outcome: ``frames``, how many candidates were found, and ``why``
              there are none.
            - ``select``: ``thresholds`` (``accurate_below``, ``failed_above``), ``settings``
              (``budget``, ``calibration_frames``). Outcome: the
              report of :func:`.calculations.learning.acquisition.select_to_label`, of which
              ``selected``, ``reasons`` and ``classes`` are read; ``convergence_test``: the number
              of frames in each class by number of atoms, empty where there are none; and
              ``convergence_test_size``: the size that decides, the largest of them where it is
              left out.
            - ``label``: ``frames``, how many were selected. Outcome: ``labelled`` and ``failed``,
              how many.

            Empty when finished.
        """
        now, given = self._now, self._settings
        if self.is_finished:
            return {}
        task = {"action": now["phase"], "round": now["round"], "seed": self._next_seed()}
        if now["phase"] == TRAIN:
            task["members"] = given.members
        elif now["phase"] == SELECT:
            budget = min(given.per_round, given.budget - now["spent"])
            drawn = min(given.calibration_frames, budget - 1)
            limits = {"accurate_below": now["accurate_below"], "failed_above": given.failed_above}
            task["thresholds"] = limits
            task["settings"] = {"budget": budget, "calibration_frames": drawn}
        else:
            task["frames"] = now["selected"]
        return task

    def update(self, outcome: Mapping[str, Any]) -> None:
        """Record the outcome of the task, see :meth:`next`.

        Raises
        ------
        ValueError
            If the loop has finished, or the outcome is not that of the task.
        """
        if self.is_finished:
            raise ValueError(
                f"the loop has finished ({self.reason}): there is no task to report on"
            )
        before = deepcopy(self._now)
        take = {
            TRAIN: self._trained, EXPLORE: self._explored,
            SELECT: self._selected, LABEL: self._labelled,
        }  # fmt: skip
        try:
            self._now["tasks"] += 1
            take[before["phase"]](outcome)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self._now = before
            raise ValueError(f"not the outcome of `{before['phase']}`: {error}") from error

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return bool(self._now["phase"] == DONE)

    @property
    def converged(self) -> bool:
        """Whether it finished because the committee agrees on the convergence-test structures."""
        return self.is_finished and self._now["reason"].startswith(_REGULAR_ENDS[0])

    @property
    def gave_up(self) -> bool:
        """Whether it finished because a step failed, or had no result, too often."""
        return self.is_finished and not self._now["reason"].startswith(_REGULAR_ENDS)

    @property
    def reason(self) -> str:
        """Why the loop has finished; before that, its round and step."""
        now = self._now
        return str(now["reason"]) or f"round {now['round']}: {now['phase']}"

    @property
    def history(self) -> list[dict[str, Any]]:
        """Outcome of each task: ``round``, ``action``, numbers, and ``note`` where it failed."""
        return deepcopy(self._now["history"])

    @property
    def last_selection(self) -> str:
        """Outcome of the last selection, in a sentence; empty before the first."""
        last = next((e for e in reversed(self._now["history"]) if e["action"] == SELECT), None)
        if last is None:
            return ""
        share = "unknown" if last["share"] is None else f"{100 * last['share']:.3g} %"
        size = last["convergence_test_size"]
        whose = f"convergence-test frames of {size} atoms" if size else "frames"
        return (
            f"round {last['round']}: {share} of the {whose} uncertain, {last['selected']} to label"
        )

    @property
    def spent(self) -> int:
        """Labels requested so far."""
        return int(self._now["spent"])

    @property
    def state(self) -> dict[str, Any]:
        """Everything, JSON-able."""
        settings = {**self._settings.model_dump(), "seed": self._seed}
        return deepcopy({"settings": settings, "now": self._now})

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ActiveLearning:
        """Continue from :attr:`state`, also from one that an earlier version has recorded."""
        present = with_present_keys(state, FORMER_LOOP_KEYS)
        loop = cls(**present["settings"])
        loop._now = deepcopy(dict(present["now"]))
        return loop

    def taking_over(self, state: Mapping[str, Any]) -> ActiveLearning:
        """Return a loop with these settings that continues from the state of another one.

        It begins with a training: a continued run has labelled frames, but no committee.

        Raises
        ------
        ValueError
            If that one has converged: nothing is left to do.
        """
        loop = ActiveLearning.from_state({**self.state, "now": state["now"]})
        if loop.converged:
            raise ValueError(f"nothing is left to do: {loop.reason}")
        # Convergence under other settings, of a committee that is not kept, does not count.
        loop._now |= {"phase": TRAIN, "reason": "", "failures_in_a_row": 0, "converged_rounds": 0}
        loop._now["accurate_below"] = self._settings.accurate_below
        return loop

    # -- outcomes -------------------------------------------------------------------

    def _trained(self, outcome: Mapping[str, Any]) -> None:
        members, failed = int(outcome["members"]), dict(outcome.get("failed") or {})
        lost = "; ".join(f"{key}: {why}" for key, why in sorted(failed.items()))
        low = float(outcome.get("accurate_below", self._now["accurate_below"]))
        Thresholds(low, self._settings.failed_above)
        self._now["accurate_below"] = low
        self._note(TRAIN, members=members, accurate_below=low, note=lost)
        if members >= 2 and (over := self._over()):
            self._finish(over)
        elif members >= 2:
            self._go(EXPLORE)
        else:
            why = f"a committee of {members} has no deviation ({lost or 'no reason given'})"
            self._retry(TRAIN, f"training failed: {why}")

    def _explored(self, outcome: Mapping[str, Any]) -> None:
        frames, why = int(outcome["frames"]), str(outcome.get("why") or "it found no frames")
        self._note(EXPLORE, frames=frames, note="" if frames else why)
        if frames:
            self._go(SELECT, reset=False)
        else:
            self._retry(EXPLORE, f"exploration failed: {why}")

    def _selected(self, outcome: Mapping[str, Any]) -> None:
        now, given, limit = self._now, self._settings, self.next()["settings"]["budget"]
        selected, by_size = int(outcome["selected"]), dict(outcome.get("convergence_test") or {})
        if not 0 <= selected <= limit:
            raise ValueError(f"{selected} frames for {limit} labels")
        left_out = ", ".join(f"{n} {why}" for why, n in sorted(outcome["reasons"].items()))
        size = outcome.get("convergence_test_size") or max(map(int, by_size), default=None)
        # Where the deciding size was not evaluated, no smaller one replaces it.
        share = _share(by_size.get(str(size), {}) if size else outcome["classes"])
        now["selected"] = selected
        notes = [] if selected else [f"nothing selected: {left_out}"]
        if size and share is None:
            notes.append(f"no convergence-test frame of {size} atoms was evaluated")
        numbers = {"convergence_test_size": size, "share": share, "selected": selected}
        self._note(SELECT, **numbers, note="; ".join(notes))
        # An unknown share does not count as converged.
        has_converged = share is not None and share < given.share
        now["converged_rounds"] = now["converged_rounds"] + 1 if has_converged else 0
        if now["converged_rounds"] >= given.converged_rounds:
            whose = f"of the frames of {size} atoms" if size else "of all frames"
            limits = f"below {100 * given.share:.3g} % in {given.converged_rounds} rounds in a row"
            self._finish(f"converged: {100 * (share or 0):.3g} % {whose} uncertain, {limits}")
        elif selected:
            self._go(LABEL, reset=False)
        elif has_converged:
            self._new_round(EXPLORE)  # a converged round needs no label
        else:
            hint = "raise `failed_above`, sample at lower temperature or longer"
            self._retry(EXPLORE, f"nothing to label ({left_out}): {hint}", new_round=True)

    def _labelled(self, outcome: Mapping[str, Any]) -> None:
        now = self._now
        labelled, failed = int(outcome["labelled"]), int(outcome["failed"])
        if labelled < 0 or failed < 0 or labelled + failed > now["selected"]:
            raise ValueError(f"{labelled} and {failed} of {now['selected']} frames")
        now["spent"] += now["selected"]
        now["labelled"] += labelled
        note = f"{failed} labels failed" if failed else ""
        self._note(LABEL, labelled=labelled, failed=failed, note=note)
        if labelled:
            self._new_round(TRAIN)
        else:
            self._retry(EXPLORE, f"labelling failed: none of {failed} frames", new_round=True)

    # -- steps -----------------------------------------------------------------------------

    def _go(self, phase: str, *, reset: bool = True) -> None:
        self._now["phase"] = phase
        if reset:
            self._now["failures_in_a_row"] = 0

    def _new_round(self, phase: str, *, reset: bool = True) -> None:
        self._now["round"] += 1
        over = self._over()
        if over and phase != TRAIN:  # the last labels are still learnt
            self._finish(over)
        else:
            self._go(phase, reset=reset)

    def _over(self) -> str:
        """Return which limit is reached, if any."""
        now, given = self._now, self._settings
        if now["spent"] >= given.budget:
            return f"budget: {now['spent']} labels requested, {now['labelled']} obtained"
        if now["round"] > given.max_rounds:
            return f"rounds: all {given.max_rounds} are done"
        return ""

    def _retry(self, phase: str, why: str, *, new_round: bool = False) -> None:
        """Try again with other seeds, or give up after too many failures in a row."""
        self._now["failures_in_a_row"] += 1
        if self._now["failures_in_a_row"] >= self._settings.patience:
            self._finish(f"{why}; {self._now['failures_in_a_row']} times in a row")
        elif new_round:
            self._new_round(phase, reset=False)
        else:
            self._go(phase, reset=False)

    def _finish(self, reason: str) -> None:
        self._now.update(phase=DONE, reason=reason)

    def _note(self, action: str, **numbers: Any) -> None:
        self._now["history"].append({"round": self._now["round"], "action": action, **numbers})

    def _next_seed(self) -> int:
        """Return a seed that differs between tasks and between attempts at one."""
        return self._seed * 1_000_000 + int(self._now["tasks"]) * 100


def _share(classes: Mapping[str, int]) -> float | None:
    """Return the share of frames that are not accurate; None where there are none."""
    counts = dict.fromkeys(CLASSES, 0)
    for name, count in classes.items():
        counts[current_class(name)] += count
    total = sum(counts.values())
    return (total - counts[ACCURATE]) / total if total else None

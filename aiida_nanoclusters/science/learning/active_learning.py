"""Rounds of train, explore, select, label, until a committee knows the sizes it is asked about.

:class:`ActiveLearning` decides what is done next and when it is enough; it computes nothing, holds
no frames, and its state is JSON. Whoever drives it does as :meth:`~ActiveLearning.next` says and
tells what came of it::

    loop = ActiveLearning(budget=1000, low=0.1, high=0.5)
    while not loop.is_finished:
        task = loop.next()
        loop.update(do[task["action"]](task))
    print(loop.reason)

The scheme is that of Zhang, Lin, Wang, Car, E, Phys. Rev. Materials 3, 023804 (2019). It ends when
the committee agrees on its probes: clusters, larger than any that is labelled, which are sampled
every round and never learnt.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from aiida_nanoclusters.science.committee import DECENT, GOOD, POOR, Thresholds

#: How the reasons begin that are no fault.
_GOOD_ENDS = ("converged", "budget", "rounds")
TRAIN, EXPLORE, SELECT, LABEL, DONE = "train", "explore", "select", "label", "done"


class ActiveLearning:
    """What to do next, round by round.

    Parameters
    ----------
    budget
        Labels that may be asked for in all; failed ones count, for they cost as much. The last ones
        are learnt before the loop ends.
    low, high
        Thresholds of the largest force deviation, eV/Å, see
        :class:`aiida_nanoclusters.science.committee.Thresholds`. ``low`` may be replaced after
        every training.
    per_round
        Labels a round.
    checks
        Of these, frames drawn by chance for calibrating.
    members
        Potentials of the committee; with fewer than two the loop cannot go on.
    share
        The loop has converged when the share of frames that are not good, among those of the
        largest probe, is below this (of all candidates, where there are no probes) ...
    calm_rounds
        ... in so many rounds one after the other.
    max_rounds
        No more than these.
    patience
        How many times in a row a step may fail or bring nothing before the loop gives up.
    seed
        Every seed of every task follows from it.

    Raises
    ------
    ValueError
        If a setting makes no sense.
    """

    def __init__(
        self,
        budget: int,
        low: float,
        high: float,
        *,
        per_round: int = 100,
        checks: int = 0,
        members: int = 4,
        share: float = 0.05,
        calm_rounds: int = 2,
        max_rounds: int = 50,
        patience: int = 3,
        seed: int = 0,
    ) -> None:
        limits = Thresholds(low, high)
        if not 0 < share <= 1:
            raise ValueError(f"`share` is {share}: it must lie above 0 and be at most 1")
        if min(budget, per_round, calm_rounds, max_rounds, patience) < 1 or members < 2:
            raise ValueError(
                "`budget`, `per_round`, `calm_rounds`, `max_rounds` and `patience` must be at "
                "least 1, `members` at least 2"
            )
        if not 0 <= checks < per_round:
            raise ValueError(
                f"`checks` {checks} are part of the {per_round} labels of a round: leave some to "
                "be learnt"
            )
        self._settings: dict[str, Any] = {
            **{"budget": int(budget), "low": limits.low, "high": limits.high},
            **{"per_round": int(per_round), "checks": int(checks), "members": int(members)},
            **{"share": float(share), "calm_rounds": int(calm_rounds)},
            **{"max_rounds": int(max_rounds), "patience": int(patience), "seed": int(seed)},
        }
        #: Where the loop stands: all that changes, JSON-able.
        self._now: dict[str, Any] = {
            **{"phase": TRAIN, "reason": "", "round": 1, "low": limits.low},
            **{"spent": 0, "labelled": 0, "calm": 0, "setbacks": 0, "tasks": 0, "selected": 0},
            "history": [],
        }

    # -- what to do ------------------------------------------------------------------------

    def next(self) -> dict[str, Any]:
        """Return the next task; the same until :meth:`update`.

        Returns
        -------
        dict
            ``action``, ``round`` and ``seed``, and

            - ``train``: ``members``, how many. Answer ``members`` (how many there are now),
              ``failed`` (key: reason) and, where it was calibrated anew, ``low``.
            - ``explore``: sample. Answer ``frames``, how many candidates were found, and ``why``
              there are none.
            - ``select``: ``thresholds``, ``settings`` (``budget`` and ``checks``). Answer with the
              report of :func:`aiida_nanoclusters.calculations.select.select_to_label`, of which
              ``selected``, ``reasons`` and ``classes`` are read, ``probes``: the classes by number
              of atoms, empty where there are none, and ``probe``: the size that is to agree, the
              largest of `probes` where it is left out.
            - ``label``: ``frames``, how many were selected. Answer ``labelled`` and ``failed``, how
              many.

            Empty when finished.
        """
        now, given = self._now, self._settings
        if self.is_finished:
            return {}
        task = {"action": now["phase"], "round": now["round"], "seed": self._seed()}
        if now["phase"] == TRAIN:
            task["members"] = given["members"]
        elif now["phase"] == SELECT:
            budget = min(given["per_round"], given["budget"] - now["spent"])
            task["thresholds"] = {"low": now["low"], "high": given["high"]}
            task["settings"] = {"budget": budget, "checks": min(given["checks"], budget - 1)}
        else:
            task["frames"] = now["selected"]
        return task

    def update(self, outcome: Mapping[str, Any]) -> None:
        """Take what came of the task, see :meth:`next`.

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
        """Whether it finished because the committee agrees on the largest probe."""
        return self.is_finished and self._now["reason"].startswith(_GOOD_ENDS[0])

    @property
    def gave_up(self) -> bool:
        """Whether it finished because a step failed, or brought nothing, too often."""
        return self.is_finished and not self._now["reason"].startswith(_GOOD_ENDS)

    @property
    def reason(self) -> str:
        """Why the loop has finished; what it does where it has not."""
        now = self._now
        return str(now["reason"]) or f"round {now['round']}: {now['phase']}"

    @property
    def history(self) -> list[dict[str, Any]]:
        """What came of each task: ``round``, ``action``, numbers, and ``note`` where it failed."""
        return deepcopy(self._now["history"])

    @property
    def last_selection(self) -> str:
        """What came of the last selection, in a sentence; empty before the first."""
        last = next((e for e in reversed(self._now["history"]) if e["action"] == SELECT), None)
        if last is None:
            return ""
        share = "unknown" if last["share"] is None else f"{100 * last['share']:.3g} %"
        whose = f"probes of {last['probe']} atoms" if last["probe"] else "frames"
        return f"round {last['round']}: {whose} in doubt {share}, {last['selected']} to label"

    @property
    def spent(self) -> int:
        """Labels asked for so far."""
        return int(self._now["spent"])

    @property
    def state(self) -> dict[str, Any]:
        """Everything, JSON-able."""
        return deepcopy({"settings": self._settings, "now": self._now})

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ActiveLearning:
        """Continue from :attr:`state`."""
        loop = cls(**state["settings"])
        loop._now = deepcopy(dict(state["now"]))
        return loop

    def taking_over(self, state: Mapping[str, Any]) -> ActiveLearning:
        """Return a loop with these settings that goes on from the state of another one.

        It begins with a training: who takes over has frames, but no committee.

        Raises
        ------
        ValueError
            If that one has converged: there is nothing to go on with.
        """
        loop = ActiveLearning.from_state({"settings": self._settings, "now": state["now"]})
        if loop.converged:
            raise ValueError(f"nothing is left to do: {loop.reason}")
        # What was calm under other settings, by a committee that is gone, does not count.
        loop._now.update(phase=TRAIN, reason="", setbacks=0, calm=0, low=self._settings["low"])
        return loop

    # -- what came of it -------------------------------------------------------------------

    def _trained(self, outcome: Mapping[str, Any]) -> None:
        members, failed = int(outcome["members"]), dict(outcome.get("failed") or {})
        lost = "; ".join(f"{key}: {why}" for key, why in sorted(failed.items()))
        low = self._now["low"] = float(outcome.get("low", self._now["low"]))
        Thresholds(low, self._settings["high"])
        self._note(TRAIN, members=members, low=low, note=lost)
        if members >= 2 and (over := self._over()):
            self._finish(over)
        elif members >= 2:
            self._go(EXPLORE)
        else:
            why = f"a committee of {members} cannot disagree ({lost or 'no reason given'})"
            self._setback(TRAIN, f"training failed: {why}")

    def _explored(self, outcome: Mapping[str, Any]) -> None:
        frames, why = int(outcome["frames"]), str(outcome.get("why") or "it brought no frames")
        self._note(EXPLORE, frames=frames, note="" if frames else why)
        if frames:
            self._go(SELECT, forgive=False)
        else:
            self._setback(EXPLORE, f"exploration failed: {why}")

    def _selected(self, outcome: Mapping[str, Any]) -> None:
        now, given, task = self._now, self._settings, self.next()
        selected, probes = int(outcome["selected"]), dict(outcome.get("probes") or {})
        if not 0 <= selected <= task["settings"]["budget"]:
            raise ValueError(f"{selected} frames for {task['settings']['budget']} labels")
        left_out = ", ".join(f"{n} {why}" for why, n in sorted(outcome["reasons"].items()))
        largest = outcome.get("probe") or max(map(int, probes), default=None)
        # A largest probe that nothing is known of is not replaced by what is easier.
        share = _share(probes.get(str(largest), {}) if largest else outcome["classes"])
        now["selected"] = selected
        notes = [] if selected else [f"nothing selected: {left_out}"]
        if largest and share is None:
            notes.append(f"no probe of {largest} atoms could be judged")
        self._note(SELECT, probe=largest, share=share, selected=selected, note="; ".join(notes))
        # Where nothing was found nothing is known.
        now["calm"] = now["calm"] + 1 if share is not None and share < given["share"] else 0
        if now["calm"] >= given["calm_rounds"]:
            whose = f"of the frames of {largest} atoms" if largest else "of all frames"
            limit = f"below {100 * given['share']:.3g} % in {now['calm']} rounds in a row"
            self._finish(f"converged: {100 * (share or 0):.3g} % {whose} in doubt, {limit}")
        elif selected:
            self._go(LABEL, forgive=False)
        elif now["calm"]:
            self._new_round(EXPLORE)  # a calm round needs no label
        else:
            hint = "raise `high`, sample colder or longer"
            self._setback(EXPLORE, f"nothing to label ({left_out}): {hint}", new_round=True)

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
            self._setback(EXPLORE, f"labelling failed: none of {failed} frames", new_round=True)

    # -- steps -----------------------------------------------------------------------------

    def _go(self, phase: str, *, forgive: bool = True) -> None:
        self._now["phase"] = phase
        if forgive:
            self._now["setbacks"] = 0

    def _new_round(self, phase: str, *, forgive: bool = True) -> None:
        self._now["round"] += 1
        over = self._over()
        if over and phase != TRAIN:  # the last labels are still learnt
            self._finish(over)
        else:
            self._go(phase, forgive=forgive)

    def _over(self) -> str:
        """Return which limit is reached, if any."""
        now, given = self._now, self._settings
        if now["spent"] >= given["budget"]:
            return f"budget: {now['spent']} labels asked for, {now['labelled']} obtained"
        if now["round"] > given["max_rounds"]:
            return f"rounds: all {given['max_rounds']} are done"
        return ""

    def _setback(self, phase: str, why: str, *, new_round: bool = False) -> None:
        """Try again with other seeds, or give up."""
        self._now["setbacks"] += 1
        if self._now["setbacks"] >= self._settings["patience"]:
            self._finish(f"{why}; {self._now['setbacks']} times in a row")
        elif new_round:
            self._new_round(phase, forgive=False)
        else:
            self._go(phase, forgive=False)

    def _finish(self, reason: str) -> None:
        self._now.update(phase=DONE, reason=reason)

    def _note(self, action: str, **numbers: Any) -> None:
        self._now["history"].append({"round": self._now["round"], "action": action, **numbers})

    def _seed(self) -> int:
        """Return a seed of its own for each task, the next attempt at one included."""
        return int(self._settings["seed"]) * 1_000_000 + int(self._now["tasks"]) * 100


def _share(classes: Mapping[str, int]) -> float | None:
    """Return the share of frames that are not good; None where there are none."""
    total = sum(classes.get(name, 0) for name in (GOOD, DECENT, POOR))
    return (total - classes.get(GOOD, 0)) / total if total else None

"""Which frames a reference is still to label, and how: a ladder of settings for stubborn ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

#: What became of a frame in one job.
LABELLED, REFUSED, UNFINISHED = "labelled", "refused", "unfinished"
#: Not done, and yet further than before: it goes on from there, and that is no fault.
ADVANCED = "advanced"


@dataclass
class _Progress:
    """One frame: its state (``pending``, ``labelled`` or ``failed``) and what has been tried."""

    state: str = "pending"
    rung: int = 0
    deaths: int = 0
    reason: str = ""
    attempts: list[dict[str, Any]] = field(default_factory=list)


class LabelLadder:
    """Frames on their way to a label, as a plain object that can be stored and resumed.

    A frame that the reference refuses - its self-consistent field does not converge, say - is tried
    with the settings of the next rung; above the last it has failed. One that its job never came
    to is tried again as it was, after those at which no job has died. A frame at which jobs die
    again and again has failed as well; and all have, where job after job does nothing at all.

    Parameters
    ----------
    count
        Number of frames.
    rungs
        Number of rungs, 1 or more.
    max_deaths
        Times a job may end before the first frame it was to do, until the frame is given up.
    max_barren
        Jobs in a row that may end without having done a single frame; no limit where None.

    Raises
    ------
    ValueError
        If there is no rung.
    """

    def __init__(
        self, count: int, rungs: int, max_deaths: int = 2, max_barren: int | None = None
    ) -> None:
        if rungs < 1:
            raise ValueError("a ladder needs a rung: give at least one, {} changes nothing")
        self.rungs, self.max_deaths, self.max_barren = rungs, max_deaths, max_barren
        self._barren = 0
        self._frames = [_Progress() for _ in range(count)]

    @property
    def state(self) -> dict[str, Any]:
        """Everything that :meth:`from_state` needs, of plain types."""
        frames = [asdict(frame) for frame in self._frames]
        return {
            "rungs": self.rungs,
            "max_deaths": self.max_deaths,
            "max_barren": self.max_barren,
            "barren": self._barren,
            "frames": frames,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> LabelLadder:
        """Return the ladder that had this state."""
        ladder = cls(0, state["rungs"], state["max_deaths"], state["max_barren"])
        ladder._barren = state["barren"]
        ladder._frames = [_Progress(**frame) for frame in state["frames"]]
        return ladder

    @property
    def is_finished(self) -> bool:
        """Whether every frame is labelled or given up."""
        return all(frame.state != "pending" for frame in self._frames)

    def next(self) -> tuple[int, list[int]]:
        """Return the lowest rung that frames wait on, and the indices of these in the order to do.

        Raises
        ------
        ValueError
            If no frame waits.
        """
        waiting = [i for i, frame in enumerate(self._frames) if frame.state == "pending"]
        if not waiting:
            raise ValueError("no frame is waiting for a label")
        rung = min(self._frames[i].rung for i in waiting)
        lowest = [i for i in waiting if self._frames[i].rung == rung]
        return rung, sorted(lowest, key=lambda i: (self._frames[i].deaths, i))

    def update(
        self,
        indices: Sequence[int],
        outcomes: Sequence[Mapping[str, Any]],
        *,
        blameless: bool = False,
    ) -> None:
        """Take in one job.

        Parameters
        ----------
        indices
            The frames it was given, as from :meth:`next`.
        outcomes
            For each of them ``state`` (labelled, refused, unfinished, advanced) and ``reason``.
            Frames are done in order: the first unfinished one is where the job ended. With
            ``out_of_time`` set that is no fault of a frame, unless it had all the time of the job;
            with ``out_of_memory`` set a frame has failed, as no repetition gives it more.
        blameless
            What ended the job was no fault of its frames: none of them is nearer to being given up.
        """
        stuck = not blameless and all(outcome["state"] != ADVANCED for outcome in outcomes)
        for place, (index, outcome) in enumerate(zip(indices, outcomes, strict=True)):
            frame, state, reason = self._frames[index], outcome["state"], outcome["reason"]
            if state == ADVANCED:
                frame.deaths = 0
            elif state != LABELLED:
                frame.attempts.append({"rung": frame.rung, "reason": reason})
            frame.reason = reason
            if state == LABELLED:
                frame.state, frame.reason = LABELLED, ""
            elif state == REFUSED:
                self._climb(frame)
            elif outcome.get("out_of_memory"):
                frame.state = "failed"
            elif state == UNFINISHED and stuck:
                if place == 0 or not outcome.get("out_of_time"):
                    self._die(frame, reason)
                stuck = False
        did_nothing = not blameless and all(
            outcome["state"] == UNFINISHED and not outcome.get("out_of_memory")
            for outcome in outcomes
        )
        self._barren = self._barren + 1 if did_nothing else 0
        if self.max_barren is not None and self._barren >= self.max_barren:
            self.give_up(f"{self._barren} jobs in a row did nothing: {outcomes[0]['reason']}")

    def give_up(self, reason: str) -> None:
        """Fail all frames that wait: what is wrong is not theirs."""
        for frame in self._frames:
            if frame.state == "pending":
                frame.state, frame.reason = "failed", reason

    def report(self) -> list[dict[str, Any]]:
        """Return for every frame its index, state, reason, and the attempts that gave no label."""
        return [
            {
                "index": i,
                "state": frame.state,
                "reason": frame.reason or None,
                "rung": frame.rung,
                "attempts": frame.attempts,
            }
            for i, frame in enumerate(self._frames)
        ]

    def _climb(self, frame: _Progress) -> None:
        frame.deaths = 0
        if frame.rung + 1 < self.rungs:
            frame.rung += 1
        else:
            frame.state = "failed"

    def _die(self, frame: _Progress, reason: str) -> None:
        frame.deaths += 1
        if frame.deaths > self.max_deaths:
            frame.state = "failed"
            frame.reason = f"jobs ended {frame.deaths} times before it was done: {reason}"

"""Which frames wait for a label, and with which settings: fallbacks for frames that fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from aiida_nanoclusters.science.keys import with_present_keys

#: State of a frame after one job.
LABELLED, REFUSED, UNFINISHED = "labelled", "refused", "unfinished"
#: Not finished, but closer to its end than before this job; the next job continues from there.
ADVANCED = "advanced"


@dataclass
class _Progress:
    """One frame: its state (``pending``, ``labelled`` or ``failed``) and what has been tried."""

    state: str = "pending"
    settings_level: int = 0
    failures: int = 0
    reason: str = ""
    attempts: list[dict[str, Any]] = field(default_factory=list)


class FallbackSequence:
    """Frames that wait for a label, as a plain object that can be stored and resumed.

    A frame that the reference engine refuses, e.g. because its self-consistent field does not
    converge, is repeated with the next settings level; after the last level it has failed. A frame
    that its job did not reach is repeated at the same level, after the frames at which no job has
    ended early. A frame at which jobs end early too often has failed as well. All frames have
    failed where too many jobs in a row finish nothing.

    Parameters
    ----------
    count
        Number of frames.
    levels
        Number of settings levels, 1 or more.
    max_failures
        Number of jobs that may end before the first frame they were given, until this frame has
        failed.
    max_failed_jobs
        Number of jobs in a row that may end without a finished frame; no limit where None.

    Raises
    ------
    ValueError
        If there is no settings level.
    """

    def __init__(
        self, count: int, levels: int, max_failures: int = 2, max_failed_jobs: int | None = None
    ) -> None:
        if levels < 1:
            raise ValueError("no settings level: give at least one, such as {} for no change")
        self.levels, self.max_failures, self.max_failed_jobs = levels, max_failures, max_failed_jobs
        self._failed_jobs = 0
        self._frames = [_Progress() for _ in range(count)]

    @property
    def state(self) -> dict[str, Any]:
        """Everything that :meth:`from_state` needs, of plain types."""
        frames = [asdict(frame) for frame in self._frames]
        return {
            "levels": self.levels,
            "max_failures": self.max_failures,
            "max_failed_jobs": self.max_failed_jobs,
            "failed_jobs": self._failed_jobs,
            "frames": frames,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> FallbackSequence:
        """Return the sequence that had this state, also one recorded by an earlier version."""
        given = with_present_keys(state)
        sequence = cls(0, given["levels"], given["max_failures"], given["max_failed_jobs"])
        sequence._failed_jobs = given["failed_jobs"]
        sequence._frames = [_Progress(**frame) for frame in given["frames"]]
        return sequence

    @property
    def is_finished(self) -> bool:
        """Whether every frame is labelled or has failed."""
        return all(frame.state != "pending" for frame in self._frames)

    def next(self) -> tuple[int, list[int]]:
        """Return the lowest settings level at which frames wait, and their indices in job order.

        Raises
        ------
        ValueError
            If no frame waits.
        """
        waiting = [i for i, frame in enumerate(self._frames) if frame.state == "pending"]
        if not waiting:
            raise ValueError("no frame is waiting for a label")
        level = min(self._frames[i].settings_level for i in waiting)
        lowest = [i for i in waiting if self._frames[i].settings_level == level]
        return level, sorted(lowest, key=lambda i: (self._frames[i].failures, i))

    def update(
        self,
        indices: Sequence[int],
        outcomes: Sequence[Mapping[str, Any]],
        *,
        external: bool = False,
    ) -> None:
        """Record the outcome of one job.

        Parameters
        ----------
        indices
            The frames it was given, as from :meth:`next`.
        outcomes
            For each of them ``state`` (labelled, refused, unfinished, advanced) and ``reason``.
            A job computes its frames in order: the first unfinished one is where it ended. With
            ``out_of_time`` this does not count against the frame, unless it had the walltime of
            the whole job. With ``out_of_memory`` the frame has failed, as a repetition would have
            no more memory.
        external
            Whether an external cause ended the job (full disk, preemption), which counts against
            none of its frames.
        """
        stuck = not external and all(outcome["state"] != ADVANCED for outcome in outcomes)
        for place, (index, outcome) in enumerate(zip(indices, outcomes, strict=True)):
            frame, state, reason = self._frames[index], outcome["state"], outcome["reason"]
            if state == ADVANCED:
                frame.failures = 0
            elif state != LABELLED:
                frame.attempts.append({"settings_level": frame.settings_level, "reason": reason})
            frame.reason = reason
            if state == LABELLED:
                frame.state, frame.reason = LABELLED, ""
            elif state == REFUSED:
                self._escalate(frame)
            elif outcome.get("out_of_memory"):
                frame.state = "failed"
            elif state == UNFINISHED and stuck:
                if place == 0 or not outcome.get("out_of_time"):
                    self._count_failure(frame, reason)
                stuck = False
        did_nothing = not external and all(
            outcome["state"] == UNFINISHED and not outcome.get("out_of_memory")
            for outcome in outcomes
        )
        self._failed_jobs = self._failed_jobs + 1 if did_nothing else 0
        if self.max_failed_jobs is not None and self._failed_jobs >= self.max_failed_jobs:
            self.fail_all(
                f"{self._failed_jobs} jobs in a row finished nothing: {outcomes[0]['reason']}"
            )

    def fail_all(self, reason: str) -> None:
        """Let all frames fail that still wait, for a reason that concerns every job."""
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
                "settings_level": frame.settings_level,
                "attempts": frame.attempts,
            }
            for i, frame in enumerate(self._frames)
        ]

    def _escalate(self, frame: _Progress) -> None:
        frame.failures = 0
        if frame.settings_level + 1 < self.levels:
            frame.settings_level += 1
        else:
            frame.state = "failed"

    def _count_failure(self, frame: _Progress, reason: str) -> None:
        frame.failures += 1
        if frame.failures > self.max_failures:
            frame.state = "failed"
            frame.reason = f"{frame.failures} jobs ended before it was finished: {reason}"

"""Many children of one kind, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Sequence

from aiida.engine import ProcessSpec, WorkChain
from aiida.orm import Int, List, ProcessNode

from aiida_nanoclusters.calculations.frames import select_frames
from aiida_nanoclusters.data.frames import FramesData


def validate_max_concurrent(value: Int | None, _) -> str | None:
    """At least one child must be allowed to run."""
    if value is not None and value.value < 1:
        return f"max_concurrent is {value.value}: give 1 or more, e.g. the number of cores"
    return None


def take(frames: FramesData, indices: Sequence[int]) -> FramesData:
    """Return the frames of these indices in this order: the same node where that is all of them."""
    if list(indices) == list(range(len(frames))):
        return frames
    return select_frames(frames, List(list(indices)))


class BatchedWorkChain(WorkChain):
    """Base of work chains whose main step runs the same kind of child for many batches.

    A subclass fills ``ctx.batches`` with plain values, says in :meth:`submit_batch` what one of
    them is, and puts ``while_(cls.has_batches)(cls.submit_batches)`` in its outline. Afterwards
    :meth:`finished_batches` gives the children in order. At most `max_concurrent` run at once,
    so a long sweep never floods the daemon or a queue.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Add the one port all such work chains share."""
        super().define(spec)
        spec.input(
            "max_concurrent",
            valid_type=Int,
            default=lambda: Int(2),
            validator=validate_max_concurrent,
            help="How many jobs may be submitted at once.",
        )

    def submit_batch(self, batch) -> ProcessNode:
        """Submit the child for one entry of ``ctx.batches``."""
        raise NotImplementedError

    def has_batches(self) -> bool:
        """Whether batches are left to submit."""
        return self.ctx.get("n_submitted", 0) < len(self.ctx.batches)

    def submit_batches(self) -> None:
        """Submit the next batches and wait for them."""
        first = self.ctx.get("n_submitted", 0)
        last = min(first + self.inputs.max_concurrent.value, len(self.ctx.batches))
        for index in range(first, last):
            self.to_context(**{_key(index): self.submit_batch(self.ctx.batches[index])})
        self.ctx.n_submitted = last
        self.report(f"submitted batches {first + 1} to {last} of {len(self.ctx.batches)}")

    def finished_batches(self) -> list[ProcessNode]:
        """Return the children in the order of ``ctx.batches``, failed ones included."""
        return [self.ctx[_key(index)] for index in range(self.ctx.get("n_submitted", 0))]


def _key(index: int) -> str:
    return f"batch_{index:05d}"

"""Work chains with many children of one kind, a limited number at a time."""

from __future__ import annotations

from collections.abc import Sequence

from aiida.engine import ProcessSpec, WorkChain, append_
from aiida.orm import Int, List, ProcessNode, load_node

from aiida_nanoclusters.calculations.frames import select_frames
from aiida_nanoclusters.data.frames import FramesData


def validate_max_concurrent(value: Int | None, _) -> str | None:
    """Refuse limits that allow no child to run."""
    if value is not None and value.value < 1:
        return f"max_concurrent is {value.value}: give 1 or more, e.g. the number of cores"
    return None


def take(frames: FramesData, indices: Sequence[int]) -> FramesData:
    """Return the frames of these indices in this order; the same node where these are all."""
    if list(indices) == list(range(len(frames))):
        return frames
    return select_frames(frames, List(list(indices)))


def describe_child(child: ProcessNode) -> str:
    """Return the label, the PK and the exit message of a child."""
    return f"{child.process_label}<{child.pk}>: {child.exit_message or 'see its report'}"


class BatchedWorkChain(WorkChain):
    """Base of work chains whose main step runs the same kind of child for many batches.

    A subclass fills ``ctx.batches`` with plain values, submits the child of one of them in
    :meth:`submit_batch`, and puts ``while_(cls.has_batches)(cls.submit_batches)`` in its outline.
    Afterwards :meth:`finished_batches` gives the children in order. At most `max_concurrent` run at
    once, so that many batches do not overload the daemon or a queue.

    The context is written to the database at every step, so it keeps numbers of children, not
    the children, and ``ctx.batches`` is a ``List`` node where batches hold thousands of values.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare the limit of children."""
        super().define(spec)
        what = "Largest number of jobs that are submitted at once. Default: 2."
        limit = {"validator": validate_max_concurrent, "help": what}
        spec.input("max_concurrent", valid_type=Int, default=lambda: Int(2), **limit)

    def submit_batch(self, batch) -> ProcessNode:
        """Submit the child for one entry of ``ctx.batches``."""
        raise NotImplementedError

    def has_batches(self) -> bool:
        """Whether batches are left to submit."""
        return len(self.ctx.get("children", [])) < len(self.ctx.batches)

    def submit_batches(self) -> None:
        """Submit the next batches and wait for them."""
        children, count = self.ctx.setdefault("children", []), len(self.ctx.batches)
        first = len(children)
        last = min(first + self.inputs.max_concurrent.value, count)
        self.ctx.running = []
        for index in range(first, last):
            child = self.submit_batch(self.ctx.batches[index])
            children.append(child.pk)
            self.to_context(running=append_(child))
        self.report(f"submitted batches {first + 1} to {last} of {count}")

    def child(self, index: int) -> ProcessNode:
        """Return the child of one entry of ``ctx.batches``."""
        node = load_node(self.ctx.children[index])
        assert isinstance(node, ProcessNode)
        return node

    def finished_batches(self) -> list[ProcessNode]:
        """Return the children in the order of ``ctx.batches``, failed ones included."""
        return [self.child(index) for index in range(len(self.ctx.get("children", [])))]

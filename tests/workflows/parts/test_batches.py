"""Many children, a bounded number at a time."""

from itertools import pairwise

from aiida.engine import WorkChain, run_get_node, while_
from aiida.orm import Int, Node

from aiida_nanoclusters.workflows.parts.batches import BatchedWorkChain, validate_max_concurrent


class Child(WorkChain):
    @classmethod
    def define(cls, spec):
        super().define(spec)
        spec.input("number", valid_type=Int)
        spec.outline(cls.nothing)

    def nothing(self):
        pass


class Parent(BatchedWorkChain):
    @classmethod
    def define(cls, spec):
        super().define(spec)
        spec.outline(cls.divide, while_(cls.has_batches)(cls.submit_batches, cls.note), cls.gather)

    def divide(self):
        self.ctx.batches, self.ctx.nodes = [5, 3, 4, 1, 2], []

    def submit_batch(self, batch):
        return self.submit(Child, number=Int(batch))

    def note(self):
        """Count the nodes that the context would write to the database."""
        values = [v for x in self.ctx.values() for v in (x if isinstance(x, list) else [x])]
        self.ctx.nodes.append(sum(isinstance(value, Node) for value in values))

    def gather(self):
        numbers = [child.inputs.number.value for child in self.finished_batches()]
        self.node.base.extras.set("nodes", self.ctx.nodes)
        self.node.base.extras.set("numbers", numbers)
        self.node.base.extras.set("third", self.child(2).inputs.number.value)


def test_children_keep_their_order_and_the_context_does_not_grow(aiida_profile):
    _, node = run_get_node(Parent, max_concurrent=Int(2))
    assert node.is_finished_ok, node.exit_message
    assert node.base.extras.get("numbers") == [5, 3, 4, 1, 2]
    assert node.base.extras.get("third") == 4
    assert node.base.extras.get("nodes") == [2, 2, 1]
    children = sorted(node.called, key=lambda child: child.pk)
    pairs = [children[i : i + 2] for i in range(0, 5, 2)]
    for pair, following in pairwise(pairs):
        assert max(c.mtime for c in pair) <= min(c.ctime for c in following)


def test_one_child_at_least():
    assert "give 1 or more" in validate_max_concurrent(Int(0), None)
    assert validate_max_concurrent(Int(1), None) is None

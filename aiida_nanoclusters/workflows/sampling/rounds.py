"""RoundsWorkChain: a search whose rounds relax what it proposes, side by side, by any engine."""

from __future__ import annotations

from typing import Any

from aiida.engine import ProcessSpec, WorkChain, while_
from aiida.orm import Dict, List

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.sampling.stages import StagesWorkChain


class RoundsWorkChain(WorkChain):
    """Base of such searches. Their state says whether it `is_finished`.

    A structure whose relaxation fails counts as tried; so do all of a round that fails as a whole.
    """

    #: Consecutive rounds without a single minimum after which the search ends.
    _patience: int

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare what the rounds need, and the outline."""
        super().define(spec)
        common_ports.seed_port(spec)
        spec.expose_inputs(StagesWorkChain, exclude=("frames", "stages", "seeds"))
        spec.outline(
            cls.start,
            while_(cls.is_unfinished)(cls.relax, cls.update),
            cls.results,
        )
        spec.exit_code(400, "ERROR_NO_MINIMUM", message="No relaxation ended in a minimum.")

    def start(self) -> None:
        """Begin the search."""
        self.ctx.state = self._begin()
        self.ctx.n_rounds = self.ctx.n_lost = 0

    def is_unfinished(self) -> bool:
        """Whether there is more to relax, and not too many rounds in a row have failed."""
        return not self.ctx.state["is_finished"] and self.ctx.n_lost < self._patience

    def relax(self) -> None:
        """Relax the proposed structures of a round, in one batch."""
        inputs = self.exposed_inputs(StagesWorkChain)
        inputs["frames"] = self.ctx.proposed = self._propose()
        inputs["stages"] = List(self.inputs.settings["relax_stages"])
        self.ctx.n_rounds += 1
        self.report(self._describe_round())
        self.to_context(run=self.submit(StagesWorkChain, **inputs))

    def update(self) -> None:
        """Take the relaxed structures."""
        child = self.ctx.run
        if not child.is_finished_ok:
            self.report(f"StagesWorkChain<{child.pk}>: {child.exit_message}")
        found = {k: child.outputs[k] for k in ("report", "structures") if k in child.outputs}
        self.ctx.state = self._advance(found)
        if "structures" in found:
            self.ctx.reference = found["structures"]
        self.ctx.n_lost = 0 if "structures" in found else self.ctx.n_lost + 1

    def results(self) -> Any:
        """Return what was found."""
        raise NotImplementedError

    def _begin(self) -> Dict:
        """Return the state in which the search begins."""
        raise NotImplementedError

    def _propose(self) -> FramesData:
        """Return the structures of the next round."""
        raise NotImplementedError

    def _advance(self, found: dict[str, Any]) -> Dict:
        """Return the state after a round, of which there are `report` and `structures`, or none."""
        raise NotImplementedError

    def _describe_round(self) -> str:
        """Return what the round that begins is, in words."""
        raise NotImplementedError

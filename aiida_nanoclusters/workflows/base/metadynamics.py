"""MetadynamicsBaseWorkChain: one biased run, in as many jobs as it takes."""

from __future__ import annotations

from typing import Any

from aiida.engine import ProcessSpec
from aiida.orm import ArrayData

from aiida_nanoclusters.calculations.sampling.metadynamics import MetadynamicsCalculation
from aiida_nanoclusters.calculations.sampling.metadynamics_results import join_bias
from aiida_nanoclusters.workflows.base.lammps import LammpsBaseWorkChain


class MetadynamicsBaseWorkChain(LammpsBaseWorkChain):
    """Run one cluster under its bias to the end; each job continues with all hills before it."""

    _process_class = MetadynamicsCalculation

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare the output beside those of the stages."""
        super().define(spec)
        spec.output(
            "bias",
            valid_type=ArrayData,
            required=False,
            help="Variables in time and all hills; names in `science/keys.py`.",
        )

    def attach_merged(self) -> Any:
        """Attach the outputs of all jobs together; return the report, or None."""
        report = super().attach_merged()
        parts = [child.outputs.bias for child in self.ctx.children if "bias" in child.outputs]
        if parts:
            names = {f"bias_{number:03d}": node for number, node in enumerate(parts)}
            self.out("bias", parts[0] if len(parts) == 1 else join_bias(**names))
        return report

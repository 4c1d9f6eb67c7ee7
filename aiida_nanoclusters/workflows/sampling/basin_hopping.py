"""BasinHoppingWorkChain: minima of many sizes by basin-hopping Monte Carlo, with any engine."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec
from aiida.orm import Dict, Int, List, Str

from aiida_nanoclusters.calculations.frames import concatenate_frames
from aiida_nanoclusters.calculations.sampling import basin_hopping as steps
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.compositions import symbols_of
from aiida_nanoclusters.science.sampling.settings import BasinHoppingSettings
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.sampling.rounds import RoundsWorkChain
from aiida_nanoclusters.workflows.sampling.stages import validate_inputs as validate_engine_inputs

#: Inputs that say which clusters are searched.
CLUSTERS = ("element", "sizes", "compositions")


class BasinHoppingWorkChain(RoundsWorkChain):
    """Move walkers of many sizes from minimum to minimum; a round relaxes one structure of each.

    A structure whose relaxation fails counts as one step of its walker; a round that fails as a
    whole counts as one step of each walker.
    """

    _patience = 3

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        common_ports.element_port(spec, required=False)
        common_ports.sizes_port(spec, required=False)
        common_ports.compositions_port(spec)
        common_ports.settings_port(spec, BasinHoppingSettings, "Walkers, moves and stages")
        spec.inputs.validator = validate_inputs
        common_ports.frames_output(
            spec,
            "minima",
            "Distinct minima with labels and origin, by composition, energies ascending.",
            required=False,
        )
        common_ports.frames_output(
            spec,
            "trajectory",
            "Labelled frames of the relaxations, where the stages have `sample_steps`.",
            required=False,
        )
        spec.output(
            "table",
            valid_type=Dict,
            required=False,
            help="Relaxations and minima of each size or composition; `excess` (eV) of "
            "compositions whose pure clusters were searched too.",
        )
        spec.exit_code(401, "ERROR_SIZES_MISSING", message="No minimum of {sizes}.")
        spec.exit_code(
            402,
            "ERROR_ROUNDS_FAILED",
            message="{count} rounds in a row relaxed no structure; the minima are attached.",
        )

    @classmethod
    def get_builder_from_protocol(
        cls,
        code,
        potential,
        element=None,
        sizes=(),
        protocol=None,
        overrides=None,
        options=None,
        *,
        compositions=(),
    ):
        """Return a builder for a LAMMPS `code`; numbers from `protocols/basin_hopping.yaml`.

        Parameters
        ----------
        code, potential, element, sizes
            LAMMPS, PotentialData it can run, chemical symbol, numbers of atoms.
        protocol, overrides
            Name of a protocol, and what to change in it.
        options
            `metadata.options` of the jobs.
        compositions
            Formulas such as ``Ag13Cu42``, in place of element and sizes.
        """
        largest = max([*sizes, *(len(symbols_of(formula)) for formula in compositions)])
        inputs = {**job(code, options, "relax", largest), "potential": potential}
        engine = {"potential": {"lammps": inputs}}
        return cls.get_builder_for_engine(
            engine, element, sizes, protocol, overrides, compositions=compositions
        )

    @classmethod
    def get_builder_for_engine(
        cls, inputs, element=None, sizes=(), protocol=None, overrides=None, *, compositions=()
    ):
        """Return a builder with the `inputs` of :meth:`.LabelWorkChain.engine_inputs`."""
        builder = cls.get_builder()
        if compositions:
            builder.compositions = List(list(compositions))
            element = sorted({s for formula in compositions for s in symbols_of(formula)})
        else:
            builder.element, builder.sizes = Str(element), List(list(sizes))
        values = load_protocol("basin_hopping", protocol, overrides, element=element)
        builder.settings = Dict(values["settings"])
        for name, value in inputs.items():
            setattr(builder, name, value)
        return builder

    def _begin(self) -> Dict:
        self.ctx.trajectories = {}
        given = self.inputs
        clusters = {name: given[name] for name in CLUSTERS if name in given}
        return steps.start_basin_hopping(given.settings, given.seed, **clusters)

    def _propose(self) -> FramesData:
        return steps.propose_structures(self.ctx.state)

    def _advance(self, found) -> Dict:
        outputs = self.ctx.run.outputs
        if "trajectory" in outputs:
            self.ctx.trajectories[f"round_{self.ctx.n_rounds:05d}"] = outputs.trajectory
        return steps.update_basin_hopping(self.ctx.state, **found)

    def _describe_round(self) -> str:
        settings = BasinHoppingSettings(**self.inputs.settings.get_dict())
        return f"round {self.ctx.n_rounds} of {settings.steps}"

    def results(self) -> ExitCode | None:
        """Return minima, table and trajectory; end with an exit code where sizes are missing."""
        if self.ctx.trajectories:
            self.out("trajectory", concatenate_frames(**self.ctx.trajectories))
        if not self.ctx.state["minima"]:
            return self.exit_codes.ERROR_NO_MINIMUM
        found = steps.collect_minima(self.ctx.state, self.ctx.reference)
        self.out_many(found)
        if self.ctx.n_lost >= self._patience:
            return self.exit_codes.ERROR_ROUNDS_FAILED.format(count=self.ctx.n_lost)
        rows = [row for row in found["table"]["rows"] if row["lowest"] is None]
        if rows:
            missing = ", ".join(row.get("formula") or f"{row['size']} atoms" for row in rows)
            return self.exit_codes.ERROR_SIZES_MISSING.format(sizes=missing)
        return None


def validate_inputs(inputs, _) -> str | None:
    """The walkers must be able to start, and the engine to relax their structures."""
    if "settings" not in inputs:
        return None  # its port says so itself
    given = {name: inputs[name] for name in CLUSTERS if name in inputs}
    if set(given) not in ({"element", "sizes"}, {"compositions"}):
        return "give either `element` and `sizes`, or `compositions`"
    seed = inputs["seed"] if "seed" in inputs else Int(1)
    try:
        search = steps.make_search(inputs["settings"], seed, **given)
        first = FramesData(search.examples())
    except (TypeError, ValueError) as error:
        return str(error)
    stages = List(inputs["settings"]["relax_stages"])
    return validate_engine_inputs({**inputs, "frames": first, "stages": stages}, None)

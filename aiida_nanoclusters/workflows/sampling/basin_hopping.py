"""BasinHoppingWorkChain: minima of many sizes by basin-hopping Monte Carlo, with any engine."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec, WorkChain, while_
from aiida.orm import Dict, Int, List, Str

from aiida_nanoclusters.calculations import basin_hopping as steps
from aiida_nanoclusters.calculations.frames import concatenate_frames
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.stages import parse_stages
from aiida_nanoclusters.workflows.jobs import job
from aiida_nanoclusters.workflows.protocol import load_protocol
from aiida_nanoclusters.workflows.stages import StagesWorkChain
from aiida_nanoclusters.workflows.stages import validate_inputs as validate_engine_inputs
from aiida_nanoclusters.workflows.validators import names_problem, validate_element, validate_sizes

_SETTINGS = {
    *("walkers", "steps", "temperature", "step", "acceptance", "moves", "bounds", "keep"),
    "relax_stages",
}
#: So many rounds without a single minimum end the search.
_PATIENCE = 3


class BasinHoppingWorkChain(WorkChain):
    """Lead walkers of many sizes from minimum to minimum; each round relaxes one structure of each.

    A structure that fails costs its walker one step; a round that fails as a whole costs each
    walker one.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input("element", valid_type=Str, validator=validate_element)
        spec.input("sizes", valid_type=List, validator=validate_sizes)
        spec.input("settings", valid_type=Dict, validator=validate_settings)
        spec.input("seed", valid_type=Int, default=lambda: Int(1))
        spec.expose_inputs(StagesWorkChain, exclude=("frames", "stages", "seeds"))
        spec.inputs.validator = validate_inputs
        spec.output(
            "minima",
            valid_type=FramesData,
            required=False,
            help="Unlike minima with labels and origin, sizes and energies ascending.",
        )
        spec.output(
            "trajectory",
            valid_type=FramesData,
            required=False,
            help="Labelled frames on the way, where the stages have `sample_steps`.",
        )
        spec.output("table", valid_type=Dict, required=False, help="What came of each size.")
        spec.outline(
            cls.start,
            while_(cls.is_unfinished)(cls.relax, cls.update),
            cls.results,
        )
        spec.exit_code(400, "ERROR_NO_MINIMUM", message="No relaxation ended in a minimum.")
        spec.exit_code(401, "ERROR_SIZES_MISSING", message="No minimum of {sizes} atoms.")
        spec.exit_code(
            402,
            "ERROR_ROUNDS_FAILED",
            message="{count} rounds one after another relaxed nothing; the minima are attached.",
        )

    @classmethod
    def get_builder_from_protocol(
        cls, code, potential, element, sizes, protocol=None, overrides=None, options=None
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
        """
        inputs = {**job(code, options, "relax", max(sizes)), "potential": potential}
        engine = {"potential": {"lammps": inputs}}
        return cls.get_builder_for_engine(engine, element, sizes, protocol, overrides)

    @classmethod
    def get_builder_for_engine(cls, inputs, element, sizes, protocol=None, overrides=None):
        """Return a builder with the `inputs` of :meth:`.LabelWorkChain.engine_inputs`."""
        builder = cls.get_builder()
        builder.element, builder.sizes = Str(element), List(list(sizes))
        values = load_protocol("basin_hopping", protocol, overrides, element=element)
        builder.settings = Dict(values["settings"])
        for name, value in inputs.items():
            setattr(builder, name, value)
        return builder

    def start(self) -> None:
        """Set up the walkers."""
        given = self.inputs
        self.ctx.state = steps.start_basin_hopping(
            given.element, given.sizes, given.settings, given.seed
        )
        self.ctx.trajectories, self.ctx.n_rounds, self.ctx.n_lost = {}, 0, 0

    def is_unfinished(self) -> bool:
        """Whether walkers have steps left, and there is hope."""
        return not self.ctx.state["is_finished"] and self.ctx.n_lost < _PATIENCE

    def relax(self) -> None:
        """Relax what all walkers propose, in one batch."""
        inputs = self.exposed_inputs(StagesWorkChain)
        inputs["frames"] = steps.propose_structures(self.ctx.state)
        inputs["stages"] = List(self.inputs.settings["relax_stages"])
        self.ctx.n_rounds += 1
        self.report(f"round {self.ctx.n_rounds} of {self.inputs.settings['steps']}")
        self.to_context(run=self.submit(StagesWorkChain, **inputs))

    def update(self) -> None:
        """Tell the walkers what came out."""
        child = self.ctx.run
        if not child.is_finished_ok:
            self.report(f"StagesWorkChain<{child.pk}>: {child.exit_message}")
        found = {k: child.outputs[k] for k in ("report", "structures") if k in child.outputs}
        self.ctx.state = steps.update_basin_hopping(self.ctx.state, **found)
        if "structures" in found:
            self.ctx.reference = found["structures"]
        if "trajectory" in child.outputs:
            self.ctx.trajectories[f"round_{self.ctx.n_rounds:05d}"] = child.outputs.trajectory
        self.ctx.n_lost = 0 if "structures" in found else self.ctx.n_lost + 1

    def results(self) -> ExitCode | None:
        """Hand on minima, table and trajectory; what is missing is an error that says so."""
        if self.ctx.trajectories:
            self.out("trajectory", concatenate_frames(**self.ctx.trajectories))
        if not self.ctx.state["minima"]:
            return self.exit_codes.ERROR_NO_MINIMUM
        found = steps.collect_minima(self.ctx.state, self.ctx.reference)
        self.out_many(found)
        if self.ctx.n_lost >= _PATIENCE:
            return self.exit_codes.ERROR_ROUNDS_FAILED.format(count=self.ctx.n_lost)
        missing = set(self.inputs.sizes) - set(found["minima"].sizes)
        if missing:
            return self.exit_codes.ERROR_SIZES_MISSING.format(
                sizes=", ".join(map(str, sorted(missing)))
            )
        return None


def validate_settings(value: Dict, _) -> str | None:
    """All settings must be there; the search itself says whether they make sense."""
    settings = value.get_dict()
    if problem := names_problem(settings, _SETTINGS):
        return problem
    try:
        stages = parse_stages(settings["relax_stages"])
    except ValueError as error:
        return f"settings: {error}"
    if stages[-1].is_dynamic:
        return "settings: `relax_stages` must end in a minimisation, such as `{kind: relax}`"
    return None


def validate_inputs(inputs, _) -> str | None:
    """The walkers must be able to start, and the engine to relax their structures."""
    if not {"element", "sizes", "settings"} <= set(inputs):
        return None  # the ports say so themselves
    seed = inputs["seed"] if "seed" in inputs else Int(1)
    try:
        search = steps.make_search(inputs["element"], inputs["sizes"], inputs["settings"], seed)
        first = FramesData(list(search.next().values()))
    except (TypeError, ValueError) as error:
        return f"settings: {error}"
    stages = List(inputs["settings"]["relax_stages"])
    return validate_engine_inputs({**inputs, "frames": first, "stages": stages}, None)
